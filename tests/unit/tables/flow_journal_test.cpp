// What a worker's flow table tells the main core for the other instance.
#include "dataplane/tables/flow_journal.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tables/table_for_test.h"

namespace tandem::tables {
namespace {

constexpr CoarseTime kJournalDay = 86'400;
constexpr Domain kDomainTold = 0x0166;
constexpr std::uint64_t kToldHash = 0x1234'5678'9abc'def0;
constexpr FlowIdentity kToldIdentity = flow_identity(0xabcd'ef01'2345'6789, kDomainTold);

FlowChange is(BackendIndex backend, FlowState state, FlowIdentity identity = kToldIdentity) {
    return {identity, backend, state, FlowChange::Kind::kIs};
}
FlowChange ended(BackendIndex backend, FlowState state, FlowIdentity identity = kToldIdentity) {
    return {identity, backend, state, FlowChange::Kind::kEnded};
}
FlowChange begins(std::uint32_t serial) {
    return {.identity = serial, .kind = FlowChange::Kind::kBegins};
}
const FlowChange kAllTold{.kind = FlowChange::Kind::kTold};

class Journal : public testing::Test {
  protected:
    Journal() { flows_->keep_journal(identities_, journal_); }

    void ask(std::uint32_t serial) {
        journal_.ask(serial);
        flows_->answer_journal(now_, flows_->bucket_count());
    }
    std::vector<FlowChange> told() {
        std::vector<FlowChange> changes;
        journal_.drain(FlowJournal::kCapacity,
                       [&](const FlowChange& change) { changes.push_back(change); });
        return changes;
    }
    FlowTable::Place flow(std::uint64_t hash = kToldHash) { return flows_->find(hash, now_); }
    void remember(FlowState state, BackendIndex backend = 1, std::uint64_t hash = kToldHash,
                  FlowIdentity identity = kToldIdentity) {
        ASSERT_TRUE(flows_->insert(hash, backend, state, now_, identity));
    }

    static constexpr std::size_t kBuckets = 8;
    TableForTest flows_{kBuckets};
    std::vector<FlowIdentities> identities_ = std::vector<FlowIdentities>(kBuckets);
    FlowJournal journal_;
    CoarseTime now_ = kJournalDay;
};
using Changes = std::vector<FlowChange>;

TEST_F(Journal, EachFlowIsToldThoughItMovesMeanwhile) {
    std::uint64_t relocated = 0;
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        TableForTest table(kBuckets);
        FlowJournal journal;
        table->keep_journal(identities_, journal);
        std::mt19937_64 random(seed);
        std::set<FlowIdentity> left;
        const auto remember_one = [&] {
            const FlowIdentity identity = flow_identity(random(), kDomainTold);
            if (table->insert(random(), 1, FlowState::kEstablished, now_, identity)) {
                left.insert(identity);
            }
        };
        while (left.size() < table.places() * 3 / 4) remember_one();
        journal.ask(seed);
        for (std::size_t told = 0; told < kBuckets; ++told) {
            table->answer_journal(now_, 1);
            remember_one();
        }
        journal.drain(FlowJournal::kCapacity,
                      [&](const FlowChange& change) { left.erase(change.identity); });
        ASSERT_TRUE(left.empty()) << "seed " << seed;
        relocated += table.statistics().relocated;
    }
    EXPECT_GT(relocated, 100U);
}

TEST_F(Journal, NobodyIsToldWhoHasNotAsked) {
    remember(FlowState::kEstablished);
    flows_->answer_journal(now_, kBuckets);
    EXPECT_EQ(told(), Changes{});
    ask(7);
    told();
    ask(0);
    flows_->touch(flow(), FlowState::kClosing, now_);
    EXPECT_EQ(told(), Changes{});
}

TEST_F(Journal, AFlowIsToldWhenItIsEstablishedAndNotWhenItOpens) {
    ask(1);
    EXPECT_EQ(told(), (Changes{begins(1), kAllTold}));
    remember(FlowState::kOpening);
    flows_->touch(flow(), FlowState::kOpening, ++now_);
    EXPECT_EQ(told(), Changes{});
    flows_->touch(flow(), FlowState::kEstablished, now_);
    EXPECT_EQ(told(), (Changes{is(1, FlowState::kEstablished)}));
    flows_->touch(flow(), FlowState::kEstablished, ++now_);
    EXPECT_EQ(told(), Changes{}) << "nothing that the peer needs to know";
}

TEST_F(Journal, WhatBecomesOfAFlowIsToldInOrder) {
    ask(1);
    told();
    remember(FlowState::kEstablished);
    flows_->rewrite(flow(), 2);
    flows_->touch(flow(), FlowState::kClosing, now_);
    now_ += 16;
    EXPECT_FALSE(flow());
    EXPECT_EQ(told(), (Changes{is(1, FlowState::kEstablished), is(2, FlowState::kEstablished),
                               is(2, FlowState::kClosing), ended(2, FlowState::kClosing)}));
}

TEST_F(Journal, ASweepTellsOfFlowsThatHaveEnded) {
    ask(1);
    remember(FlowState::kEstablished);
    remember(FlowState::kOpening, 2, 77, flow_identity(1U << 20U, kDomainTold));
    told();
    flows_->sweep(now_ + 901, kBuckets);
    EXPECT_EQ(told(), (Changes{ended(1, FlowState::kEstablished)}))
        << "that the other one had opened was never said";
}

TEST_F(Journal, OfFlowsOnProbationOnlyWhoWantsThemHears) {
    ask(1);
    told();
    journal_.want_openings(true);
    remember(FlowState::kOpening);
    EXPECT_EQ(told(), (Changes{is(1, FlowState::kOpening)}));
    ask(2);
    EXPECT_EQ(told(), (Changes{begins(2), is(1, FlowState::kOpening), kAllTold}));
    journal_.want_openings(false);
    ask(3);
    EXPECT_EQ(told(), (Changes{begins(3), kAllTold}));
}

TEST_F(Journal, AnAskingIsAnsweredWithAllFlowsBucketByBucketWhileNewsGoOn) {
    for (std::uint64_t i = 1; i <= 20; ++i) {
        remember(FlowState::kEstablished, 1, i * 0x9e3779b97f4a7c15,
                 flow_identity(i << 20U, kDomainTold));
    }
    remember(FlowState::kOpening, 1, 99, flow_identity(99U << 20U, kDomainTold));
    journal_.ask(5);
    flows_->answer_journal(now_, 1);
    remember(FlowState::kEstablished, 3);
    Changes changes = told();
    ASSERT_GE(changes.size(), 2U);
    EXPECT_EQ(changes.front(), begins(5));
    EXPECT_EQ(changes.back(), is(3, FlowState::kEstablished));
    for (std::size_t i = 1; i < kBuckets; ++i) {
        flows_->answer_journal(now_, 1);
        for (const FlowChange& change : told()) changes.push_back(change);
    }
    EXPECT_EQ(changes.back(), kAllTold);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        const FlowChange expected =
            is(1, FlowState::kEstablished, flow_identity(i << 20U, kDomainTold));
        EXPECT_EQ(std::ranges::count(changes, expected), 1) << i;
    }
    flows_->answer_journal(now_, kBuckets);
    EXPECT_EQ(told(), Changes{}) << "once is enough";
}

TEST_F(Journal, AnotherAskingInTheMidstOfAnAnswerIsAnsweredFromTheBeginning) {
    for (std::uint64_t i = 1; i <= 20; ++i) {
        remember(FlowState::kEstablished, 1, i * 0x9e3779b97f4a7c15,
                 flow_identity(i << 20U, kDomainTold));
    }
    journal_.ask(1);
    flows_->answer_journal(now_, kBuckets / 2);
    told();
    ask(2);
    const Changes changes = told();
    EXPECT_EQ(changes.size(), 22U);
    EXPECT_EQ(changes.front(), begins(2));
    EXPECT_EQ(changes.back(), kAllTold);
}

TEST_F(Journal, AFlowThatOnlyThisInstanceCanNameIsNotTold) {
    ask(1);
    told();
    remember(FlowState::kEstablished, 1, kToldHash, 0);
    ask(2);
    EXPECT_EQ(told(), (Changes{begins(2), kAllTold}));
}

TEST_F(Journal, AFlowThatOpensAnewHasEndedForWhoDoesNotHearOfOpenings) {
    ask(1);
    remember(FlowState::kClosing);
    told();
    flows_->touch(flow(), FlowState::kOpening, ++now_);
    EXPECT_EQ(told(), (Changes{ended(1, FlowState::kOpening)}));
    now_ += 11;
    EXPECT_FALSE(flow());
    EXPECT_EQ(told(), Changes{});
    remember(FlowState::kClosing);
    journal_.want_openings(true);
    told();
    flows_->touch(flow(), FlowState::kOpening, ++now_);
    EXPECT_EQ(told().back(), is(1, FlowState::kOpening));
}

TEST_F(Journal, AFlowIsToldByTheSameIdentityAfterItHadToMove) {
    ask(1);
    // One bucket's worth and more, by hashes with equal low bits: some are moved to make room.
    for (std::uint64_t i = 1; i <= 40; ++i) {
        const std::uint64_t hash = (i * 0x9e37'79b9U) << 32U | i % 2;
        static_cast<void>(flows_->insert(hash, 1, FlowState::kEstablished, now_,
                                         flow_identity(i << 20U, kDomainTold)));
    }
    ASSERT_GT(flows_.statistics().relocated, 0U);
    told();
    for (std::uint64_t i = 1; i <= 40; ++i) {
        const std::uint64_t hash = (i * 0x9e37'79b9U) << 32U | i % 2;
        if (const auto place = flow(hash)) {
            flows_->rewrite(place, 2);
            EXPECT_EQ(
                told(),
                (Changes{is(2, FlowState::kEstablished, flow_identity(i << 20U, kDomainTold))}));
        }
    }
}

TEST_F(Journal, WhatDoesNotFitIsFlaggedAndNothingMoreIsSaidUntilItIsAskedForAnew) {
    ask(1);
    remember(FlowState::kEstablished);
    for (std::size_t i = 0; i < FlowJournal::kCapacity - 3; ++i) {
        flows_->rewrite(flow(), static_cast<BackendIndex>(1 + i % 2));
    }
    EXPECT_FALSE(journal_.has_overflowed()) << "it is full to the last place";
    flows_->rewrite(flow(), 3);
    EXPECT_TRUE(journal_.has_overflowed());
    EXPECT_EQ(told().size(), FlowJournal::kCapacity);
    flows_->rewrite(flow(), 4);
    EXPECT_EQ(told(), Changes{}) << "it would be news of an answer with a gap";
    journal_.ask(2);
    EXPECT_FALSE(journal_.has_overflowed()) << "of the asking that counts";
    flows_->answer_journal(now_, kBuckets);
    EXPECT_EQ(told(), (Changes{begins(2), is(4, FlowState::kEstablished), kAllTold}));
    EXPECT_FALSE(journal_.has_overflowed());
}

TEST_F(Journal, AnAnswerWaitsForRoomInsteadOfOverflowing) {
    ask(1);
    remember(FlowState::kEstablished);
    while (journal_.has_room(1)) flows_->rewrite(flow(), 2);
    journal_.ask(2);
    flows_->answer_journal(now_, kBuckets);
    EXPECT_FALSE(journal_.has_overflowed());
    EXPECT_EQ(told().size(), FlowJournal::kCapacity);
    flows_->answer_journal(now_, kBuckets);
    EXPECT_EQ(told(), (Changes{begins(2), is(2, FlowState::kEstablished), kAllTold}));
}

TEST_F(Journal, AnAdoptedFlowIsToldAsAnyOtherAndCounted) {
    ask(1);
    told();
    const FlowTable::Place place =
        flows_->adopt(kToldHash, 5, FlowState::kEstablished, now_, kToldIdentity);
    ASSERT_TRUE(place);
    EXPECT_EQ(place.backend(), 5);
    EXPECT_EQ(flow().bucket, place.bucket);
    EXPECT_EQ(told(), (Changes{is(5, FlowState::kEstablished)}));
    EXPECT_EQ(flows_.statistics().adopted, 1U);
    flows_->set_pools({0xffff, 0, 0, 0, 0, 0, 0}, {0});
    EXPECT_FALSE(
        flows_->adopt(~kToldHash, 5, FlowState::kEstablished, now_, kToldIdentity + 65'536));
    EXPECT_EQ(flows_.statistics().adopted, 1U);
}

TEST_F(Journal, AFlowFromBeforeIsVoidUnlessItWasSeenSince) {
    remember(FlowState::kEstablished);
    now_ += 10;
    EXPECT_TRUE(flows_->find(kToldHash, now_, {}, kJournalDay))
        << "of the second in which it began";
    EXPECT_FALSE(flows_->find(kToldHash, now_, {}, kJournalDay + 1));
    EXPECT_FALSE(flow());
    EXPECT_EQ(flows_.entries(), 0U);
}

TEST_F(Journal, VoidFlowsAreNotToldAndGoInSilence) {
    remember(FlowState::kEstablished);
    remember(FlowState::kEstablished, 2, ~kToldHash, flow_identity(1U << 20U, kDomainTold + 1));
    now_ += 10;
    flows_->set_void({{.domain = kDomainTold, .before = now_}});
    ask(1);
    const Changes others{begins(1),
                         is(2, FlowState::kEstablished, flow_identity(1U << 20U, kDomainTold + 1)),
                         kAllTold};
    EXPECT_EQ(told(), others);
    // The other instance's word of such a flow counts: it has not ended because it did here.
    flows_->sweep(now_, kBuckets);
    EXPECT_EQ(flows_.entries(), 1U);
    EXPECT_EQ(told(), Changes{});
}

TEST_F(Journal, AVoidFlowThatMakesRoomOrIsFoundHasNotEndedForThePeer) {
    remember(FlowState::kEstablished);
    ask(1);
    told();
    now_ += 10;
    flows_->set_void({{.domain = kDomainTold, .before = now_}});
    EXPECT_FALSE(flows_->find(kToldHash, now_, {}, now_));
    EXPECT_EQ(told(), Changes{});
    remember(FlowState::kEstablished);
    now_ += 901;  // idle for too long, too
    flows_->set_void({{.domain = kDomainTold, .before = now_}});
    flows_->sweep(now_, kBuckets);
    EXPECT_EQ(told(), (Changes{is(1, FlowState::kEstablished)}));
}

}  // namespace
}  // namespace tandem::tables
