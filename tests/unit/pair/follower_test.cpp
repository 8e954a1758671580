#include "dataplane/pair/follower.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using tables::BackendIndex;
using tables::FlowIdentity;
using tables::FlowState;
using tables::HealthState;
using tables::kNoBackend;
using tables::SlotTableId;

constexpr std::uint64_t kFarmPool = 10;
constexpr SlotTableId kFarm{.pool = kFarmPool, .domain = 2};
constexpr SlotTableId kFarmOfOthers{.pool = kFarmPool, .domain = 4};
constexpr CoarseTime kNow = 10'000;
constexpr CoarseTime kRemembering = 900;

/// Backends are told apart by `which`, whatever number they have.
ToldBackend farm_backend(std::uint8_t which, BackendIndex number = 0) {
    return {number, kFarmPool, IpAddress::from_v4({10, 0, 0, which}), 80};
}

constexpr FlowIdentity flow_of(std::uint64_t number, const SlotTableId& id = kFarm) {
    return tables::flow_identity(number << 32U, id.domain);
}

class FollowerTest : public testing::Test {
  protected:
    /// Backends 1, 2, 3 have these numbers here.
    FollowerTest() { own({0, 1, 2, 3}); }

    void own(const std::vector<std::uint8_t>& which) {
        std::vector<ToldBackend> backends;
        for (const std::uint8_t each : which) {
            backends.push_back(each == 0 ? ToldBackend{} : farm_backend(each));
        }
        follower_.set_backends(backends);
    }
    /// The peer begins, and has backends 1, 2, 3 under 11, 12, 13.
    void begin() {
        follower_.begin(now_);
        for (std::uint8_t i = 1; i <= 3; ++i) {
            follower_.take(farm_backend(i, static_cast<BackendIndex>(10 + i)));
        }
    }
    void table(const std::vector<std::uint16_t>& owners, const SlotTableId& id = kFarm) {
        follower_.take(ToldTable{id, static_cast<std::uint32_t>(owners.size())});
        follower_.take(ToldSteady{owners});
    }
    void flow(std::uint64_t number, BackendIndex backend, const SlotTableId& id = kFarm) {
        follower_.take(ToldFlow{flow_of(number, id), backend, FlowState::kEstablished});
    }
    void all_told() { follower_.take(AllTold{}); }
    [[nodiscard]] std::vector<std::uint16_t> steady(const SlotTableId& id = kFarm) const {
        return follower_.steady(id).owners;
    }
    [[nodiscard]] std::optional<BackendIndex> backend_of(std::uint64_t number,
                                                         const SlotTableId& id = kFarm) const {
        const auto flow = flows_.find(flow_of(number, id));
        return flow ? std::optional(flow->backend) : std::nullopt;
    }
    using Owners = std::vector<std::uint16_t>;

    tables::PeerFlows flows_{1000};
    Follower follower_{flows_};
    CoarseTime now_ = kNow;
};

TEST_F(FollowerTest, KnowsBackendsByItsOwnNumbers) {
    begin();
    follower_.take(ToldTable{kFarm, 5});
    follower_.take(ToldSteady{{11, 12}});
    follower_.take(ToldSteady{{13, 0, tables::Slot::kByHash}});
    follower_.take(ToldEarlier{{{.first_hash = 0, .owner = 12}, {.first_hash = 9, .owner = 99}}});
    flow(1, 13);
    all_told();
    EXPECT_TRUE(follower_.is_caught_up());
    const tables::SlotMemory::Steady told = follower_.steady(kFarm);
    EXPECT_EQ(told.owners, (Owners{1, 2, 3, kNoBackend, tables::Slot::kByHash}));
    EXPECT_EQ(told.earlier, (std::vector<tables::EarlierOwner>{{.first_hash = 0, .owner = 2},
                                                               {.first_hash = 9, .owner = 0}}));
    EXPECT_EQ(flows_.find(flow_of(1)),
              (tables::PeerFlows::Flow{
                  .backend = 3, .peers = 13, .state = FlowState::kEstablished, .serial = 1}));
}

TEST_F(FollowerTest, ATellingReplacesTheOneBeforeItWhenAllOfItHasCome) {
    begin();
    table({11, 11});
    table({12}, kFarmOfOthers);
    flow(1, 11);
    flow(2, 11);
    flow(3, 11, kFarmOfOthers);
    all_told();
    EXPECT_EQ(follower_.take_changed(), (std::vector{kFarm, kFarmOfOthers}));

    now_ += 5;
    begin();
    table({13, 12});
    flow(2, 12);
    EXPECT_FALSE(follower_.is_caught_up());
    EXPECT_EQ(steady(), (Owners{1, 1}));
    EXPECT_EQ(backend_of(1), 1);
    EXPECT_EQ(backend_of(2), 2) << "news of a flow are news at once";
    all_told();
    EXPECT_TRUE(follower_.is_caught_up());
    EXPECT_EQ(steady(), (Owners{3, 2}));
    EXPECT_EQ(backend_of(1), std::nullopt) << "it has ended meanwhile";
    EXPECT_EQ(backend_of(2), 2);
    EXPECT_EQ(steady(kFarmOfOthers), (Owners{2})) << "of which nothing was said";
    EXPECT_EQ(backend_of(3, kFarmOfOthers), 1);
    const std::vector<tables::SlotTableId> changed = follower_.take_changed();
    EXPECT_NE(std::ranges::find(changed, kFarm), changed.end());
}

TEST_F(FollowerTest, ATableThatIsNotWholeDoesNotCount) {
    begin();
    table({11, 11});
    all_told();
    begin();
    follower_.take(ToldTable{kFarm, 3});
    follower_.take(ToldSteady{{12, 12}});
    all_told();
    EXPECT_EQ(steady(), (Owners{1, 1}));
    begin();
    follower_.take(ToldTable{kFarm, 2});
    follower_.take(ToldSteady{{12, 12, 12}});
    all_told();
    EXPECT_EQ(steady(), (Owners{1, 1})) << "more than it has";
    begin();
    follower_.take(ToldTable{kFarm, 0xffff'ffff});
    follower_.take(ToldSteady{{12, 12}});
    follower_.take(ToldEarlier{{{.first_hash = 0, .owner = 12}}});
    all_told();
    EXPECT_EQ(steady(), (Owners{1, 1})) << "larger than any";
}

TEST_F(FollowerTest, EndsOfTransitionsChangeSteadyOwnersOfTablesThatWereTold) {
    begin();
    table({11, 11});
    all_told();
    follower_.take_changed();
    follower_.take(ToldEndings{kFarm, {{1, 12}, {7, 13}}});
    follower_.take(ToldEndings{kFarmOfOthers, {{0, 12}}});
    EXPECT_EQ(steady(), (Owners{1, 2}));
    EXPECT_EQ(follower_.take_changed(), (std::vector{kFarm}));
    now_ += 5;
    begin();
    follower_.take(ToldEndings{kFarm, {{0, 13}}});
    EXPECT_EQ(steady(), (Owners{1, 2})) << "an earlier telling's table is what it was";
}

TEST_F(FollowerTest, ABackendThatComesLaterOnThisSideIsKnownThen) {
    own({0, 1});
    begin();
    table({11, 12});
    flow(1, 12);
    follower_.take(ToldVerdict{12, HealthState::kDown});
    all_told();
    follower_.take_changed();
    EXPECT_EQ(steady(), (Owners{1, kNoBackend}));
    EXPECT_EQ(backend_of(1), kNoBackend);
    own({0, 1, 9, 9, 2});
    EXPECT_EQ(steady(), (Owners{1, 4}));
    EXPECT_EQ(backend_of(1), 4);
    EXPECT_EQ(follower_.take_changed(), (std::vector{kFarm}));
    EXPECT_EQ(follower_.verdicts()[4], HealthState::kDown);
}

TEST_F(FollowerTest, ABackendThatComesLaterOnThePeersSideIsKnownThen) {
    begin();
    table({11, 11});
    all_told();
    own({0, 1, 2, 3, 4});
    follower_.take(farm_backend(4, 14));
    follower_.take(ToldVerdict{14, HealthState::kUp});
    flow(1, 14);
    follower_.take(ToldEndings{kFarm, {{0, 14}}});
    EXPECT_EQ(steady(), (Owners{4, 1}));
    EXPECT_EQ(backend_of(1), 4);
    EXPECT_EQ(follower_.verdicts()[4], HealthState::kUp);
}

TEST_F(FollowerTest, NumbersThatChangeHereChangeWhatThePeerHasToldToo) {
    begin();
    table({11, 12});
    flow(1, 11);
    flow(2, 12);
    all_told();
    own({0, 2, 3, 1});
    EXPECT_EQ(steady(), (Owners{3, 1}));
    EXPECT_EQ(backend_of(1), 3);
    EXPECT_EQ(backend_of(2), 1);
}

TEST_F(FollowerTest, ANumberThatStandsForAnotherBackendAtThePeerTakesItsFlowsAlong) {
    begin();
    table({11});
    flow(1, 11);
    all_told();
    follower_.take(farm_backend(3, 11));
    EXPECT_EQ(backend_of(1), 3) << "as it is at the peer";
    follower_.take(ToldBackend{11, kFarmPool, {}, 0});
    EXPECT_EQ(backend_of(1), kNoBackend);
}

TEST_F(FollowerTest, OfAnEarlierTellingABackendThatIsGoneHereIsForgotten) {
    begin();
    table({11, 12});
    flow(1, 11);
    flow(2, 12);
    all_told();
    now_ += 5;
    follower_.begin(now_);  // and says nothing more
    own({0, 3, 2});
    EXPECT_EQ(steady(), (Owners{kNoBackend, 2})) << "the number is another one's now";
    EXPECT_EQ(backend_of(1), kNoBackend);
    EXPECT_EQ(backend_of(2), 2);
}

TEST_F(FollowerTest, VerdictsAreThoseOfThePeerByOwnNumbersAndTheirRevisionGrowsWithThem) {
    begin();
    const std::uint64_t before = follower_.verdict_revision();
    follower_.take(ToldVerdict{12, HealthState::kUp});
    EXPECT_GT(follower_.verdict_revision(), before);
    EXPECT_EQ(follower_.verdicts()[2], HealthState::kUp);
    EXPECT_EQ(follower_.verdicts()[1], HealthState::kUnused) << "nothing was said";
    all_told();
    const std::uint64_t told = follower_.verdict_revision();
    follower_.take(ToldVerdict{12, HealthState::kUp});
    follower_.take(ToldVerdict{99, HealthState::kUp});
    follower_.take(ToldFlow{flow_of(1), 12, FlowState::kEstablished});
    EXPECT_EQ(follower_.verdict_revision(), told) << "nothing new, or of nobody's backend";
    follower_.take(ToldVerdict{12, HealthState::kDown});
    EXPECT_GT(follower_.verdict_revision(), told);
}

TEST_F(FollowerTest, AVerdictThatIsNotRepeatedInAnotherTellingIsVoidOnceThatIsWhole) {
    begin();
    follower_.take(ToldVerdict{11, HealthState::kUp});
    follower_.take(ToldVerdict{12, HealthState::kUp});
    all_told();
    begin();
    follower_.take(ToldVerdict{12, HealthState::kDown});
    EXPECT_EQ(follower_.verdicts()[1], HealthState::kUp);
    all_told();
    EXPECT_EQ(follower_.verdicts()[1], HealthState::kUnused);
    EXPECT_EQ(follower_.verdicts()[2], HealthState::kDown);
}

TEST_F(FollowerTest, OfABackendThatThePeerHasNoMoreItHasNoVerdict) {
    begin();
    follower_.take(ToldVerdict{11, HealthState::kUp});
    all_told();
    follower_.take(ToldBackend{11, kFarmPool, {}, 0});
    follower_.take(ToldVerdict{11, HealthState::kUnused});
    EXPECT_EQ(follower_.verdicts()[1], HealthState::kUnused);
}

TEST_F(FollowerTest, ABackendThatTakesAnothersNumberAtThePeerTakesItsVerdictToo) {
    begin();
    follower_.take(ToldVerdict{11, HealthState::kUp});
    all_told();
    own({0, 1, 2, 3, 4});
    follower_.take(farm_backend(4, 11));  // and is up as the other one was: that is not repeated
    EXPECT_EQ(follower_.verdicts()[1], HealthState::kUnused);
    EXPECT_EQ(follower_.verdicts()[4], HealthState::kUp);
}

TEST_F(FollowerTest, APeerThatIsGoneHasNoVerdicts) {
    begin();
    follower_.take(ToldVerdict{12, HealthState::kDown});
    all_told();
    const std::uint64_t told = follower_.verdict_revision();
    follower_.set_alive(false, now_);
    EXPECT_TRUE(follower_.verdicts().empty());
    EXPECT_GT(follower_.verdict_revision(), told);
    const std::uint64_t gone = follower_.verdict_revision();
    follower_.set_alive(false, now_);
    EXPECT_EQ(follower_.verdict_revision(), gone);
    own({0, 1, 3, 2});
    EXPECT_TRUE(follower_.verdicts().empty()) << "whatever is configured here";
}

TEST_F(FollowerTest, APeerThatWasNotHeardForATimeHasItsVerdictsAgainForItMayNotKnow) {
    begin();
    follower_.take(ToldVerdict{12, HealthState::kDown});
    all_told();
    follower_.set_alive(false, now_);
    follower_.set_alive(true, now_);
    ASSERT_EQ(follower_.verdicts().size(), 4U);
    EXPECT_EQ(follower_.verdicts()[2], HealthState::kDown);
    follower_.set_alive(false, now_);
    follower_.forget_verdicts();
    follower_.set_alive(true, now_);
    EXPECT_EQ(follower_.verdicts()[2], HealthState::kUnused) << "it has been restarted";
}

TEST_F(FollowerTest, FlowsOfAPeerThatLivesStayAndOfOneThatIsGoneForAsLongAsTheyMayBeSilent) {
    begin();
    flow(1, 11);
    all_told();
    follower_.sweep(now_ + 100'000, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1), 1) << "their age is for the peer to say";
    follower_.set_alive(false, now_);
    follower_.sweep(now_ + kRemembering, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1), 1);
    follower_.set_alive(true, now_ + kRemembering);
    follower_.sweep(now_ + kRemembering + 1, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1), 1) << "it was only not heard for a while";
    follower_.set_alive(false, now_ + 10'000);
    follower_.sweep(now_ + 10'000 + kRemembering + 1, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1), std::nullopt);
    follower_.set_alive(true, now_ + 20'000);
    EXPECT_TRUE(follower_.wants_telling()) << "it believes that they are known";
    EXPECT_FALSE(follower_.is_caught_up());
    begin();
    all_told();
    EXPECT_TRUE(follower_.is_caught_up());
}

TEST_F(FollowerTest, FlowsOfAnEarlierTellingAgeFromItsEnd) {
    begin();
    flow(1, 11, kFarmOfOthers);
    all_told();
    now_ += 10'000;
    begin();  // and says nothing of them any more
    table({11});
    flow(2, 11);
    all_told();
    follower_.sweep(now_ + kRemembering, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1, kFarmOfOthers), 1);
    follower_.sweep(now_ + kRemembering + 1, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(1, kFarmOfOthers), std::nullopt);
    EXPECT_EQ(backend_of(2), 1);
}

TEST_F(FollowerTest, CountsFlowsByOwnBackendInEachWholeSweep) {
    begin();
    for (std::uint64_t i = 1; i <= 5; ++i) flow(i, 11);
    flow(6, 13);
    flow(7, 99);
    follower_.sweep(now_, kRemembering, 1);
    EXPECT_TRUE(follower_.flows_by_backend().empty()) << "it is not round yet";
    for (std::size_t i = 1; i < flows_.bucket_count(); ++i) follower_.sweep(now_, kRemembering, 1);
    const std::span<const std::uint32_t> counts = follower_.flows_by_backend();
    ASSERT_EQ(counts.size(), 4U);
    EXPECT_EQ(counts[1], 5U);
    EXPECT_EQ(counts[2], 0U);
    EXPECT_EQ(counts[3], 1U);
}

TEST_F(FollowerTest, ManyTellingsNeverMixWhatTheyHaveSaid) {
    begin();
    flow(1, 11, kFarmOfOthers);  // never told again
    all_told();
    for (int i = 0; i < 256; ++i) {
        ASSERT_EQ(backend_of(1, kFarmOfOthers), 1) << "telling " << i;
        begin();
        table({11});
        flow(2, static_cast<BackendIndex>(11 + i % 3));
        all_told();
        ASSERT_EQ(backend_of(2), static_cast<BackendIndex>(1 + i % 3));
        ASSERT_TRUE(follower_.is_caught_up());
    }
    follower_.sweep(now_ + kRemembering + 1, kRemembering, flows_.bucket_count());
    EXPECT_EQ(backend_of(2), 1) << "the last telling counts";
    EXPECT_EQ(backend_of(1, kFarmOfOthers), std::nullopt) << "it would be taken for one of that";
}

TEST_F(FollowerTest, SaysWhichSlotsThePeerMayHaveFlowsOf) {
    begin();
    table({11, 11, 11, 11});
    flow(0x4000'0000, 11);  // a quarter of all hashes: slot 1
    all_told();
    EXPECT_FALSE(follower_.slots_with_flows(kFarm, 4)[0]);
    EXPECT_TRUE(follower_.slots_with_flows(kFarm, 4)[1]);
    flow(0xc000'0000, 11);
    EXPECT_TRUE(follower_.slots_with_flows(kFarm, 4)[3]);
    EXPECT_FALSE(follower_.slots_with_flows(kFarm, 4)[2]);
    EXPECT_TRUE(follower_.slots_with_flows(kFarm, 5)[4]) << "of other slots nothing is known";
}

// The peer gives the number of a backend that is gone to another one, and workers go by numbers.
TEST_F(FollowerTest, AFlowWhoseBackendComesLaterHasItsSlotFromThenOn) {
    begin();
    table({11, 11, 11, 11});
    all_told();
    ToldBackend gone;
    gone.number = 12;
    follower_.take(gone);
    flow(0x4000'0000, 12);
    EXPECT_FALSE(follower_.slots_with_flows(kFarm, 4)[1]) << "of which pool?";
    follower_.take(farm_backend(9, 12));
    EXPECT_TRUE(follower_.slots_with_flows(kFarm, 4)[1]) << "though that one is not known here";
    follower_.take(farm_backend(2, 12));
    EXPECT_EQ(backend_of(0x4000'0000), 2);
}

TEST_F(FollowerTest, WhatFindsNoRoomIsLostAndThatIsKnown) {
    begin();
    all_told();
    for (std::uint64_t i = 1; i <= 1000; ++i) flow(i, 11);
    std::uint64_t next = 1001;
    for (; !follower_.has_lost() && next < 1100; ++next) flow(next, 11);
    EXPECT_TRUE(follower_.has_lost());
    EXPECT_FALSE(follower_.is_caught_up());
    begin();
    EXPECT_FALSE(follower_.has_lost());
}

TEST_F(FollowerTest, ATableThatIsNotWhatThePeerSaysOfItIsAskedForAnew) {
    begin();
    table({11, 12, 13});
    all_told();
    follower_.take(ToldDigest{kFarm, digest_of(Owners{11, 12, 13})});
    EXPECT_FALSE(follower_.wants_telling());
    follower_.take(ToldEndings{kFarm, {{.slot = 1, .owner = 13}}});
    follower_.take(ToldDigest{kFarm, digest_of(Owners{11, 13, 13})});
    EXPECT_FALSE(follower_.wants_telling());
    EXPECT_EQ(follower_.differences(), 0U);

    follower_.take(ToldDigest{kFarm, digest_of(Owners{11, 13, 12})});
    EXPECT_TRUE(follower_.wants_telling());
    EXPECT_FALSE(follower_.is_caught_up());
    EXPECT_EQ(follower_.differences(), 1U);
    begin();
    table({11, 13, 12});
    all_told();
    EXPECT_TRUE(follower_.is_caught_up());
    follower_.take(ToldDigest{kFarm, digest_of(Owners{11, 13, 12})});
    EXPECT_TRUE(follower_.is_caught_up());

    follower_.take(ToldDigest{kFarmOfOthers, digest_of(Owners{11})});
    EXPECT_TRUE(follower_.wants_telling()) << "one that has not come at all";
    begin();
    all_told();
    follower_.ignore({kFarm.domain});
    follower_.take(ToldDigest{kFarm, 0});
    EXPECT_FALSE(follower_.wants_telling()) << "this instance answers for it";
    EXPECT_EQ(follower_.differences(), 2U);
}

TEST_F(FollowerTest, NonsenseIsIgnored) {
    begin();
    follower_.take(ToldSteady{{1, 2}});  // of no table
    follower_.take(ToldEarlier{{{.first_hash = 0, .owner = 1}}});
    follower_.take(farm_backend(1, kNoBackend));
    follower_.take(farm_backend(1, 0xffff));
    follower_.take(ToldVerdict{0xffff, HealthState::kUp});
    follower_.take(ToldFlow{0, 11, FlowState::kEstablished});
    follower_.take(ToldEnd{0});
    follower_.take(ToldEnd{12345});
    all_told();
    EXPECT_TRUE(follower_.tables().empty());
    EXPECT_EQ(flows_.count(), 0U);
}

}  // namespace
}  // namespace tandem::pair
