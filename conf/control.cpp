#include "conf/control.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kPathMax = 4095;  // PATH_MAX, less the terminating zero

constexpr std::array<Word<LogLevel>, 4> kLogLevelWords{{{"debug", LogLevel::kDebug},
                                                        {"info", LogLevel::kInfo},
                                                        {"warning", LogLevel::kWarning},
                                                        {"error", LogLevel::kError}}};

}  // namespace

Control read_control(Section& root) {
    Control control;
    Section section = root.subsection("control");
    section.choice("log_level", kLogLevelWords, control.log_level);
    section.file_path("state_dir", kPathMax, control.state_dir);
    section.finish();
    return control;
}

}  // namespace tandem::conf
