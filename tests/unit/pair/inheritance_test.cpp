#include "dataplane/pair/inheritance.h"

#include <gtest/gtest.h>

#include "tests/unit/pair/two_in_step.h"

namespace tandem::pair {
namespace {

using std::chrono::seconds;
using tables::FlowState;
using tables::Slot;
using Which = std::vector<unsigned>;

/// Of Replication, which asks it.
class InheritanceTest : public TwoSidesTest {};

TEST_F(InheritanceTest, APeerThatReturnsIsToldInheritedFlowsAndThenWhatWorkersSayOfThem) {
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.meet();
    two_.run(20);
    two_.part();
    b_.answer_for_all(two_.coarse());
    // One of them has been seen here since, and has another backend.
    const auto known = *b_.peers.find(Side::identity_of(7));
    const auto place = b_.table->adopt(Side::hash_of(7), known.backend, known.state, two_.coarse(),
                                       Side::identity_of(7));
    b_.table->rewrite(place, b_.number_of(4));

    Side returned({2, 3, 4, 1});
    returned.own({1, 2, 3, 1}, two_.coarse());
    returned.replication.peer_appears(true, two_.coarse());
    returned.replication.peer_has_key(kSharedKey);
    b_.replication.peer_appears(true, two_.coarse());
    b_.replication.peer_has_key(kSharedKey);
    for (int i = 0; i < 30; ++i) {
        two_.now += std::chrono::milliseconds(1);
        b_.table->answer_journal(two_.coarse(), Side::kFlowBuckets);
        b_.replication.step(two_.coarse());
        while (const auto batch = b_.replication.next_batch(two_.now)) {
            returned.replication.take(*batch, two_.coarse());
        }
        returned.replication.step(two_.coarse());
        const auto heard = returned.replication.acknowledgement();
        if (heard) b_.replication.take(*heard, two_.now);
    }
    EXPECT_TRUE(returned.replication.is_caught_up());
    EXPECT_TRUE(b_.replication.has_told_all());
    for (std::uint64_t flow = 0; flow < 50; ++flow) {
        EXPECT_EQ(returned.peers_flow(flow), flow == 7 ? 4U : 2U) << flow;
    }
    EXPECT_EQ(returned.followed(), (Which{1, 2, 3, 1}));
}

TEST_F(InheritanceTest, AnInheritedFlowThatEndsHereIsInheritedNoMore) {
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    a_.answer_for_none(two_.coarse());
    b_.answer_for_all(two_.coarse());
    two_.run(20);
    const auto place = b_.table->adopt(Side::hash_of(1), b_.number_of(2), FlowState::kEstablished,
                                       two_.coarse(), Side::identity_of(1));
    ASSERT_TRUE(place);
    two_.run(5);
    EXPECT_EQ(a_.peers_flow(1), 2U);
    EXPECT_EQ(b_.peers_flow(1), std::nullopt) << "it is the worker's";
    b_.table->sweep(two_.coarse() + 901, Side::kFlowBuckets);
    two_.run(5);
    EXPECT_EQ(b_.peers_flow(1), std::nullopt);
    EXPECT_EQ(a_.peers_flow(1), std::nullopt);
}

// If a slot were steady first, and changed once more, it would find them again.
TEST_F(InheritanceTest, InheritedFlowsAreOverBeforeTheirSlotIsSteady) {
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.meet();
    two_.run(20);
    a_.answer_for_none(two_.coarse());
    b_.answer_for_all(two_.coarse());
    two_.run(20);
    EXPECT_EQ(a_.peers_flow(1), 2U) << "told back";
    two_.pass(seconds(900));
    two_.run(20);
    EXPECT_EQ(b_.peers_flow(1), 2U);
    for (int i = 0; i < 6 && !b_.slot(0).is_steady(); ++i) {
        two_.pass(seconds(1));
        EXPECT_TRUE(b_.peers.count() == 0 || !b_.slot(0).is_steady());
        two_.run(20);
    }
    ASSERT_TRUE(b_.slot(0).is_steady());
    EXPECT_EQ(b_.peers.count(), 0U);
    EXPECT_EQ(a_.peers.count(), 0U) << "and says so";
}

// Only the channel was cut at first: it has gone on with them.
TEST_F(InheritanceTest, InheritedFlowsAreSilentSinceTheTakeoverAndNotSinceThePeerWasHeardLast) {
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.meet();
    two_.run(20);
    two_.part();
    two_.pass(seconds(800));
    two_.run(20);
    b_.answer_for_all(two_.coarse());
    two_.pass(seconds(800));
    two_.run(20);
    EXPECT_EQ(b_.peers_flow(1), 2U);
    two_.pass(seconds(101));
    two_.run(20);
    EXPECT_EQ(b_.peers_flow(1), std::nullopt);
}

// Both were active for a while, and the other one has been all the time: it has told once.
TEST_F(InheritanceTest, WhatThePeerOfADomainThatWasGivenUpGoesOnToTellIsNotOver) {
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.meet();
    two_.run(20);
    b_.answer_for_all(two_.coarse());
    two_.run(5);
    b_.answer_for_none(two_.coarse());
    for (int i = 0; i < 5; ++i) {
        two_.pass(seconds(i == 0 ? 901 : 1));
        two_.run(20);
    }
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

TEST_F(InheritanceTest, SlotsThatWereInTransitionAtATakeoverKeepInheritedFlowsAsLong) {
    two_.meet();
    two_.run(20);
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.run(20);
    b_.own({4, 3, 3, 1}, two_.coarse());
    two_.part();
    b_.answer_for_all(two_.coarse());
    ASSERT_TRUE(b_.slot(1).is_in_transition());
    b_.slots.set_hold(kSharedTable, 10);
    two_.pass(seconds(20));
    two_.run(20);
    EXPECT_EQ(b_.slot(1), (Slot{b_.number_of(3), Slot::kRemembering}));
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

// The slot would not look it up, and once its backend is configured, another's would be disturbed.
TEST_F(InheritanceTest, OfFlowsWhoseBackendIsNotKnownHereNothingIsLeftWhereTablesDiffer) {
    a_.own({1, 2}, two_.coarse());
    two_.meet();
    for (std::uint64_t flow = 0; flow < 50; ++flow) a_.remember(flow, 2, two_.coarse());
    two_.run(20);
    ASSERT_EQ(b_.peers.count(), 50U);
    b_.which = {4, 3, 1};
    b_.own({1, 3, 3, 1}, two_.coarse());
    two_.part();
    b_.answer_for_all(two_.coarse());
    EXPECT_EQ(b_.peers.count(), 0U);
}

// A, B, A, B: what B remembers from the first time is void, and its end says nothing of the flow.
TEST_F(InheritanceTest, AFlowThatIsVoidHereStaysInheritedFromWhoKnowsBetter) {
    ASSERT_TRUE(b_.remember(1, 3, two_.coarse()));
    two_.pass(seconds(10));
    ASSERT_TRUE(a_.remember(1, 2, two_.coarse()));
    two_.meet();
    two_.run(20);
    a_.answer_for_none(two_.coarse());
    b_.answer_for_all(two_.coarse());
    b_.table->set_void({{kSharedDomain, b_.slots.find(kSharedTable)->void_before}});
    two_.run(20);
    b_.table->sweep(two_.coarse(), Side::kFlowBuckets);
    two_.run(5);
    EXPECT_FALSE(b_.find(1, two_.coarse()));
    EXPECT_EQ(b_.peers_flow(1), 2U);
}

}  // namespace
}  // namespace tandem::pair
