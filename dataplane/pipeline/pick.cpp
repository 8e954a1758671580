#include "dataplane/pipeline/pick.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

using tables::LiveView;

struct Choice {
    const tables::Slot* slot;  ///< nullptr: not a flow's packet, or no pool
    const LiveView::Pool* pool;
    std::uint64_t flow_hash;
};
using Choices = std::array<Choice, Burst::kCapacity>;

/// First of three passes, so that the cache misses of a burst overlap instead of queueing.
void find_slots(const LiveView& tables, Burst& burst, Choices& choices) {
    const std::span<const LiveView::Pool> pools = tables.pools();
    Choice* choice = choices.data();
    for (Packet& packet : burst.packets()) {
        choice->slot = nullptr;
        if (packet.sent_as == Verdict::kForwarded && packet.pool < pools.size()) {
            choice->pool = &pools[packet.pool];
            packet.hash = tables.hash().of_flow(packet.parsed.key);
            choice->slot =
                choice->pool->slots + LiveView::slot_index(packet.hash, choice->pool->slot_count);
            rte_prefetch0(choice->slot);
        }
        ++choice;
    }
}

bool needs_memory(const Packet& packet, const tables::Slot& slot) {
    return !slot.is_steady() && !packet.is_stateless;
}

/// Second pass. True if the flow table has to be asked about any packet.
bool find_flows(FlowTracker& tracker, Burst& burst, Choices& choices) {
    bool any = false;
    Choice* choice = choices.data();
    for (const Packet& packet : burst.packets()) {
        if (choice->slot != nullptr && needs_memory(packet, *choice->slot)) [[unlikely]] {
            choice->flow_hash = tracker.hash.of_flow(packet.parsed.key);
            tracker.table.prefetch(choice->flow_hash);
            any = true;
        }
        ++choice;
    }
    return any;
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

tables::BackendIndex ask_memory(const LiveView& tables, FlowTracker& tracker, const Packet& packet,
                                const Choice& choice) {
    const auto index = static_cast<std::uint32_t>(choice.slot - choice.pool->slots);
    const tables::SlotNow at{*choice.slot, choice.pool->changed_at + index, packet.hash,
                             choice.pool->earlier};
    const tables::Tracked tracked =
        tables::track(tracker.table, choice.flow_hash, at, signal_of(packet), tables.backends(),
                      tracker.rules, tracker.now);
    if (tracked.is_remembered && !tracked.is_repeated) {
        tracker.use.note(choice.pool->id, index, tracker.now);
    }
    return tracked.backend;
}

}  // namespace

void pick(const LiveView& tables, FlowTracker& tracker, Burst& burst) {
    const std::span<const tables::LiveBackend> backends = tables.backends();
    Choices choices;
    find_slots(tables, burst, choices);
    const bool any_memory = find_flows(tracker, burst, choices);
    const Choice* next = choices.data();
    burst.advance([&](Packet& packet) -> Burst::Decision {
        const Choice& choice = *next++;
        if (packet.sent_as != Verdict::kForwarded) return Burst::stay();
        if (choice.slot == nullptr) return Verdict::kNoBackend;
        packet.backend = any_memory && needs_memory(packet, *choice.slot)
                             ? ask_memory(tables, tracker, packet, choice)
                             : choice.slot->owner;
        if (packet.backend == tables::kNoBackend || packet.backend >= backends.size()) {
            return Verdict::kNoBackend;
        }
        rte_prefetch0(&backends[packet.backend]);
        return Burst::stay();
    });
}

}  // namespace tandem::pipeline
