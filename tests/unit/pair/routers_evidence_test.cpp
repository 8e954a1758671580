// What keeps an instance from claiming its groups: evidence against itself, a gateway that is
// silent, and a pause.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/pair/virtual_routers.h"

namespace tandem::pair {
namespace {

TEST(Routers, WhoCannotForwardSaysSoAndClaimsNothing) {
    for (const bool by_link : {false, true}) {
        Instance one;
        const auto set = [&](bool fit, Instant now) {
            if (by_link) one.routers.set_port_up(0, fit, now);
            if (!by_link) one.routers.set_workers_run(fit, now);
        };
        one.follow(kNoon);
        Instant now = one.run(kNoon, 5 * kEvery);
        static_cast<void>(one.routers.take_frames());
        set(false, now);
        EXPECT_TRUE(one.roles.is_silent(0, true));
        const std::vector<Advert> last = adverts_in(one.routers.take_frames());
        ASSERT_EQ(last.size(), 1U);
        EXPECT_EQ(last[0].priority, kPriorityReleased);
        now = one.run(now, 100 * kEvery);
        EXPECT_TRUE(one.routers.take_frames().empty());
        one.follow(now);  // another plan does not make it fit
        now = one.run(now, 10 * kEvery);
        EXPECT_TRUE(one.roles.is_silent(0, true));
        set(true, now);
        one.run(now, 5 * kEvery);
        EXPECT_FALSE(one.roles.is_silent(0, true));
    }
}

TEST(Routers, WhoseGatewayIsSilentGivesWayToOneThatReachesIts) {
    using tables::GatewayState;
    Pair pair;
    ASSERT_EQ(pair.active(), 2);
    pair.finds(pair.high, GatewayState::kDoubtful);
    EXPECT_EQ(pair.active(), 2);
    pair.finds(pair.high, GatewayState::kSilent);
    EXPECT_EQ(pair.active(), 1);
    pair.finds(pair.high, GatewayState::kDoubtful);
    EXPECT_EQ(pair.active(), 1) << "nothing is taken back in doubt";
    pair.finds(pair.high, GatewayState::kAnswers);
    EXPECT_EQ(pair.active(), 2);
}

TEST(Routers, WhenNobodyReachesTheGatewayWhoeverIsActiveGoesOn) {
    using tables::GatewayState;
    Pair pair;
    static_cast<void>(pair.changes());
    for (const GatewayState state :
         {GatewayState::kDoubtful, GatewayState::kSilent, GatewayState::kDoubtful}) {
        pair.finds(pair.high, state);
        pair.finds(pair.low, state);
        pair.run(200 * kEvery);
    }
    pair.finds(pair.low, GatewayState::kAnswers);
    pair.finds(pair.high, GatewayState::kAnswers);
    EXPECT_EQ(pair.active(), 2);
    EXPECT_EQ(pair.changes(), 0U) << "and nobody has taken over meanwhile";

    // If the one that is active is gone altogether, the other one serves, gateway or not.
    pair.finds(pair.high, GatewayState::kDoubtful);
    pair.finds(pair.low, GatewayState::kDoubtful);
    pair.finds(pair.low, GatewayState::kSilent);
    pair.finds(pair.high, GatewayState::kSilent);
    pair.high.routers.set_port_up(0, false, pair.now);
    pair.run(50 * kEvery);
    EXPECT_EQ(pair.active(), 1);
    pair.high.routers.set_port_up(0, true, pair.now);
    pair.run(50 * kEvery);
    EXPECT_EQ(pair.active(), 1) << "who comes back is no better off";
}

TEST(Routers, AGroupWhoseGatewayIsSilentFromTheStartIsTakenOnlyIfNobodyElseHasIt) {
    Instance one;
    one.groups[0].gateway = tables::GatewayState::kSilent;
    one.follow(kNoon);
    one.run(kNoon, 5 * kEvery);
    EXPECT_FALSE(one.roles.is_silent(0, true));
    EXPECT_EQ(adverts_in(one.routers.take_frames())[0].priority, 1);
}

TEST(Routers, AStoppedProcessListensBeforeItClaims) {
    Instance one;
    one.follow(kNoon);
    const Instant now = one.run(kNoon, 5 * kEvery) + std::chrono::seconds(1);
    static_cast<void>(one.routers.take_frames());
    one.step(now);
    EXPECT_TRUE(one.roles.is_silent(0, true)) << "another may be active by now";
    EXPECT_TRUE(one.routers.take_frames().empty());
    one.run(now, 5 * kEvery);
    EXPECT_FALSE(one.roles.is_silent(0, true)) << "nobody is";
}

TEST(Routers, AStoppedProcessHearsWhatHasWaitedBeforeItTakesAnythingBack) {
    Pair pair;
    ASSERT_EQ(pair.active(), 2);
    Instance& high = pair.high;
    // It stands still; the other one is active, releases the group, and is active again.
    Instant now = pair.low.run(pair.now, 5 * kEvery);
    pair.low.routers.set_workers_run(false, now);
    pair.low.routers.set_workers_run(true, now);
    now = pair.low.run(now, 5 * kEvery);
    const std::vector<Routers::Frame> waiting = pair.low.routers.take_frames();
    const std::vector<Advert> adverts = adverts_in(waiting);
    const auto released = std::ranges::find(adverts, kPriorityReleased, &Advert::priority);
    ASSERT_NE(released, adverts.end());
    ASSERT_NE(adverts.back().priority, kPriorityReleased);

    high.routers.wake(now);
    for (const Routers::Frame& frame : waiting) high.routers.on_frame(0, frame.bytes, now);
    high.routers.on_time(now);
    high.run(now, kEvery);
    EXPECT_TRUE(high.roles.is_silent(0, true)) << "what was open before it stood still is not now";
    high.routers.allow_preemption(true);
    high.run(now, 4 * kEvery);
    EXPECT_FALSE(high.roles.is_silent(0, true));
}

}  // namespace
}  // namespace tandem::pair
