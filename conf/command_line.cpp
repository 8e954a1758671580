#include "conf/command_line.h"

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tandem::conf {

namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return spdlog::level::debug;
        case LogLevel::kInfo:
            return spdlog::level::info;
        case LogLevel::kWarning:
            return spdlog::level::warn;
        case LogLevel::kError:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

}  // namespace

CommandLine read_command_line(int argc, char** argv, const std::string& purpose, bool is_control) {
    CommandLine command_line;
    CLI::App app(purpose);
    app.add_option("--config", command_line.config, "Configuration file")->capture_default_str();
    if (is_control) {
        CLI::Option* check = app.add_option("--check", command_line.check,
                                            "Only say whether a configuration file is right");
        CLI::Option* ask = app.add_option(
            "--ask", command_line.ask,
            "Give the running tandem-control an order, such as {\"do\":\"handoff\"}, and print its "
            "answer");
        ask->excludes(check);
        app.add_option("FILE", command_line.config, "Of --ask: the configuration file")
            ->needs(ask)
            ->excludes("--config");
    }
    app.set_version_flag("--version", TANDEM_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        command_line.exit_code = app.exit(error);
    }
    return command_line;
}

void log_to_stderr(const std::string& program, LogLevel level) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt(program));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n %l: %v");
    spdlog::set_level(spdlog_level(level));
    spdlog::flush_on(spdlog::level::debug);
}

}  // namespace tandem::conf
