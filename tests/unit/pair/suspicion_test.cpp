#include "dataplane/pair/suspicion.h"

#include <random>

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Instant kFirst{std::chrono::hours(1)};
constexpr SuspicionSettings kSettings{
    .interval = milliseconds(10), .bound = milliseconds(50), .phi_max = 0};

/// After `beats` heartbeats that are late by up to `jitter`; the last is returned.
Instant beat(Suspicion& suspicion, int beats, microseconds jitter, Instant from = kFirst) {
    std::mt19937 random(1);
    Instant at = from;
    for (int i = 0; i < beats; ++i) {
        suspicion.heard(at);
        at +=
            milliseconds(10) + microseconds(random() % (static_cast<unsigned>(jitter.count()) + 1));
    }
    suspicion.heard(at);
    return at;
}

TEST(Suspicion, NobodyDiesWhoWasNeverThere) {
    const Suspicion suspicion(kSettings);
    EXPECT_EQ(suspicion.phi(kFirst), 0);
    EXPECT_FALSE(suspicion.is_dead(kFirst + std::chrono::hours(1)));
    EXPECT_EQ(suspicion.deadline(), Instant::max());
}

TEST(Suspicion, TheBoundHoldsWhateverPhiSays) {
    Suspicion suspicion(kSettings);
    const Instant last = beat(suspicion, 500, microseconds(30'000));
    EXPECT_EQ(suspicion.deadline(), last + milliseconds(50));
    EXPECT_FALSE(suspicion.is_dead(last + milliseconds(50) - Duration(1)));
    EXPECT_TRUE(suspicion.is_dead(last + milliseconds(50)));
}

TEST(Suspicion, GrowsWithSilence) {
    Suspicion suspicion(kSettings);
    const Instant last = beat(suspicion, 300, microseconds(200));
    double before = 0;
    for (int silence = 1; silence < 200; ++silence) {
        const double phi = suspicion.phi(last + milliseconds(silence));
        EXPECT_GT(phi, before) << silence;
        before = phi;
    }
    EXPECT_LT(suspicion.phi(last + milliseconds(10)), 0.5);
    // With half an interval for the deviation: five of those above the mean, the tail 2.9e-7.
    EXPECT_NEAR(suspicion.phi(last + milliseconds(35)), 6.54, 0.1);
}

TEST(Suspicion, IsSlowerWhereGapsVary) {
    Suspicion steady(kSettings);
    Suspicion varying(kSettings);
    const Instant after_steady = beat(steady, 300, microseconds(100));
    const Instant after_varying = beat(varying, 300, microseconds(30'000));
    EXPECT_GT(steady.phi(after_steady + milliseconds(40)),
              2 * varying.phi(after_varying + milliseconds(40)));
}

TEST(Suspicion, MayConvictBeforeTheBoundIfThatIsWanted) {
    SuspicionSettings settings = kSettings;
    settings.bound = milliseconds(150);
    settings.phi_max = 8;
    Suspicion suspicion(settings);
    const Instant last = beat(suspicion, 300, microseconds(100));
    EXPECT_FALSE(suspicion.is_dead(last + milliseconds(30)));
    EXPECT_TRUE(suspicion.is_dead(last + milliseconds(45)));
}

TEST(Suspicion, OurOwnPauseIsNoEvidence) {
    Suspicion suspicion(kSettings);
    const Instant last = beat(suspicion, 300, microseconds(100));
    const Instant now = last + milliseconds(400);
    suspicion.looked(last);
    suspicion.looked(now);
    EXPECT_FALSE(suspicion.is_dead(now));
    EXPECT_EQ(suspicion.deadline(), now + milliseconds(40)) << "an interval has passed";
    EXPECT_TRUE(suspicion.is_dead(now + milliseconds(40)));
    suspicion.heard(now + milliseconds(5));
    EXPECT_EQ(suspicion.deadline(), now + milliseconds(55));
}

TEST(Suspicion, WhoLooksInTimeNeedsNoExcuse) {
    Suspicion suspicion(kSettings);
    const Instant last = beat(suspicion, 3, microseconds(0));
    for (int i = 0; i < 5; ++i) suspicion.looked(last + i * milliseconds(10));
    EXPECT_EQ(suspicion.deadline(), last + milliseconds(50));
}

TEST(Suspicion, ALoopThatIsAlwaysLateNoticesADeathAllTheSame) {
    for (const microseconds step : {microseconds(10'300), microseconds(35'000)}) {
        Suspicion suspicion(kSettings);
        Instant now = beat(suspicion, 300, microseconds(100));
        suspicion.looked(now);
        for (int i = 0; i < 4; ++i) {
            suspicion.looked(now += step);
            EXPECT_FALSE(suspicion.is_dead(now)) << step.count();
        }
        suspicion.looked(now += step);
        EXPECT_TRUE(suspicion.is_dead(now)) << step.count();
    }
}

TEST(Suspicion, ADeathIsNotLearntFrom) {
    Suspicion taught(kSettings);
    Suspicion other(kSettings);
    const Instant last = beat(taught, 300, microseconds(100));
    beat(other, 300, microseconds(100));
    for (int i = 1; i <= 20; ++i) taught.heard(last + std::chrono::seconds(i));  // 20 deaths
    const Instant again = last + std::chrono::seconds(20);
    EXPECT_NEAR(taught.phi(again + milliseconds(30)), other.phi(last + milliseconds(30)), 0.01);
}

TEST(Suspicion, LearnsWhatHasBecomeUsualAndForgetsWhatWas) {
    Suspicion suspicion(kSettings);
    Instant at = beat(suspicion, 300, microseconds(100));
    const double before = suspicion.phi(at + milliseconds(35));
    for (int i = 0; i < 300; ++i) suspicion.heard(at += milliseconds(30));
    EXPECT_LT(suspicion.phi(at + milliseconds(35)), 1);
    for (int i = 0; i < 300; ++i) suspicion.heard(at += milliseconds(10));
    EXPECT_NEAR(suspicion.phi(at + milliseconds(35)), before, 0.3);
}

}  // namespace
}  // namespace tandem::pair
