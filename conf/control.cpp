#include "conf/control.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kPathMax = 4095;  // PATH_MAX, less the terminating zero

constexpr std::array<Word<LogLevel>, 4> kLogLevelWords{{{"debug", LogLevel::kDebug},
                                                        {"info", LogLevel::kInfo},
                                                        {"warning", LogLevel::kWarning},
                                                        {"error", LogLevel::kError}}};

}  // namespace

Control read_control(Section& root, const Dataplane& dataplane) {
    Control control;
    Section section = root.subsection("control");
    section.choice("log_level", kLogLevelWords, control.log_level);
    section.file_path("state_dir", kPathMax, control.state_dir);
    const std::string directory = dataplane.socket.substr(0, dataplane.socket.rfind('/') + 1);
    control.admin_socket = directory + "control.sock";
    section.file_path("admin_socket", kSocketPathMax, control.admin_socket);
    if (control.admin_socket == dataplane.socket) {
        section.reject("admin_socket",
                       in_quotes(control.admin_socket) + " is the socket of the dataplane");
    }
    section.finish();
    return control;
}

}  // namespace tandem::conf
