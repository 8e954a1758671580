#include "tests/sim/schedules.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

namespace tandem::sim {

Options parse(int argc, char** argv, const char* what, std::uint64_t schedules) {
    Options options{.schedules = schedules,
                    .jobs = std::max(1U, std::thread::hardware_concurrency())};
    CLI::App app{what};
    app.add_option("--schedules", options.schedules, "how many, each of a seed of its own")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of the first")->capture_default_str();
    app.add_option("--jobs", options.jobs, "at a time")
        ->check(CLI::Range(1U, 256U))
        ->capture_default_str();
    app.add_flag("--trace", options.traces, "print what happens");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    if (options.traces) options.jobs = 1;
    return options;
}

void run_all(const Options& options, const std::function<void(const NextSeed&)>& run_some) {
    std::atomic<std::uint64_t> next = options.seed;
    const NextSeed next_seed = [&]() -> std::optional<std::uint64_t> {
        const std::uint64_t seed = next++;
        if (seed - options.seed >= options.schedules) return std::nullopt;
        return seed;
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.jobs; ++i) threads.emplace_back([&] { run_some(next_seed); });
}

}  // namespace tandem::sim
