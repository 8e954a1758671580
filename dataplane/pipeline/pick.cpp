#include "dataplane/pipeline/pick.h"

#include <algorithm>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

using tables::LiveView;

/// Asks memory for where a flow would be remembered.
void seek(const tables::FlowTable& flows, const KeyedHash& hash, Packet& packet) {
    packet.flow.hash = hash.of_flow(packet.parsed.key);
    flows.prefetch(packet.flow.hash);
}

/// First of four passes, so that the cache misses of a burst overlap instead of queueing.
void find_slots(const LiveView& tables, const FlowTracker& tracker, Burst& burst) {
    const std::span<const LiveView::Pool> pools = tables.pools();
    const KeyedHash hash = tables.hash();
    const KeyedHash flow_hash = tracker.hash;
    const bool asks_early = tracker.asks_early;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        if (packet.pool >= pools.size()) [[unlikely]]
            return Verdict::kNoBackend;
        const LiveView::Pool& pool = pools[packet.pool];
        packet.hash = hash.of_flow(packet.parsed.key);
        packet.slot = pool.slots + LiveView::slot_index(packet.hash, pool.slot_count);
        rte_prefetch0(packet.slot);
        if (asks_early) [[unlikely]]
            seek(tracker.table, flow_hash, packet);
        return Burst::stay();
    });
}

Burst::Decision to_backend(const LiveView& tables, Packet& packet, tables::BackendIndex backend) {
    if (backend == tables::kNoBackend || backend >= tables.backends().size()) [[unlikely]]
        return Verdict::kNoBackend;
    packet.backend = backend;
    rte_prefetch0(&tables.backends()[backend]);
    return Burst::stay();
}

/// Second pass. Returns of how many packets the flow table has to be asked.
std::size_t follow_slots(const LiveView& tables, const FlowTracker& tracker, Burst& burst) {
    const KeyedHash hash = tracker.hash;  // a local: what a packet is given might be the key
    std::size_t sought = 0;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        packet.needs_memory = false;
        const tables::Slot slot = *packet.slot;
        if (slot.is_steady() || packet.is_stateless) [[likely]]
            return to_backend(tables, packet, slot.owner);
        packet.needs_memory = true;
        if (!tracker.asks_early) seek(tracker.table, hash, packet);
        ++sought;
        return Burst::stay();
    });
    return sought;
}

/// Third pass: whatever a flow's backend is asked then is at hand.
void glimpse_flows(const FlowTracker& tracker, std::span<const tables::LiveBackend> backends,
                   Burst& burst) {
    for (Packet& packet : burst.packets()) {
        if (!packet.needs_memory) continue;
        packet.flow.glimpsed = tracker.table.glimpse(packet.flow.hash);
        if (packet.flow.glimpsed) rte_prefetch0(&backends[packet.flow.glimpsed.backend()]);
    }
}

tables::FlowSignal signal_of(const Packet& packet) {
    const ParsedPacket& parsed = packet.parsed;
    const bool is_udp = parsed.key.protocol == protocol::kUdp;
    const bool opens_tcp = (parsed.tcp_flags & (tcp::kSyn | tcp::kAck)) == tcp::kSyn;
    return {.is_udp = is_udp,
            .opens = is_udp ? parsed.is_quic_initial : opens_tcp,
            .closes = (parsed.tcp_flags & (tcp::kFin | tcp::kRst)) != 0,
            .has_payload = parsed.has_payload};
}

/// Apart from the packets that need none of it, which are many more.
[[gnu::noinline]] tables::BackendIndex ask_tracker(const LiveView& tables, FlowTracker& tracker,
                                                   const Packet& packet) {
    const LiveView::Pool& pool = tables.pools()[packet.pool];
    const CoarseTime now = std::max(tracker.now, pool.void_before);
    const auto index = static_cast<std::uint32_t>(packet.slot - pool.slots);
    const bool is_moving = tracker.roles != nullptr &&
                           tracker.roles->is_moving(pool.group, tables::is_v4(pool.domain));
    const tables::SlotNow at{.slot = *packet.slot,
                             .changed_at = pool.changed_at + index,
                             .slot_hash = packet.hash,
                             .earlier = pool.earlier,
                             .identity = tables::flow_identity(packet.hash, pool.domain),
                             .void_before = pool.void_before,
                             .peers = tracker.peers,
                             .pool = pool.number,
                             .is_moving = is_moving};
    if (pool.is_followed) return tables::follow_peer(at, tables.backends());
    const tables::Tracked tracked = tables::track(tracker.table, packet.flow, at, signal_of(packet),
                                                  tables.backends(), tracker.rules, now);
    if (tracked.is_remembered && !tracked.is_repeated) tracker.use.note(pool.id, index, now);
    return tracked.backend;
}

tables::BackendIndex ask_memory(const LiveView& tables, FlowTracker& tracker,
                                const Packet& packet) {
    const LiveView::Pool& pool = tables.pools()[packet.pool];
    if (!pool.is_followed) [[likely]] {
        const CoarseTime now = std::max(tracker.now, pool.void_before);
        const auto known =
            tables::repeated(packet.flow, signal_of(packet), pool.number, tables.backends(), now);
        if (known != tables::kNoBackend) [[likely]]
            return known;
    }
    return ask_tracker(tables, tracker, packet);
}

}  // namespace

void pick(const LiveView& tables, FlowTracker& tracker, Burst& burst) {
    const std::size_t count = burst.packets().size();
    find_slots(tables, tracker, burst);
    const std::size_t sought = follow_slots(tables, tracker, burst);
    tracker.asks_early = sought > count / 2;
    if (sought == 0) [[likely]]
        return;
    tracker.table.count_lookups(sought);
    glimpse_flows(tracker, tables.backends(), burst);
    burst.advance([&](Packet& packet) -> Burst::Decision {
        if (!packet.needs_memory) return Burst::stay();
        return to_backend(tables, packet, ask_memory(tables, tracker, packet));
    });
}

}  // namespace tandem::pipeline
