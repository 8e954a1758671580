// The ways between two instances: the LAN on which they advertise, and the peer channel. Each may
// lose, delay, repeat and reorder what goes over it, and be cut in either direction.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tests/sim/pair/shape.h"

namespace tandem::sim {

class Link {
  public:
    /// When what is sent now arrives, once for each copy.
    struct Arrivals {
        std::array<Instant, 2> at{};
        std::size_t count = 0;
    };
    Arrivals send(std::size_t from, Instant now, Random& random) const {
        Arrivals arrivals;
        if (is_cut[from]) return arrivals;
        const std::size_t copies = random.chance(repeated) ? 2 : 1;
        for (std::size_t i = 0; i < copies; ++i) {
            if (random.chance(lost)) continue;
            const Duration delay = random.chance(slow)
                                       ? draw(random, microseconds(20), kWireDelayMax)
                                       : draw(random, microseconds(20), microseconds(300));
            arrivals.at[arrivals.count++] = now + delay;
        }
        return arrivals;
    }
    [[nodiscard]] bool is_whole() const { return !is_cut[0] && !is_cut[1] && lost == 0; }
    void heal() { *this = {}; }

    std::array<bool, kInstances> is_cut{};  ///< nobody hears this one
    double lost = 0;
    double slow = 0;
    double repeated = 0.02;
};

}  // namespace tandem::sim
