#include "dataplane/pair/orders.h"

#include <gtest/gtest.h>

#include "tests/unit/pair/two_with_groups.h"

namespace tandem::pair {
namespace {

using tables::OrderKind;
using tables::OrderReport;

constexpr std::size_t kOrderedGroups = 3;
constexpr Duration kTwoHours = std::chrono::hours(2);  ///< the two begin at one

class OrdersTest : public testing::Test {
  protected:
    OrdersTest() { two_.here.steps_handoff = false; }
    void take(OrderKind kind, const std::string& group = {}) {
        tables::Order order;
        order.id = ++last_id_;
        order.kind = kind;
        order.group = tables::Name(group);
        orders_.take(order);
    }
    void run(Duration time) {
        for (const Instant end = two_.now + time; two_.now < end;) {
            two_.tick();
            orders_.step(two_.peer_of(two_.here), two_.now);
        }
    }
    /// The only report, of the last order.
    OrderReport report() {
        run(std::chrono::seconds(10));
        EXPECT_EQ(reports_.size(), 1U);
        if (reports_.empty()) return {};
        const OrderReport report = reports_.front();
        reports_.clear();
        EXPECT_EQ(report.id, last_id_);
        EXPECT_TRUE(orders_.is_idle());
        return report;
    }
    /// All groups are at the peer, and this instance has the higher priority.
    void come_back_by_priority() {
        if (groups_here() != 0) {
            take(OrderKind::kHandoff);
            report();
        }
        for (std::size_t i = 0; i < kOrderedGroups; ++i) {
            two_.here.routers.set_yields(GroupSide::group_id(i), false, two_.now);
        }
    }
    /// As the main core does it.
    void step_in_step() {
        two_.tick();
        two_.here.routers.allow_preemption(!two_.here.handoff.awaits_group());
        orders_.take_back_own(true, two_.peer_of(two_.here), two_.now);
        orders_.step(two_.peer_of(two_.here), two_.now);
    }
    [[nodiscard]] std::size_t answered_here() const {
        std::size_t count = 0;
        for (std::uint8_t i = 0; i < kOrderedGroups; ++i) {
            count += static_cast<std::size_t>(two_.here.answers(i));
        }
        return count;
    }
    [[nodiscard]] std::size_t groups_here() const {
        for (std::uint8_t i = 0; i < kOrderedGroups; ++i) {
            EXPECT_NE(two_.here.answers(i), two_.there.answers(i));
        }
        return answered_here();
    }
    static std::string said(const OrderReport& report) { return report.said.data(); }

    TwoWithGroups two_{kOrderedGroups};
    tables::PeerState state_;
    std::vector<OrderReport> reports_;
    Orders orders_{two_.here.routers, &two_.here.handoff, state_,
                   [this](const OrderReport& report, bool is_own) {
                       if (!is_own) reports_.push_back(report);
                   }};
    std::uint64_t last_id_ = 100;
};

TEST_F(OrdersTest, AllGroupsAreHandedOffOneAfterTheOtherAndTakenBack) {
    take(OrderKind::kHandoff);
    EXPECT_FALSE(orders_.is_idle());
    const OrderReport away = report();
    EXPECT_TRUE(away.is_done);
    EXPECT_EQ(said(away), "3 groups done");
    EXPECT_EQ(away.gap_us, -1);
    EXPECT_EQ(groups_here(), 0U);
    take(OrderKind::kTakeBack);
    EXPECT_EQ(said(report()), "3 groups done");
    EXPECT_EQ(groups_here(), kOrderedGroups);
    EXPECT_EQ(two_.longest_silence, Duration{});
}

TEST_F(OrdersTest, WhatIsItsOwnByPriorityItAsksForInsteadOfReplacingThePeer) {
    come_back_by_priority();
    bool was_told_of = false;  // of what is opening there
    for (std::size_t here = 0; here < kOrderedGroups && two_.now < Instant{kTwoHours};) {
        was_told_of |= two_.there.handoff.is_under_way();
        step_in_step();
        if (std::exchange(here, answered_here()) == answered_here()) continue;
        EXPECT_TRUE(std::exchange(was_told_of, false)) << here;
    }
    run(std::chrono::seconds(1));
    EXPECT_EQ(groups_here(), kOrderedGroups);
    EXPECT_TRUE(orders_.is_idle());
    EXPECT_TRUE(reports_.empty()) << "nobody has ordered it";
    EXPECT_EQ(two_.longest_silence, Duration{});
}

TEST_F(OrdersTest, WhoIsNotAnsweredReplacesThePeerAndAsksNotAgainBeforeItWasOutOfStep) {
    come_back_by_priority();
    two_.asks_arrive = false;
    for (int i = 0; i < 9000; ++i) step_in_step();
    EXPECT_FALSE(orders_.is_idle());
    EXPECT_EQ(groups_here(), 0U) << "it waits for its answer";
    for (int i = 0; i < 2000; ++i) step_in_step();
    EXPECT_EQ(groups_here(), kOrderedGroups);
    take(OrderKind::kHandoff);
    two_.asks_arrive = true;
    report();
    ASSERT_EQ(groups_here(), 0U);
    come_back_by_priority();
    step_in_step();
    EXPECT_TRUE(orders_.is_idle());
    orders_.take_back_own(false, two_.peer_of(two_.here), two_.now);
    for (int i = 0; i < 50 && orders_.is_idle(); ++i) step_in_step();
    EXPECT_FALSE(orders_.is_idle());
}

TEST_F(OrdersTest, OneGroupGoesAndTheOthersStay) {
    take(OrderKind::kHandoff, GroupSide::group_name(1));
    EXPECT_EQ(said(report()), "1 group done");
    EXPECT_EQ(groups_here(), kOrderedGroups - 1);
    EXPECT_TRUE(two_.there.answers(1));
    take(OrderKind::kHandoff);
    EXPECT_EQ(said(report()), "2 groups done") << "all that are here";
}

TEST_F(OrdersTest, WhereThereIsNothingToDoItIsNotDone) {
    take(OrderKind::kTakeBack);
    OrderReport none = report();
    EXPECT_FALSE(none.is_done);
    EXPECT_NE(said(none).find("all groups are here already"), std::string::npos);
    take(OrderKind::kHandoff);
    report();
    for (const OrderKind kind : {OrderKind::kHandoff, OrderKind::kDrill, OrderKind::kHardDrill}) {
        take(kind);
        none = report();
        EXPECT_FALSE(none.is_done);
        EXPECT_NE(said(none).find("no group is active here"), std::string::npos);
    }
    EXPECT_EQ(state_.drills, 0U);
}

TEST_F(OrdersTest, AGroupThatIsNotThereIsNamedInTheReport) {
    take(OrderKind::kHandoff, "nonsense");
    const OrderReport none = report();
    EXPECT_FALSE(none.is_done);
    EXPECT_EQ(said(none), "0 groups done; not done: there is no such group");
    EXPECT_EQ(groups_here(), kOrderedGroups);
}

TEST_F(OrdersTest, WhatFailsIsSaidAndTheOtherGroupsAreTriedAllTheSame) {
    take(OrderKind::kHandoff, GroupSide::group_name(0));
    report();
    two_.there.routers.set_empty(std::vector{GroupSide::group_id(1)}, {}, two_.now);
    take(OrderKind::kHandoff);
    const OrderReport part = report();
    EXPECT_FALSE(part.is_done);
    EXPECT_EQ(said(part).find("1 group done; not done: "), 0U) << said(part);
    EXPECT_TRUE(two_.there.answers(2));
}

TEST_F(OrdersTest, ADrillReportsItsGapAndKeepsIt) {
    take(OrderKind::kDrill);
    const OrderReport planned = report();
    EXPECT_TRUE(planned.is_done);
    EXPECT_EQ(planned.gap_us, 0);
    EXPECT_EQ(said(planned), "3 groups done; nobody answered for 0.0 ms");
    EXPECT_EQ(state_.drills, 1U);
    EXPECT_EQ(groups_here(), kOrderedGroups);
    take(OrderKind::kHardDrill, GroupSide::group_name(0));
    const OrderReport hard = report();
    EXPECT_TRUE(hard.is_done);
    EXPECT_GT(hard.gap_us, 10'000);
    EXPECT_LT(hard.gap_us, 40'000);
    EXPECT_EQ(state_.drills, 2U);
    EXPECT_EQ(state_.drill_gap_us, static_cast<std::uint64_t>(hard.gap_us));
    EXPECT_EQ(groups_here(), kOrderedGroups);
}

TEST_F(OrdersTest, OrdersAreDoneInTheirOrderAndEachIsReportedOnce) {
    take(OrderKind::kHandoff);
    take(OrderKind::kHandoff, "nonsense");
    take(OrderKind::kTakeBack, GroupSide::group_name(2));
    run(std::chrono::seconds(10));
    ASSERT_EQ(reports_.size(), 3U);
    for (std::size_t i = 0; i < reports_.size(); ++i) EXPECT_EQ(reports_[i].id, 101 + i);
    EXPECT_TRUE(reports_[0].is_done);
    EXPECT_FALSE(reports_[1].is_done);
    EXPECT_TRUE(reports_[2].is_done) << said(reports_[2]);
    EXPECT_EQ(groups_here(), 1U);
}

TEST_F(OrdersTest, WhatThePeerHasAskedForComesFirst) {
    two_.here.handoff.on_ask({Ask::Verb::kGiveBack, 1, GroupSide::group_id(0)},
                             two_.peer_of(two_.here), two_.now);
    ASSERT_TRUE(two_.here.handoff.is_under_way());
    take(OrderKind::kHandoff, GroupSide::group_name(1));
    orders_.step(two_.peer_of(two_.here), two_.now);
    EXPECT_TRUE(reports_.empty()) << "it waits, and is not refused";
    EXPECT_TRUE(report().is_done);
}

TEST_F(OrdersTest, WhoLeavesHandsOffAllThatIsActiveAndReportsToNobody) {
    EXPECT_TRUE(orders_.leave());
    run(std::chrono::seconds(5));
    EXPECT_TRUE(orders_.is_idle());
    EXPECT_TRUE(reports_.empty());
    EXPECT_EQ(groups_here(), 0U);
    EXPECT_FALSE(orders_.leave()) << "nothing is";
    EXPECT_TRUE(orders_.is_idle());
}

TEST_F(OrdersTest, WithoutAPeerEveryOrderIsRefused) {
    Orders alone(two_.here.routers, nullptr, state_,
                 [this](const OrderReport& report, bool) { reports_.push_back(report); });
    for (const OrderKind kind :
         {OrderKind::kHandoff, OrderKind::kTakeBack, OrderKind::kDrill, OrderKind::kHardDrill}) {
        tables::Order order;
        order.kind = kind;
        alone.take(order);
        alone.step({}, two_.now);
        ASSERT_EQ(reports_.size(), 1U);
        EXPECT_FALSE(reports_[0].is_done);
        EXPECT_NE(said(reports_[0]).find("[pair]"), std::string::npos);
        reports_.clear();
        EXPECT_TRUE(alone.is_idle());
    }
}

}  // namespace
}  // namespace tandem::pair
