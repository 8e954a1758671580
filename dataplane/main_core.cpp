#include "dataplane/main_core.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <poll.h>
#include <spdlog/spdlog.h>

#include "dataplane/coarse_clock.h"

namespace tandem {

namespace {
constexpr int kTickMs = 1;
/// Memory that a worker has not given back yet makes a merge fail for moments, which is nobody's
/// business. It is tried again, but not at every tick: others wait for the main core, too.
constexpr Duration kMergePatience = std::chrono::seconds(1);
constexpr Duration kMergeInterval = std::chrono::milliseconds(20);
constexpr Duration kSyncingPatience = std::chrono::milliseconds(20);
constexpr Duration kLeavingMax = std::chrono::seconds(3);
}  // namespace

MainCore::MainCore(SharedTables& shared, OpenPorts& ports, const Settings& settings,
                   std::optional<Peer> peer)
    : shared_(shared),
      ports_(ports),
      plan_reader_(shared.plan().header().generations, shared.fixed().plan_reader),
      live_(shared.live(), shared.fixed().worker_readers),
      merger_(shared.live(), live_, ports.infos()),
      pair_(shared.fixed(), ports, settings.stall_limit),
      keep_advertising_([this] { pair_.keep_advertising(std::chrono::steady_clock::now()); }),
      peer_(std::move(peer)),
      orders_(pair_.routers(), begin_pair(settings), shared.fixed().peer,
              [this](const auto& report, bool is_own) { this->report(report, is_own); }),
      remembering_(std::ranges::max(settings.timeouts.idle_s)) {
    if (peer_) pair_.allow_preemption(false);  // until it is judged
}

/// nullptr without a peer.
pair::Handoff* MainCore::begin_pair(const Settings& settings) {
    if (!peer_) return nullptr;
    peer_->tables.begin(merger_.slots(), std::ranges::max(settings.timeouts.idle_s));
    handoff_.emplace(pair_.routers(), peer_->tables.replication());
    return &*handoff_;
}

Status MainCore::prepare() {
    plan_reader_.join();
    follow_plan(std::chrono::steady_clock::now());
    if (merged_ != 0 || live_.generation() == 0) return Nothing{};
    spdlog::warn("there is no plan to go on with: no VIP is served until there is one");
    return publish_nothing();
}

Status MainCore::publish_nothing() {
    const tables::PlanHead head;
    tables::PlanView plan;
    plan.head = &head;
    Result<std::vector<tables::BlockRef>> references =
        merger_.merge(shared_.plan(), plan, 0, coarse_now(), [] { return true; });
    if (!references) return references.error();
    const Result<std::uint64_t> published = live_.publish(std::move(references.value()));
    merger_.published(published.has_value());
    if (!published) return published.error();
    return Nothing{};
}

void MainCore::run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
        wait();
        step(std::chrono::steady_clock::now());
    }
    hand_off_all();
    pair_.stop(std::chrono::steady_clock::now());
    plan_reader_.leave();
}

/// The peer goes on before this instance is silent. Whoever could not, or has no peer, is told so
/// by the last advertisement.
void MainCore::hand_off_all() {
    if (!handoff_ || !orders_.leave()) return;
    const Instant begin = std::chrono::steady_clock::now();
    std::optional<Instant> done_at;
    for (Instant now = begin; now - begin < kLeavingMax; now = std::chrono::steady_clock::now()) {
        wait();
        step(now);
        if (!done_at && orders_.is_idle()) done_at = now;
        if (done_at && now - *done_at >= pair::kLate) return;
    }
}

void MainCore::report(const tables::OrderReport& report, bool is_own) {
    spdlog::log(report.is_done != 0 ? spdlog::level::info : spdlog::level::warn, "handoff: {}",
                report.said.data());
    if (!is_own) shared_.report(report);
}

/// Sleeps until something happens, but at most a tick: workers and control do not ring.
void MainCore::wait() const {
    if (busy_) return;
    std::array<pollfd, 2 + conf::kPathsMax + tables::kPortsMax> wake;
    nfds_t count = 0;
    for (const pollfd& descriptor : shared_.descriptors()) wake[count++] = descriptor;
    if (peer_) {
        for (const int descriptor : peer_->link.descriptors())
            wake[count++] = {descriptor, POLLIN, 0};
    }
    for (const KernelTwin& twin : ports_.twins()) wake[count++] = {twin.fd(), POLLIN, 0};
    ::poll(wake.data(), count, kTickMs);
}

void MainCore::step(Instant now) {
    const CoarseTime coarse = coarse_now();
    shared_.fixed().now.store(coarse, std::memory_order_relaxed);
    shared_.flows().alive_at().store(coarse, std::memory_order_relaxed);
    pair::step(*this, now);
    shared_.serve(now);
    for (const tables::Order& order : shared_.take_orders()) orders_.take(order);
    orders_.step(peer_ ? peer_->link.peer() : pair::Handoff::Peer{}, now);
    if (coarse != settled_at_) let_slots_settle(coarse);
    follow_plan(now);
    busy_ = false;
    for (KernelTwin& twin : ports_.twins()) busy_ |= twin.carry();
}

/// Of a group that is this instance's from now on, workers are to know all at once, before others
/// hear of it. Packets that come before they do are forwarded by the peer's word, as while it is a
/// backup.
void MainCore::follow_roles(Instant now) {
    if (!peer_ || !peer_->tables.follow_roles(coarse_now(), keep_advertising_)) return;
    merged_ = 0;
    next_try_ = now;
    follow_plan(now);
}

void MainCore::hear_peer(Instant now) {
    if (peer_) peer_->link.hear(now, peer_->tables);
}

void MainCore::step_routers(Instant now) {
    if (peer_ && pair_.routers().hear_claims(peer_->link.take_claims(), now)) {
        spdlog::warn("pair: groups that the peer has taken over since are left to it");
    }
    pair_.step(now, [&] { follow_roles(now); });
    if (peer_ && pair_.routers().take_loss()) note_loss(now);
}

void MainCore::follow_peer(Instant now) {
    if (!peer_) return;
    peer_->link.converse(now, *handoff_);
    follow_roles(now);  // the peer may have asked for it
    if (peer_->tables.step(coarse_now())) merged_ = 0;
}

void MainCore::note_loss(Instant now) {
    pair::HoldDown& hold_down = peer_->hold_down;
    hold_down.note_loss(now);
    shared_.fixed().peer.losses.store(hold_down.losses(), std::memory_order_relaxed);
    if (!hold_down.holds(now)) return;
    spdlog::warn(
        "peer: has lost groups {} times lately: for {:.0f} s it gets none back by priority",
        hold_down.losses(), std::chrono::duration<double>(hold_down.left(now)).count());
}

void MainCore::speak(Instant now) {
    if (!peer_) return;
    own_.holds_down = peer_->hold_down.holds(now);
    own_.claims = pair_.routers().claims();
    peer_->link.speak(now, own_, pair_.workers_run(), peer_->tables);
}

void MainCore::judge(Instant now) {
    if (!peer_) {
        pair_.allow_preemption(true);
        return;
    }
    judge_preemption(now);
    const std::vector<std::uint64_t> empty = peer_->tables.empty_groups(now);
    if (pair_.routers().set_empty(empty, peer_->tables.perhaps_empty_groups(), now)) {
        spdlog::warn(
            "pair: groups whose backends are all down here, and not at the peer, are left to it");
    }
    show_peer();
}

void MainCore::show_peer() {
    const pair::Replication& replication = peer_->tables.replication();
    tables::PeerState& state = shared_.fixed().peer;
    state.is_caught_up.store(replication.is_caught_up(), std::memory_order_relaxed);
    state.has_told_all.store(replication.has_told_all(), std::memory_order_relaxed);
    state.tellings.store(replication.tellings(), std::memory_order_relaxed);
    const std::uint64_t overflows = replication.overflows();
    if (state.overflows.exchange(overflows, std::memory_order_relaxed) != overflows) {
        spdlog::warn(
            "peer: degraded: more has changed than it can be told at once; it is told all anew");
    }
    state.uncommitted.store(replication.uncommitted(), std::memory_order_relaxed);
    const std::uint64_t differences = replication.follower().differences();
    if (state.differences.exchange(differences, std::memory_order_relaxed) != differences) {
        spdlog::error("peer: slots that it has told of are not here as it has them: all anew");
    }
    state.flows.store(peer_->tables.peers_flows(), std::memory_order_relaxed);
}

/// Whoever is not in step takes nothing back: it could not go on with what the peer has. In vain
/// for too long: loudly.
void MainCore::judge_preemption(Instant now) {
    using State = pair::PreemptionGate::State;
    pair::PreemptionGate& gate = peer_->preemption;
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(gate.waited(now)).count();
    const bool is_new = gate.judge(peer_->link.is_in_step(peer_->tables, now), now);
    follow_hold_down();
    // Whoever gives a group back tells first what is opening, which takes it a moment.
    pair_.allow_preemption(gate.is_open() && !is_held_down_ && !handoff_->awaits_group());
    const bool is_due = gate.state() == State::kInStep && !is_held_down_;
    orders_.take_back_own(is_due, peer_->link.peer(), now);
    shared_.fixed().peer.is_syncing.store(gate.state() != State::kInStep,
                                          std::memory_order_relaxed);
    if (gate.state() == State::kInStep) {
        if (std::exchange(is_syncing_said_, false)) {
            spdlog::info("peer: in step after {} ms: groups may be taken back from it", waited);
        }
    } else if (gate.state() == State::kSyncing) {
        if (is_syncing_said_ || gate.waited(now) < kSyncingPatience) return;
        spdlog::info("peer: syncing: no group is taken back until in step with it");
        is_syncing_said_ = true;
    } else if (is_new && peer_->link.is_peer_alive()) {
        spdlog::error(
            "peer: not in step after {} ms: groups are taken back all the same, and flows that "
            "only the peer knows of may break",
            waited);
    } else if (is_new) {
        spdlog::warn(
            "peer: not heard for {} ms: whoever answers for our groups is replaced without it",
            waited);
    }
}

void MainCore::follow_hold_down() {
    const bool is_held_down = peer_->link.is_held_down();
    if (std::exchange(is_held_down_, is_held_down) == is_held_down) return;
    shared_.fixed().peer.is_held_down.store(is_held_down, std::memory_order_relaxed);
    spdlog::log(is_held_down ? spdlog::level::warn : spdlog::level::info,
                "peer: {} to it that this instance takes its groups back",
                is_held_down ? "it is too early" : "it is no longer too early");
}

void MainCore::follow_plan(Instant now) {
    report_stalled(live_.collect(now));
    const std::uint64_t generation = plan_reader_.adopt();
    if (generation == merged_ || now < next_try_) return;
    merged_is_outdated_ = false;
    if (merge(generation, now)) {
        merged_ = merged_is_outdated_ ? 0 : generation;
        failing_since_.reset();
    } else {
        next_try_ = now + kMergeInterval;
    }
}

bool MainCore::merge(std::uint64_t plan_generation, Instant now) {
    const std::optional<tables::PlanView> plan =
        tables::PlanView::open(shared_.plan(), plan_generation);
    if (!plan) return false;
    // Groups are silent before workers hear of their VIPs. Roles cannot be taken back: what they
    // follow is copied first, and known to be whole.
    const std::vector<tables::PlanGroup> groups(plan->groups.begin(), plan->groups.end());
    const std::vector<tables::PlanVip> vips(plan->vips.begin(), plan->vips.end());
    if (!plan_reader_.still_intact()) return false;
    group_numbers_ = pair_.follow(groups, vips, now);
    merger_.set_group_numbers(group_numbers_);
    Result<std::vector<tables::BlockRef>> references = merger_.merge(
        shared_.plan(), *plan, plan_generation, coarse_now(),
        [&] { return plan_reader_.still_intact(); }, keep_advertising_);
    if (!references) {
        report_unmerged(plan_generation, references.error().message, now);
        return false;
    }
    // The kernel is to leave a VIP's packets alone before workers take them, not after.
    follow_vips(*plan);
    follow_digests(*plan, plan_generation);
    const Result<std::uint64_t> published = live_.publish(std::move(references.value()));
    merger_.published(published.has_value());
    if (!published) {
        report_unmerged(plan_generation, published.error().message, now);
        return false;
    }
    if (peer_) {
        peer_->tables.follow_plan(*plan, group_numbers_);
        if (peer_->tables.follow_roles(coarse_now(), keep_advertising_)) merged_is_outdated_ = true;
    }
    spdlog::debug("plan {} is live as generation {}", plan_generation, published.value());
    return true;
}

void MainCore::report_unmerged(std::uint64_t plan_generation, const std::string& why, Instant now) {
    if (!failing_since_) failing_since_ = now;
    if (now - *failing_since_ < kMergePatience || failed_ == plan_generation) return;
    spdlog::error("new tables are not used yet: {}", why);
    failed_ = plan_generation;
}

/// Once a second: transitions end, and what is left of backends' flows is counted.
void MainCore::let_slots_settle(CoarseTime now) {
    settled_at_ = now;
    if (!vips_are_set_) set_vips();
    const auto last_use = [&](std::uint64_t pool, std::uint32_t slot) {
        return shared_.flows().last_use(pool, slot);
    };
    const bool has_changed =
        peer_ ? peer_->tables.settle(now) : merger_.slots().settle(now, remembering_, last_use);
    if (has_changed) merged_ = 0;
    const std::optional<tables::PlanView> plan =
        tables::PlanView::open(shared_.plan(), plan_reader_.adopted());
    if (plan) count_flows(*plan, now);
}

void MainCore::count_flows(const tables::PlanView& plan, CoarseTime now) {
    const std::size_t count = std::min(plan.backends.size(), tables::kBackendsMax + 1);
    const std::vector<std::uint32_t> waiting = merger_.slots().waiting_by_backend(count);
    for (std::size_t i = 1; i < count; ++i) {
        std::uint32_t flows = 0;
        std::uint32_t silence_s = 0;
        for (std::uint32_t worker = 0; worker < shared_.flows().workers(); ++worker) {
            const tables::FlowTable::PerBackend own = shared_.flows().per_backend(worker);
            if (peer_ && worker == 0) {
                flows += peer_->tables.peers_flows_of(static_cast<tables::BackendIndex>(i));
            }
            flows += own.flows[i].load(std::memory_order_relaxed);
            silence_s = std::max<std::uint32_t>(silence_s,
                                                own.silence_s[i].load(std::memory_order_relaxed));
        }
        tables::BackendFlows& record = shared_.fixed().backend_flows[i];
        record.remembered.store(flows, std::memory_order_relaxed);
        record.silence_s.store(flows == 0 ? 0 : silence_s, std::memory_order_relaxed);
        record.waiting.store(waiting[i], std::memory_order_relaxed);
        const bool is_draining = plan.backends[i].is_draining != 0;
        if (!is_draining) {
            record.draining_since.store(0, std::memory_order_relaxed);
        } else if (record.draining_since.load(std::memory_order_relaxed) == 0) {
            record.draining_since.store(now, std::memory_order_relaxed);
        }
    }
}

void MainCore::follow_vips(const tables::PlanView& plan) {
    std::vector<Prefix> vips;
    for (const tables::PlanVip& vip : plan.vips) vips.push_back({vip.address, vip.prefix_length});
    // Whoever advertises groups here is us: where others do, the kernel may have a router of its
    // own.
    if (!plan.groups.empty()) {
        vips.push_back({pair::kVrrpGroupV4, 128});
        vips.push_back({pair::kVrrpGroupV6, 128});
    }
    std::ranges::sort(vips);
    vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
    if (vips == vips_) return;
    vips_ = std::move(vips);
    set_vips();
}

void MainCore::follow_digests(const tables::PlanView& plan, std::uint64_t plan_generation) {
    const KeyedHash hash(plan.head->hash_key);
    own_.plan_generation = plan_generation;
    own_.config_revision = plan.head->config_revision;
    own_.hash_key_id = hash.of_pair(0, 0);
    own_.digest = plan.head->digest;
    own_.pools.clear();
    for (const tables::PlanPool& shared : plan.pools) {
        const tables::PlanPool pool = tables::read_once(shared);
        own_.pools.push_back({tables::name_id(pool.name), pool.digest});
    }
}

/// What fails is tried again every second, and said once.
void MainCore::set_vips() {
    const Status status = ports_.set_vips(vips_);
    if (!status && vips_are_set_) {
        spdlog::error("the kernel still sees packets for VIPs, and may answer them: {}",
                      status.error().message);
    } else if (status && !vips_are_set_) {
        spdlog::info("the kernel leaves packets for VIPs alone again");
    }
    vips_are_set_ = status.has_value();
}

void MainCore::report_stalled(std::size_t stalled) {
    if (stalled == stalled_) return;
    if (stalled > stalled_) {
        spdlog::error(
            "{} worker{} did not take new tables for {} s: stopped, or starved of CPU", stalled,
            stalled == 1 ? "" : "s",
            std::chrono::duration_cast<std::chrono::seconds>(tables::kReaderStallLimit).count());
    } else {
        spdlog::info("workers take new tables again");
    }
    stalled_ = stalled;
}

}  // namespace tandem
