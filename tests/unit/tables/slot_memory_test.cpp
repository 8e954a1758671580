#include "dataplane/tables/slot_memory.h"

#include <array>
#include <random>
#include <string>

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

TEST_F(SlotMemoryTest, ATableOfAnotherSizeIsInTransitionAndKnowsTheSteadyOwnersByHash) {
    update({1, 2});
    update({1, 3});  // 2 stays the steady one
    update({4, 5, 6});
    EXPECT_EQ(memory_.in_transition(), 3U);
    EXPECT_EQ(slot(1), (Slot{5, Slot::kByHash}));
    EXPECT_EQ(earlier_owner(memory_.earlier(), 0), 1);
    EXPECT_EQ(earlier_owner(memory_.earlier(), 0x7fff'ffff), 1);
    EXPECT_EQ(earlier_owner(memory_.earlier(), 0x8000'0000), 2);
    EXPECT_EQ(earlier_owner(memory_.earlier(), 0xffff'ffff), 2);
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(1), (Slot{5, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
    EXPECT_TRUE(memory_.earlier().empty());
}

TEST_F(SlotMemoryTest, ATableOfAnotherSizeIsSteadyIfNobodyHasServedYet) {
    update({0, 0});
    update({1, 2, 3});
    EXPECT_EQ(slot(2), (Slot{3, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
    EXPECT_TRUE(memory_.earlier().empty());
}

TEST_F(SlotMemoryTest, ASlotThatChangesAgainKeepsItsEarlierOwnersUntilItsOwnTransitionEnds) {
    update({1, 2});
    update({3, 3, 3});
    settle_until(kFirstSecond + 50);
    update({3, 4, 3});
    settle_until(kFirstSecond + 101);
    EXPECT_EQ(slot(0), (Slot{3, Slot::kSteady}));
    EXPECT_EQ(slot(1), (Slot{4, Slot::kByHash}));
    EXPECT_EQ(earlier_owner(memory_.earlier(), 0x7fff'ffff), 1);
    settle_until(kFirstSecond + 151);
    EXPECT_EQ(slot(1), (Slot{4, Slot::kSteady}));
    EXPECT_TRUE(memory_.earlier().empty());
}

TEST_F(SlotMemoryTest, TheHashesOfASlotBeginWhereTheIndexSaysSo) {
    for (const std::uint32_t slots : {2U, 3U, 211U, 65'537U, 655'373U}) {
        for (std::uint32_t i = 0; i < slots; i += 1 + slots / 1000) {
            const std::uint64_t first = first_hash_of(i, slots);
            EXPECT_EQ(LiveView::slot_index(first << 32U, slots), i);
            if (i != 0) {
                EXPECT_EQ(LiveView::slot_index((first - 1) << 32U, slots), i - 1);
            }
        }
        EXPECT_EQ(first_hash_of(slots, slots), std::uint64_t{1} << 32U);
    }
}

/// Whom a flow that nobody remembers may be with.
BackendIndex steady_owner(const SlotMemory& memory, std::uint64_t hash) {
    const auto slots = static_cast<std::uint32_t>(memory.slots().size());
    const Slot slot = memory.slots()[LiveView::slot_index(hash, slots)];
    if (!slot.is_in_transition()) return slot.owner;
    if (slot.steady != Slot::kByHash) return slot.steady;
    return earlier_owner(memory.earlier(), static_cast<std::uint32_t>(hash >> 32U));
}

// Against a model without slots: of each of many hashes its owner while its slot was last at rest.
TEST_F(SlotMemoryTest, WhateverTheSizesSteadyOwnersAreThoseOfTheLastRest) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        std::array<std::uint64_t, 500> hashes{};
        for (std::uint64_t& hash : hashes) hash = random();
        std::array<BackendIndex, hashes.size()> steady{};
        memory_ = {};
        Owners owners(101, 1);
        bool has_begun = false;
        for (int step = 0; step < 60; ++step) {
            constexpr std::array<std::size_t, 4> kSizes{53, 101, 211, 431};
            if (random() % 4 == 0) owners.resize(kSizes[random() % kSizes.size()]);
            for (std::size_t i = random() % 50; i < owners.size(); i += random() % 50 + 1) {
                owners[i] = static_cast<BackendIndex>(random() % 20 + 1);
            }
            for (BackendIndex& owner : owners) owner = owner == 0 ? BackendIndex{7} : owner;
            update(owners);
            if (!has_begun) {
                for (std::size_t i = 0; i < hashes.size(); ++i) {
                    steady[i] = steady_owner(memory_, hashes[i]);
                }
                has_begun = true;
            }
            for (std::size_t i = 0; i < hashes.size(); ++i) {
                ASSERT_EQ(steady_owner(memory_, hashes[i]), steady[i]) << "step " << step;
            }
            settle_until(now_ + static_cast<CoarseTime>(random() % 120));
            for (std::size_t i = 0; i < hashes.size(); ++i) {
                const auto slots = static_cast<std::uint32_t>(owners.size());
                const std::uint32_t at = LiveView::slot_index(hashes[i], slots);
                if (!memory_.slots()[at].is_in_transition()) steady[i] = owners[at];
            }
            if (random() % 8 == 0) {
                SlotMemory successor;
                successor.recover(memory_.slots(), memory_.changed_at(), memory_.earlier());
                memory_ = successor;
            }
        }
    }
}

TEST_F(SlotMemoryTest, GoesOnFromWhatWorkersSee) {
    update({1, 1, 1});
    update({2, 1, 1});
    settle_until(kFirstSecond + 50);
    update({2, 3, 1});
    SlotMemory successor;
    successor.recover(memory_.slots(), memory_.changed_at(), memory_.earlier());
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
