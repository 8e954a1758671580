// What simulators have in common: their command line, and schedules run by several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace tandem::sim {

struct Options {
    std::uint64_t schedules = 0;
    std::uint64_t seed = 1;
    unsigned jobs = 1;
    bool traces = false;
};

/// Ends the process if they were wrong, or a question, and have been answered.
Options parse(int argc, char** argv, const char* what, std::uint64_t schedules);

/// The seed of the next schedule; nullopt: there is none.
using NextSeed = std::function<std::optional<std::uint64_t>()>;
/// Calls it once in each of as many threads as the options say; returns when all are through.
void run_all(const Options& options, const std::function<void(const NextSeed&)>& run_some);

}  // namespace tandem::sim
