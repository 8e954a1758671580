#include "dataplane/pipeline/pick.h"

#include <rte_prefetch.h>

namespace tandem::pipeline {

void pick(const tables::LiveView& tables, Burst& burst) {
    using tables::LiveView;
    const std::span<const LiveView::Pool> pools = tables.pools();
    const std::span<const tables::LiveBackend> backends = tables.backends();
    std::array<const tables::Slot*, Burst::kCapacity> slots;

    // Two passes, so that the cache misses of a burst overlap instead of queueing.
    std::size_t count = 0;
    for (Packet& packet : burst.packets()) {
        slots[count] = nullptr;
        if (packet.sent_as == Verdict::kForwarded && packet.pool < pools.size()) {
            const LiveView::Pool& pool = pools[packet.pool];
            packet.hash = tables.hash().of_flow(packet.parsed.key);
            slots[count] = pool.slots + LiveView::slot_index(packet.hash, pool.slot_count);
            rte_prefetch0(slots[count]);
        }
        ++count;
    }
    count = 0;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        const tables::Slot* slot = slots[count++];
        if (packet.sent_as != Verdict::kForwarded) return Burst::stay();
        if (slot == nullptr) return Verdict::kNoBackend;
        packet.backend = slot->owner;
        if (packet.backend == tables::kNoBackend || packet.backend >= backends.size()) {
            return Verdict::kNoBackend;
        }
        rte_prefetch0(&backends[packet.backend]);
        return Burst::stay();
    });
}

}  // namespace tandem::pipeline
