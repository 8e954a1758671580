// tandem-control: reads the configuration, checks backends, publishes tables. Arguments, signals
// and the event loop.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "conf/load.h"
#include "control/control.h"
#include "control/hash_key.h"

namespace tandem {
namespace {

spdlog::level::level_enum spdlog_level(conf::LogLevel level) {
    switch (level) {
        case conf::LogLevel::kDebug:
            return spdlog::level::debug;
        case conf::LogLevel::kInfo:
            return spdlog::level::info;
        case conf::LogLevel::kWarning:
            return spdlog::level::warn;
        case conf::LogLevel::kError:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

int check(const conf::Loaded& loaded, const std::string& path) {
    if (!loaded.config) {
        std::cerr << loaded.diagnostics.size() << " error"
                  << (loaded.diagnostics.size() == 1 ? "" : "s") << " in " << path << '\n';
        return 1;
    }
    std::cout << path << ": ok, " << loaded.config->vips.size() << " VIPs, "
              << loaded.config->pools.size() << " pools\n";
    return 0;
}

int serve(const std::string& path, const conf::Config& config) {
    Result<HashKey> key = obtain_hash_key(config.control.state_dir);
    if (!key) {
        spdlog::warn("{}; the next start of the whole machine spreads flows anew",
                     key.error().message);
        key = random_hash_key();
    }
    boost::asio::io_context io(1);
    int exit_code = 0;
    Control control(io, path, config, key.value(), [&](const std::string& why) {
        spdlog::error("{}", why);
        exit_code = 1;
        io.stop();
    });

    boost::asio::signal_set ends(io, SIGTERM, SIGINT);
    ends.async_wait([&](const boost::system::error_code& error, int) {
        if (!error) io.stop();
    });
    boost::asio::signal_set hangup(io, SIGHUP);
    const std::function<void()> await_reload = [&] {
        hangup.async_wait([&](const boost::system::error_code& error, int) {
            if (error) return;
            control.reload();
            await_reload();
        });
    };
    await_reload();

    const Status started = control.start();
    if (!started) {
        spdlog::error("{}", started.error().message);
        return 1;
    }
    io.run();
    control.stop();
    spdlog::info("tandem-control stops; forwarding goes on with the tables as they are");
    return exit_code;
}

int main_program(int argc, char** argv) {
    CLI::App app("Tandem's control: checks backends and tells the dataplane where flows go.");
    std::string path = "/etc/tandem/tandem.toml";
    std::string to_check;
    app.add_option("--config", path, "Configuration file")->capture_default_str();
    app.add_option("--check", to_check, "Only say whether a configuration file is right");
    app.set_version_flag("--version", TANDEM_VERSION);
    CLI11_PARSE(app, argc, argv);

    const std::string& file = to_check.empty() ? path : to_check;
    const conf::Loaded loaded = conf::load_file(file);
    for (const conf::Diagnostic& diagnostic : loaded.diagnostics) {
        std::cerr << diagnostic.str() << '\n';
    }
    if (!to_check.empty()) return check(loaded, file);
    if (!loaded.config) return 1;

    spdlog::set_default_logger(spdlog::stderr_logger_mt("control"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n %l: %v");
    spdlog::set_level(spdlog_level(loaded.config->control.log_level));
    spdlog::flush_on(spdlog::level::debug);
    return serve(path, *loaded.config);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
    return tandem::main_program(argc, argv);
}
