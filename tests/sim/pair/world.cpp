#include "tests/sim/pair/world.h"

#include <algorithm>
#include <utility>

namespace tandem::sim {

namespace {

constexpr std::array<std::string_view, 3> kRoles{"nothing", "backup", "active"};
constexpr Duration kSwitchDelayMax = milliseconds(2);
constexpr Duration kCalm = milliseconds(600);  ///< after heal()
/// A handoff that was under way may have to fail first; drills and slow streams take their time.
constexpr Duration kLongCalm = std::chrono::seconds(8);
constexpr std::uint64_t kExtras = 0x6861'6e64'6f66'6673;
constexpr Duration kLook = milliseconds(40);

/// Until it arrives. Where it is kept.
template <class Sent>
std::uint32_t keep(const Sent& sent, std::vector<Sent>& places, std::vector<std::uint32_t>& free) {
    if (free.empty()) {
        free.push_back(static_cast<std::uint32_t>(places.size()));
        places.emplace_back();
    }
    const std::uint32_t place = free.back();
    free.pop_back();
    places[place] = sent;
    return place;
}

}  // namespace

World::World(std::uint64_t seed, bool traces, Workspace& workspace, Counts& counts)
    : random_(seed),
      extras_(seed ^ kExtras),
      traces_(traces),
      workspace_(&workspace),
      counts_(&counts),
      shape_(draw_shape(random_, extras_)),
      now_(std::chrono::seconds(1)),
      wanted_(shape_.setting) {
    promises_.emplace(shape_, counts, now_);
    judge_.emplace(shape_, flows_, counts);
    trace("second {} ms, tick {} us, {} groups, {} pools of {} slots, hold {} s, idle {} s",
          shape_.second / milliseconds(1), shape_.tick / microseconds(1), shape_.groups,
          wanted_.pools.size(), wanted_.pools[0].slots, wanted_.hold, shape_.idle_s(false));
    for (std::size_t i = 0; i < kInstances; ++i) {
        boot(i);
        start(i);
        at(draw(random_, Duration{}, kControlLook), Kind::kControl, i);
    }
    flows_.resize(shape_.flows);
    for (std::size_t flow = 0; flow < flows_.size(); ++flow) {
        at(draw(random_, milliseconds(60), milliseconds(300)), Kind::kFlow, 0,
           static_cast<std::uint32_t>(flow));
    }
}

bool World::run() {
    advance(milliseconds(random_.between(50, 150)));
    for (std::uint32_t event = random_.between(5, 16); event > 0 && !is_broken(); --event) {
        if (shape_.hands_off && extras_.chance(0.4)) order();
        disturb();
        // Now and then all comes to rest before something else happens.
        const bool is_calm = random_.chance(0.3);
        advance(draw(random_, Duration{}, milliseconds(is_calm ? 250 : 50)));
    }
    if (!is_broken()) heal();
    // Once all is as it should be, not much is seen of the rest of the time that it may take.
    const bool takes_long = shape_.hands_off || shape_.is_short;
    const Instant end = now_ + (takes_long ? kLongCalm : kCalm);
    const bool waits = random_.chance(0.2) && !takes_long;
    std::string promise;
    do {
        advance(std::min(kLook, end - now_));
        if (shape_.hands_off) take_back();
        promise = is_broken() ? std::string() : promises_->at_the_end(seen(), now_);
    } while (!is_broken() && now_ < end && !promise.empty());
    broken(std::move(promise));
    if (waits) advance(end - now_);
    if (traces_ && is_broken()) {
        for (std::size_t i = 0; i < kInstances; ++i) {
            if (!machines_[i].dataplane) continue;
            const pair::Replication& replication = machines_[i].dataplane->replication();
            trace(
                "{}: has {} tellings, {} peer's flows, epoch {}, acknowledged {} of {}, told all "
                "{}; follows to {}; caught up {}, lost {}, wants {}; orders {}, handoff {}, awaits "
                "{}",
                i, replication.tellings(), machines_[i].dataplane->peer_flows().count(),
                replication.teller().stream().epoch(), replication.teller().stream().first(),
                replication.teller().stream().end(), replication.has_told_all(),
                replication.acknowledgement() ? replication.acknowledgement()->epoch : 0,
                replication.is_caught_up(), replication.follower().has_lost(),
                replication.wants_telling(),
                machines_[i].dataplane->is_idle() ? "none" : "under way",
                machines_[i].dataplane->handoff().is_under_way() ? "under way" : "none",
                machines_[i].dataplane->handoff().awaits_group());
        }
    }
    for (const Machine& machine : machines_) {
        if (machine.dataplane) count_tellings(*machine.dataplane);
    }
    return !is_broken();
}

/// Empty: none was.
void World::broken(std::string promise) {
    if (promise.empty() || is_broken()) return;
    trace("BROKEN: {}", promise);
    trouble_ = std::move(promise);
}

void World::at(Duration delay, Kind kind, std::size_t instance, std::uint32_t subject,
               std::uint32_t detail) {
    events_.push({.at = now_ + delay,
                  .order = order_++,
                  .kind = kind,
                  .instance = static_cast<std::uint8_t>(instance),
                  .subject = subject,
                  .detail = detail});
}

void World::advance(Duration span) {
    const Instant end = now_ + span;
    while (!is_broken() && !events_.empty() && events_.top().at <= end) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        happen(event);
    }
    now_ = end;
}

void World::happen(const Event& event) {
    const std::size_t i = event.instance;
    Machine& machine = machines_[i];
    const bool is_of_this_life = event.subject == machine.outages;
    switch (event.kind) {
        case Kind::kStep:
            if (is_of_this_life && runs(i) && !machine.is_stopping) step(i);
            return;
        case Kind::kControl:
            look(i);
            at(kControlLook, Kind::kControl, i);
            return;
        case Kind::kPublish:
            return publish(i);
        case Kind::kFrame:
            free_frames_.push_back(event.subject);
            if (!machine.dataplane) return;
            trace("{} hears of group {} with priority {}", i, event.detail / 256,
                  event.detail % 256);
            return machine.dataplane->on_frame(frames_[event.subject]);
        case Kind::kDatagram:
            free_datagrams_.push_back(event.subject);
            if (machine.dataplane) {
                machine.dataplane->on_datagram(std::move(datagrams_[event.subject]), now_);
            }
            return;
        case Kind::kClaim:
            if (holder_[event.subject] == i) return;
            former_[event.subject] = std::exchange(holder_[event.subject], i);
            moved_at_[event.subject] = now_;
            return;
        case Kind::kFlow:
            return send_next(event.subject);
        case Kind::kVerdict:
            return set_verdict(i, static_cast<BackendId>(event.subject));
        case Kind::kRestart:
            if (event.detail != 0 && machine.dataplane && is_of_this_life) kill(i, false);
            if (!machine.dataplane) start(i);
            return;
        case Kind::kWorkersGoOn:
            if (is_of_this_life && machine.dataplane) workers_go_on(i);
            return;
        case Kind::kGoOn:
            if (is_of_this_life && machine.is_paused) go_on(i);
            return;
        case Kind::kReload:
            return reload(i);
    }
}

/// A machine without memory; its control has had the first results of its checks.
void World::boot(std::size_t i) {
    Machine& machine = machines_[i];
    machine.memory.clear();
    for (std::size_t worker = 0; worker < shape_.workers; ++worker) {
        machine.memory.emplace_back(shape_.buckets, random_.next(),
                                    workspace_->per_backend[i][worker]);
    }
    machine.live = {};
    const Setting setting = machine.control ? machine.control->setting() : wanted_;
    machine.control.emplace(shape_, setting, plan::TableKey{.key = kSlotKey, .born_ms = 1});
    machine.peers_verdicts.clear();
    for (std::size_t backend = 0; backend < kBackends; ++backend) {
        set_verdict(i, static_cast<BackendId>(backend));
    }
    machine.plan = machine.control->make();
    machine.publish_is_due = false;
}

void World::start(std::size_t i) {
    Machine& machine = machines_[i];
    trace("{} starts", i);
    machine.is_paused = machine.is_leaving = machine.is_stopping = false;
    if (machine.live.plan) {
        for (std::size_t id = 0; id < kBackends; ++id) {
            if (machine.live.plan->index_of[id] == machine.plan->index_of[id]) continue;
            judge_->removed_unseen(i, static_cast<BackendId>(id));
        }
    }
    machine.dataplane.emplace(shape_, i, ++lives_, machine.memory, machine.live, machine.plan,
                              workspace_->peer_flows[i], now_);
    promises_->workers_go_on(i);
    promises_->go_on(i, now_);
    at(draw(random_, Duration{}, shape_.tick), Kind::kStep, i, machine.outages);
}

void World::count_tellings(const Dataplane& dataplane) {
    counts_->tellings += dataplane.replication().tellings();
    counts_->overflows += dataplane.replication().overflows();
}

void World::kill(std::size_t i, bool all) {
    Machine& machine = machines_[i];
    if (!machine.dataplane) return;
    trace("{} {}", i, all ? "dies with its machine" : "dies");
    ++counts_->deaths;
    count_tellings(*machine.dataplane);
    judge_->died(i, dataplanes(), all);
    machine.dataplane.reset();
    machine.nic.clear();
    ++machine.outages;
    if (all) boot(i);
}

void World::pause(std::size_t i) {
    Machine& machine = machines_[i];
    if (!runs(i)) return;
    const Duration span = draw(random_, milliseconds(1), milliseconds(200));
    trace("{} is stopped for {} ms", i, span / milliseconds(1));
    machine.is_paused = true;
    at(span, Kind::kGoOn, i, machine.outages);
}

void World::go_on(std::size_t i) {
    trace("{} goes on", i);
    Machine& machine = machines_[i];
    promises_->go_on(i, now_);
    machine.is_paused = false;
    machine.dataplane->set_clock(now_);
    if (machine.dataplane->workers_run()) {
        for (const ClientPacket& packet : std::exchange(machine.nic, {})) arrive(packet, i);
    }
    if (!machine.is_stopping && !is_broken()) step(i);
}

void World::workers_go_on(std::size_t i) {
    Machine& machine = machines_[i];
    if (machine.dataplane->workers_run()) return;
    trace("{}: workers go on", i);
    machine.dataplane->set_workers_run(true);
    promises_->workers_go_on(i);
    if (!runs(i)) return;
    for (const ClientPacket& packet : std::exchange(machine.nic, {})) arrive(packet, i);
}

void World::step(std::size_t i) {
    Machine& machine = machines_[i];
    Dataplane& dataplane = *machine.dataplane;
    const std::shared_ptr<const Plan> before = machine.live.plan;
    const std::uint64_t slots_before = dataplane.slots_revision();
    dataplane.work(now_);
    dataplane.step(now_);
    if (machine.live.plan != before) {
        for (std::size_t id = 0; id < kBackends; ++id) {
            if (before->index_of[id] == machine.live.plan->index_of[id]) continue;
            judge_->removed(i, dataplane, static_cast<BackendId>(id));
        }
    }
    if (dataplane.slots_revision() != slots_before) judge_->slots_changed(i, dataplanes());
    note_changes(i);
    carry(i);
    note_commits(i);
    broken(promises_->watch(seen(), now_));
    if (machine.is_leaving && dataplane.has_left(now_)) return stop(i);
    at(shape_.tick, Kind::kStep, i, machine.outages);
}

/// It gives up what it has; its workers go on for a while.
void World::stop(std::size_t i) {
    Machine& machine = machines_[i];
    trace("{} stops", i);
    machine.is_leaving = false;
    machine.is_stopping = true;
    machine.dataplane->stop(now_);
    note_changes(i);
    carry(i);
    at(milliseconds(random_.between(20, 80)), Kind::kRestart, i, machine.outages, /*kills=*/1);
}

/// What it has sent is on its way.
void World::carry(std::size_t i) {
    Dataplane& dataplane = *machines_[i].dataplane;
    if (dataplane.workers_run()) {
        for (const LanFrame& frame : dataplane.take_frames(now_)) {
            broken(promises_->on_speech(i, dataplane, now_));
            const bool claims = frame.advert_priority != pair::kPriorityReleased;
            const bool is_late = frame.good_until < now_ + shape_.advert_interval;
            if (claims && is_late) promises_->speaks_late(now_);
            if (claims) {
                at(draw(random_, Duration{}, kSwitchDelayMax), Kind::kClaim, i,
                   static_cast<std::uint32_t>(frame.group));
            }
            if (!frame.advert_priority) continue;
            const Link::Arrivals arrivals = lan_.send(i, now_, random_);
            for (std::size_t copy = 0; copy < arrivals.count; ++copy) {
                at(arrivals.at[copy] - now_, Kind::kFrame, 1 - i,
                   keep(frame.bytes, frames_, free_frames_),
                   static_cast<std::uint32_t>(frame.group * 256 + *frame.advert_priority));
            }
        }
    }
    for (Datagram& datagram : dataplane.take_datagrams()) {
        if (!datagram.payload.empty()) broken(promises_->on_speech(i, dataplane, now_));
        const Link::Arrivals arrivals = channel_.send(i, now_, random_);
        for (std::size_t copy = 0; copy < arrivals.count; ++copy) {
            at(arrivals.at[copy] - now_, Kind::kDatagram, 1 - i,
               keep(datagram, datagrams_, free_datagrams_));
        }
    }
}

Judge::Machines World::dataplanes() const {
    Judge::Machines all{};
    for (std::size_t i = 0; i < kInstances; ++i) {
        if (machines_[i].dataplane) all[i] = &*machines_[i].dataplane;
    }
    return all;
}

Promises::Seen World::seen() const {
    Promises::Seen seen{.lan_is_whole = lan_.is_whole(), .channel_is_whole = channel_.is_whole()};
    for (std::size_t i = 0; i < kInstances; ++i) {
        if (runs(i)) seen.dataplanes[i] = &*machines_[i].dataplane;
        seen.is_stopping[i] = machines_[i].is_stopping;
    }
    return seen;
}

void World::note_changes(std::size_t i) {
    for (RoleChange& change : machines_[i].dataplane->take_changes()) {
        // Who has lost it meanwhile hands nothing over.
        const std::optional<Dataplane>& other = machines_[1 - i].dataplane;
        change.is_asked = change.is_asked && other && other->is_active(change.group);
        trace("{} is {} for group {}{}", i, kRoles[static_cast<std::size_t>(change.role)],
              change.group, change.adopted != 0 ? ", and goes on with what it was told" : "");
        broken(promises_->on_change(i, change, seen(), now_));
        if (change.role == pair::Role::kActive) {
            ++counts_->takeovers;
            judge_->became_active(i, change, *machines_[i].dataplane, now_);
        } else {
            judge_->gave_up(i, change.group, dataplanes());
        }
    }
}

/// Moments at which the other one has been told all that there was to tell, and those after it.
void World::note_commits(std::size_t i) {
    if (!machines_[1 - i].dataplane || machines_[1 - i].is_stopping) return;
    const Dataplane& from = *machines_[i].dataplane;
    const Dataplane& to = *machines_[1 - i].dataplane;
    const pair::StreamSender& stream = from.replication().teller().stream();
    const std::optional<pair::Acknowledgement> has = to.replication().acknowledgement();
    if (!from.replication().has_told_all() || stream.is_broken() || from.is_plan_new() ||
        to.is_plan_new() || !to.replication().is_caught_up() || !has ||
        has->epoch != stream.epoch()) {
        return;
    }
    const std::array plans{from.live().plan, to.live().plan};
    if (!stream.is_empty() || has->next != stream.end() || !from.has_heard_workers()) {
        if (machines_[i].plans_at_commit != plans) return;  // numbers may be on their way
        for (std::size_t group = 0; group < shape_.groups; ++group) {
            if (!from.is_active(group) || to.is_active(group)) continue;
            broken(promises_->compare_ends(from, to, group));
        }
        return;
    }
    machines_[i].plans_at_commit = plans;
    for (std::size_t group = 0; group < shape_.groups; ++group) {
        if (!from.is_active(group) || to.is_active(group)) continue;
        bool is_alike = true;
        for (const auto& [id, table] : from.slots().all()) {
            const tables::SlotTables::Table* followed = to.slots().find(id);
            is_alike &= followed != nullptr &&
                        followed->memory.slots().size() == table.memory.slots().size();
        }
        if (!is_alike) continue;
        broken(promises_->compare_slots(from, to, group));
        if (judge_->is_behind(1 - i, group)) trace("{} has told all of group {}", i, group);
        judge_->committed(i, group, dataplanes(), now_);
        ++counts_->commits;
    }
}

/// Control looks at what the dataplane shows of the peer.
void World::look(std::size_t i) {
    Machine& machine = machines_[i];
    if (!machine.dataplane) return;
    const std::span<const tables::HealthState> verdicts = machine.dataplane->peers_verdicts();
    if (std::ranges::equal(verdicts, machine.peers_verdicts)) return;
    machine.peers_verdicts.assign(verdicts.begin(), verdicts.end());
    machine.control->see_peer(verdicts);
    want_publish(i);
}

void World::want_publish(std::size_t i) {
    if (std::exchange(machines_[i].publish_is_due, true)) return;
    at(draw(random_, Duration{}, kControlDelayMax), Kind::kPublish, i);
}

void World::publish(std::size_t i) {
    Machine& machine = machines_[i];
    if (!std::exchange(machine.publish_is_due, false)) return;
    machine.plan = machine.control->make();
    trace("{} has plan {} of digest {:x}, numbers of backends {}", i, machine.plan->generation,
          machine.plan->content.head.digest & 0xffffU, fmt::join(machine.plan->ids, " "));
    if (machine.dataplane) machine.dataplane->on_plan(machine.plan);
    const Plan& other = *machines_[1 - i].plan;
    if (other.inputs == machine.plan->inputs &&
        other.content.head.digest != machine.plan->content.head.digest) {
        broken("equal inputs lead to different tables");
    }
}

}  // namespace tandem::sim
