#include "dataplane/tables/earlier_owners.h"

#include <algorithm>

namespace tandem::tables {

BackendIndex earlier_owner(std::span<const EarlierOwner> earlier, std::uint32_t hash) {
    const auto next = std::ranges::upper_bound(earlier, hash, {}, &EarlierOwner::first_hash);
    return next == earlier.begin() ? kNoBackend : std::prev(next)->owner;
}

}  // namespace tandem::tables
