// Two whole instances on a network that delays, reorders, repeats, drops and cuts, with backends,
// operators and clients, under a virtual clock, all drawn from one seed: shape.h says from what,
// disturbances.cpp what happens, flows.h and promises.h what must hold all the while.
//
// A schedule that fails prints its seed; --schedules 1 --seed SEED --trace replays it, line by
// line.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/sim/pair/world.h"

namespace tandem::sim {
namespace {

/// Of schedules without a takeover that goes on with something one cannot learn much.
constexpr std::uint64_t kSchedulesThatCount = 1000;

struct Options {
    std::uint64_t schedules = 1000;
    std::uint64_t seed = 1;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool traces = false;
};

struct Outcome {
    std::mutex mutex;
    Counts counts;
    std::uint64_t failed = 0;
};

void run_some(const Options& options, std::atomic<std::uint64_t>& next, Outcome& outcome) {
    const auto workspace = std::make_unique<Workspace>();
    Counts counts;
    const std::uint64_t end = options.seed + options.schedules;
    for (std::uint64_t seed = next++; seed < end; seed = next++) {
        World world(seed, options.traces, *workspace, counts);
        if (world.run()) continue;
        const std::lock_guard lock(outcome.mutex);
        fmt::print("seed {} broke a promise: {}\n", seed, world.trouble());
        ++outcome.failed;
    }
    const std::lock_guard lock(outcome.mutex);
    outcome.counts.add(counts);
}

void print(const Counts& counts) {
    fmt::print("{} packets, {} of established flows: all checked; {} flows opened, {} rewritten\n",
               counts.packets, counts.established, counts.opened, counts.rewritten);
    fmt::print(
        "{} deaths, {} takeovers, {} of them with something to go on with, {} flows went on; {} "
        "preemptions\n",
        counts.deaths, counts.takeovers, counts.adoptions, counts.kept, counts.preemptions);
    fmt::print("{} tellings, {} moments at which all was told, {} slots compared\n",
               counts.tellings, counts.commits, counts.slots_compared);
    fmt::print("moved and excused:");
    for (std::size_t i = 1; i < kExcuses; ++i) {
        fmt::print(" {} {}", counts.excused[i], kExcuseNames[i]);
    }
    fmt::print("\n");
}

/// Whether so many schedules have tested anything.
bool is_worth(const Counts& counts, std::uint64_t schedules) {
    if (schedules < kSchedulesThatCount) return true;
    return counts.adoptions * 2 > schedules && counts.kept > schedules && counts.preemptions != 0 &&
           counts.commits > schedules;
}

int run(const Options& options) {
    std::atomic<std::uint64_t> next = options.seed;
    Outcome outcome;
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < options.jobs; ++i) {
            threads.emplace_back([&] { run_some(options, next, outcome); });
        }
    }
    print(outcome.counts);
    fmt::print("{} passed, {} failed\n", options.schedules - outcome.failed, outcome.failed);
    if (!is_worth(outcome.counts, options.schedules)) {
        fmt::print("too little has happened for that to mean anything\n");
        return EXIT_FAILURE;
    }
    return outcome.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace tandem::sim

int main(int argc, char** argv) {
    CLI::App app{"Two whole instances under one seeded clock"};
    tandem::sim::Options options;
    app.add_option("--schedules", options.schedules, "how many, each of a seed of its own");
    app.add_option("--seed", options.seed, "of the first");
    app.add_option("--jobs", options.jobs, "at a time")->check(CLI::Range(1U, 256U));
    app.add_flag("--trace", options.traces, "print what happens");
    CLI11_PARSE(app, argc, argv);
    if (options.traces) options.jobs = 1;
    return tandem::sim::run(options);
}
