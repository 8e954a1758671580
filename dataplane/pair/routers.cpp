#include "dataplane/pair/routers.h"

#include <algorithm>

#include "dataplane/base/check.h"

namespace tandem::pair {

namespace {

using std::chrono::milliseconds;
using tables::PlanGroup;

/// A loop that is this late has not looked for adverts either: at 10 ms one would have come.
constexpr Duration kPauseMin = milliseconds(10);

constexpr std::uint8_t kPriorityYielding = 1;  ///< below everybody who claims

VrrpSettings settings_of(const PlanGroup& group, const IpAddress& source) {
    return {.priority = group.priority,
            .advert_interval = milliseconds(group.interval_ms),
            .preempt = group.preempts != 0,
            .preempt_delay = milliseconds(group.preempt_delay_ms),
            .address = source};
}

/// The addresses of a group's VIPs of one family; of a whole network of them the first.
std::vector<IpAddress> vips_of(std::span<const tables::PlanVip> all, std::size_t group,
                               bool is_v4) {
    std::vector<IpAddress> vips;
    for (const tables::PlanVip& vip : all) {
        if (vip.group == group && vip.address.is_v4() == is_v4) vips.push_back(vip.address);
    }
    std::ranges::sort(vips);
    vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
    return vips;
}

}  // namespace

Routers::Routers(tables::Roles& roles, std::span<const tables::PortInfo> ports)
    : roles_(&roles), ports_(ports) {
    roles_->reset();  // an earlier process may have left what it was
}

std::uint8_t Routers::free_number() const {
    std::uint8_t number = 0;
    while (std::ranges::find(groups_, number, &Group::number) != groups_.end()) ++number;
    return number;
}

Routers::Group& Routers::group_of(const PlanGroup& record, Instant now) {
    const auto known = std::ranges::find(
        groups_, record.name.view(), [](const Group& group) { return group.record.name.view(); });
    if (known == groups_.end()) {
        groups_.push_back({.number = free_number(),
                           .record = record,
                           .routers = {Router{.is_v4 = true}, Router{.is_v4 = false}}});
        return groups_.back();
    }
    const bool is_another = known->record.port != record.port ||
                            known->record.router_id != record.router_id ||
                            known->record.has_virtual_mac != record.has_virtual_mac;
    if (is_another) {  // given up as what it was
        for (Router& router : known->routers) {
            if (router.vrrp) perform(*known, router, router.vrrp->stop(), now);
            let_go(*known, router);
            router.vrrp.reset();
        }
    }
    known->record = record;
    return *known;
}

Routers::Numbers Routers::follow(std::span<const PlanGroup> groups,
                                 std::span<const tables::PlanVip> vips, Instant now) {
    Numbers numbers;
    numbers.fill(tables::kNoGroup);
    const auto known = groups.first(std::min(groups.size(), numbers.size()));
    std::vector<PlanGroup> records(known.begin(), known.end());
    for (PlanGroup& record : records) {
        record.peer_count = std::min<std::uint8_t>(record.peer_count, tables::kPeersMax);
        if (record.port >= ports_.size()) {
            record.port = 0;
            record.source_v4 = record.source_v6 = {};
        }
    }
    if (!awake_at_) awake_at_ = now;  // until it looks, it cannot have heard anybody
    give_up_others(records, now);     // first: their numbers are free then
    for (std::size_t i = 0; i < records.size(); ++i) {
        const PlanGroup& record = records[i];
        Group& group = group_of(record, now);
        numbers[i] = group.number;
        roles_->set_mac(group.number, record.has_virtual_mac != 0 ? record.router_id : 0);
        for (Router& router : group.routers) {
            configure(group, router, vips_of(vips, i, router.is_v4), now);
        }
        judge(group, now);
    }
    roles_->set_has_groups(!groups_.empty());
    return numbers;
}

/// Groups without a record are no longer configured.
void Routers::give_up_others(std::span<const PlanGroup> records, Instant now) {
    const auto is_gone = [&](const Group& group) {
        return std::ranges::none_of(records, [&](const PlanGroup& record) {
            return record.name.view() == group.record.name.view();
        });
    };
    for (Group& group : groups_) {
        if (!is_gone(group)) continue;
        for (Router& router : group.routers) {
            if (router.vrrp) perform(group, router, router.vrrp->stop(), now);
            let_go(group, router);
            router.vrrp.reset();
            roles_->set_silent(group.number, router.is_v4, false);
            roles_->set_refused(group.number, router.is_v4, false);
            roles_->set_moving(group.number, router.is_v4, false);
        }
    }
    std::erase_if(groups_, is_gone);
}

void Routers::configure(Group& group, Router& router, std::vector<IpAddress> vips, Instant now) {
    const IpAddress& source = router.is_v4 ? group.record.source_v4 : group.record.source_v6;
    const bool speaks = !vips.empty() && source != IpAddress{};
    // Given up as what it was, for the VIPs and by the address that others know.
    if (!speaks && router.vrrp) perform(group, router, router.vrrp->stop(), now);
    const bool has_new = !std::ranges::includes(router.vips, vips);
    router.vips = std::move(vips);
    router.source = source;
    if (!speaks) {
        router.vrrp.reset();
        silence(group, router);
        return;
    }
    const VrrpSettings settings = settings_of(group.record, router.source);
    if (!router.vrrp) {
        silence(group, router);
        router.vrrp.emplace(settings);
        router.vrrp->allow_preemption(may_preempt(group));
        perform(group, router, router.vrrp->start(now), now);
        return;
    }
    router.vrrp->change(settings);
    const bool is_active = router.vrrp->role() == Role::kActive;
    if (is_active) roles_->set_refused(group.number, router.is_v4, false);
    if (!is_active) silence(group, router);
    if (is_active && has_new) router.schedule.begin(now);
}

/// Another instance is active, for all we know.
void Routers::silence(const Group& group, const Router& router) {
    roles_->set_silent(group.number, router.is_v4, true);
    roles_->set_refused(group.number, router.is_v4, group.record.is_strict != 0);
}

/// Frames to its virtual MAC are no longer ours, unless another group has the same by now: one that
/// has changed places with it, or whose port is not there yet.
void Routers::let_go(const Group& group, Router& router) {
    router.moves_until.reset();
    bool is_others = false;
    for_each([&](const Group& other, const Router& its) {
        const bool is_same = other.record.port == group.record.port &&
                             other.record.router_id == group.record.router_id &&
                             its.is_v4 == router.is_v4;
        is_others |= is_same && &its != &router && other.record.has_virtual_mac != 0 &&
                     its.vrrp->role() == Role::kActive;
    });
    roles_->set_virtual_mac(group.record.port, group.record.router_id, router.is_v4, is_others);
}

void Routers::settle(const Group& group, Router& router) {
    router.moves_until.reset();
    if (!router.vrrp || router.vrrp->role() != Role::kActive) let_go(group, router);
}

/// Before workers may have tables by which they would open flows.
void Routers::show_moving() {
    for (const Group& group : groups_) {
        const bool hands_off = hands_off_ == tables::name_id(group.record.name);
        for (const Router& router : group.routers) {
            const bool is_moving = router.moves_until || (router.vrrp && hands_off);
            roles_->set_moving(group.number, router.is_v4, is_moving);
        }
    }
}

void Routers::set_hands_off(std::optional<std::uint64_t> group) {
    hands_off_ = group;
    show_moving();
}

bool Routers::is_fit(const Group& group) const {
    return workers_run_ && !group.is_empty && (ports_down_ >> group.record.port & 1U) == 0;
}

/// Whoever is not sure to reach its gateway, or a backend, takes nothing from another instance,
/// which may be better off: when they themselves are gone, both notice that at about the same time.
bool Routers::may_preempt(const Group& group) const {
    return may_preempt_ && !group.is_perhaps_empty &&
           group.record.gateway == tables::GatewayState::kAnswers;
}

void Routers::judge(Group& group, Instant now) {
    std::uint8_t priority = is_fit(group) ? group.record.priority : kPriorityReleased;
    const bool gives_way =
        group.yields || group.is_outdated || group.record.gateway == tables::GatewayState::kSilent;
    if (priority != kPriorityReleased && gives_way) priority = kPriorityYielding;
    for (Router& router : group.routers) {
        if (!router.vrrp) continue;
        router.vrrp->allow_preemption(may_preempt(group));
        perform(group, router, router.vrrp->set_priority(priority, now), now);
    }
}

void Routers::judge_all(Instant now) {
    for (Group& group : groups_) judge(group, now);
}

void Routers::allow_preemption(bool is_allowed) {
    may_preempt_ = is_allowed;
    for_each(
        [&](Group& group, Router& router) { router.vrrp->allow_preemption(may_preempt(group)); });
}

bool Routers::set_workers_run(bool workers_run, Instant now) {
    if (std::exchange(workers_run_, workers_run) == workers_run) return false;
    judge_all(now);
    return true;
}

bool Routers::set_port_up(std::uint8_t port, bool is_up, Instant now) {
    DCHECK(port < tables::kPortsMax);
    const std::uint32_t bit = std::uint32_t{1} << port;
    const std::uint32_t down = is_up ? ports_down_ & ~bit : ports_down_ | bit;
    if (std::exchange(ports_down_, down) == down) return false;
    judge_all(now);
    return true;
}

void Routers::perform(Group& group, Router& router, const Actions& actions, Instant now) {
    if (actions.role) {
        const bool is_active = *actions.role == Role::kActive;
        const bool was_active = !roles_->is_silent(group.number, router.is_v4);
        router.is_muted = false;
        router.is_new = is_active;
        if (is_active != was_active) router.moves_until = now + kLate;
        show_moving();
        if (is_active) {
            roles_->set_virtual_mac(group.record.port, group.record.router_id, router.is_v4,
                                    group.record.has_virtual_mac != 0);
            roles_->set_refused(group.number, router.is_v4, false);
            roles_->set_silent(group.number, router.is_v4, false);
        } else {
            silence(group, router);
            router.schedule.stop();
        }
        changes_.push_back({std::string(group.record.name.view()), router.is_v4, *actions.role});
    }
    if (actions.advert_priority) advertise(group, router, *actions.advert_priority);
    if (actions.announces) router.schedule.begin(now);
    has_lost_ |= actions.is_loss;
    if (actions.role) follow_role(group, *actions.role == Role::kActive, now);
}

bool Routers::is_active(const Group& group) {
    return std::ranges::any_of(group.routers, [](const Router& router) {
        return router.vrrp && router.vrrp->role() == Role::kActive;
    });
}

/// One of its routers has begun or ceased to be active.
void Routers::follow_role(Group& group, bool is_active, Instant now) {
    if (!is_active) {
        if (!Routers::is_active(group) && std::exchange(group.is_outdated, false))
            judge(group, now);
        return;
    }
    if (group.term <= group.peers_term) group.term = group.peers_term + 1;
    // The one it was left to does not want it, or is gone: two that both yield would be alike.
    if (std::exchange(group.yields, false)) judge(group, now);
}

bool Routers::hear_claims(std::span<const GroupClaim> claims, Instant now) {
    bool any = false;
    for (const GroupClaim& claim : claims) {
        Group* known = find(claim.group);
        if (known == nullptr) continue;
        known->peers_term = std::max(known->peers_term, claim.term);
        known->peer_claims = claim.is_active;
        const bool is_later = claim.is_active && claim.term > known->term && is_active(*known);
        if (std::exchange(known->is_outdated, is_later) == is_later) continue;
        judge(*known, now);
        any |= is_later;
    }
    return any;
}

std::vector<GroupClaim> Routers::claims() const {
    std::vector<GroupClaim> claims;
    for (const Group& group : groups_) {
        // Whoever yields claims nothing against the other one.
        const bool is_active = Routers::is_active(group) && !group.yields;
        claims.push_back({.group = tables::name_id(group.record.name),
                          .term = is_active ? group.term : std::max(group.term, group.peers_term),
                          .is_active = is_active});
    }
    return claims;
}

/// Who has gone on to say that it is active was away since then only; others have not been heard.
void Routers::notice_pause(Group& group, Router& router, Instant now) {
    const bool is_active = router.vrrp->role() == Role::kActive;
    const std::optional<Instant> since = is_active ? std::max(awake_at_, spoke_at_) : awake_at_;
    const Duration pause = std::max(kPauseMin, router.vrrp->active_interval() / 4);
    if (!since || now - *since <= pause) return;
    // What was to be said before need not be so any more; what has waited is heard before it is
    // judged anew.
    frames_.clear();
    may_preempt_ = false;
    router.vrrp->allow_preemption(false);
    perform(group, router, router.vrrp->on_pause(now), now);
}

void Routers::wake(Instant now) {
    for_each([&](Group& group, Router& router) {
        router.is_new = false;
        notice_pause(group, router, now);
    });
    awake_at_ = now;
}

void Routers::on_frame(std::uint8_t port, std::span<const std::uint8_t> frame, Instant now) {
    if (frame.size() < ethernet::kHeaderBytes) {
        ++counts_.faults[static_cast<std::size_t>(AdvertFault::kTruncated)];
        return;
    }
    const std::variant<Advert, AdvertFault> read =
        read_advert(frame.subspan(ethernet::kHeaderBytes));
    if (const AdvertFault* fault = std::get_if<AdvertFault>(&read)) {
        ++counts_.faults[static_cast<std::size_t>(*fault)];
        return;
    }
    const auto& advert = std::get<Advert>(read);
    bool is_known = false;
    for_each([&](Group& group, Router& router) {
        if (group.record.port != port || group.record.router_id != advert.router_id ||
            router.is_v4 != advert.source.is_v4()) {
            return;
        }
        is_known = true;
        if (advert.source == router.source) {
            ++counts_.own;
            return;
        }
        ++counts_.taken;
        const std::size_t first = router.is_v4 ? 0 : 1;
        std::vector<IpAddress> theirs(advert.addresses.begin() + static_cast<std::ptrdiff_t>(first),
                                      advert.addresses.end());
        std::ranges::sort(theirs);
        if (!std::ranges::equal(theirs, advertised(group, router))) ++counts_.mismatch;
        perform(group, router, router.vrrp->on_advert(advert, now), now);
    });
    if (!is_known) ++counts_.unknown;
}

void Routers::on_time(Instant now) {
    for_each([&](Group& group, Router& router) {
        perform(group, router, router.vrrp->on_deadline(now), now);
        if (router.schedule.is_due(now)) announce(group, router);
    });
    for (Group& group : groups_) {
        for (Router& router : group.routers) {
            if (router.moves_until && now >= *router.moves_until) settle(group, router);
        }
    }
    show_moving();
}

void Routers::keep_active(Instant now) {
    const auto is_active = [](const Router& router) {
        return router.vrrp->role() == Role::kActive;
    };
    for_each([&](Group& group, Router& router) {
        if (is_active(router)) notice_pause(group, router, now);
        if (!is_active(router) || router.is_new) return;
        perform(group, router, router.vrrp->on_deadline(now), now);
    });
    spoke_at_ = now;
}

bool Routers::set_empty(std::span<const std::uint64_t> groups,
                        std::span<const std::uint64_t> perhaps, Instant now) {
    bool is_any_new = false;
    for (Group& group : groups_) {
        const auto is_among = [&](std::span<const std::uint64_t> names) {
            return std::ranges::find(names, tables::name_id(group.record.name)) != names.end();
        };
        const bool was_empty = std::exchange(group.is_empty, is_among(groups));
        const bool was_perhaps = std::exchange(group.is_perhaps_empty, is_among(perhaps));
        is_any_new |= group.is_empty && !was_empty;
        if (group.is_empty != was_empty || group.is_perhaps_empty != was_perhaps) judge(group, now);
    }
    return is_any_new;
}

Routers::Group* Routers::find(std::uint64_t group) {
    const auto known = std::ranges::find(
        groups_, group, [](const Group& each) { return tables::name_id(each.record.name); });
    return known == groups_.end() ? nullptr : &*known;
}

Routers::Standing Routers::standing(std::uint64_t group) const {
    Standing standing{.is_active = true, .is_backup = true};
    for (const Group& each : groups_) {
        if (tables::name_id(each.record.name) != group) continue;
        standing.is_fit = is_fit(each);
        standing.peer_claims = each.peer_claims;
        for (const Router& router : each.routers) {
            if (!router.vrrp) continue;
            const bool is_active = router.vrrp->role() == Role::kActive;
            standing.is_there = true;
            standing.is_active &= is_active;
            standing.is_backup &= !is_active;
        }
    }
    if (!standing.is_there) return {};
    return standing;
}

std::vector<std::uint64_t> Routers::groups() const {
    std::vector<std::uint64_t> ids;
    for (const Group& group : groups_) ids.push_back(tables::name_id(group.record.name));
    return ids;
}

void Routers::set_yields(std::uint64_t group, bool yields, Instant now) {
    Group* known = find(group);
    if (known == nullptr || std::exchange(known->yields, yields) == yields) return;
    judge(*known, now);
}

void Routers::claim(std::uint64_t group, Instant now) {
    Group* known = find(group);
    if (known == nullptr) return;
    for (Router& router : known->routers) {
        if (router.vrrp) perform(*known, router, router.vrrp->claim(now), now);
    }
}

std::optional<std::uint64_t> Routers::replaced_group(Instant now) const {
    for (const Group& group : groups_) {
        const auto is_replaced = [&](const Router& router) {
            return router.vrrp && router.vrrp->is_replacing(now);
        };
        const auto is_other = [&](const Router& router) {
            return router.vrrp && !router.vrrp->is_replacing(now);
        };
        if (std::ranges::any_of(group.routers, is_replaced) &&
            std::ranges::none_of(group.routers, is_other)) {
            return tables::name_id(group.record.name);
        }
    }
    return std::nullopt;
}

void Routers::set_muted(std::uint64_t group, bool is_muted) {
    Group* known = find(group);
    if (known == nullptr) return;
    for (Router& router : known->routers) router.is_muted = is_muted;
}

Duration Routers::stop(Instant now) {
    Duration late{};
    for_each([&](Group& group, Router& router) {
        // A backup waits for up to an interval after it has been told (RFC 9568 section 6.4.2).
        if (router.vrrp->role() == Role::kActive) {
            late = std::max(late, kLate + milliseconds(group.record.interval_ms));
        }
        perform(group, router, router.vrrp->stop(), now);
    });
    return late;
}

}  // namespace tandem::pair
