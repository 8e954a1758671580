#include "dataplane/tables/track.h"

#include <algorithm>

namespace tandem::tables {

namespace {

/// Of a slot in transition.
BackendIndex steady_owner(const SlotNow& at) {
    if (at.slot.steady != Slot::kByHash) return at.slot.steady;
    return earlier_owner(at.earlier, static_cast<std::uint32_t>(at.slot_hash >> 32U));
}

/// The state of a flow that is seen for the first time.
FlowState state_at_first(const FlowSignal& signal) {
    if (signal.is_udp) return FlowState::kUdpNew;
    return signal.opens ? FlowState::kOpening : FlowState::kDoubtful;
}

Tracked go_on(FlowTable& flows, const FlowTable::Place& flow, const SlotNow& at,
              const FlowSignal& signal, std::span<const LiveBackend> backends, CoarseTime now) {
    const BackendIndex owner = at.slot.owner;
    const bool opens_anew = signal.opens && flow.state() == FlowState::kClosing && !at.is_moving;
    const bool stays = may_serve(flow.backend(), at.pool, backends) && !opens_anew;
    if (!stays && owner == kNoBackend) return {kNoBackend, true, false};
    if (!stays && flow.backend() != owner) flows.rewrite(flow, owner);
    const bool is_news = flows.touch(flow, state_after(flow.state(), signal), now);
    return {flow.backend(), true, !is_news};
}

/// As the other instance knows it. kNoBackend: its backend is not known here, or is of another
/// pool: the other instance had given its number away before it told of the flow, which is over.
BackendIndex backend_of(const PeerFlows::Flow& known, const SlotNow& at,
                        std::span<const LiveBackend> backends) {
    const bool is_anothers =
        known.backend < backends.size() && backends[known.backend].pool != at.pool;
    return is_anothers ? kNoBackend : known.backend;
}

/// One that the other instance remembers. `without`: where it goes if its backend is not known
/// here.
Tracked adopt(FlowTable& flows, const FlowSought& sought, const PeerFlows::Flow& known,
              const SlotNow& at, const FlowSignal& signal, std::span<const LiveBackend> backends,
              BackendIndex without, CoarseTime now) {
    const BackendIndex told = backend_of(known, at, backends);
    const BackendIndex backend = told == kNoBackend                   ? without
                                 : may_serve(told, at.pool, backends) ? told
                                                                      : at.slot.owner;
    if (backend == kNoBackend) return {kNoBackend, false, false};
    const FlowTable::Place flow = flows.adopt(sought.hash, backend, known.state, now, at.identity);
    if (!flow) return {backend, false, false};
    // Its first packet here, in whichever state the peer has seen it.
    return {go_on(flows, flow, at, signal, backends, now).backend, true, false};
}

/// Where a packet goes that opens nothing, if no more is known than its slot.
BackendIndex unremembered(const SlotNow& at, bool is_udp, std::span<const LiveBackend> backends,
                          const TrackRules& rules, CoarseTime now) {
    // A worker's clock may be a little behind the one that the change was noted by.
    const auto is_new = [&] {
        const auto since = static_cast<std::int32_t>(now - *at.changed_at);
        return since > static_cast<std::int64_t>(rules.udp_idle);
    };
    if (is_udp && !at.is_moving && is_new()) return at.slot.owner;
    const BackendIndex steady = steady_owner(at);
    return may_serve(steady, at.pool, backends) ? steady : at.slot.owner;
}

}  // namespace

BackendIndex follow_peer(const SlotNow& at, std::span<const LiveBackend> backends) {
    BackendIndex known = steady_owner(at);
    if (at.peers != nullptr) {
        const auto flow = at.peers->find(at.identity);
        const BackendIndex told = flow ? backend_of(*flow, at, backends) : kNoBackend;
        if (told != kNoBackend) known = told;
    }
    return may_serve(known, at.pool, backends) ? known : at.slot.owner;
}

Tracked track(FlowTable& flows, const FlowSought& sought, const SlotNow& at,
              const FlowSignal& signal, std::span<const LiveBackend> backends,
              const TrackRules& rules, CoarseTime clock) {
    const CoarseTime now = std::max(clock, at.void_before);
    if (const FlowTable::Place flow =
            flows.find(sought.hash, now, sought.glimpsed, at.void_before)) {
        return go_on(flows, flow, at, signal, backends, now);
    }
    const BackendIndex without = at.slot.is_in_transition()
                                     ? unremembered(at, signal.is_udp, backends, rules, now)
                                     : at.slot.owner;
    if (at.peers != nullptr) {
        if (const auto known = at.peers->find(at.identity)) {
            return adopt(flows, sought, *known, at, signal, backends, without, now);
        }
    }
    if (!at.slot.is_in_transition()) return {at.slot.owner, false, false};
    const BackendIndex backend = signal.opens && !at.is_moving ? at.slot.owner : without;
    // Of a flow that ends nothing is worth remembering; if only one side does, more will come. And
    // one whose steady owner does not answer opens at the owner when it tries again.
    const bool opens_elsewhere = signal.opens && at.is_moving && backend != at.slot.owner;
    if (backend == kNoBackend || signal.closes || opens_elsewhere) return {backend, false, false};
    if (flows.insert(sought.hash, backend, state_at_first(signal), now, at.identity)) {
        return {backend, true, false};
    }
    // No room: it opens where its next packets will go, or they would be the first to be answered
    // by somebody who does not know it.
    return {without, false, false};
}

}  // namespace tandem::tables
