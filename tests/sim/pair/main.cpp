// Two whole instances on a network that delays, reorders, repeats, drops and cuts, with backends,
// operators and clients, under a virtual clock, all drawn from one seed: shape.h says from what,
// disturbances.cpp what happens, flows.h and promises.h what must hold all the while.
//
// A schedule that fails prints its seed; --schedules 1 --seed SEED --trace replays it, line by
// line.
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <optional>

#include "tests/sim/pair/world.h"
#include "tests/sim/schedules.h"

namespace tandem::sim {
namespace {

/// Of schedules without a takeover that goes on with something one cannot learn much.
constexpr std::uint64_t kSchedulesThatCount = 1000;

struct Outcome {
    std::mutex mutex;
    Counts counts;
    std::uint64_t failed = 0;
};

void run_some(const NextSeed& next_seed, bool traces, Outcome& outcome) {
    const auto workspace = std::make_unique<Workspace>();
    Counts counts;
    while (const std::optional<std::uint64_t> seed = next_seed()) {
        World world(*seed, traces, *workspace, counts);
        if (world.run()) continue;
        const std::lock_guard lock(outcome.mutex);
        fmt::print("seed {} broke a promise: {}\n", *seed, world.trouble());
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
        "preemptions, {} groups handed over\n",
        counts.deaths, counts.takeovers, counts.adoptions, counts.kept, counts.preemptions,
        counts.handed_over);
    fmt::print(
        "{} tellings, {} after an overflow; {} moments at which all was told, {} slots "
        "compared\n",
        counts.tellings, counts.overflows, counts.commits, counts.slots_compared);
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
           counts.handed_over * 4 > schedules && counts.overflows != 0 &&
           counts.commits > schedules;
}

int run(const Options& options) {
    Outcome outcome;
    run_all(options,
            [&](const NextSeed& next_seed) { run_some(next_seed, options.traces, outcome); });
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
    return tandem::sim::run(
        tandem::sim::parse(argc, argv, "Two whole instances under one seeded clock", 1000));
}
