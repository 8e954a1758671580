#include "dataplane/pair/preemption.h"

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;

constexpr Instant kFirstJudged{std::chrono::hours(1)};

TEST(PreemptionGate, OpensWhenItIsInStepAndClosesWhenItIsNoMore) {
    PreemptionGate gate(milliseconds(1000));
    EXPECT_FALSE(gate.is_open());
    EXPECT_FALSE(gate.judge(false, kFirstJudged));
    EXPECT_FALSE(gate.is_open());
    EXPECT_TRUE(gate.judge(true, kFirstJudged + milliseconds(10)));
    EXPECT_EQ(gate.state(), PreemptionGate::State::kInStep);
    EXPECT_FALSE(gate.judge(true, kFirstJudged + milliseconds(20)));
    EXPECT_TRUE(gate.is_open());
    EXPECT_TRUE(gate.judge(false, kFirstJudged + milliseconds(30)));
    EXPECT_FALSE(gate.is_open());
}

TEST(PreemptionGate, OpensAllTheSameWhenItHasWaitedForTooLong) {
    PreemptionGate gate(milliseconds(1000));
    gate.judge(false, kFirstJudged);
    EXPECT_FALSE(gate.judge(false, kFirstJudged + milliseconds(999)));
    EXPECT_FALSE(gate.is_open());
    EXPECT_TRUE(gate.judge(false, kFirstJudged + milliseconds(1000)));
    EXPECT_TRUE(gate.is_open());
    EXPECT_EQ(gate.state(), PreemptionGate::State::kOverdue);
    EXPECT_EQ(gate.waited(kFirstJudged + milliseconds(1500)), milliseconds(1500));
}

TEST(PreemptionGate, WaitsFromWhenItWasInStepLast) {
    PreemptionGate gate(milliseconds(1000));
    gate.judge(false, kFirstJudged);
    gate.judge(true, kFirstJudged + milliseconds(900));
    gate.judge(true, kFirstJudged + milliseconds(5000));
    gate.judge(false, kFirstJudged + milliseconds(5001));
    EXPECT_EQ(gate.waited(kFirstJudged + milliseconds(5500)), milliseconds(500));
    EXPECT_FALSE(gate.judge(false, kFirstJudged + milliseconds(5999)));
    EXPECT_FALSE(gate.is_open());
    EXPECT_TRUE(gate.judge(false, kFirstJudged + milliseconds(6000)));
    EXPECT_EQ(gate.state(), PreemptionGate::State::kOverdue);
}

}  // namespace
}  // namespace tandem::pair
