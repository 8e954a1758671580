// Where a packet goes whose slot is not steady: the rules that keep flows with their backends.
//
//   flow          packet                    goes to                          and is
//   remembered,   any                       its backend                      refreshed
//     its backend may serve it
//   remembered,   any                       the slot's owner                 given to it
//     its backend may not
//   unknown, slot in transition:
//                 opening                   the slot's owner                 remembered
//                 any other                 the steady owner if that may     remembered
//                                           serve it, else the slot's owner
//   unknown, slot not in transition         the slot's owner                 not remembered
//
// A flow that the other instance remembers, and told of before this one went on for it, is as
// remembered as any; its first packet here makes it this instance's own.
//
// While a group goes from one instance to the other, no flow opens elsewhere than where both look
// for an unknown one: what opens at one of them may go on at the other before that is told of it.
// It is treated as any other packet then, and so is always what is followed; and remembered if that
// is the slot's owner, for the other one may see other backends up.
//
// A packet that closes an unknown flow (FIN, RST) goes the same way and is not remembered.
//
// No backend of another pool may serve a flow: the number of one that is gone may be another's now.
// Of a flow with such a one the other instance has said nothing: it is as unknown as any.
//
// What finds no room to be remembered goes where any other packet of an unknown flow goes, an
// opening one as well: the flow then has one backend for as long as the slot's steady owner may
// serve and the transition lasts.
#pragma once

#include <optional>
#include <span>

#include "dataplane/tables/flow_table.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/peer_flows.h"

namespace tandem::tables {

/// What of a packet matters to its flow's memory.
struct FlowSignal {
    bool is_udp = false;
    bool opens = false;   ///< TCP: SYN without ACK; UDP: a QUIC Initial
    bool closes = false;  ///< TCP: FIN or RST
    bool has_payload = false;
};

/// One slot as it is now.
struct SlotNow {
    Slot slot;
    const CoarseTime* changed_at;           ///< read of unknown UDP flows only
    std::uint64_t slot_hash = 0;            ///< of the flow, that chose the slot
    std::span<const EarlierOwner> earlier;  ///< of the pool
    FlowIdentity identity = 0;              ///< of the flow, for both instances
    CoarseTime void_before = 0;             ///< what is remembered here from before is outdated
    const PeerFlows* peers = nullptr;       ///< may know a flow that this instance does not
    std::uint16_t pool = 0;                 ///< LiveBackend::pool of those that are of it
    bool is_moving = false;                 ///< Roles::is_moving, of its group
};

/// A UDP packet that opens nothing recognisably counts as an old flow's so long after its slot's
/// last change, as a new flow's later.
struct TrackRules {
    CoarseTime udp_idle = 30;
};

struct Tracked {
    BackendIndex backend;  ///< kNoBackend: nobody serves
    bool is_remembered;    ///< its flow is in the table from now on, or still
    bool is_repeated;      ///< and so it was after another packet of it in this second
};

/// A flow by the key of its worker's table.
struct FlowSought {
    std::uint64_t hash;
    FlowTable::Place glimpsed;  ///< false: not known
};

/// Where a packet goes whose flow is the other instance's to remember, for its VIP is that one's:
/// where that one, as far as can be said from here, would send the next one.
BackendIndex follow_peer(const SlotNow& at, std::span<const LiveBackend> backends);

/// The state of a remembered flow after another packet of it.
inline FlowState state_after(FlowState before, const FlowSignal& signal) {
    if (signal.is_udp) return FlowState::kUdp;
    if (signal.closes) return FlowState::kClosing;
    if (signal.opens) {
        // A SYN on an established flow is the backend's to answer (RFC 5961 section 4): nobody
        // unpins a flow by spoofing. After FIN or RST it is a new flow on old ports.
        return before == FlowState::kClosing ? FlowState::kOpening : before;
    }
    // Whoever has closed sends no more data, but acknowledges what comes.
    if (before == FlowState::kClosing && !signal.has_payload) return FlowState::kClosing;
    return FlowState::kEstablished;
}

inline bool may_serve(BackendIndex backend, std::uint16_t pool,
                      std::span<const LiveBackend> backends) {
    return backend != kNoBackend && backend < backends.size() &&
           backends[backend].serves_flows != 0 && backends[backend].pool == pool;
}

/// Where a flow goes that had a packet in this second already and is as it was after it: there is
/// nothing to update. kNoBackend: track() has to be called, which says the same of such a flow.
inline BackendIndex repeated(const FlowSought& sought, const FlowSignal& signal, std::uint16_t pool,
                             std::span<const LiveBackend> backends, CoarseTime now) {
    const FlowTable::Place& flow = sought.glimpsed;
    if (!flow || !FlowTable::is_as_of(flow, sought.hash, state_after(flow.state(), signal), now)) {
        return kNoBackend;
    }
    return may_serve(flow.backend(), pool, backends) ? flow.backend() : kNoBackend;
}

/// Says where a packet goes, and updates `flows`.
Tracked track(FlowTable& flows, const FlowSought& sought, const SlotNow& at,
              const FlowSignal& signal, std::span<const LiveBackend> backends,
              const TrackRules& rules, CoarseTime clock);

}  // namespace tandem::tables
