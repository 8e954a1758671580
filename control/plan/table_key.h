// The key of the table function and its age. Of two keys that the instances of a pair have, that of
// the one that serves is the pair's, for its flows go by it; the older one, if both serve or none.
#pragma once

#include <cstdint>

#include "dataplane/net/hash.h"
#include "dataplane/tables/live.h"

namespace tandem::plan {

struct TableKey {
    HashKey key;
    std::uint64_t born_ms = 0;  ///< when it was made, Unix time

    friend bool operator==(const TableKey&, const TableKey&) = default;
};

/// Whether `peers` replaces `ours`. Of keys of one age it is the one whose bytes come first, so
/// that exactly one of two instances changes its own.
inline bool is_to_be_adopted(const TableKey& peers, const TableKey& ours,
                             tables::KeyHolds holds = tables::KeyHolds::kOlder) {
    if (peers.born_ms == 0 || peers.key == ours.key) return false;
    if (holds != tables::KeyHolds::kOlder) return holds == tables::KeyHolds::kPeers;
    if (peers.born_ms != ours.born_ms) return peers.born_ms < ours.born_ms;
    return peers.key.bytes < ours.key.bytes;
}

}  // namespace tandem::plan
