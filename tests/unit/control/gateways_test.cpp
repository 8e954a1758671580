// When it counts that a gateway answers, or does not.
#include "control/plan/gateways.h"

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem::plan {
namespace {

using std::chrono::milliseconds;
using tables::GatewayState;
using Changes = std::vector<Gateways::Change>;

constexpr Instant kNoon{std::chrono::hours(1)};
constexpr Duration kMoment = milliseconds(1);
constexpr GatewayState kAnswers = GatewayState::kAnswers;
constexpr GatewayState kDoubtful = GatewayState::kDoubtful;
constexpr GatewayState kSilent = GatewayState::kSilent;

class GatewaysTest : public testing::Test {
  protected:
    GatewaysTest() { gateways_.follow({gateway_}); }
    Changes change(GatewayState before, GatewayState state) const {
        return {{gateway_, before, state}};
    }

    const Gateways::Gateway gateway_{2, ip("192.0.2.1")};
    Gateways gateways_;
};

TEST_F(GatewaysTest, ANewOneIsInDoubtUntilSomethingIsHeardOfIt) {
    EXPECT_EQ(gateways_.changes(kNoon), change(kAnswers, kDoubtful));
    EXPECT_EQ(gateways_.changes(kNoon + std::chrono::hours(1)), Changes{});
    gateways_.heard(gateway_, true, kNoon);
    EXPECT_EQ(gateways_.changes(kNoon), change(kDoubtful, kAnswers));
    gateways_.heard(gateway_, true, kNoon + kMoment);
    EXPECT_EQ(gateways_.changes(kNoon + kMoment), Changes{});
}

TEST_F(GatewaysTest, SilenceCountsAfterAWhileAndAnAnswerAtOnce) {
    gateways_.heard(gateway_, true, kNoon);
    static_cast<void>(gateways_.changes(kNoon));
    gateways_.heard(gateway_, false, kNoon);
    EXPECT_EQ(gateways_.changes(kNoon), change(kAnswers, kDoubtful));
    Instant now = kNoon + Gateways::kSettling;
    gateways_.heard(gateway_, false, now - kMoment);  // it has been silent all the time
    EXPECT_EQ(gateways_.changes(now - kMoment), Changes{});
    EXPECT_EQ(gateways_.changes(now), change(kDoubtful, kSilent));

    gateways_.heard(gateway_, true, now);
    EXPECT_EQ(gateways_.changes(now), change(kSilent, kDoubtful)) << "it takes nothing back yet";
    now += Gateways::kSettling;
    EXPECT_EQ(gateways_.changes(now - kMoment), Changes{});
    EXPECT_EQ(gateways_.changes(now), change(kDoubtful, kAnswers));
}

TEST_F(GatewaysTest, OneThatComesAndGoesStaysInDoubt) {
    gateways_.heard(gateway_, true, kNoon);
    static_cast<void>(gateways_.changes(kNoon));
    gateways_.heard(gateway_, false, kNoon);
    EXPECT_EQ(gateways_.changes(kNoon), change(kAnswers, kDoubtful));
    Instant now = kNoon;
    for (int i = 0; i < 10; ++i) {
        now += Gateways::kSettling - kMoment;
        EXPECT_EQ(gateways_.changes(now), Changes{});
        gateways_.heard(gateway_, i % 2 == 0, now);
    }
}

// Each is asked every second and hears nothing for three: so they notice within a second of each
// other. Whoever is first must not give way before the other one is in doubt, nor come back later.
TEST_F(GatewaysTest, OfTwoThatLoseTheSameOneNeitherIsSureWhenTheOtherGivesWay) {
    constexpr Duration kApartMax = std::chrono::seconds(1);
    Gateways other;
    other.follow({gateway_});
    const auto now_of = [](Gateways& each, Instant now, GatewayState& state) {
        for (const Gateways::Change& change : each.changes(now)) state = change.state;
    };
    for (const bool answers : {false, true}) {
        const Instant begin = kNoon + std::chrono::minutes(answers ? 1 : 2);
        GatewayState first = kAnswers;
        GatewayState second = kAnswers;
        gateways_.heard(gateway_, !answers, begin - std::chrono::minutes(1));
        other.heard(gateway_, !answers, begin - std::chrono::minutes(1));
        for (Instant now = begin; now < begin + std::chrono::seconds(5); now += kMoment) {
            gateways_.heard(gateway_, answers, begin);
            if (now >= begin + kApartMax) other.heard(gateway_, answers, now);
            now_of(gateways_, now, first);
            now_of(other, now, second);
            EXPECT_FALSE(first == kSilent && second == kAnswers);
            EXPECT_FALSE(first == kAnswers && second == kSilent);
        }
        EXPECT_EQ(first, answers ? kAnswers : kSilent);
        EXPECT_EQ(second, first);
    }
}

TEST_F(GatewaysTest, NothingIsNotedOfOthers) {
    static_cast<void>(gateways_.changes(kNoon));
    const Gateways::Gateway other{3, ip("192.0.2.1")};
    gateways_.heard(other, false, kNoon);
    gateways_.heard(gateway_, false, kNoon - Gateways::kSettling);
    EXPECT_EQ(gateways_.changes(kNoon), change(kDoubtful, kSilent));
    gateways_.follow({other});
    EXPECT_EQ(gateways_.changes(kNoon), (Changes{{other, kAnswers, kDoubtful}}));
    gateways_.follow({gateway_});
    EXPECT_EQ(gateways_.changes(kNoon), change(kAnswers, kDoubtful)) << "what was is forgotten";
}

}  // namespace
}  // namespace tandem::plan
