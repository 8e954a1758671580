// Slots of two instances: transitions end once the other one knows, and one goes on where the other
// has stopped.
#include <random>

#include <gtest/gtest.h>

#include "dataplane/tables/slot_memory.h"

namespace tandem::tables {
namespace {

constexpr CoarseTime kTransitionHold = 100;
constexpr CoarseTime kRememberingMax = 50;

class PairedSlots : public testing::Test {
  protected:
    void update(const std::vector<BackendIndex>& owners) { memory_.update(owners, now_); }
    std::vector<SlotMemory::Ending> take_endings() {
        return memory_.take_endings(now_, kTransitionHold);
    }
    std::size_t finish(const std::vector<SlotMemory::Ending>& endings) {
        return memory_.finish(endings, now_, kRememberingMax,
                              [&](std::uint32_t) { return last_use_; });
    }
    void take_over(const SlotMemory::Steady& peers, std::uint32_t remembered = ~0U) {
        memory_.take_over(peers, now_, [&](std::uint32_t slot) { return slot == remembered; });
    }
    [[nodiscard]] Slot slot(std::size_t i = 0) const { return memory_.slots()[i]; }

    SlotMemory memory_;
    CoarseTime now_ = 10'000;
    CoarseTime last_use_ = 0;
};

TEST_F(PairedSlots, ATransitionThatIsOverGoesOnUntilItIsFinished) {
    update({1, 2});
    update({3, 2});
    now_ += kTransitionHold;
    EXPECT_TRUE(take_endings().empty());
    ++now_;
    const std::vector<SlotMemory::Ending> endings = take_endings();
    ASSERT_EQ(endings.size(), 1U);
    EXPECT_EQ(endings[0].slot, 0U);
    EXPECT_EQ(endings[0].owner, 3);
    EXPECT_EQ(slot(), (Slot{3, 1}));
    now_ += 1000;
    EXPECT_TRUE(take_endings().empty()) << "each once";
    EXPECT_EQ(slot(), (Slot{3, 1}));
    EXPECT_EQ(finish(endings), 1U);
    EXPECT_EQ(slot(), (Slot{3, Slot::kSteady}));
    EXPECT_EQ(memory_.in_transition(), 0U);
    EXPECT_EQ(finish(endings), 0U);
}

TEST_F(PairedSlots, ASlotThatChangedTwiceInOneSecondEndsOnce) {
    update({1});
    update({2});
    update({3});
    now_ += kTransitionHold + 1;
    EXPECT_EQ(take_endings().size(), 1U);
}

TEST_F(PairedSlots, WhereFlowsMayBeRememberedTheEndLeavesASlotThatAsksForThem) {
    update({1});
    update({2});
    now_ += kTransitionHold + 1;
    last_use_ = now_ - kRememberingMax;
    EXPECT_EQ(finish(take_endings()), 1U);
    EXPECT_EQ(slot(), (Slot{2, Slot::kRemembering}));
    EXPECT_EQ(memory_.lingering(), 1U);
}

// The peer has the first change's owner for the steady one by then; and who was steady before has
// no flows left that were silent all the time.
TEST_F(PairedSlots, ASlotThatChangedBeforeItsEndWasKnownGoesOnFromTheOwnerThatWasTold) {
    update({1});
    update({2});
    now_ += kTransitionHold + 1;
    const std::vector<SlotMemory::Ending> endings = take_endings();
    update({3});
    EXPECT_EQ(finish(endings), 1U);
    EXPECT_EQ(slot(), (Slot{3, 2}));
    EXPECT_EQ(memory_.in_transition(), 1U);
    now_ += kTransitionHold + 1;
    EXPECT_EQ(finish(take_endings()), 1U);
    EXPECT_EQ(slot(), (Slot{3, Slot::kSteady}));
}

TEST_F(PairedSlots, EarlierOwnersAreForgottenWithTheLastSlotThatNeededThem) {
    update({1});
    update({2, 2});
    now_ += kTransitionHold + 1;
    const std::vector<SlotMemory::Ending> endings = take_endings();
    ASSERT_EQ(endings.size(), 2U);
    update({3, 2});
    finish({endings[0]});
    EXPECT_EQ(slot(0), (Slot{3, 2}));
    EXPECT_FALSE(memory_.earlier().empty());
    finish({endings[1]});
    EXPECT_TRUE(memory_.earlier().empty());
}

TEST_F(PairedSlots, AnEndOfATableThatWasReplacedSaysNothingOfTheNewOnesSlots) {
    update({1, 2});
    update({3, 2});
    now_ += kTransitionHold + 1;
    const std::vector<SlotMemory::Ending> endings = take_endings();
    update({4, 5, 6});
    EXPECT_EQ(finish(endings), 0U);
    EXPECT_EQ(slot(), (Slot{4, Slot::kByHash}));
    update({7});
    EXPECT_EQ(finish({{.slot = 1, .owner = 2, .changed_at = now_, .era = 0}}), 0U);
}

TEST_F(PairedSlots, AnEndFromBeforeATakeoverSaysNothingOfThePeersSlots) {
    update({1});
    update({2});
    now_ += kTransitionHold + 1;
    const std::vector<SlotMemory::Ending> endings = take_endings();
    take_over({.owners = {5}, .earlier = {}});
    EXPECT_EQ(finish(endings), 0U);
    EXPECT_EQ(slot(), (Slot{2, 5}));
}

TEST_F(PairedSlots, SteadyOwnersAreThoseThatSilentFlowsHave) {
    update({1, 2, 3});
    update({1, 4, 5});
    now_ += 50;
    update({1, 4, 6});
    EXPECT_EQ(memory_.steady(), (SlotMemory::Steady{.owners = {1, 2, 3}, .earlier = {}}));
    now_ += 51;
    last_use_ = now_;
    finish(take_endings());
    EXPECT_EQ(slot(1), (Slot{4, Slot::kRemembering}));
    EXPECT_EQ(memory_.steady(), (SlotMemory::Steady{.owners = {1, 4, 3}, .earlier = {}}));
    update({7, 7});
    EXPECT_EQ(memory_.steady().owners, (std::vector<std::uint16_t>{Slot::kByHash, Slot::kByHash}));
    ASSERT_FALSE(memory_.steady().earlier.empty());
    EXPECT_EQ(earlier_owner(memory_.steady().earlier, 0), 1);
    EXPECT_EQ(earlier_owner(memory_.steady().earlier, 0xffff'ffff), 3);
}

TEST_F(PairedSlots, ATakeoverPutsThoseSlotsInTransitionThatWereSteadyElsewhereThere) {
    update({1, 2, 3});
    update({1, 4, 3});  // its own transition counts no longer
    now_ += 10;
    take_over({.owners = {1, 4, 9}, .earlier = {}}, 0);
    EXPECT_EQ(slot(0), (Slot{1, Slot::kRemembering})) << "the peer has flows of it";
    EXPECT_EQ(slot(1), (Slot{4, Slot::kSteady}));
    EXPECT_EQ(slot(2), (Slot{3, 9}));
    EXPECT_EQ(memory_.in_transition(), 1U);
    EXPECT_EQ(memory_.lingering(), 1U);
    EXPECT_EQ(memory_.changed_at()[2], now_);
    now_ += kTransitionHold;
    EXPECT_TRUE(take_endings().empty()) << "the hold begins with the takeover";
    ++now_;
    EXPECT_EQ(finish(take_endings()), 1U);
    EXPECT_EQ(slot(2), (Slot{3, Slot::kSteady}));
}

TEST_F(PairedSlots, ATakeoverOfSlotsThatKnowTheirOwnersByHashTakesThoseToo) {
    update({1, 2});
    const std::vector<EarlierOwner> earlier{{.first_hash = 0, .owner = 8},
                                            {.first_hash = 1000, .owner = 9}};
    take_over({.owners = {Slot::kByHash, 2}, .earlier = earlier});
    EXPECT_EQ(slot(0), (Slot{1, Slot::kByHash}));
    EXPECT_EQ(slot(1), (Slot{2, Slot::kSteady}));
    EXPECT_EQ(earlier_owner(memory_.earlier(), 1000), 9);
    now_ += kTransitionHold + 1;
    finish(take_endings());
    EXPECT_TRUE(memory_.earlier().empty());
}

TEST_F(PairedSlots, ATakeoverOfAnotherNumberOfSlotsChangesNothing) {
    update({1, 2});
    update({1, 3});
    take_over({.owners = {9, 9, 9}, .earlier = {}});
    EXPECT_EQ(slot(0), (Slot{1, Slot::kSteady}));
    EXPECT_EQ(slot(1), (Slot{3, 2}));
    now_ += kTransitionHold + 1;
    EXPECT_EQ(take_endings().size(), 1U);
}

// Who takes over from whoever took over knows as much as the first one did.
TEST_F(PairedSlots, WhatIsTakenOverIsWhatIsToldFromThenOn) {
    std::mt19937 random(1);
    update(std::vector<BackendIndex>(500, 1));
    for (int round = 0; round < 50; ++round) {
        SlotMemory::Steady peers;
        for (int i = 0; i < 500; ++i) {
            peers.owners.push_back(static_cast<std::uint16_t>(1 + random() % 3));
        }
        std::vector<BackendIndex> owners;
        for (int i = 0; i < 500; ++i) {
            owners.push_back(static_cast<BackendIndex>(1 + random() % 3));
        }
        update(owners);
        take_over(peers, static_cast<std::uint32_t>(random() % 500));
        ASSERT_EQ(memory_.steady(), peers);
        update(std::vector<BackendIndex>(500, 7));
        ASSERT_EQ(memory_.steady(), peers) << "only time changes it";
        now_ += kTransitionHold + 1;
        finish(take_endings());
        ASSERT_EQ(memory_.steady().owners, std::vector<std::uint16_t>(500, 7));
    }
}

}  // namespace
}  // namespace tandem::tables
