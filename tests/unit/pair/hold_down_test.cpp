#include "dataplane/pair/hold_down.h"

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class HoldDownTest : public testing::Test {
  protected:
    /// After another loss, `later`.
    Duration held(Duration later = seconds(2)) {
        now_ += later;
        hold_down_.note_loss(now_);
        EXPECT_EQ(hold_down_.holds(now_), hold_down_.left(now_) > Duration{});
        EXPECT_FALSE(hold_down_.holds(now_ + hold_down_.left(now_)));
        return hold_down_.left(now_);
    }
    HoldDown hold_down_{{}};
    Instant now_{std::chrono::hours(1)};
};

TEST_F(HoldDownTest, NobodyIsHeldDownAtFirst) {
    EXPECT_FALSE(hold_down_.holds(now_));
    EXPECT_EQ(hold_down_.losses(), 0U);
}

TEST_F(HoldDownTest, GrowsWithEachLossAfterTheFirstUpToItsMost) {
    EXPECT_EQ(held(), Duration{});
    Duration expected = seconds(1);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(held(), std::min<Duration>(expected, minutes(5))) << i;
        expected *= 2;
    }
    EXPECT_EQ(hold_down_.losses(), 21U);
}

TEST_F(HoldDownTest, SeveralGroupsAtOnceAreOneLoss) {
    held();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(held(milliseconds(100)), Duration{});
    EXPECT_EQ(hold_down_.losses(), 1U);
    EXPECT_EQ(held(milliseconds(100)), seconds(1));
}

TEST_F(HoldDownTest, IsForgottenAfterAWhileWithoutALoss) {
    for (int i = 0; i < 5; ++i) held();
    EXPECT_EQ(held(minutes(10)), seconds(16));
    EXPECT_EQ(held(minutes(10) + milliseconds(1)), Duration{});
    EXPECT_EQ(held(), seconds(1));
}

TEST_F(HoldDownTest, OfNoLengthHoldsNobody) {
    hold_down_ = HoldDown({.most = Duration{}});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(held(), Duration{});
}

}  // namespace
}  // namespace tandem::pair
