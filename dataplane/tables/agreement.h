// What holds of a backend that both instances of a pair check: a function of what the two say, and
// the same whichever of them computes it (but for kLocal).
#pragma once

#include <span>
#include <vector>

#include "dataplane/tables/plan.h"

namespace tandem::tables {

enum class Agreement : std::uint8_t {
    kCredible,  ///< down if both say so, or the one that does is right about the pool's others
    kAny,       ///< down if either says so
    kBoth,      ///< down if both say so
    kLocal,     ///< as this instance says
};

/// What the two say of a backend. Who is neither up nor down in somebody's eyes is for the other to
/// judge; of a peer that is not heard all are kUnused.
struct Opinions {
    HealthState ours = HealthState::kUnused;
    HealthState peers = HealthState::kUnused;
};

struct Agreed {
    HealthState health = HealthState::kChecking;
    /// One of the two alone finds it down, and is not known to be right: it stays in. kCredible
    /// only.
    bool is_disputed = false;

    friend bool operator==(const Agreed&, const Agreed&) = default;
};

/// Of the backends of one pool, in their order.
std::vector<Agreed> agree(Agreement policy, std::span<const Opinions> pool);

}  // namespace tandem::tables
