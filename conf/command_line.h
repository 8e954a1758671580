// How Tandem's programs are started: their arguments, and where they log to.
#pragma once

#include <optional>
#include <string>

#include "conf/config.h"

namespace tandem::conf {

struct CommandLine {
    std::string config = "/etc/tandem/tandem.toml";
    std::string check;             ///< a file that is only to be checked; empty: none
    std::string ask;               ///< an order for the running control; empty: none
    std::optional<int> exit_code;  ///< set: nothing is left to do (--help, a wrong argument)
};

/// Of a program whose `purpose` --help tells. `is_control`: it has --check and --ask.
CommandLine read_command_line(int argc, char** argv, const std::string& purpose, bool is_control);

/// One line an event on standard error, beginning with the time and `program`.
void log_to_stderr(const std::string& program, LogLevel level);

}  // namespace tandem::conf
