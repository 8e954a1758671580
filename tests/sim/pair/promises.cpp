#include "tests/sim/pair/promises.h"

#include <fmt/format.h>

namespace tandem::sim {

namespace {

using pair::Role;

bool claims(const Dataplane* dataplane, std::size_t group) {
    return dataplane != nullptr && dataplane->workers_run() && dataplane->is_active(group);
}

/// By the other instance's number of the same backend.
tables::BackendIndex translated(std::uint16_t owner, const Plan& from, const Plan& to) {
    const BackendId id = owner < from.ids.size() ? from.ids[owner] : kNobody;
    return id == kNobody ? tables::kNoBackend : to.index_of[id];
}

/// Whether it knows what the peer's checks find of each backend that both have.
bool knows_verdicts(const Dataplane& dataplane, const Dataplane& peer) {
    const std::span<const tables::HealthState> known = dataplane.peers_verdicts();
    const Plan& own = *dataplane.live().plan;
    const Plan& theirs = *peer.live().plan;
    for (std::size_t i = 0; i < kBackends; ++i) {
        const auto id = static_cast<BackendId>(i);
        if (!own.has(id) || !theirs.has(id)) continue;
        const tables::BackendIndex number = own.index_of[id];
        const tables::HealthState verdict = theirs.content.backends[theirs.index_of[id]].health;
        if (number >= known.size() || known[number] != verdict) return false;
    }
    return true;
}

}  // namespace

Promises::Promises(const Shape& shape, Counts& counts, Instant begin)
    : shape_(&shape), counts_(&counts) {
    for (Group& group : groups_) {
        group = {.nobody_since = begin,
                 .could_since = {begin, begin},
                 .alone_since = {begin, begin},
                 .both_since = begin,
                 .both_known_since = begin};
    }
}

std::string Promises::watch(const Seen& seen, Instant now) {
    for (std::size_t i = 0; i < kInstances; ++i) {
        const Dataplane* dataplane = seen.dataplanes[i];
        if (dataplane != nullptr && dataplane->is_in_step()) in_step_at_[i] = now;
        if (dataplane != nullptr && dataplane->replication().follower().differences() != 0) {
            return fmt::format("{} has other slots than the peer has told of", i);
        }
    }
    for (std::size_t group = 0; group < shape_->groups; ++group) {
        Group& state = groups_[group];
        const std::array<bool, kInstances> claim{claims(seen.dataplanes[0], group),
                                                 claims(seen.dataplanes[1], group)};
        if (claim[0] || claim[1]) state.nobody_since = now;
        if (!claim[0] || !claim[1] || !seen.lan_is_whole) state.both_since = now;
        const bool both_want = claim[0] && claim[1] && seen.dataplanes[0]->term(group) != 0 &&
                               seen.dataplanes[1]->term(group) != 0;
        const bool each_hears = both_want && seen.channel_is_whole &&
                                seen.dataplanes[0]->is_peer_alive() &&
                                seen.dataplanes[1]->is_peer_alive();
        if (!each_hears) state.both_known_since = now;
        if (now - state.both_since > both_max()) {
            return fmt::format("both claim group {} on a whole network", group);
        }
        for (std::size_t i = 0; i < kInstances; ++i) {
            const Dataplane* dataplane = seen.dataplanes[i];
            const bool could = dataplane != nullptr && dataplane->workers_run() &&
                               dataplane->is_fit() && !seen.is_stopping[i];
            if (claim[i]) state.terms[i] = dataplane->term(group);
            if (!could) state.could_since[i] = now;
            const bool says_so =
                claim[i] && now - dataplane->claimed_at(group) <= 2 * shape_->advert_interval;
            if (!says_so || !seen.lan_is_whole) state.alone_since[i] = now;
            if (now - std::max(state.nobody_since, state.could_since[i]) > nobody_max()) {
                return fmt::format("nobody claims group {}, and {} could", group, i);
            }
        }
    }
    return {};
}

/// Of two that claim, and know it, the earlier one gives way.
std::string Promises::on_loss(std::size_t instance, const RoleChange& change, const Seen& seen,
                              Instant now) const {
    const Dataplane* self = seen.dataplanes[instance];
    const Dataplane* peer = seen.dataplanes[1 - instance];
    const Duration known = kHeartbeat + kWireDelayMax + 3 * shape_->tick;
    if (self == nullptr || peer == nullptr || !peer->is_active(change.group)) return {};
    if (now - groups_[change.group].both_known_since <= known || !self->is_fit()) return {};
    const std::array<std::uint32_t, kInstances>& terms = groups_[change.group].terms;
    if (terms[instance] <= terms[1 - instance]) return {};
    return fmt::format("{} has taken group {} over later, and gives way", instance, change.group);
}

/// Who is active, fit and heard loses a group only to one that could go on with it.
std::string Promises::on_change(std::size_t instance, const RoleChange& change, const Seen& seen,
                                Instant now) {
    if (change.role == Role::kBackup) return on_loss(instance, change, seen, now);
    if (change.role != Role::kActive) return {};
    if (change.adopted != 0) ++counts_->adoptions;
    const std::size_t other = 1 - instance;
    const Dataplane* peer = seen.dataplanes[other];
    const Group& state = groups_[change.group];
    const Duration heard = 2 * shape_->advert_interval + kWireDelayMax + 2 * shape_->tick;
    const bool is_taken = peer != nullptr && peer->is_active(change.group) && peer->is_fit() &&
                          now - state.alone_since[other] > heard;
    if (!is_taken) return {};
    if (change.is_asked) {
        ++counts_->handed_over;
        return {};
    }
    ++counts_->preemptions;
    if (change.held_down > heard) {
        return fmt::format("{} takes group {} back too early for its peer", instance, change.group);
    }
    if (change.is_overdue || now - in_step_at_[instance] <= heard) return {};
    return fmt::format("{} takes group {} from a live peer without being in step", instance,
                       change.group);
}

std::string Promises::on_speech(std::size_t instance, const Dataplane& dataplane, Instant now) {
    if (dataplane.workers_run() || !stopped_since_[instance]) return {};
    if (now - *stopped_since_[instance] <= kStallLimit + 2 * shape_->tick) return {};
    return fmt::format("{} speaks while its workers stand still", instance);
}

std::string Promises::compare_slots(const Dataplane& from, const Dataplane& to, std::size_t group) {
    for (const auto& [id, table] : from.slots().all()) {
        if (id.domain != domain_of(group)) continue;
        const tables::SlotTables::Table* followed = to.slots().find(id);
        if (followed == nullptr) continue;
        if (followed->memory.slots().size() != table.memory.slots().size()) continue;
        if (!followed->peers) return "slots of a peer that has told all are not followed";
        const tables::SlotMemory::Steady steady = table.memory.steady();
        for (std::size_t slot = 0; slot < steady.owners.size(); ++slot) {
            const std::uint16_t theirs = followed->peers->owners[slot];
            const std::uint16_t ours = steady.owners[slot];
            ++counts_->slots_compared;
            const bool is_same =
                ours == tables::Slot::kByHash || theirs == tables::Slot::kByHash
                    ? ours == theirs
                    : theirs == translated(ours, *from.live().plan, *to.live().plan);
            if (!is_same) {
                return fmt::format(
                    "slot {} is steady with {}, and the peer that is told all has {}", slot, ours,
                    theirs);
            }
        }
    }
    return {};
}

std::string Promises::compare_ends(const Dataplane& from, const Dataplane& to, std::size_t group) {
    for (const auto& [id, table] : from.slots().all()) {
        if (id.domain != domain_of(group)) continue;
        const tables::SlotTables::Table* followed = to.slots().find(id);
        const std::span<const tables::Slot> slots = table.memory.slots();
        if (followed == nullptr || !followed->peers) continue;
        if (followed->peers->owners.size() != slots.size()) continue;
        for (std::size_t slot = 0; slot < slots.size(); ++slot) {
            if (slots[slot].is_in_transition()) continue;
            const std::uint16_t theirs = followed->peers->owners[slot];
            ++counts_->slots_compared;
            if (theirs != translated(slots[slot].owner, *from.live().plan, *to.live().plan)) {
                return fmt::format(
                    "slot {} has become steady with {} before the peer, with {}, knew", slot,
                    slots[slot].owner, theirs);
            }
        }
    }
    return {};
}

std::string Promises::at_the_end(const Seen& seen, Instant /*now*/) {
    for (std::size_t group = 0; group < shape_->groups; ++group) {
        if (claims(seen.dataplanes[0], group) == claims(seen.dataplanes[1], group)) {
            return fmt::format("a healed pair has not exactly one active for group {}", group);
        }
    }
    for (std::size_t i = 0; i < kInstances; ++i) {
        if (!seen.dataplanes[i]->has_same_tables()) {
            return fmt::format("the tables of a healed pair differ in the eyes of {}", i);
        }
        if (!seen.dataplanes[i]->replication().is_caught_up()) {
            return fmt::format("in a healed pair {} has not caught up", i);
        }
        if (!seen.dataplanes[i]->replication().has_told_all()) {
            return fmt::format("in a healed pair {} has not told all", i);
        }
        if (!knows_verdicts(*seen.dataplanes[i], *seen.dataplanes[1 - i])) {
            return fmt::format("in a healed pair {} does not know the other one's verdicts", i);
        }
        if (seen.dataplanes[i]->has_lost_words()) {
            return fmt::format("in a healed pair {} has not heard all of its workers", i);
        }
    }
    for (std::size_t group = 0; group < shape_->groups; ++group) {
        if (shape_->preempts && !claims(seen.dataplanes[shape_->higher(group)], group)) {
            return fmt::format("the lower one is active for group {} of a healed pair", group);
        }
    }
    return {};
}

}  // namespace tandem::sim
