#include "tests/sim/pair/flows.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tandem::sim {

namespace {

std::size_t other(std::size_t instance) {
    return 1 - instance;
}

}  // namespace

void Judge::happens() {
    for (Group& group : groups_) group.is_as_told = {};
}

/// A flow may be silent for so long wherever seconds begin.
Duration Judge::idle_limit(const Flow& flow) const {
    return shape_->idle_s(flow.is_udp) * shape_->second - 2 * shape_->tick;
}

/// It is established, or was given another backend, there and nowhere else.
void Judge::change(Flow& flow, std::size_t at, bool answers, const Dataplane& dataplane,
                   Instant now) {
    ++flow.changes;
    flow.changed_at = now;
    // What a backup remembers is void once it goes on for the other one.
    flow.unknown[at] = answers ? Excuse::kNone : Excuse::kUntold;
    // Its SYN was the other one's: what this one knows of is the connection before it.
    if (answers && dataplane.is_closing(flow.seen)) flow.unknown[at] = Excuse::kOpening;
    flow.unknown[other(at)] = Excuse::kUntold;
}

/// What is left of an earlier connection on the same ports, or a SYN of this one, comes out of a
/// queue when its client has long got an answer elsewhere: whoever does not know of that goes by
/// it.
void Judge::opens_elsewhere(Flow& flow, std::size_t at) {
    groups_[flow.seen.group].is_as_told = {};
    if (flow.unknown[at] == Excuse::kNone) flow.unknown[at] = Excuse::kOpening;
}

Excuse Judge::excuse_of(const Flow& flow, std::size_t at, bool is_active, bool answers,
                        Instant now) const {
    const Group& group = groups_[flow.seen.group];
    if (flow.unknown[at] != Excuse::kNone) return flow.unknown[at];
    if (!answers && group.is_behind[at]) return Excuse::kBehind;
    // It follows one that has given up as well: nobody knows of what the two have forwarded since.
    if (!answers && !is_active && !group.is_active[other(at)]) return Excuse::kBehind;
    // Its slots are not those that it is told of: the operator has changed one side only.
    if (!answers && is_active && group.follows[at]) return Excuse::kBehind;
    const Duration limit = idle_limit(flow);
    if (now - flow.last_at > limit) return Excuse::kIdle;
    const Instant known_at = std::max(flow.last_at_instance[at], group.told_at[at]);
    if (now - known_at > limit) return Excuse::kIdle;
    return Excuse::kNone;
}

std::string Judge::forwarded(const ClientPacket& packet, std::size_t at, BackendId to,
                             const Dataplane& dataplane, bool is_crowded, Instant now) {
    ++counts_->packets;
    Flow& flow = (*flows_)[packet.flow];
    if (packet.changes != flow.changes) {  // it belongs to the past
        const bool is_placed = packet.signal.opens || !dataplane.live().serves(flow.backend);
        const bool is_late = is_placed && packet.seen.key == flow.seen.key;
        if (is_late && to != flow.backend) opens_elsewhere(flow, at);
        return {};
    }
    groups_[flow.seen.group].is_as_told = {};
    // Who follows nobody goes by its own memory, whether or not it answers for the group.
    const bool is_active = dataplane.is_tracking(flow.seen);
    const bool answers = dataplane.is_active(flow.seen.group);
    std::string wrong;
    if (to != kNobody && to / kBackendsOfPool != flow.seen.pool) {
        return fmt::format("flow {} of pool {} is sent to {}, which is of another", packet.flow,
                           flow.seen.pool, to);
    }
    if (flow.state != Flow::State::kEstablished) {
        if (flow.state == Flow::State::kOpening && to == flow.backend && !packet.signal.opens) {
            ++counts_->opened;
            flow.state = Flow::State::kEstablished;
            change(flow, at, answers, dataplane, now);
        } else if (flow.state == Flow::State::kClosed || packet.signal.opens) {
            flow.state = to == kNobody ? Flow::State::kClosed : Flow::State::kOpening;
            flow.backend = to;
            flow.unknown = {Excuse::kOpening, Excuse::kOpening};
        } else {
            ++counts_->excused[static_cast<std::size_t>(Excuse::kOpening)];
            flow.state = Flow::State::kClosed;
            ++flow.changes;
        }
    } else {
        ++counts_->established;
        // Forgotten by then, and remembered anew: the other one is to be told again.
        const bool is_anew = is_active && now - flow.last_at > idle_limit(flow);
        if (is_anew && flow.unknown[other(at)] == Excuse::kNone) {
            flow.unknown[other(at)] = Excuse::kIdle;
        }
        const bool serves = dataplane.live().serves(flow.backend);
        if (to != flow.backend && !serves) {
            if (is_active && !dataplane.live().plan->has(flow.backend)) {
                ++counts_->excused[static_cast<std::size_t>(Excuse::kRemoved)];
                flow.state = Flow::State::kClosed;
                ++flow.changes;
            } else if (is_active && to != kNobody) {
                ++counts_->rewritten;
                flow.backend = to;
                change(flow, at, answers, dataplane, now);
            }
        } else if (to != flow.backend) {
            Excuse excuse = excuse_of(flow, at, is_active, answers, now);
            if (excuse == Excuse::kNone && is_crowded) excuse = Excuse::kCrowded;
            ++counts_->excused[static_cast<std::size_t>(excuse)];
            if (excuse == Excuse::kNone) {
                wrong =
                    fmt::format("flow {} of backend {} is sent to {} by instance {}, {}",
                                packet.flow, flow.backend, to, at, answers ? "active" : "backup");
            }
            flow.state = Flow::State::kClosed;  // its client begins anew
            ++flow.changes;
        } else if (is_active && groups_[flow.seen.group].taken_at[at] != flow.taken_at[at]) {
            flow.taken_at[at] = groups_[flow.seen.group].taken_at[at];
            ++counts_->kept;
        }
    }
    if (to == kNobody) return wrong;
    if (is_active) flow.last_at = flow.last_at_instance[at] = now;
    return wrong;
}

void Judge::forget(std::size_t instance, std::size_t group, Excuse why) {
    happens();
    for (Flow& flow : *flows_) {
        if (flow.seen.group != group) continue;
        if (flow.unknown[instance] == Excuse::kNone) flow.unknown[instance] = why;
    }
}

/// Whoever hands a group over has told of all flows that it forwards, but for what happens
/// meanwhile, over whatever network.
void Judge::handed_over(std::size_t to, const RoleChange& change, Instant now) {
    const Duration meanwhile = 4 * shape_->tick;
    for (Flow& flow : *flows_) {
        if (flow.seen.group != change.group || !change.follows[flow.seen.pool]) continue;
        const bool is_its_own = flow.last_at == flow.last_at_instance[other(to)];
        if (!is_its_own || excuse_of(flow, other(to), true, true, now) != Excuse::kNone) continue;
        if (now - flow.changed_at <= meanwhile) continue;
        if (flow.unknown[to] == Excuse::kUntold) flow.unknown[to] = Excuse::kNone;
    }
}

void Judge::became_active(std::size_t instance, const RoleChange& change,
                          const Dataplane& dataplane, Instant now) {
    happens();
    const std::size_t group = change.group;
    Group& state = groups_[group];
    const Duration remembered = shape_->remembering * shape_->second;
    const bool is_outdated =
        state.follows[instance] && now - state.told_at[instance] > remembered - 2 * shape_->tick;
    if (state.is_behind[instance] || is_outdated) forget(instance, group, Excuse::kBehind);
    if (change.is_asked) handed_over(instance, change, now);
    for (Flow& flow : *flows_) {
        if (flow.seen.group != group || flow.unknown[instance] != Excuse::kNone) continue;
        const bool is_known = flow.backend == kNobody || dataplane.live().plan->has(flow.backend);
        if (!is_known) flow.unknown[instance] = Excuse::kRemoved;
        // Tables of other sizes are not gone on with: the operator has changed one side only.
        const bool is_lost = state.follows[instance] && !change.follows[flow.seen.pool];
        if (is_lost) flow.unknown[instance] = Excuse::kBehind;
    }
    state.is_active[instance] = true;
    state.follows[instance] = state.is_behind[instance] = false;
    state.is_behind[other(instance)] = true;
    state.taken_at[instance] = now;
}

void Judge::gave_up(std::size_t instance, std::size_t group, const Machines& machines) {
    happens();
    groups_[group].is_active[instance] = false;
    const Dataplane* peer = machines[other(instance)];
    if (peer != nullptr && peer->is_active(group)) groups_[group].is_behind[instance] = true;
}

void Judge::died(std::size_t instance, const Machines& machines, bool all) {
    const Dataplane& dataplane = *machines[instance];
    for (std::size_t group = 0; group < shape_->groups; ++group) {
        Group& state = groups_[group];
        const bool is_active = dataplane.is_active(group);
        for (Flow& flow : *flows_) {
            if (flow.seen.group != group) continue;
            flow.was_doubtful = is_active && dataplane.is_on_probation(flow.seen);
            const bool is_inherited =
                flow.last_at_instance[instance] < state.taken_at[instance] &&
                dataplane.peer_flows().find(identity_of(slot_hash_, flow.seen));
            if ((all || !is_active || is_inherited) && flow.unknown[instance] == Excuse::kNone) {
                flow.unknown[instance] = Excuse::kRestart;
            }
        }
        state.follows[instance] = false;
        gave_up(instance, group, machines);
    }
}

void Judge::committed(std::size_t from, std::size_t group, const Machines& machines, Instant now) {
    const std::size_t to = other(from);
    groups_[group].is_behind[to] = false;
    groups_[group].follows[to] = true;
    groups_[group].told_at[to] = now;
    if (std::exchange(groups_[group].is_as_told[to], true)) return;
    for (Flow& flow : *flows_) {
        if (flow.seen.group != group) continue;
        flow.unknown[to] = excuse_of(flow, from, true, true, now);
        if (flow.unknown[to] != Excuse::kNone) continue;
        const bool is_known =
            flow.backend == kNobody || machines[to]->live().plan->has(flow.backend);
        if (machines[from]->is_on_probation(flow.seen)) flow.unknown[to] = Excuse::kDoubtful;
        if (!is_known) flow.unknown[to] = Excuse::kRemoved;
        const bool is_outdated =
            flow.state == Flow::State::kEstablished && machines[from]->has_outdated(flow.seen);
        // While both were active: to the one that tells of it, it has been silent since before.
        const bool was_elsewhere = flow.last_at_instance[to] > groups_[group].taken_at[from] &&
                                   flow.last_at_instance[to] > flow.last_at_instance[from];
        if (is_outdated || was_elsewhere) flow.unknown[to] = Excuse::kIdle;
    }
}

void Judge::slots_changed(std::size_t instance, const Machines& machines) {
    const Dataplane* peer = machines[other(instance)];
    for (Flow& flow : *flows_) {
        // By its own memory it is to know what it has forwarded.
        const bool is_told = !machines[instance]->is_tracking(flow.seen) &&
                             (peer == nullptr || peer->is_active(flow.seen.group));
        if (!is_told || flow.unknown[instance] != Excuse::kNone) continue;
        // The end of a transition is told, and not of what was seen once in it.
        const bool is_doubtful =
            peer != nullptr ? peer->is_on_probation(flow.seen) : flow.was_doubtful;
        if (is_doubtful && machines[instance]->by_slot(flow.seen) != flow.backend) {
            flow.unknown[instance] = Excuse::kDoubtful;
        }
    }
}

void Judge::removed(std::size_t instance, const Dataplane& dataplane, BackendId backend) {
    happens();
    for (Flow& flow : *flows_) {
        if (flow.backend != backend) continue;
        const bool is_active = dataplane.is_active(flow.seen.group);
        // Who is not active may still have flows of its own or of a telling that is over, and gets
        // the others told again.
        const bool is_told =
            dataplane.replication().follower().is_told(domain_of(flow.seen.group)) &&
            dataplane.peer_flows().find(identity_of(slot_hash_, flow.seen));
        for (std::size_t i = 0; i < kInstances; ++i) {
            const bool forgets = is_active || (i == instance && !is_told);
            if (forgets && flow.unknown[i] == Excuse::kNone) flow.unknown[i] = Excuse::kRemoved;
        }
    }
}

void Judge::removed_unseen(std::size_t instance, BackendId backend) {
    happens();
    for (Flow& flow : *flows_) {
        Excuse& unknown = flow.unknown[instance];
        if (flow.backend == backend && unknown == Excuse::kNone) unknown = Excuse::kRemoved;
    }
}

}  // namespace tandem::sim
