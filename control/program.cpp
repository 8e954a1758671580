#include "control/program.h"

#include <csignal>
#include <iostream>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "conf/command_line.h"
#include "conf/load.h"
#include "control/ask.h"
#include "control/control.h"
#include "control/hash_key.h"

namespace tandem {
namespace {

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

/// Prints the answer as it comes.
int ask(const std::string& socket, const std::string& order) {
    const Result<std::string> answer = admin::ask(socket, order);
    if (!answer) {
        std::cerr << answer.error().message << '\n';
        return 1;
    }
    std::cout << answer.value() << '\n';
    return admin::is_ok(answer.value()) ? 0 : 1;
}

int serve(const std::string& path, const conf::Config& config) {
    Result<plan::TableKey> key = obtain_hash_key(config.control.state_dir);
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

}  // namespace

int run_control(int argc, char** argv) {
    const conf::CommandLine command_line = conf::read_command_line(
        argc, argv, "Tandem's control: checks backends and tells the dataplane where flows go.",
        /*is_control=*/true);
    if (command_line.exit_code) return *command_line.exit_code;
    const bool only_checks = !command_line.check.empty();
    const std::string& file = only_checks ? command_line.check : command_line.config;
    const conf::Loaded loaded = conf::load_file(file);
    for (const conf::Diagnostic& diagnostic : loaded.diagnostics) {
        std::cerr << diagnostic.str() << '\n';
    }
    if (only_checks) return check(loaded, file);
    if (!loaded.config) return 1;
    if (!command_line.ask.empty())
        return ask(loaded.config->control.admin_socket, command_line.ask);

    conf::log_to_stderr("control", loaded.config->control.log_level);
    return serve(file, *loaded.config);
}

}  // namespace tandem
