// Maglev's base table: backends take turns in filling a table, each in the order of its own
// permutation of the slots. Knows nothing of health, names or keys.
//
// Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
// section 3.4. Weights by cumulative turns, so that shares are proportional to them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem::plan {

/// One backend's claim: it asks for slots offset, offset + skip, offset + 2 skip, … modulo the
/// table's size.
struct Turns {
    std::uint32_t offset;  ///< below the table's size
    std::uint32_t skip;    ///< 1 to the table's size - 1
    std::uint16_t weight;  ///< at least 1; turns are taken in proportion to it
};

/// For each of `slot_count` slots the position of its owner in `backends`. `slot_count` is prime,
/// so that every permutation reaches every slot. Empty if there are no backends.
/// Depends on the order of `backends`: callers sort them.
std::vector<std::uint16_t> fill_in_turns(std::span<const Turns> backends, std::uint32_t slot_count);

}  // namespace tandem::plan
