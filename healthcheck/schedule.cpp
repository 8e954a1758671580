#include "healthcheck/schedule.h"

#include <algorithm>

#include "dataplane/base/check.h"

namespace tandem::health {

namespace {

/// `random` scaled to 0 ≤ result ≤ limit, evenly.
Duration scaled(Duration limit, std::uint64_t random) {
    __extension__ using Wide = unsigned __int128;
    const Wide steps = static_cast<Wide>(limit.count()) + 1;
    return Duration{static_cast<Duration::rep>((steps * random) >> 64)};
}

}  // namespace

Duration first_delay(const conf::Check& check, std::size_t index, std::size_t count) {
    CHECK(index < count);
    const Duration interval = check.interval;
    const Duration gap = std::min(interval / static_cast<Duration::rep>(count), kStartGapMax);
    return gap * static_cast<Duration::rep>(index);
}

Instant next_start(const conf::Check& check, Instant started, std::uint64_t random) {
    const Duration interval = check.interval;
    const Duration jitter = interval / 100 * std::clamp(check.jitter_percent, 0, 100);
    return started + interval - scaled(jitter, random);
}

Duration probe_timeout(const conf::Check& check) {
    return std::min(check.timeout, check.interval);
}

}  // namespace tandem::health
