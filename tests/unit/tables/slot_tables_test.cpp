#include "dataplane/tables/slot_tables.h"

#include <utility>

#include <gtest/gtest.h>

namespace tandem::tables {
namespace {

constexpr SlotTableId kWebHere{.pool = 10, .domain = 2};
constexpr SlotTableId kWebThere{.pool = 10, .domain = 4};
constexpr SlotTableId kMail{.pool = 11, .domain = 2};
constexpr CoarseTime kHoldOfTables = 100;
constexpr CoarseTime kRememberedFor = 50;

class SlotTablesTest : public testing::Test {
  protected:
    SlotTablesTest() { keep({kWebHere}); }

    void keep(const std::vector<SlotTableId>& ids) {
        tables_.keep_only(ids);
        for (const SlotTableId& id : ids) tables_.set_hold(id, kHoldOfTables);
    }
    void update(const std::vector<BackendIndex>& owners, const SlotTableId& id = kWebHere) {
        tables_.update(id, owners, now_);
    }
    void follow(const std::vector<std::uint16_t>& owners, const SlotTableId& id = kWebHere) {
        tables_.follow(id, {.owners = owners, .earlier = {}});
    }
    bool take_over(const SlotTableId& id = kWebHere) {
        return tables_.take_over(id, now_, [](std::uint32_t) { return false; });
    }
    bool settle(const SlotTables::Commit& commit = {}) {
        return tables_.settle(now_, kRememberedFor, last_use_, commit);
    }
    [[nodiscard]] const SlotTables::Table& table(const SlotTableId& id = kWebHere) const {
        return *tables_.find(id);
    }
    [[nodiscard]] Slot slot(std::size_t i = 0, const SlotTableId& id = kWebHere) const {
        return table(id).memory.slots()[i];
    }
    [[nodiscard]] std::uint64_t revision() const { return table().revision; }

    SlotTables tables_;
    CoarseTime now_ = 10'000;
    SlotTables::LastUse last_use_ = [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; };
};

TEST_F(SlotTablesTest, ATableThatIsNotThereIsNobodys) {
    EXPECT_EQ(tables_.find(kMail), nullptr);
    update({1, 2}, kMail);
    follow({1, 2}, kMail);
    tables_.set_hold(kMail, 1);
    EXPECT_FALSE(take_over(kMail));
    EXPECT_FALSE(tables_.finish(kMail, {}, now_, kRememberedFor, last_use_));
    EXPECT_EQ(tables_.find(kMail), nullptr);
}

TEST_F(SlotTablesTest, ANewTableBeginsWithWhatAnotherOfItsPoolRemembers) {
    update({1});
    update({2});
    keep({kWebHere, kWebThere, kMail});
    EXPECT_EQ(slot(0, kWebThere), (Slot{2, 1})) << "its VIPs have come from there";
    EXPECT_TRUE(table(kMail).memory.slots().empty());
    keep({kWebThere});
    EXPECT_EQ(tables_.find(kWebHere), nullptr);
    EXPECT_EQ(slot(0, kWebThere), (Slot{2, 1}));
}

TEST_F(SlotTablesTest, ATableThatReplacesAnotherOfItsPoolBeginsLikeIt) {
    update({1});
    update({2});
    keep({kWebThere});
    EXPECT_EQ(slot(0, kWebThere), (Slot{2, 1}));
}

TEST_F(SlotTablesTest, UntilAPlanSaysItNoTransitionEnds) {
    tables_.restore(kMail);
    update({1}, kMail);
    update({2}, kMail);
    now_ += 1'000'000;
    EXPECT_FALSE(settle());
    tables_.set_hold(kMail, kHoldOfTables);
    EXPECT_TRUE(settle());
    EXPECT_EQ(slot(0, kMail), (Slot{2, Slot::kSteady}));
}

TEST_F(SlotTablesTest, TransitionsThatNobodyIsToldOfEndAtOnce) {
    update({1});
    update({2});
    now_ += kHoldOfTables;
    EXPECT_FALSE(settle());
    ++now_;
    EXPECT_TRUE(settle());
    EXPECT_EQ(slot(), (Slot{2, Slot::kSteady}));
    EXPECT_FALSE(settle());
}

TEST_F(SlotTablesTest, TransitionsThatSomebodyIsToldOfEndWhenTheyAreFinished) {
    update({1, 1});
    update({2, 1});
    now_ += kHoldOfTables + 1;
    std::vector<SlotMemory::Ending> endings;
    const auto commit = [&](const SlotTableId& id, std::span<const SlotMemory::Ending> over) {
        EXPECT_EQ(id, kWebHere);
        endings.assign(over.begin(), over.end());
        return true;
    };
    EXPECT_FALSE(settle(commit));
    ASSERT_EQ(endings.size(), 1U);
    EXPECT_EQ(slot(), (Slot{2, 1}));
    EXPECT_FALSE(settle()) << "they wait, whatever comes";
    EXPECT_TRUE(tables_.finish(kWebHere, endings, now_, kRememberedFor, last_use_));
    EXPECT_EQ(slot(), (Slot{2, Slot::kSteady}));
    EXPECT_FALSE(tables_.finish(kWebHere, endings, now_, kRememberedFor, last_use_));
}

TEST_F(SlotTablesTest, TransitionsThatCannotBeToldEndAtOnce) {
    update({1});
    update({2});
    now_ += kHoldOfTables + 1;
    EXPECT_TRUE(
        settle([](const SlotTableId&, std::span<const SlotMemory::Ending>) { return false; }));
    EXPECT_EQ(slot(), (Slot{2, Slot::kSteady}));
}

TEST_F(SlotTablesTest, SlotsThatAskForFlowsEndTheirAskingByThemselves) {
    update({1});
    update({2});
    now_ += kHoldOfTables + 1;
    const CoarseTime used = now_;
    last_use_ = [&](std::uint64_t pool, std::uint32_t) {
        EXPECT_EQ(pool, kWebHere.pool);
        return used;
    };
    EXPECT_TRUE(settle());
    EXPECT_EQ(slot(), (Slot{2, Slot::kRemembering}));
    now_ += kRememberedFor + 1;
    EXPECT_TRUE(settle([](const SlotTableId&, std::span<const SlotMemory::Ending>) {
        ADD_FAILURE() << "nothing that the peer need know";
        return true;
    }));
    EXPECT_EQ(slot(), (Slot{2, Slot::kSteady}));
}

TEST_F(SlotTablesTest, AFollowedTableHasAnotherWordForSteadyAndItsOwnStands) {
    update({1, 1});
    update({2, 1});
    follow({1, 3});
    ASSERT_TRUE(table().peers);
    EXPECT_EQ(table().peers->owners, (std::vector<std::uint16_t>{1, 3}));
    now_ += kHoldOfTables + 1;
    EXPECT_FALSE(settle([](const SlotTableId&, std::span<const SlotMemory::Ending>) {
        ADD_FAILURE() << "its transitions are the other instance's to end";
        return true;
    }));
    const SlotMemory::Ending ending{.slot = 0, .owner = 2, .changed_at = 10'000};
    EXPECT_FALSE(tables_.finish(kWebHere, std::span(&ending, 1), now_, kRememberedFor, last_use_));
    std::vector<std::uint32_t> waiting = tables_.waiting_by_backend(4);
    EXPECT_EQ(waiting, std::vector<std::uint32_t>(4, 0)) << "nor is it this one's to wait";
}

TEST_F(SlotTablesTest, ATakeoverGoesOnFromThePeersWord) {
    update({1, 1});
    follow({1, 3});
    now_ += 10;
    EXPECT_TRUE(take_over());
    EXPECT_FALSE(table().peers);
    EXPECT_EQ(slot(0), (Slot{1, Slot::kSteady}));
    EXPECT_EQ(slot(1), (Slot{1, 3}));
    EXPECT_EQ(tables_.in_transition(), 1U);
    EXPECT_EQ(tables_.waiting_by_backend(4), (std::vector<std::uint32_t>{0, 0, 0, 1}));
    now_ += 10;
    EXPECT_FALSE(take_over()) << "it is not followed any more";
}

TEST_F(SlotTablesTest, WhatIsOutdatedWasRememberedBeforeThisMomentEvenInThisSecond) {
    update({1, 1});
    tables_.outdate(kWebHere.domain, now_);
    EXPECT_EQ(table().void_before, now_ + 1);
    tables_.outdate(kWebHere.domain, now_);
    EXPECT_EQ(table().void_before, now_ + 2) << "each time more";
}

TEST_F(SlotTablesTest, ATransitionLastsTheWholeHoldFromWhereItsFlowsCountAsSeen) {
    update({1, 1});
    tables_.outdate(kWebHere.domain, now_);
    update({1, 2, 1});
    now_ += kHoldOfTables + 1;
    EXPECT_FALSE(settle()) << "a flow that was seen in the first second is remembered still";
    EXPECT_TRUE(slot(1).is_in_transition());
    now_ += 1;
    EXPECT_TRUE(settle());
    EXPECT_EQ(slot(1), (Slot{2, Slot::kSteady}));
}

TEST_F(SlotTablesTest, WhoHasOtherSlotsIsNotFollowed) {
    update({1, 1});
    follow({1, 1, 1});
    EXPECT_FALSE(table().peers);
    follow({1, 1});
    update({1, 2});
    EXPECT_TRUE(table().peers) << "other owners are no other slots";
    update({1, 2, 1});
    EXPECT_FALSE(table().peers);
}

TEST_F(SlotTablesTest, TheRevisionGrowsWheneverWorkersAreToSeeSomethingElse) {
    std::uint64_t last = revision();
    const auto has_grown = [&] {
        const std::uint64_t before = std::exchange(last, revision());
        return last > before;
    };
    update({1, 1});
    EXPECT_TRUE(has_grown());
    update({1, 2});
    EXPECT_TRUE(has_grown());
    now_ += kHoldOfTables + 1;
    settle();
    EXPECT_TRUE(has_grown());
    follow({1, 1});
    EXPECT_TRUE(has_grown());
    follow({1, 2});
    EXPECT_TRUE(has_grown());
    take_over();
    EXPECT_TRUE(has_grown());
}

TEST_F(SlotTablesTest, TheRevisionStaysWhereWorkersWouldSeeTheSame) {
    update({1, 1});
    follow({1, 2});
    const std::uint64_t before = revision();
    update({1, 1});
    follow({1, 2});
    follow({1, 2, 3});
    now_ += kHoldOfTables + 1;
    settle();
    keep({kWebHere, kMail});
    EXPECT_EQ(revision(), before);
}

}  // namespace
}  // namespace tandem::tables
