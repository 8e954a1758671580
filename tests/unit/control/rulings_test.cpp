#include "control/rulings.h"

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem {
namespace {

using plan::Verdicts;
using tables::HealthState;

constexpr HealthState kNone = HealthState::kUnused;
constexpr HealthState kChecking = HealthState::kChecking;
constexpr HealthState kUp = HealthState::kUp;
constexpr HealthState kDown = HealthState::kDown;

constexpr Verdicts kBothUp{kUp, kUp, kUp};
constexpr Verdicts kDisputedHere{kDown, kUp, kUp, true};
constexpr Verdicts kDisputedThere{kUp, kDown, kUp, true};
constexpr Verdicts kOutByPeer{kUp, kDown, kDown};

/// "" for none, "! " before an alarm.
std::string line(const Verdicts& before, const Verdicts& now) {
    const std::optional<RulingLine> found = line_of({{"web", ip("10.0.0.1"), 80}, before, now});
    if (!found) return "";
    const std::string name = "pool web: backend 10.0.0.1:80 ";
    EXPECT_TRUE(found->text.starts_with(name)) << found->text;
    return (found->is_alarm ? "! " : "") + found->text.substr(name.size());
}

TEST(Rulings, AreNotMentionedWhenThisInstanceFindsTheSame) {
    EXPECT_EQ(line(kBothUp, {kDown, kDown, kDown}), "");
    EXPECT_EQ(line(kBothUp, {kDown, kUp, kDown}), "") << "the log has why it is down";
    EXPECT_EQ(line({kChecking, kNone, kChecking}, {kUp, kNone, kUp}), "");
    EXPECT_EQ(line(kOutByPeer, {kDown, kDown, kDown}), "") << "it was out before";
}

TEST(Rulings, ADisputeIsAnAlarmOnceAndItsEndIsTold) {
    EXPECT_EQ(line(kBothUp, kDisputedHere),
              "! stays in: disputed, only this instance finds it down");
    EXPECT_EQ(line(kBothUp, kDisputedThere), "! stays in: disputed, only the peer finds it down");
    EXPECT_EQ(line(kDisputedHere, kDisputedHere), "");
    EXPECT_EQ(line(kDisputedHere, kBothUp), "is disputed no more, and up: both find it so");
    EXPECT_EQ(line(kDisputedHere, {kDown, kDown, kDown}),
              "is disputed no more, and down: both find it so");
    EXPECT_EQ(line(kDisputedHere, {kDown, kUp, kDown}),
              "is disputed no more, and down: this instance finds it so");
    EXPECT_EQ(line(kDisputedThere, {kUp, kNone, kUp}),
              "is disputed no more, and up: this instance finds it so, and the peer has no say");
}

TEST(Rulings, SayWhyItIsOtherwiseThanThisInstanceFinds) {
    EXPECT_EQ(line(kBothUp, kOutByPeer),
              "! is out: the peer finds it down, and is right about the rest");
    EXPECT_EQ(line(kDisputedThere, kOutByPeer),
              "! is out: the peer finds it down, and is right about the rest");
    EXPECT_EQ(line(kBothUp, {kDown, kUp, kUp}), "! stays in: only this instance finds it down");
    EXPECT_EQ(line({kChecking, kNone, kChecking}, {kChecking, kUp, kUp}),
              "is up by the peer's checks: not checked here yet");
    EXPECT_EQ(line(kOutByPeer, kBothUp), "is up: both find it so");
}

TEST(Rulings, NameIpv6BackendsAsTheConfigurationDoes) {
    EXPECT_EQ(name_of({"dns", ip("2001:db8::53"), 53}), "pool dns: backend [2001:db8::53]:53");
}

}  // namespace
}  // namespace tandem
