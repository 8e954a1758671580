#include "healthcheck/state.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::health {
namespace {

using std::chrono::seconds;

const ProbeResult kPass{ProbeCode::kL4Ok, "connected", Duration{1'000'000}};
const ProbeResult kFail{ProbeCode::kL4Connect, "connect: Connection refused", Duration{2'000'000}};
const ProbeResult kBlind{ProbeCode::kSocketError, "socket: Too many open files", Duration{0}};
const Instant kStart{seconds{1000}};

TEST(BackendState, ANewBackendIsUpAfterOnePass) {
    BackendState state({.rise = 3, .fall = 2}, kStart);
    EXPECT_EQ(state.health(), Health::kChecking);
    const Transition up{Health::kChecking, Health::kUp, {1, 1}, seconds{2}};
    EXPECT_EQ(state.on_result(kPass, kStart + seconds{2}), up);
    EXPECT_EQ(state.health(), Health::kUp);
    EXPECT_EQ(state.since(), kStart + seconds{2});
}

TEST(BackendState, ANewBackendIsDownOnlyAfterFallFails) {
    BackendState state({.rise = 2, .fall = 3}, kStart);
    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    EXPECT_EQ(state.progress(), (Progress{2, 3}));
    EXPECT_EQ(state.health(), Health::kChecking);
    const Transition down{Health::kChecking, Health::kDown, {3, 3}, seconds{4}};
    EXPECT_EQ(state.on_result(kFail, kStart + seconds{4}), down);
}

TEST(BackendState, FailsCountInARowAndAPassBreaksTheRow) {
    BackendState state({.rise = 2, .fall = 3}, kStart, Health::kUp);
    for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
        EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
        EXPECT_EQ(state.progress(), (Progress{2, 3}));
        EXPECT_EQ(state.on_result(kPass, kStart), std::nullopt);
        EXPECT_EQ(state.progress(), (Progress{0, 3}));
    }
    EXPECT_EQ(state.health(), Health::kUp);
}

TEST(BackendState, ADownBackendNeedsRisePassesInARow) {
    BackendState state({.rise = 2, .fall = 3}, kStart, Health::kDown);
    EXPECT_EQ(state.on_result(kPass, kStart), std::nullopt);
    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    EXPECT_EQ(state.on_result(kPass, kStart), std::nullopt);
    EXPECT_EQ(state.progress(), (Progress{1, 2}));
    const Transition up{Health::kDown, Health::kUp, {2, 2}, seconds{9}};
    EXPECT_EQ(state.on_result(kPass, kStart + seconds{9}), up);
}

TEST(BackendState, AnInconclusiveResultNeitherCountsNorBreaksTheRow) {
    BackendState state({.rise = 2, .fall = 2}, kStart, Health::kUp);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(state.on_result(kBlind, kStart), std::nullopt);
    EXPECT_EQ(state.health(), Health::kUp);
    EXPECT_EQ(state.last_result(), kBlind);

    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    EXPECT_EQ(state.on_result(kBlind, kStart), std::nullopt);
    EXPECT_TRUE(state.on_result(kFail, kStart));
    EXPECT_EQ(state.health(), Health::kDown);
}

TEST(BackendState, ARestoredStateGoesOnFromThere) {
    BackendState down({.rise = 2, .fall = 1}, kStart, Health::kDown);
    EXPECT_EQ(down.health(), Health::kDown);
    EXPECT_EQ(down.on_result(kFail, kStart), std::nullopt) << "it was down already";
    BackendState up({.rise = 2, .fall = 1}, kStart, Health::kUp);
    EXPECT_EQ(up.on_result(kPass, kStart), std::nullopt) << "it was up already";
    EXPECT_FALSE(up.last_result() == std::nullopt);
}

TEST(BackendState, ABackendThatIsNotCheckedIsUp) {
    BackendState state({}, kStart, Health::kDown);
    const Transition up{Health::kDown, Health::kUp, {0, 0}, seconds{1}};
    EXPECT_EQ(state.on_unchecked(kStart + seconds{1}), up);
    EXPECT_EQ(state.on_unchecked(kStart + seconds{2}), std::nullopt);
    EXPECT_EQ(state.since(), kStart + seconds{1});
}

TEST(BackendState, AnotherCheckKeepsTheStateAndBeginsTheRowAnew) {
    BackendState state({.rise = 2, .fall = 3}, kStart, Health::kUp);
    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    state.on_check_changed({.rise = 2, .fall = 2});
    EXPECT_EQ(state.health(), Health::kUp);
    EXPECT_EQ(state.since(), kStart);
    EXPECT_EQ(state.on_result(kFail, kStart), std::nullopt);
    EXPECT_TRUE(state.on_result(kFail, kStart));
}

// The rules of state.h said in another way, over the whole history instead of a counter.
class Reference {
  public:
    explicit Reference(Thresholds thresholds) : thresholds_(thresholds) {}

    Health on(Outcome outcome) {
        if (outcome == Outcome::kInconclusive) return health_;
        history_.push_back(outcome == Outcome::kPass);
        const int needed_passes = health_ == Health::kChecking ? 1 : thresholds_.rise;
        if (health_ != Health::kUp && ends_in(true, needed_passes)) become(Health::kUp);
        if (health_ != Health::kDown && ends_in(false, thresholds_.fall)) become(Health::kDown);
        return health_;
    }

  private:
    [[nodiscard]] bool ends_in(bool passed, int count) const {
        if (history_.size() < static_cast<std::size_t>(count)) return false;
        return std::all_of(history_.end() - count, history_.end(),
                           [passed](bool one) { return one == passed; });
    }
    void become(Health health) {
        health_ = health;
        history_.clear();
    }

    Thresholds thresholds_;
    Health health_ = Health::kChecking;
    std::vector<bool> history_;  // of conclusive results since the last change
};

TEST(BackendState, AgreesWithTheReferenceOnRandomResults) {
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        std::mt19937_64 random(seed);
        const Thresholds thresholds{static_cast<int>(1 + random() % 5),
                                    static_cast<int>(1 + random() % 5)};
        const std::uint64_t pass_percent = random() % 101;
        BackendState state(thresholds, kStart);
        Reference reference(thresholds);
        Instant now = kStart;
        Instant changed = kStart;
        for (int step = 0; step < 400; ++step) {
            now += Duration{random() % 3'000'000'000};
            const Health before = state.health();
            const ProbeResult& result =
                random() % 10 == 0 ? kBlind : (random() % 100 < pass_percent ? kPass : kFail);
            const auto transition = state.on_result(result, now);

            ASSERT_EQ(state.health(), reference.on(result.outcome())) << seed << ' ' << step;
            ASSERT_EQ(transition.has_value(), state.health() != before) << seed << ' ' << step;
            ASSERT_LT(state.progress().count, state.progress().needed) << seed << ' ' << step;
            if (transition) {
                ASSERT_EQ(transition->from, before);
                ASSERT_EQ(transition->to, state.health());
                ASSERT_EQ(transition->held, now - changed);
                ASSERT_EQ(transition->progress.count, transition->progress.needed);
                changed = now;
            }
            ASSERT_EQ(state.since(), changed);
        }
    }
}

}  // namespace
}  // namespace tandem::health
