#include "dataplane/pair/orders.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace tandem::pair {

namespace {

using tables::OrderKind;

Handoff::Kind kind_of(OrderKind kind) {
    switch (kind) {
        case OrderKind::kHandoff:
            return Handoff::Kind::kAway;
        case OrderKind::kTakeBack:
            return Handoff::Kind::kBack;
        case OrderKind::kDrill:
            return Handoff::Kind::kDrill;
        case OrderKind::kHardDrill:
            return Handoff::Kind::kHardDrill;
    }
    return Handoff::Kind::kAway;
}

double ms(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

void Orders::take(const tables::Order& order) {
    add(order, /*is_own=*/false);
}

bool Orders::leave() {
    const std::vector<std::uint64_t> groups = routers_->groups();
    const bool any = std::ranges::any_of(
        groups, [&](std::uint64_t group) { return routers_->standing(group).is_active; });
    if (any) add({}, /*is_own=*/true);
    return any;
}

void Orders::take_back_own(bool is_in_step, const Handoff::Peer& peer, Instant now) {
    if (!is_in_step) is_own_refused_ = false;
    if (!is_in_step || is_own_refused_ || !is_idle() || !peer.is_alive) return;
    const std::optional<std::uint64_t> group = routers_->replaced_group(now);
    if (!group) return;
    tables::Order order;
    order.kind = OrderKind::kTakeBack;
    under_way_.push_back(
        {.order = order, .is_own = true, .groups = {*group}, .gap = {}, .trouble = {}});
}

void Orders::add(const tables::Order& order, bool is_own) {
    UnderWay next{.order = order, .is_own = is_own, .groups = {}, .gap = {}, .trouble = {}};
    if (!order.group.view().empty()) {
        next.groups.push_back(tables::name_id(order.group));
    } else {
        const bool wants_active = order.kind != OrderKind::kTakeBack;
        for (const std::uint64_t group : routers_->groups()) {
            const Routers::Standing standing = routers_->standing(group);
            if (standing.is_there && standing.is_active == wants_active) {
                next.groups.push_back(group);
            }
        }
        if (next.groups.empty()) {
            next.trouble = wants_active ? "no group is active here" : "all groups are here already";
        }
    }
    under_way_.push_back(std::move(next));
}

void Orders::step(const Handoff::Peer& peer, Instant now) {
    if (handoff_ != nullptr) {
        if (const std::optional<Handoff::Result> result = handoff_->step(peer, now)) note(*result);
        if (handoff_->is_under_way()) return;
    }
    if (!under_way_.empty()) begin_next(peer, now);
}

void Orders::begin_next(const Handoff::Peer& peer, Instant now) {
    UnderWay& order = under_way_.front();
    if (handoff_ == nullptr) order.trouble = "there is no [pair] in the configuration: no peer";
    if (order.groups.empty() || handoff_ == nullptr) {
        finish();
        return;
    }
    const std::uint64_t group = order.groups.front();
    order.groups.pop_front();
    const std::optional<std::string> refused =
        handoff_->begin(kind_of(order.order.kind), group, peer, now);
    if (refused) note({.is_done = false, .gap = {}, .said = *refused});
}

void Orders::note(const Handoff::Result& result) {
    if (under_way_.empty()) return;
    UnderWay& order = under_way_.front();
    if (result.is_done) {
        ++order.done;
        if (result.gap) order.gap = std::max(order.gap.value_or(Duration{}), *result.gap);
    } else {
        order.trouble = result.said;
    }
    if (order.groups.empty()) finish();
}

void Orders::finish() {
    const UnderWay order = std::move(under_way_.front());
    under_way_.pop_front();
    is_own_refused_ |= order.is_own && !order.trouble.empty();
    tables::OrderReport report;
    report.id = order.order.id;
    report.is_done = static_cast<tables::Flag>(order.trouble.empty());
    std::string said = fmt::format("{} group{} done", order.done, order.done == 1 ? "" : "s");
    if (!order.trouble.empty()) said = fmt::format("{}; not done: {}", said, order.trouble);
    if (order.gap) {
        report.gap_us = std::chrono::duration_cast<std::chrono::microseconds>(*order.gap).count();
        said += fmt::format("; nobody answered for {:.1f} ms", ms(*order.gap));
        tables::add(state_->drills, 1);
        state_->drill_gap_us.store(static_cast<std::uint64_t>(report.gap_us),
                                   std::memory_order_relaxed);
    }
    said.copy(report.said.data(), report.said.size() - 1);
    report_(report, order.is_own);
}

}  // namespace tandem::pair
