#include "dataplane/tables/live.h"

namespace tandem::tables {

bool LiveView::open(const Region& region, std::uint64_t generation) {
    const std::span<const BlockRef> references = region.references(generation);
    if (references.size() < kLiveFixedBlocks) return false;
    const std::span<const LiveHead> heads = region.array<LiveHead>(references[kLiveHead]);
    if (heads.empty()) return false;
    const LiveHead head = read_once(heads[0]);

    std::vector<Pool> pools;
    for (const LivePool& pool : region.array<LivePool>(references[kLivePools])) {
        const BlockRef slots{pool.slots_offset, pool.slot_count * sizeof(Slot), 0};
        const std::span<const Slot> entries = region.array<Slot>(slots);
        pools.push_back({entries.data(), static_cast<std::uint32_t>(entries.size())});
    }
    generation_ = generation;
    pools_ = std::move(pools);
    vips_ = VipTable(head.vips, region.array<VipEntry>(references[kLiveVips]));
    hash_ = KeyedHash(head.hash_key);
    backends_ = region.array<LiveBackend>(references[kLiveBackends]);
    return true;
}

}  // namespace tandem::tables
