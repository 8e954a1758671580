#include "dataplane/paired_tables.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <spdlog/spdlog.h>

namespace tandem {

namespace {

std::vector<tables::FlowJournal*> all_of(std::deque<tables::FlowJournal>& journals) {
    std::vector<tables::FlowJournal*> all;
    for (tables::FlowJournal& journal : journals) all.push_back(&journal);
    return all;
}

/// As many as workers find room for, not only as many as there were to be: one that is lost keeps
/// this instance from being in step. From seven eighths on workers refuse some.
std::size_t room_of(const tables::FlowMemory& flows) {
    return std::size_t{flows.workers()} * flows.buckets_per_worker() * tables::FlowBucket::kPlaces *
           7 / 8;
}

}  // namespace

PairedTables::PairedTables(tables::FlowMemory& flows, tables::LiveFixed& fixed)
    : flows_(&flows), fixed_(&fixed), peer_flows_(room_of(flows)), journals_(flows.workers()) {
    fixed_->peer_views.is_known.store(false, std::memory_order_relaxed);
}

void PairedTables::begin(tables::SlotTables& slots, CoarseTime remembering) {
    const auto last_use = [this](std::uint64_t pool, std::uint32_t slot) {
        return flows_->last_use(pool, slot);
    };
    const std::uint32_t random = std::random_device()() >> 1U;  // there is room to count on
    replication_.emplace(pair::Replication::Settings{.remembering = remembering, .epoch = random},
                         slots, peer_flows_, all_of(journals_), last_use);
}

void PairedTables::follow_plan(const tables::PlanView& plan,
                               const pair::Routers::Numbers& numbers) {
    shares_.clear();
    for (std::size_t i = 0; i < std::min(plan.groups.size(), numbers.size()); ++i) {
        const tables::PlanGroup group = tables::read_once(plan.groups[i]);
        for (const bool is_v4 : {true, false}) {
            const tables::Domain domain =
                tables::group_domain(tables::name_id(group.name), group.router_id, is_v4);
            const auto other = std::ranges::find(shares_, domain, &Share::domain);
            if (other != shares_.end()) {
                spdlog::error(
                    "group {}: its router_id {} and that of another group collide by chance; "
                    "give it another one, or its flows are mistaken for that group's",
                    group.name.view(), group.router_id);
            }
            shares_.push_back({domain, numbers[i], is_v4});
        }
    }
    std::vector<pair::ToldBackend> backends(plan.backends.size());
    std::vector<tables::HealthState> verdicts(plan.backends.size());
    for (std::size_t i = 1; i < plan.backends.size(); ++i) {
        const tables::PlanBackend backend = tables::read_once(plan.backends[i]);
        const bool is_used =
            backend.health != tables::HealthState::kUnused && backend.pool < plan.pools.size();
        if (!is_used) continue;
        const tables::PlanPool pool = tables::read_once(plan.pools[backend.pool]);
        backends[i] = {.number = static_cast<tables::BackendIndex>(i),
                       .pool = tables::name_id(pool.name),
                       .address = backend.address,
                       .port = backend.port};
        verdicts[i] = backend.health;
    }
    follow_groups(plan);
    key_ = {plan.head->hash_key, plan.head->hash_key_born_ms};
    replication_->set_plan(std::move(backends), std::move(verdicts),
                           KeyedHash(plan.head->hash_key).of_pair(0, 0));
}

void PairedTables::follow_groups(const tables::PlanView& plan) {
    std::vector<std::vector<tables::BackendIndex>> of_pool(plan.pools.size());
    std::vector<bool> has_up(plan.pools.size());
    for (std::size_t i = 1; i < plan.backends.size(); ++i) {
        const tables::PlanBackend backend = tables::read_once(plan.backends[i]);
        if (backend.health == tables::HealthState::kUnused) continue;
        if (backend.pool >= of_pool.size()) continue;
        of_pool[backend.pool].push_back(static_cast<tables::BackendIndex>(i));
        if (backend.health != tables::HealthState::kDown) has_up[backend.pool] = true;
    }
    behind_.clear();
    for (std::size_t i = 0; i < plan.groups.size(); ++i) {
        const tables::PlanGroup group = tables::read_once(plan.groups[i]);
        Behind behind{tables::name_id(group.name),
                      std::chrono::milliseconds(group.checks_apart_ms),
                      {},
                      true};
        for (const tables::PlanVip& shared : plan.vips) {
            const tables::PlanVip vip = tables::read_once(shared);
            if (vip.group != i || vip.pool >= of_pool.size()) continue;
            behind.is_empty = behind.is_empty && !has_up[vip.pool];
            behind.backends.insert(behind.backends.end(), of_pool[vip.pool].begin(),
                                   of_pool[vip.pool].end());
        }
        behind_.push_back(std::move(behind));
    }
}

/// While all is told anew, as after every change of a role, the verdicts of before hold on.
bool PairedTables::knows_verdicts() {
    knows_verdicts_ =
        replication_->is_caught_up() || (knows_verdicts_ && replication_->hears_peer());
    return knows_verdicts_;
}

std::vector<std::uint64_t> PairedTables::empty_groups(Instant now) {
    std::vector<std::uint64_t> empty;
    std::map<std::uint64_t, Instant> since;
    const std::span<const tables::HealthState> peers = knows_verdicts()
                                                           ? replication_->follower().verdicts()
                                                           : std::span<const tables::HealthState>{};
    for (const Behind& behind : behind_) {
        const auto is_up_there = [&](tables::BackendIndex backend) {
            return backend < peers.size() && peers[backend] == tables::HealthState::kUp;
        };
        if (!behind.is_empty || std::ranges::none_of(behind.backends, is_up_there)) continue;
        const auto before = empty_since_.find(behind.group);
        const Instant begin = before == empty_since_.end() ? now : before->second;
        since.emplace(behind.group, begin);
        if (now - begin >= behind.checks_apart) empty.push_back(behind.group);
    }
    empty_since_ = std::move(since);
    return empty;
}

std::vector<std::uint64_t> PairedTables::perhaps_empty_groups() const {
    std::vector<std::uint64_t> groups;
    groups.reserve(empty_since_.size());
    for (const auto& [group, since] : empty_since_) groups.push_back(group);
    return groups;
}

bool PairedTables::follow_roles(CoarseTime now, const std::function<void()>& meanwhile) {
    std::vector<tables::Domain> domains;
    for (const Share& share : shares_) {
        if (!fixed_->roles.is_silent(share.group, share.is_v4)) domains.push_back(share.domain);
    }
    std::ranges::sort(domains);
    return replication_->set_domains(std::move(domains), now, meanwhile);
}

bool PairedTables::step(CoarseTime now) {
    const bool has_changed = replication_->step(now);
    show_views();
    return has_changed;
}

void PairedTables::note_key(const pair::OfferedKey& offered, bool peer_answers) {
    tables::PeerViews& views = fixed_->peer_views;
    tables::KeyHolds holds = tables::KeyHolds::kOlder;
    if (peer_answers != answers()) {
        holds = peer_answers ? tables::KeyHolds::kPeers : tables::KeyHolds::kOurs;
    }
    if (views.hash_key_holds.exchange(holds, std::memory_order_relaxed) != holds)
        key_is_new_ = true;
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), offered.key.bytes.data(), sizeof(words));
    const bool is_known = views.hash_key[0].load(std::memory_order_relaxed) == words[0] &&
                          views.hash_key[1].load(std::memory_order_relaxed) == words[1] &&
                          views.hash_key_born_ms.load(std::memory_order_relaxed) == offered.born_ms;
    if (is_known) return;
    // Its birth last: while that is 0, there is no key to be read.
    views.hash_key_born_ms.store(0, std::memory_order_release);
    views.hash_key[0].store(words[0], std::memory_order_release);
    views.hash_key[1].store(words[1], std::memory_order_release);
    views.hash_key_born_ms.store(offered.born_ms, std::memory_order_release);
    key_is_new_ = true;
}

void PairedTables::show_views() {
    tables::PeerViews& views = fixed_->peer_views;
    const pair::Follower& follower = replication_->follower();
    const bool are_known = knows_verdicts();
    const bool is_new = follower.verdict_revision() != shown_;
    if (!is_new && are_known == are_known_ && !key_is_new_) return;
    if (is_new) {
        const std::span<const tables::HealthState> verdicts = follower.verdicts();
        for (std::size_t i = 0; i < views.verdicts.size(); ++i) {
            const tables::HealthState verdict =
                i < verdicts.size() ? verdicts[i] : tables::HealthState::kUnused;
            if (views.verdicts[i].load(std::memory_order_relaxed) != verdict) {
                views.verdicts[i].store(verdict, std::memory_order_relaxed);
            }
        }
        shown_ = follower.verdict_revision();
    }
    are_known_ = are_known;
    key_is_new_ = false;
    views.is_known.store(are_known, std::memory_order_relaxed);
    views.serial.store(views.serial.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

std::uint32_t PairedTables::peers_flows_of(tables::BackendIndex backend) const {
    const std::span<const std::uint32_t> flows = replication_->follower().flows_by_backend();
    return backend < flows.size() ? flows[backend] : 0;
}

}  // namespace tandem
