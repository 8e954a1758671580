#include "control/plan/self_suspicion.h"

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem::plan {
namespace {

using std::chrono::milliseconds;
using tables::HealthState;
using Outcome = SelfSuspicion::Outcome;

constexpr Instant kBegin{std::chrono::hours(1)};

/// A pool of backends that both instances find up, until somebody falls.
class SelfSuspicionTest : public testing::Test {
  protected:
    void begin_with(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::string address = "10.0.0." + std::to_string(i + 1);
            subjects_.push_back(
                {{"web", ip(address.c_str()), 80}, HealthState::kUp, HealthState::kUp});
        }
    }
    Outcome fall(std::size_t number, milliseconds after) {
        subjects_[number].ours = HealthState::kDown;
        suspicion_.on_fall(subjects_[number].backend, patience_, kBegin + after);
        return judge(after);
    }
    Outcome rise(std::size_t number, milliseconds after) {
        subjects_[number].ours = HealthState::kUp;
        return judge(after);
    }
    Outcome judge(milliseconds after) { return suspicion_.judge("web", subjects_, kBegin + after); }

    std::vector<SelfSuspicion::Subject> subjects_;
    Duration patience_{};
    SelfSuspicion suspicion_;
};

TEST_F(SelfSuspicionTest, ArisesWhenMoreThanHalfFallAtOnceHereAlone) {
    begin_with(4);
    EXPECT_TRUE(suspicion_.is_idle());
    EXPECT_EQ(fall(0, milliseconds(0)), Outcome::kNothingNew);
    EXPECT_EQ(fall(1, milliseconds(500)), Outcome::kNothingNew) << "just half";
    EXPECT_EQ(fall(2, milliseconds(1000)), Outcome::kSuspicious);
}

TEST_F(SelfSuspicionTest, DoesNotAriseIfTheyFallOneAfterTheOther) {
    begin_with(4);
    fall(0, milliseconds(0));
    fall(1, milliseconds(500));
    EXPECT_EQ(fall(2, milliseconds(1001)), Outcome::kNothingNew);
    EXPECT_EQ(fall(3, milliseconds(1400)), Outcome::kSuspicious) << "three within a second";
}

TEST_F(SelfSuspicionTest, DoesNotAriseIfThePeerSeesItTooOrSaysNothing) {
    for (const HealthState peers :
         {HealthState::kDown, HealthState::kChecking, HealthState::kUnused}) {
        subjects_.clear();
        begin_with(2);
        for (SelfSuspicion::Subject& subject : subjects_) subject.peers = peers;
        fall(0, milliseconds(0));
        EXPECT_EQ(fall(1, milliseconds(0)), Outcome::kNothingNew);
    }
}

TEST_F(SelfSuspicionTest, ArisesWhenThePeerTurnsOutToFindThemUp) {
    begin_with(2);
    for (SelfSuspicion::Subject& subject : subjects_) subject.peers = HealthState::kUnused;
    fall(0, milliseconds(0));
    fall(1, milliseconds(0));
    for (SelfSuspicion::Subject& subject : subjects_) subject.peers = HealthState::kUp;
    EXPECT_EQ(judge(milliseconds(300)), Outcome::kSuspicious);
}

TEST_F(SelfSuspicionTest, DoesNotAriseOfOneBackend) {
    begin_with(1);
    EXPECT_EQ(fall(0, milliseconds(0)), Outcome::kNothingNew);
}

TEST_F(SelfSuspicionTest, IsSaidOnceUntilTheyHaveComeBack) {
    begin_with(3);
    fall(0, milliseconds(0));
    EXPECT_EQ(fall(1, milliseconds(0)), Outcome::kSuspicious);
    EXPECT_EQ(fall(2, milliseconds(0)), Outcome::kNothingNew);
    EXPECT_EQ(judge(milliseconds(60'000)), Outcome::kNothingNew) << "still so";
    EXPECT_FALSE(suspicion_.is_idle());
    EXPECT_EQ(rise(0, milliseconds(61'000)), Outcome::kNothingNew);
    EXPECT_EQ(rise(1, milliseconds(62'000)), Outcome::kOver);
    EXPECT_TRUE(suspicion_.is_idle());
    fall(0, milliseconds(63'000));
    EXPECT_EQ(fall(1, milliseconds(63'000)), Outcome::kSuspicious);
}

TEST_F(SelfSuspicionTest, IsOverWhenThePeerFindsThemDownToo) {
    begin_with(2);
    fall(0, milliseconds(0));
    EXPECT_EQ(fall(1, milliseconds(0)), Outcome::kSuspicious);
    for (SelfSuspicion::Subject& subject : subjects_) subject.peers = HealthState::kDown;
    EXPECT_EQ(judge(milliseconds(400)), Outcome::kOver);
}

TEST_F(SelfSuspicionTest, WaitsForAsLongAsThePeersChecksMayBeLate) {
    patience_ = milliseconds(3000);
    begin_with(3);
    fall(0, milliseconds(0));
    fall(1, milliseconds(500));
    EXPECT_EQ(judge(milliseconds(3499)), Outcome::kNothingNew);
    EXPECT_FALSE(suspicion_.is_idle());
    EXPECT_EQ(judge(milliseconds(3500)), Outcome::kSuspicious);

    EXPECT_EQ(rise(0, milliseconds(4000)), Outcome::kOver);
    rise(1, milliseconds(4000));
    fall(0, milliseconds(10'000));
    fall(1, milliseconds(10'000));
    for (SelfSuspicion::Subject& subject : subjects_) subject.peers = HealthState::kDown;
    for (int after = 10'000; after <= 20'000; after += 100) {
        EXPECT_EQ(judge(milliseconds(after)), Outcome::kNothingNew) << "it has noticed the same";
    }
    EXPECT_TRUE(suspicion_.is_idle());
}

TEST_F(SelfSuspicionTest, BelongsToOnePool) {
    begin_with(2);
    fall(0, milliseconds(0));
    EXPECT_EQ(fall(1, milliseconds(0)), Outcome::kSuspicious);
    for (SelfSuspicion::Subject& subject : subjects_) subject.backend.pool = "api";
    EXPECT_EQ(suspicion_.judge("api", subjects_, kBegin), Outcome::kNothingNew);
}

}  // namespace
}  // namespace tandem::plan
