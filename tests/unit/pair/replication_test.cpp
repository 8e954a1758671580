#include "dataplane/pair/replication.h"

#include <gtest/gtest.h>

#include "tests/unit/pair/two_in_step.h"

namespace tandem::pair {
namespace {

using std::chrono::seconds;
using tables::FlowState;
using tables::HealthState;
using tables::Slot;
using Which = std::vector<unsigned>;

class ReplicationTest : public TwoSidesTest {};

TEST_F(ReplicationTest, WhatOneAnswersForTheOtherFollowsByItsOwnNumbers) {
    a_.own({1, 4, 3, 1}, two_.coarse());
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    ASSERT_TRUE(a_.remember(2, 4, two_.coarse(), FlowState::kOpening));
    two_.meet();
    EXPECT_FALSE(b_.replication.is_caught_up());
    EXPECT_FALSE(a_.replication.has_told_all());
    two_.run(20);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_TRUE(a_.replication.has_told_all());
    EXPECT_EQ(b_.followed(), (Which{1, 2, 3, 1}));
    EXPECT_EQ(b_.slot(1).owner, b_.number_of(2)) << "its own opinion stands";
    EXPECT_EQ(b_.peers_flow(1), 2U);
    EXPECT_EQ(b_.peers_flow(2), std::nullopt) << "it has only just been opened";
    EXPECT_TRUE(a_.followed().empty()) << "a answers for it";
    EXPECT_EQ(b_.replication.follower().verdicts()[b_.number_of(3)], HealthState::kUp);
}

TEST_F(ReplicationTest, NewsArriveAsTheyHappen) {
    two_.meet();
    two_.run(20);
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.run(2);
    EXPECT_EQ(b_.peers_flow(1), 2U);
    a_.table->rewrite(a_.find(1, two_.coarse()), a_.number_of(4));
    two_.run(2);
    EXPECT_EQ(b_.peers_flow(1), 4U);
    a_.table->sweep(two_.coarse() + 901, Side::kFlowBuckets);
    two_.run(2);
    EXPECT_EQ(b_.peers_flow(1), std::nullopt);
    a_.verdicts[a_.number_of(3)] = HealthState::kDown;
    a_.plan();
    two_.run(2);
    EXPECT_EQ(b_.replication.follower().verdicts()[b_.number_of(3)], HealthState::kDown);
    EXPECT_EQ(a_.replication.tellings(), 1U);
}

TEST_F(ReplicationTest, OthersHaveTheirTurnBetweenTablesThatAreTakenOver) {
    std::size_t turns = 0;
    const auto count = [&] { ++turns; };
    b_.replication.set_domains({kSharedDomain}, two_.coarse(), count);
    EXPECT_EQ(turns, 1U);
    b_.replication.set_domains({}, two_.coarse(), count);
    EXPECT_EQ(turns, 1U) << "nothing is taken over";
}

TEST_F(ReplicationTest, WhoLosesAPeerThatHasNotLostItHasItsVerdictsAgain) {
    a_.verdicts[a_.number_of(3)] = HealthState::kDown;
    a_.plan();
    two_.meet();
    two_.run(20);
    b_.replication.peer_is_lost(two_.coarse());
    EXPECT_TRUE(b_.replication.follower().verdicts().empty());
    a_.verdicts[a_.number_of(2)] = HealthState::kDown;
    a_.plan();
    two_.run(20);
    b_.replication.peer_appears(/*is_new=*/false, two_.coarse());
    b_.replication.peer_has_key(kSharedKey);
    two_.run(200);
    ASSERT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(a_.replication.tellings(), 1U) << "it has not noticed";
    const auto verdicts = b_.replication.follower().verdicts();
    EXPECT_EQ(verdicts[b_.number_of(1)], HealthState::kUp);
    EXPECT_EQ(verdicts[b_.number_of(2)], HealthState::kDown);
    EXPECT_EQ(verdicts[b_.number_of(3)], HealthState::kDown);
}

TEST_F(ReplicationTest, ATakeoverGoesOnWhereTheOtherHasStopped) {
    a_.own({1, 4, 3, 4}, two_.coarse());
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    two_.part();
    b_.answer_for_all(two_.coarse());
    EXPECT_TRUE(b_.followed().empty());
    EXPECT_EQ(b_.steady(), (Which{1, 2, 3, 1}));
    EXPECT_EQ(b_.slots.find(kSharedTable)->void_before, two_.coarse() + 1)
        << "what this second remembered before, too";
    EXPECT_EQ(b_.peers_flow(1), 2U);
    const auto slots = std::uint32_t{4};
    const std::uint32_t with_flow = tables::LiveView::slot_index(Side::identity_of(1), slots);
    for (std::uint32_t i = 0; i < slots; ++i) {
        EXPECT_EQ(b_.slot(i).steady, i == with_flow ? Slot::kRemembering : Slot::kSteady) << i;
    }
}

TEST_F(ReplicationTest, ASlotThatPointsElsewhereHereIsInTransitionAfterATakeover) {
    two_.meet();
    two_.run(20);
    b_.own({4, 2, 3, 1}, two_.coarse());
    two_.run(5);
    two_.part();
    b_.answer_for_all(two_.coarse());
    EXPECT_EQ(b_.slot(0), (Slot{b_.number_of(4), b_.number_of(1)}));
    EXPECT_EQ(b_.slot(1).steady, Slot::kSteady);
}

TEST_F(ReplicationTest, TheEndOfATransitionTakesEffectWhenThePeerKnows) {
    a_.own({4, 2, 3, 1}, two_.coarse());
    two_.meet();
    two_.run(20);
    two_.pass(seconds(kHoldOfSides + 1));
    EXPECT_EQ(a_.slot(), (Slot{a_.number_of(4), a_.number_of(1)}));
    const auto acknowledgements_are_lost = [lost = true]() mutable { return lost = !lost; };
    two_.run(1, acknowledgements_are_lost);
    EXPECT_EQ(a_.slot(), (Slot{a_.number_of(4), a_.number_of(1)})) << "does the peer know?";
    EXPECT_EQ(b_.replication.follower().steady(kSharedTable).owners[0], b_.number_of(4));
    two_.run(10);
    EXPECT_EQ(a_.slot(), (Slot{a_.number_of(4), Slot::kSteady}));
    EXPECT_EQ(b_.followed(), (Which{4, 2, 3, 1}));
    EXPECT_EQ(a_.replication.uncommitted(), 0U);
}

TEST_F(ReplicationTest, WithThePeerLostTransitionsEndAloneAndThatIsCounted) {
    a_.own({4, 2, 3, 1}, two_.coarse());
    two_.meet();
    two_.run(20);
    two_.pass(seconds(kHoldOfSides + 1));
    two_.run(10, [] { return true; });
    EXPECT_TRUE(a_.slot().is_in_transition());
    a_.replication.peer_is_lost(two_.coarse());
    EXPECT_EQ(a_.slot(), (Slot{a_.number_of(4), Slot::kSteady}));
    EXPECT_EQ(a_.replication.uncommitted(), 1U);
    EXPECT_TRUE(a_.replication.step(two_.coarse())) << "workers are to see it";
    EXPECT_FALSE(a_.replication.step(two_.coarse()));
    a_.own({4, 3, 3, 1}, two_.coarse());
    two_.pass(seconds(kHoldOfSides + 1));
    EXPECT_EQ(a_.slot(1), (Slot{a_.number_of(3), Slot::kSteady})) << "at once";
}

// Later, the peer would take it for the last word.
TEST_F(ReplicationTest, AnEndThatNobodyHeardOfIsNotToldOnceTheSlotsNextTransitionHasEndedAlone) {
    two_.meet();
    two_.run(20);
    a_.own({4, 2, 3, 1}, two_.coarse());
    two_.pass(seconds(kHoldOfSides + 1));
    a_.own({3, 2, 3, 1}, two_.coarse());
    a_.answer_for_none(two_.coarse());
    two_.run(20, [] { return true; });
    two_.pass(seconds(kHoldOfSides + 1));
    EXPECT_EQ(a_.slot(0), (Slot{a_.number_of(3), Slot::kSteady}));
    EXPECT_EQ(a_.replication.uncommitted(), 2U);

    a_.answer_for_all(two_.coarse());
    two_.run(40);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(b_.followed(), a_.steady());
}

TEST_F(ReplicationTest, WithAnotherKeyNothingIsToldNorTaken) {
    a_.plan(kSharedKey + 1);
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    b_.replication.peer_has_key(kSharedKey + 1);
    two_.run(20);
    EXPECT_FALSE(a_.replication.next_batch(two_.now));
    EXPECT_FALSE(b_.replication.is_caught_up());
    EXPECT_EQ(a_.replication.tellings(), 0U);
    a_.replication.peer_has_key(kSharedKey + 1);  // it says so before b does
    a_.replication.step(two_.coarse());
    const std::optional<Batch> early = a_.replication.next_batch(two_.now);
    ASSERT_TRUE(early);
    b_.replication.take(*early, two_.coarse());
    EXPECT_EQ(b_.replication.acknowledgement(), std::nullopt) << "it has to come again";

    a_.replication.peer_has_key(kSharedKey);
    a_.plan();
    b_.replication.peer_has_key(kSharedKey);
    two_.run(20);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

TEST_F(ReplicationTest, AKeyThatChangesIsTheEndOfBeingInStepUntilBothHaveIt) {
    two_.meet();
    two_.run(20);
    a_.plan(kSharedKey + 1);
    b_.replication.peer_has_key(kSharedKey + 1);
    two_.run(5);
    EXPECT_FALSE(b_.replication.is_caught_up());
    EXPECT_FALSE(a_.replication.has_told_all());
    b_.plan(kSharedKey + 1);
    a_.replication.peer_has_key(kSharedKey + 1);
    two_.run(20);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(a_.replication.tellings(), 2U);
}

TEST_F(ReplicationTest, WhatIsUnderWayWhileTheKeyChangesIsNotTakenForTheNewOnes) {
    two_.meet();
    two_.run(20);
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    a_.replication.step(two_.coarse());
    const std::optional<Batch> late = a_.replication.next_batch(two_.now);
    ASSERT_TRUE(late);
    a_.plan(kSharedKey + 1);
    two_.now += milliseconds(100);
    EXPECT_FALSE(a_.replication.next_batch(two_.now)) << "nor is it sent again";
    b_.plan(kSharedKey + 1);
    b_.replication.peer_has_key(kSharedKey + 1);
    b_.replication.take(*late, two_.coarse());
    EXPECT_EQ(b_.peers_flow(1), std::nullopt);
    EXPECT_FALSE(b_.replication.is_caught_up());
    a_.replication.peer_has_key(kSharedKey + 1);
    two_.run(20);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(a_.replication.tellings(), 2U);
}

TEST_F(ReplicationTest, AJournalThatOverflowsIsAskedForAllAnew) {
    two_.meet();
    two_.run(20);
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    for (std::size_t i = 0; i < tables::FlowJournal::kCapacity; ++i) {
        a_.table->rewrite(a_.find(1, two_.coarse()), a_.number_of(3 + i % 2));
    }
    ASSERT_TRUE(a_.remember(2, 3, two_.coarse()));
    ASSERT_TRUE(a_.journal.has_overflowed());
    two_.run(300);
    EXPECT_EQ(a_.replication.tellings(), 2U);
    EXPECT_EQ(a_.replication.overflows(), 1U);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(b_.peers_flow(1), 4U);
    EXPECT_EQ(b_.peers_flow(2), 3U);
}

TEST_F(ReplicationTest, AStreamThatBreaksBeginsAnewAndNothingIsMissing) {
    TwoSides two({.queue_bytes = 8000});
    two.meet();
    two.run(20);
    for (std::uint64_t flow = 0; flow < 1000; ++flow) {
        ASSERT_TRUE(two.a.remember(flow, 2, two.coarse()));
    }
    two.run(20, [] { return true; });
    two.run(200);
    EXPECT_GT(two.a.replication.tellings(), 1U);
    EXPECT_GT(two.a.replication.overflows(), 0U);
    // More than fits at once is told all the same once it is one telling's.
    EXPECT_TRUE(two.b.replication.is_caught_up());
    for (std::uint64_t flow = 0; flow < 1000; ++flow) ASSERT_EQ(two.b.peers_flow(flow), 2U);
}

TEST_F(ReplicationTest, WhoHasGivenUpIsBehindUntilThePeerTellsOfIt) {
    two_.meet();
    two_.run(20);
    EXPECT_TRUE(a_.replication.is_caught_up());
    a_.answer_for_none(two_.coarse());
    two_.run(20);
    EXPECT_FALSE(a_.replication.is_caught_up()) << "what the peer has told is of before";
    b_.answer_for_all(two_.coarse());
    two_.run(20);
    EXPECT_TRUE(a_.replication.is_caught_up());
}

TEST_F(ReplicationTest, APlannedChangeAndBackLosesNothingWhoeverAnswers) {
    for (std::uint64_t flow = 0; flow < 20; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.meet();
    two_.run(20);
    a_.answer_for_none(two_.coarse());
    b_.answer_for_all(two_.coarse());
    two_.run(20);
    EXPECT_EQ(a_.followed(), (Which{1, 2, 3, 1}));
    EXPECT_TRUE(a_.replication.is_caught_up());
    for (std::uint64_t flow = 0; flow < 20; ++flow) EXPECT_EQ(a_.peers_flow(flow), 2U) << flow;
    b_.answer_for_none(two_.coarse());
    a_.answer_for_all(two_.coarse());
    two_.run(20);
    EXPECT_EQ(b_.followed(), (Which{1, 2, 3, 1}));
    for (std::uint64_t flow = 0; flow < 20; ++flow) EXPECT_EQ(b_.peers_flow(flow), 2U) << flow;
}

TEST_F(ReplicationTest, OpeningsAreToldToWhoIsAboutToTakeOver) {
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse(), FlowState::kOpening));
    two_.meet();
    two_.run(20);
    a_.replication.want_openings(true);
    EXPECT_TRUE(a_.replication.has_told_all()) << "until it looks again";
    a_.replication.step(two_.coarse());
    EXPECT_FALSE(a_.replication.has_told_all()) << "without them all is not told";
    two_.run(20);
    EXPECT_TRUE(a_.replication.has_told_all());
    EXPECT_EQ(b_.peers_flow(1), 2U);
    a_.replication.want_openings(false);
    two_.run(20);
    EXPECT_EQ(b_.peers_flow(1), std::nullopt);
}

TEST_F(ReplicationTest, ATableOfAnotherSizeIsToldAnew) {
    two_.meet();
    two_.run(20);
    b_.own({1, 2, 3, 1, 2, 3}, two_.coarse());
    two_.run(20);
    EXPECT_TRUE(b_.followed().empty()) << "it has other slots than the peer";
    a_.own({1, 2, 3, 1, 2, 3}, two_.coarse());
    two_.run(20);
    EXPECT_EQ(a_.replication.tellings(), 2U);
    ASSERT_EQ(b_.followed().size(), 6U);
    const auto& told = *b_.slots.find(kSharedTable)->peers;
    EXPECT_EQ(b_.which_is(tables::earlier_owner(told.earlier, 0x4000'0000)), 2U);
    a_.own({1, 2, 3}, two_.coarse());
    two_.run(20);
    EXPECT_EQ(b_.followed().size(), 6U) << "the last word that fits";
    b_.own({1, 2, 3}, two_.coarse());
    two_.run(5);
    EXPECT_EQ(b_.followed().size(), 3U) << "it was told before it fitted";
}

TEST_F(ReplicationTest, ATakeoverWhileTheTwoHaveTablesOfDifferentSizeAsksForFlowsEverywhere) {
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    a_.own({1, 2}, two_.coarse());
    two_.run(20);
    two_.part();
    b_.answer_for_all(two_.coarse());
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(b_.slot(i).steady, Slot::kRemembering) << i;
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

TEST_F(ReplicationTest, BackendsThatComeAndGoKeepTheirFlows) {
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    b_.which = {1, 5, 2, 3, 4};
    b_.plan();
    two_.run(5);
    EXPECT_EQ(b_.peers_flow(1), 2U);
    EXPECT_EQ(b_.followed(), (Which{1, 2, 3, 1}));
    a_.which.push_back(5);
    a_.plan();
    ASSERT_TRUE(a_.remember(2, 5, two_.coarse()));
    two_.run(5);
    EXPECT_EQ(b_.peers_flow(2), 5U);
    EXPECT_EQ(a_.replication.tellings(), 1U);
}

TEST_F(ReplicationTest, WhatHasComeApartIsFoundByItsDigestAndToldAnew) {
    a_.own({4, 2, 3, 1}, two_.coarse());
    two_.meet();
    two_.run(20);
    for (int i = 0; i < 3; ++i) {
        two_.pass(seconds(1));
        two_.run(5);
    }
    EXPECT_EQ(a_.replication.tellings(), 1U);
    // An end of which the peer is never told, as by a fault.
    a_.slots.settle(two_.coarse() + kHoldOfSides, 900, [](auto, auto) { return CoarseTime{0}; });
    EXPECT_EQ(a_.steady(), (Which{4, 2, 3, 1}));
    two_.run(5);
    EXPECT_EQ(b_.followed(), (Which{1, 2, 3, 1}));
    two_.pass(seconds(1));
    two_.run(1);
    EXPECT_EQ(b_.replication.follower().differences(), 1U);
    EXPECT_FALSE(b_.replication.is_caught_up());
    ASSERT_TRUE(b_.replication.wants_telling());
    a_.replication.take_request(b_.replication.acknowledgement()->epoch);
    two_.run(20);
    EXPECT_EQ(b_.followed(), (Which{4, 2, 3, 1}));
    two_.pass(seconds(1));
    two_.run(5);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(b_.replication.follower().differences(), 1U);
}

TEST_F(ReplicationTest, WhoIsRestartedIsToldAllAgain) {
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    two_.meet(/*is_new=*/true);
    two_.run(20);
    EXPECT_EQ(a_.replication.tellings(), 2U);
    EXPECT_TRUE(b_.replication.is_caught_up());
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

TEST_F(ReplicationTest, VipsOfNoGroupAreNobodysToFollow) {
    a_.slots.keep_only(std::vector{tables::SlotTableId{.pool = kSharedPool}, kSharedTable});
    two_.meet();
    two_.run(20);
    EXPECT_EQ(b_.replication.follower().tables(), std::vector{kSharedTable});
}

}  // namespace
}  // namespace tandem::pair
