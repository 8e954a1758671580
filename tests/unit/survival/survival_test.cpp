// What perf/run survival measures at length, short and hard: few backends to which something
// happens every second, many connections in each slot, timeouts that all run out within the trace.
#include <gtest/gtest.h>

#include "perf/survival/full_tracking.h"
#include "perf/survival/maglev_only.h"
#include "perf/survival/tandem_tracking.h"
#include "perf/survival/trace.h"

namespace tandem::survival {
namespace {

constexpr std::uint64_t kSeeds = 5;
constexpr std::uint16_t kEstablished = 60;
constexpr tables::FlowTimeouts kTimeouts{{5, kEstablished, kEstablished, 10, 10, 10}};
constexpr std::uint32_t kLifetimeMax = 180;
constexpr std::uint32_t kChurnUntil = 240;
/// What has begun by then has ended after ten minutes more (a drain), and half of that (an outage).
constexpr std::uint32_t kCalmFrom = kChurnUntil + 600 + 300;
/// A flow is remembered until it ends, and its slot asked for it until then.
constexpr std::uint32_t kSteadyFrom = kCalmFrom + kLifetimeMax + 2 * kEstablished + 10;
constexpr std::uint64_t kRoom = 20'000;  // flows, more than there are at a time

TraceShape shape(std::uint64_t seed) {
    return {.seed = seed,
            .workload = {.connections = 1000,
                         .new_per_second = 100,
                         .lifetime_s_max = kLifetimeMax,
                         .silence_s_max = kEstablished},
            .backends = 20,
            .slots = 211,
            .churn = {.outages = 20,
                      .drains = 10,
                      .additions_and_removals = 10,
                      .weights = 10,
                      .resizings = 1},
            .churn_until_s = kChurnUntil,
            .opening_until_s = kSteadyFrom};
}

class SurvivalTest : public testing::TestWithParam<std::uint64_t> {
  protected:
    enum Lane : std::uint8_t { kMaglev, kFull, kTandem };

    explicit SurvivalTest(std::uint64_t room = kRoom) {
        auto tandem = std::make_unique<TandemTracking>(
            std::move(tables::FlowMemory::create(1, room, tables::Pages::kNormal).value()),
            trace_.key(), kTimeouts);
        tandem_ = tandem.get();
        trace_.add(std::make_unique<MaglevOnly>());
        trace_.add(std::make_unique<FullTracking>(tandem->use().bytes, kTimeouts));
        trace_.add(std::move(tandem));
    }

    Trace trace_{shape(GetParam())};
    const TandemTracking* tandem_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Seeds, SurvivalTest, testing::Range(std::uint64_t{1}, kSeeds + 1));

TEST_P(SurvivalTest, NoConnectionBreaksWhoseBackendCouldServeItAndThePoolGetsSteadyAgain) {
    trace_.run(kChurnUntil);
    EXPECT_GT(tandem_->slots().in_transition(), 0U);
    EXPECT_GT(trace_.outcome(kMaglev).broken, 1000U) << "or there was nothing to survive";
    EXPECT_GT(trace_.outcome(kTandem).lost, 100U) << "backends do fail";
    trace_.run(kSteadyFrom);
    EXPECT_EQ(trace_.outcome(kTandem).broken, 0U);
    EXPECT_EQ(trace_.outcome(kFull).broken, 0U) << "with room for all";
    EXPECT_EQ(tandem_->use().refused, 0U);

    EXPECT_EQ(tandem_->slots().in_transition(), 0U);
    EXPECT_EQ(tandem_->slots().lingering(), 0U);
    EXPECT_EQ(tandem_->use().entries, 0U) << "and nothing is remembered, whatever is opened";
    EXPECT_GT(trace_.outcome(kTandem).opened, 100'000U);
}

class SurvivalInALittleTable : public SurvivalTest {
  protected:
    SurvivalInALittleTable() : SurvivalTest(100) {}
};
INSTANTIATE_TEST_SUITE_P(Seeds, SurvivalInALittleTable, testing::Values(1));

TEST_P(SurvivalInALittleTable, WhatFindsNoRoomIsCountedAndMayBreak) {
    trace_.run(kChurnUntil);
    EXPECT_GT(tandem_->use().refused + tandem_->use().evicted, 0U);
    EXPECT_GT(trace_.outcome(kTandem).broken, 0U);
    EXPECT_GT(trace_.outcome(kFull).broken, 0U);
}

TEST(SurvivalTrace, FollowsFromItsSeedAlone) {
    const auto broken_in = [](std::uint64_t seed) {
        Trace trace(shape(seed));
        trace.add(std::make_unique<MaglevOnly>());
        trace.run(60);
        return std::pair(trace.packets(), trace.outcome(0).broken);
    };
    EXPECT_EQ(broken_in(7), broken_in(7));
    EXPECT_NE(broken_in(7), broken_in(8));
}

}  // namespace
}  // namespace tandem::survival
