// When a backend is probed next, and for how long. Pure: random bits and the time are arguments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "conf/config.h"
#include "dataplane/base/time.h"

namespace tandem::health {

/// A few backends all start at once, as far as anybody can see; only many are spread further.
inline constexpr Duration kStartGapMax = std::chrono::milliseconds{2};

/// How long backend number `index` of `count` that start together waits for its first probe: spread
/// evenly over the interval, or with kStartGapMax between them if that is sooner. `index < count`.
Duration first_delay(const conf::Check& check, std::size_t index, std::size_t count);

/// Start of the probe that follows one started at `started`. Jitter makes an interval shorter by up
/// to jitter_percent, never longer: so a dead backend is down after at most interval × fall, plus
/// what the last probe takes. `random`: 64 uniform bits.
Instant next_start(const conf::Check& check, Instant started, std::uint64_t random);

/// The timeout of one probe: never beyond the interval.
Duration probe_timeout(const conf::Check& check);

}  // namespace tandem::health
