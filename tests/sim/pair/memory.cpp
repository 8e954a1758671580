#include "tests/sim/pair/memory.h"

namespace tandem::sim {

WorkerMemory::WorkerMemory(std::size_t bucket_count, std::uint64_t key_bits,
                           PerBackendArrays& per_backend)
    : buckets(bucket_count), identities(bucket_count), arrays(&per_backend) {
    for (std::size_t i = 0; i < sizeof(key_bits); ++i) {
        key.bytes[i] = static_cast<std::uint8_t>(key_bits >> 8 * i);
    }
    // Indices are given from the first on.
    for (std::size_t i = 0; i <= kBackends; ++i) {
        arrays->flows[i] = 0;
        arrays->silence_s[i] = 0;
    }
}

std::optional<tables::FlowState> WorkerMemory::state_of(tables::FlowIdentity identity) const {
    for (std::size_t i = 0; i < buckets.size(); ++i) {
        bool is_here = false;  // without a branch for each place: most are somebody else's
        for (const tables::FlowIdentity each : identities[i].of_place) is_here |= each == identity;
        if (!is_here) continue;
        for (unsigned place = 0; place < tables::FlowBucket::kPlaces; ++place) {
            if (identities[i].of_place[place] == identity && buckets[i].tags[place] != 0) {
                return tables::FlowTable::state_of(buckets[i], place);
            }
        }
    }
    return std::nullopt;
}

}  // namespace tandem::sim
