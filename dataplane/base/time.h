// Time as every module sees it: a value handed in, never a call made.
//
// Nothing pure reads a clock. Workers read the TSC once per burst and control reads steady_clock
// once per event; both pass the result down. That is what lets tests move time by hand.
#pragma once

#include <chrono>
#include <cstdint>

namespace tandem {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Whole seconds of a monotonic clock that all processes of the machine share.
using CoarseTime = std::uint32_t;

}  // namespace tandem
