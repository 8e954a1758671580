#include "dataplane/tables/live.h"

#include <algorithm>

namespace tandem::tables {

bool LiveView::open(const Region& region, std::uint64_t generation) {
    const std::span<const BlockRef> references = region.references(generation);
    if (references.size() < kLiveFixedBlocks) return false;
    const std::span<const LiveHead> heads = region.array<LiveHead>(references[kLiveHead]);
    if (heads.empty()) return false;
    const LiveHead head = read_once(heads[0]);

    std::vector<Pool> pools;
    for (const LivePool& shared : region.array<LivePool>(references[kLivePools])) {
        const LivePool pool = read_once(shared);
        const std::span<const Slot> slots =
            region.array<Slot>({pool.slots_offset, pool.slot_count * sizeof(Slot), 0});
        const std::span<const CoarseTime> changed_at =
            region.array<CoarseTime>({pool.times_offset, pool.slot_count * sizeof(CoarseTime), 0});
        const std::size_t count = std::min(slots.size(), changed_at.size());
        if (count == 0) {
            pools.emplace_back();
            continue;
        }
        const std::span<const EarlierOwner> earlier = region.array<EarlierOwner>(
            {pool.earlier_offset, pool.earlier_count * sizeof(EarlierOwner), 0});
        pools.push_back({.slots = slots.data(),
                         .changed_at = changed_at.data(),
                         .earlier = earlier,
                         .slot_count = static_cast<std::uint32_t>(count),
                         .flow_budget_percent = pool.flow_budget_percent,
                         .id = pool.id,
                         .void_before = pool.void_before,
                         .domain = pool.domain,
                         .is_followed = pool.is_followed != 0,
                         .group = pool.group,
                         .number = pool.number});
    }
    generation_ = generation;
    pools_ = std::move(pools);
    vips_ = VipTable(head.vips, region.array<VipEntry>(references[kLiveVips]));
    hash_ = KeyedHash(head.hash_key);
    backends_ = region.array<LiveBackend>(references[kLiveBackends]);
    return true;
}

}  // namespace tandem::tables
