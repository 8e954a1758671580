// Roles, plans and packets; dataplane_peer.cpp has what is said to the other instance.
#include "tests/sim/pair/dataplane.h"

#include <algorithm>
#include <fmt/format.h>

namespace tandem::sim {

namespace {

using pair::Role;
using tables::SlotTableId;

constexpr std::size_t kSweepBuckets = 16;  // worker.cpp
constexpr std::size_t kSweepSeconds = 2;   // it is 30 where a flow may be silent for 900
constexpr Duration kLeavingMax = std::chrono::seconds(3);  // main_core.cpp
constexpr pair::HoldDown::Settings kHoldDown{.first = milliseconds(5),
                                             .most = milliseconds(100),
                                             .forgotten = milliseconds(500),
                                             .at_once = milliseconds(2)};
constexpr std::uint8_t kRouterId = 51;  // of the first group
constexpr std::size_t kAdvertRouterId = ethernet::kHeaderBytes + ipv4::kHeaderBytes + 1;
constexpr std::size_t kAdvertPriority = kAdvertRouterId + 1;

std::vector<tables::FlowJournal*> all_of(std::deque<tables::FlowJournal>& journals) {
    std::vector<tables::FlowJournal*> all;
    for (tables::FlowJournal& journal : journals) all.push_back(&journal);
    return all;
}

}  // namespace

tables::Name name_of(std::size_t group) {
    return tables::Name(fmt::format("group{}", group));
}

tables::Domain domain_of(std::size_t group) {
    static const auto domains = [] {
        std::array<tables::Domain, kGroupsMax> all{};
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = tables::group_domain(tables::name_id(name_of(i)),
                                          static_cast<std::uint8_t>(kRouterId + i), true);
        }
        return all;
    }();
    return domains[group];
}

Dataplane::Dataplane(const Shape& shape, std::size_t number, std::uint64_t life, Workers& memory,
                     LiveTables& live, std::shared_ptr<const Plan> plan,
                     tables::PeerFlows& peer_flows, Instant now)
    : shape_(&shape),
      number_(number),
      live_(&live),
      memory_(&memory),
      slot_hash_(plan->content.head.hash_key),
      plan_(std::move(plan)),
      peer_flows_(&peer_flows),
      rules_{.udp_idle = shape.idle_s(/*is_udp=*/true)},
      channel_(life),
      suspicion_({.interval = kHeartbeat, .bound = kDeadAfter, .phi_max = 0}),
      gate_(shape.sync_timeout),
      hold_down_(kHoldDown) {
    clock_ = coarse(now);
    peer_flows_->walk_all(
        [](tables::FlowIdentity, const tables::PeerFlows::Flow&) { return false; });
    // Merger's constructor: what an earlier process had.
    for (const LiveTables::Pool& pool : live.pools) {
        tables::SlotTables::Table& table = slots_.restore(pool.id);
        table.memory.recover(pool.slots, pool.changed_at, pool.earlier);
        table.void_before = pool.void_before;
    }
    for (WorkerMemory& worker : memory) {
        journals_.emplace_back(shape.journal_changes);
        workers_.push_back(
            {.table = {worker.buckets, worker.per_backend(), worker.statistics, shape.timeouts},
             .hash = KeyedHash(worker.key),
             .use = tables::SlotUse(worker.use_cells)});
        workers_.back().table.keep_journal(worker.identities, journals_.back());
    }
    const auto epoch = static_cast<std::uint32_t>(life * 1000);
    const auto last_use = [this](std::uint64_t pool, std::uint32_t slot) {
        CoarseTime latest = 0;
        for (const Worker& worker : workers_)
            latest = std::max(latest, worker.use.last(pool, slot));
        return latest;
    };
    replication_.emplace(pair::Replication::Settings{.limits = shape.stream,
                                                     .remembering = shape.remembering,
                                                     .epoch = epoch,
                                                     .use_cells = kUseCells},
                         slots_, *peer_flows_, all_of(journals_), last_use);
    ports_[0].mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(number + 1)};
    ports_[0].mtu = 1500;
    routers_.emplace(roles_, ports_);
    routers_->allow_preemption(false);
    handoff_.emplace(*routers_, *replication_);
    orders_.emplace(*routers_, &*handoff_, peer_state_,
                    [](const auto& /*report*/, bool /*is_own*/) {});
    plan_groups();
    merge(now);
    changes_.clear();
}

CoarseTime Dataplane::coarse(Instant now) const {
    return shape_->clock_begins[number_] +
           static_cast<CoarseTime>(now.time_since_epoch() / shape_->second);
}

void Dataplane::plan_groups() {
    for (std::size_t i = 0; i < shape_->groups; ++i) {
        tables::PlanGroup& group = groups_.emplace_back();
        group.name = name_of(i);
        group.source_v4 = IpAddress::from_v4({10, 0, 0, static_cast<std::uint8_t>(number_ + 1)});
        group.interval_ms = static_cast<std::uint32_t>(shape_->advert_interval / milliseconds(1));
        group.preempt_delay_ms =
            static_cast<std::uint32_t>(shape_->preempt_delay / milliseconds(1));
        group.router_id = static_cast<std::uint8_t>(kRouterId + i);
        group.priority = shape_->priorities[i][number_];
        group.preempts = static_cast<tables::Flag>(shape_->preempts);
        tables::PlanVip& vip = vips_.emplace_back();
        vip.address = IpAddress::from_v4({10, 0, 1, static_cast<std::uint8_t>(i)});
        vip.group = static_cast<std::uint8_t>(i);
    }
}

/// MainCore::step.
void Dataplane::step(Instant now) {
    clock_ = coarse(now);
    pair::step(*this, now);
    orders_->step(peer(), now);
    if (leaving_since_ && !idle_since_ && orders_->is_idle()) idle_since_ = now;
    if (clock_ != settled_at_) {
        settled_at_ = clock_;
        if (replication_->settle(clock_)) merged_ = 0;
    }
    follow_plan(now);
}

/// PairLink::step.
void Dataplane::step_routers(Instant now) {
    routers_->hear_claims(std::exchange(claims_, {}), now);
    routers_->wake(now);
    for (const std::vector<std::uint8_t>& frame : std::exchange(frames_, {})) {
        routers_->on_frame(0, frame, now);
    }
    look_at_workers(now);
    routers_->on_time(now);
    if (report(/*is_asked=*/false)) follow_roles(now);
    say(now);
    if (routers_->take_loss()) hold_down_.note_loss(now);
}

/// WorkerWatch, and what Routers makes of it.
void Dataplane::look_at_workers(Instant now) {
    const Duration passed = looked_at_ ? now - *looked_at_ : Duration{};
    looked_at_ = now;
    const bool counts = !std::exchange(has_looped_, false) && passed < kStallLimit;
    still_ = counts ? still_ + passed : Duration{};
    const bool run = still_ < kStallLimit;
    if (std::exchange(is_fit_, run) != run) routers_->set_workers_run(run, now);
}

/// PairLink::report. Whether there was anything.
bool Dataplane::report(bool is_asked) {
    bool any = false;
    for (const pair::Routers::RoleChange& change : routers_->take_changes()) {
        const std::size_t group = static_cast<std::size_t>(change.group.back() - '0');
        changes_.push_back(
            {.group = group,
             .role = change.role,
             .is_in_step = is_in_step(),
             .is_overdue = gate_.state() == pair::PreemptionGate::State::kOverdue,
             .is_asked = is_asked,
             .held_down = held_down_since_ ? stepped_at_ - *held_down_since_ : Duration{},
             .adopted = change.role == Role::kActive ? adoptable(group) : 0,
             .follows = follows(group)});
        any = true;
    }
    return any;
}

/// PairLink::speak.
void Dataplane::say(Instant now) {
    for (pair::Routers::Frame& frame : routers_->take_frames()) {
        LanFrame said{.good_until = now + frame.good_for};
        const bool is_advert =
            load_be16(frame.bytes.data() + ethernet::kType) == ethernet::kTypeIpv4;
        if (is_advert) {
            said.group = frame.bytes[kAdvertRouterId] - kRouterId;
            said.advert_priority = frame.bytes[kAdvertPriority];
            if (*said.advert_priority != pair::kPriorityReleased) claimed_at_[said.group] = now;
        } else {
            const std::size_t vip = ethernet::kHeaderBytes + arp::kSenderAddress;
            said.group = frame.bytes[vip + 3];
        }
        said.bytes = std::move(frame.bytes);
        ring_.push_back(std::move(said));
    }
}

/// MainCore::follow_roles.
void Dataplane::follow_roles(Instant now) {
    if (!set_domains(now)) return;
    merged_ = 0;
    follow_plan(now);
}

/// PairedTables::follow_roles.
bool Dataplane::set_domains(Instant now) {
    std::vector<tables::Domain> domains;
    for (std::size_t group = 0; group < groups_.size(); ++group) {
        if (is_active(group)) domains.push_back(domain_of(group));
    }
    std::ranges::sort(domains);
    return replication_->set_domains(std::move(domains), coarse(now));
}

std::size_t Dataplane::adoptable(std::size_t group) const {
    std::size_t count = 0;
    for (const auto& [id, table] : slots_.all()) {
        if (id.domain != domain_of(group) || !table.peers) continue;
        const std::span<const tables::Slot> own = table.memory.slots();
        const std::vector<bool> has_flows =
            replication_->follower().slots_with_flows(id, own.size());
        for (std::uint32_t i = 0; i < own.size(); ++i) {
            const bool differs = table.peers->owners[i] != own[i].owner;
            if (differs || has_flows[i]) ++count;
        }
    }
    return count;
}

std::array<bool, kPoolsMax> Dataplane::follows(std::size_t group) const {
    std::array<bool, kPoolsMax> follows{};
    for (std::size_t pool = 0; pool < plan_->pool_ids.size(); ++pool) {
        const SlotTableId id{.pool = plan_->pool_ids[pool], .domain = domain_of(group)};
        const tables::SlotTables::Table* table = slots_.find(id);
        if (table == nullptr || !table->peers) continue;
        // Of another size it is not followed any further: what was told before that holds on.
        const pair::Follower& follower = replication_->follower();
        const std::size_t slots = table->memory.slots().size();
        follows[pool] = !follower.has(id) || follower.steady(id).owners.size() == slots;
    }
    return follows;
}

/// MainCore::hand_off_all.
void Dataplane::leave(Instant now) {
    leaving_since_ = now;
    if (!orders_->leave()) idle_since_ = now - pair::kLate;
}

bool Dataplane::has_left(Instant now) const {
    return (idle_since_ && now - *idle_since_ >= pair::kLate) ||
           (leaving_since_ && now - *leaving_since_ >= kLeavingMax);
}

void Dataplane::stop(Instant now) {
    routers_->stop(now);
    report(/*is_asked=*/false);
    say(now);
}

void Dataplane::follow_plan(Instant now) {
    if (plan_->generation != merged_) merge(now);
}

/// MainCore::merge, with Merger's part in it.
void Dataplane::merge(Instant now) {
    numbers_ = routers_->follow(groups_, vips_, now);
    say(now);
    report(/*is_asked=*/false);
    std::vector<SlotTableId> ids;
    for (const std::uint64_t pool : plan_->pool_ids) {
        for (std::size_t group = 0; group < groups_.size(); ++group) {
            ids.push_back({.pool = pool, .domain = domain_of(group)});
        }
    }
    slots_.keep_only(ids);
    merged_owners_.resize(plan_->content.owners.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::size_t pool = i / groups_.size();
        slots_.set_hold(ids[i], plan_->hold);
        const bool is_last = i % groups_.size() == groups_.size() - 1;
        if (merged_owners_[pool] == plan_->content.owners[pool]) continue;
        slots_.update(ids[i], *plan_->content.owners[pool], coarse(now));
        if (is_last) merged_owners_[pool] = plan_->content.owners[pool];
    }
    publish();
    own_.plan_generation = plan_->generation;
    own_.config_revision = plan_->content.head.config_revision;
    own_.hash_key_id = slot_hash_.of_pair(0, 0);
    own_.digest = plan_->content.head.digest;
    set_plan();
    merged_ = set_domains(now) ? 0 : plan_->generation;
}

/// As workers see it from now on.
void Dataplane::publish() {
    std::vector<LiveTables::Pool> pools;
    for (const auto& [id, table] : slots_.all()) {
        const LiveTables::Pool* known = live_->find(id);
        if (known != nullptr && known->revision == table.revision && has_published_) {
            pools.push_back(*known);
            pools.back().is_followed = table.peers.has_value();
            continue;
        }
        LiveTables::Pool& pool = pools.emplace_back();
        pool.id = id;
        pool.revision = table.revision;
        pool.slots.assign(table.memory.slots().begin(), table.memory.slots().end());
        const auto changed_at = table.memory.changed_at();
        pool.changed_at.assign(changed_at.begin(), changed_at.end());
        if (table.peers) {
            for (std::size_t i = 0; i < pool.slots.size(); ++i) {
                pool.slots[i].steady = table.peers->owners[i];
            }
            pool.earlier = table.peers->earlier;
        } else {
            pool.earlier.assign(table.memory.earlier().begin(), table.memory.earlier().end());
        }
        pool.void_before = table.void_before;
        pool.is_followed = table.peers.has_value();
    }
    live_->pools = std::move(pools);
    has_published_ = true;
    if (live_->plan == plan_) return;
    live_->plan = plan_;
    live_->backends.assign(plan_->content.backends.size(), {});
    for (std::size_t i = 0; i < live_->backends.size(); ++i) {
        live_->backends[i].serves_flows = plan_->content.backends[i].serves_flows;
        live_->backends[i].pool = plan_->content.backends[i].pool;
    }
}

/// Worker::run_once without packets.
void Dataplane::work(Instant /*now*/) {
    if (!workers_run_) return;
    has_looped_ = true;
    for (Worker& worker : workers_) {
        std::vector<tables::FlowTable::Void> voids;
        for (const LiveTables::Pool& pool : live_->pools) {
            if (pool.void_before != 0) voids.push_back({pool.id.domain, pool.void_before});
        }
        worker.table.set_void(std::move(voids));
        worker.table.answer_journal(clock_, kSweepBuckets);
        if (clock_ != worker.swept_at) {
            worker.swept_at = clock_;
            worker.sweep_left = worker.table.bucket_count() / kSweepSeconds + 1;
        }
        const std::size_t count = std::min(worker.sweep_left, kSweepBuckets);
        worker.table.sweep(clock_, count);
        worker.sweep_left -= count;
    }
}

std::optional<Dataplane::Place> Dataplane::place_of(const FlowSeen& flow) const {
    const LiveTables::Pool* pool =
        live_->find({.pool = pool_id(flow.pool), .domain = domain_of(flow.group)});
    if (pool == nullptr || pool->slots.empty()) return std::nullopt;
    const std::uint64_t slot_hash = slot_hash_.of_pair(flow.key, flow.pool);
    const std::uint32_t index =
        tables::LiveView::slot_index(slot_hash, static_cast<std::uint32_t>(pool->slots.size()));
    return Place{.pool = pool,
                 .index = index,
                 .slot = {.slot = pool->slots[index],
                          .changed_at = &pool->changed_at[index],
                          .slot_hash = slot_hash,
                          .earlier = pool->earlier,
                          .identity = tables::flow_identity(slot_hash, pool->id.domain),
                          .void_before = pool->void_before,
                          .peers = peer_flows_,
                          .pool = static_cast<std::uint16_t>(flow.pool),
                          .is_moving = roles_.is_moving(numbers_[flow.group], /*is_v4=*/true)}};
}

BackendId Dataplane::id_of(tables::BackendIndex backend) const {
    return backend < live_->plan->ids.size() ? live_->plan->ids[backend] : kNobody;
}

/// pipeline::pick.
BackendId Dataplane::forward(const FlowSeen& flow, const tables::FlowSignal& signal) {
    const std::optional<Place> place = place_of(flow);
    if (!place) return kNobody;
    const auto& [pool, index, at] = *place;
    if (at.slot.is_steady()) return id_of(at.slot.owner);
    if (pool->is_followed) return id_of(tables::follow_peer(at, live_->backends));
    Worker& worker = workers_[worker_of(flow)];
    tables::FlowSought sought{worker.hash.of_pair(flow.key, flow.pool), {}};
    sought.glimpsed = worker.table.glimpse(sought.hash);
    const CoarseTime now = std::max(clock_, pool->void_before);
    const auto known = tables::repeated(sought, signal, at.pool, live_->backends, now);
    if (known != tables::kNoBackend) return id_of(known);
    const tables::Tracked tracked =
        tables::track(worker.table, sought, at, signal, live_->backends, rules_, now);
    if (tracked.is_remembered && !tracked.is_repeated) {
        worker.use.note(pool->id.pool, index, now);
    }
    return id_of(tracked.backend);
}

std::uint64_t Dataplane::slots_revision() const {
    std::uint64_t sum = 0;
    for (const auto& [id, table] : slots_.all()) sum += table.revision;
    return sum;
}

BackendId Dataplane::by_slot(const FlowSeen& flow) const {
    const std::optional<Place> place = place_of(flow);
    if (!place) return kNobody;
    tables::SlotNow at = place->slot;
    at.peers = nullptr;
    return id_of(at.slot.is_steady() ? at.slot.owner : tables::follow_peer(at, live_->backends));
}

bool Dataplane::has_outdated(const FlowSeen& flow) const {
    const std::optional<Place> place = place_of(flow);
    if (!place || !place->slot.slot.is_steady()) return false;
    return (*memory_)[worker_of(flow)].state_of(place->slot.identity).has_value();
}

std::string Dataplane::describe(const FlowSeen& flow) const {
    const std::optional<Place> place = place_of(flow);
    if (!place) return "has no table";
    const auto& [pool, index, at] = *place;
    const auto name = [&](std::uint16_t backend) {
        const std::size_t id = backend < live_->plan->ids.size() ? live_->plan->ids[backend] : 99;
        return fmt::format("{}(id {})", backend, id);
    };
    const auto known = peer_flows_->find(at.identity);
    const auto state = (*memory_)[worker_of(flow)].state_of(at.identity);
    return fmt::format(
        "second {}: slot {}: owner {}, steady {}, changed {}, void before {}{}; of the peer's: {}; "
        "own: {}",
        clock_, index, name(at.slot.owner), name(at.slot.steady), pool->changed_at[index],
        pool->void_before, pool->is_followed ? ", followed" : "",
        known ? fmt::format("{} in state {}", name(known->backend), static_cast<int>(known->state))
              : "unknown",
        state ? fmt::format("in state {}", static_cast<int>(*state)) : "unknown");
}

std::uint64_t Dataplane::crowded() const {
    std::uint64_t sum = 0;
    for (const WorkerMemory& worker : *memory_) {
        sum += worker.statistics.evicted_full + worker.statistics.evicted_budget +
               worker.statistics.refused_full;
    }
    return sum;
}

}  // namespace tandem::sim
