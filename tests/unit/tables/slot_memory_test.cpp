#include "dataplane/tables/slot_memory.h"

#include <gtest/gtest.h>

namespace tandem::tables {
namespace {

constexpr SlotMemory::Times kTimes{.hold = 100, .remembering = 50};
constexpr CoarseTime kFirstSecond = 10'000;
using Owners = std::vector<BackendIndex>;

class SlotMemoryTest : public testing::Test {
  protected:
    /// Lets time pass until `now`, second by second.
    void settle_until(CoarseTime now) {
        for (; now_ < now; ++now_) {
            memory_.settle(now_ + 1, kTimes, [&](std::uint32_t) { return last_use_; });
        }
    }
    void update(const Owners& owners) { memory_.update(owners, now_); }
    [[nodiscard]] Slot slot(std::size_t i = 0) const { return memory_.slots()[i]; }

    SlotMemory memory_;
    CoarseTime now_ = kFirstSecond;
    CoarseTime last_use_ = 0;
};

TEST_F(SlotMemoryTest, TheFirstTableIsSteady) {
    update({1, 2});
    EXPECT_EQ(slot(0), (Slot{1, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
}

TEST_F(SlotMemoryTest, AChangedSlotIsInTransitionForTheHoldAndRemembersItsOwner) {
    update({1, 2});
    update({3, 2});
    EXPECT_EQ(slot(0), (Slot{3, 1}));
    EXPECT_EQ(slot(1), (Slot{2, Slot::kSteady}));
    settle_until(kFirstSecond + 100);
    EXPECT_EQ(slot(0), (Slot{3, 1}));
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(0), (Slot{3, Slot::kSteady}));
}

TEST_F(SlotMemoryTest, AChangeInTransitionChangesTheOwnerOnlyAndBeginsTheHoldAnew) {
    update({1});
    update({2});
    settle_until(kFirstSecond + 60);
    update({3});
    EXPECT_EQ(slot(), (Slot{3, 1}));
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(), (Slot{3, 1}));
    EXPECT_EQ(memory_.in_transition(), 1U);
    settle_until(kFirstSecond + 161);
    EXPECT_EQ(slot(), (Slot{3, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
}

TEST_F(SlotMemoryTest, AReturnToTheSteadyOwnerIsATransitionToo) {
    update({1});
    update({2});
    update({1});
    EXPECT_EQ(slot(), (Slot{1, 1}));
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(), (Slot{1, Slot::kSteady}));
}

TEST_F(SlotMemoryTest, AfterItsTransitionASlotAsksForFlowsAsLongAsAnyMayBeRemembered) {
    update({1});
    update({2});
    last_use_ = kFirstSecond + 90;
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(), (Slot{2, Slot::kRemembering}));
    EXPECT_EQ(memory_.lingering(), 1U);
    last_use_ = kFirstSecond + 130;
    settle_until(kFirstSecond + 180);
    EXPECT_EQ(slot(), (Slot{2, Slot::kRemembering}));
    settle_until(kFirstSecond + 181);
    EXPECT_EQ(slot(), (Slot{2, Slot::kSteady}));
    EXPECT_EQ(memory_.lingering(), 0U);
}

TEST_F(SlotMemoryTest, ASlotThatLingersChangesAsASteadyOne) {
    update({1});
    update({2});
    last_use_ = kFirstSecond + 100;
    settle_until(kFirstSecond + 101);
    update({3});
    EXPECT_EQ(slot(), (Slot{3, 2}));
    EXPECT_EQ(memory_.lingering(), 0U);
}

TEST_F(SlotMemoryTest, WhereNobodyServedThereIsNothingToRemember) {
    update({0});
    update({1});
    EXPECT_EQ(slot(), (Slot{1, Slot::kSteady}));
    update({0});
    EXPECT_EQ(slot(), (Slot{0, 1}));
    update({2});
    EXPECT_EQ(slot(), (Slot{2, 1})) << "flows of the one that was steady may live";
}

TEST_F(SlotMemoryTest, AnotherSizeIsAnotherTable) {
    update({1, 1});
    update({2, 2});
    update({3, 3, 3});
    EXPECT_EQ(slot(), (Slot{3, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
    settle_until(kFirstSecond + 300);
    EXPECT_EQ(slot(2), (Slot{3, Slot::kSteady}));
}

TEST_F(SlotMemoryTest, GoesOnFromWhatWorkersSee) {
    update({1, 1, 1});
    update({2, 1, 1});
    settle_until(kFirstSecond + 50);
    update({2, 3, 1});
    SlotMemory successor;
    successor.recover(memory_.slots(), memory_.changed_at());
    EXPECT_EQ(successor.in_transition(), 2U);
    EXPECT_EQ(successor.update(Owners{2, 3, 1}, now_), 0U);
    for (CoarseTime at = now_; at <= kFirstSecond + 151; ++at) {
        const auto unused = [](std::uint32_t) { return CoarseTime{0}; };
        successor.settle(at, kTimes, unused);
        EXPECT_EQ(successor.slots()[0].is_in_transition(), at <= kFirstSecond + 100) << at;
        EXPECT_EQ(successor.slots()[1].is_in_transition(), at <= kFirstSecond + 150) << at;
    }
}

}  // namespace
}  // namespace tandem::tables
