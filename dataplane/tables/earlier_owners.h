// Who owned which flows before a pool got another number of slots. No slot of the new table is a
// slot of the old one, but both divide the same range of hashes: so what was steady is kept by
// hash, until the new table's slots have come to rest.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/tables/plan.h"

namespace tandem::tables {

/// The owner of all hashes from here to the next entry. Hashes: the upper 32 bits of a flow's, by
/// which slots are chosen.
struct EarlierOwner {
    std::uint32_t first_hash = 0;
    BackendIndex owner = kNoBackend;
    std::uint16_t zero = 0;

    friend bool operator==(const EarlierOwner&, const EarlierOwner&) = default;
};
static_assert(sizeof(EarlierOwner) == 8);

/// Of a table of `slot_count` slots: where the hashes of one begin. Its end is where the next
/// begins; that of the last is 2^32.
constexpr std::uint64_t first_hash_of(std::uint32_t slot, std::uint32_t slot_count) {
    return ((std::uint64_t{slot} << 32U) + slot_count - 1) / slot_count;
}

/// `earlier`: by first_hash. kNoBackend if nothing is known of that hash.
BackendIndex earlier_owner(std::span<const EarlierOwner> earlier, std::uint32_t hash);

}  // namespace tandem::tables
