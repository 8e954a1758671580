// Flows that the other instance remembers: gone on with after a takeover, followed before it.
#include <gtest/gtest.h>

#include "dataplane/tables/track.h"
#include "tests/unit/tables/table_for_test.h"

namespace tandem::tables {
namespace {

constexpr CoarseTime kTakenOverAt = 50'000;
constexpr BackendIndex kSteadyThere = 1;
constexpr BackendIndex kOwner = 2;
constexpr BackendIndex kPinned = 3;
constexpr std::uint64_t kFlowHash = 0xfedc'ba98'7654'3210;
constexpr FlowIdentity kPeersFlow = flow_identity(0xabcd'0000'0000'0000, 9);

constexpr FlowSignal kOpens{.opens = true};
constexpr FlowSignal kGoesOn{};
constexpr FlowSignal kCloses{.closes = true};

class TrackOfPeer : public testing::Test {
  protected:
    TrackOfPeer() : backends_(4) {
        for (LiveBackend& backend : backends_) backend.serves_flows = 1;
    }
    void peer_knows(BackendIndex backend, FlowState state = FlowState::kEstablished) {
        ASSERT_TRUE(
            peers_.put(kPeersFlow, {.backend = backend, .peers = 77, .state = state, .serial = 1}));
    }
    SlotNow at() {
        return {.slot = slot_,
                .changed_at = &changed_at_,
                .slot_hash = 0,
                .earlier = earlier_,
                .identity = kPeersFlow,
                .void_before = void_before_,
                .peers = &peers_};
    }
    Tracked send(const FlowSignal& signal) {
        return track(*flows_, {kFlowHash, {}}, at(), signal, backends_, {.udp_idle = 30}, now_);
    }
    BackendIndex followed(const FlowSignal& signal) { return follow_peer(at(), signal, backends_); }
    FlowTable::Place remembered() { return flows_->find(kFlowHash, now_); }

    TableForTest flows_{64};
    PeerFlows peers_{100};
    std::vector<LiveBackend> backends_;
    Slot slot_{kOwner, kSteadyThere};
    CoarseTime changed_at_ = kTakenOverAt;
    std::vector<EarlierOwner> earlier_;
    CoarseTime void_before_ = 0;
    CoarseTime now_ = kTakenOverAt;
};

TEST_F(TrackOfPeer, AFlowThatThePeerRemembersGoesWhereItWentAndIsThisInstancesFromThenOn) {
    peer_knows(kPinned);
    for (const Slot slot : {Slot{kOwner, kSteadyThere}, Slot{kOwner, Slot::kRemembering}}) {
        slot_ = slot;
        const Tracked tracked = send(kGoesOn);
        EXPECT_EQ(tracked.backend, kPinned);
        EXPECT_TRUE(tracked.is_remembered);
    }
    EXPECT_EQ(flows_.statistics().adopted, 1U);
    peers_.remove(kPeersFlow);
    EXPECT_EQ(send(kGoesOn).backend, kPinned);
}

TEST_F(TrackOfPeer, OfAFlowThatBothRememberThisInstancesWordCounts) {
    ASSERT_TRUE(flows_->insert(kFlowHash, kOwner, FlowState::kEstablished, now_, kPeersFlow));
    peer_knows(kPinned);
    EXPECT_EQ(send(kGoesOn).backend, kOwner);
}

TEST_F(TrackOfPeer, WhatWasRememberedBeforeThePeerHadItIsOutdated) {
    ASSERT_TRUE(flows_->insert(kFlowHash, kOwner, FlowState::kEstablished, now_, kPeersFlow));
    peer_knows(kPinned);
    now_ += 10;
    void_before_ = now_;
    EXPECT_EQ(send(kGoesOn).backend, kPinned);
    EXPECT_EQ(remembered().backend(), kPinned);
}

TEST_F(TrackOfPeer, AnAdoptedFlowKeepsItsStateAndFollowsItsPackets) {
    peer_knows(kPinned, FlowState::kOpening);
    EXPECT_EQ(send(kGoesOn).backend, kPinned);
    EXPECT_EQ(remembered().state(), FlowState::kEstablished);
}

// RFC 5961 section 4.
TEST_F(TrackOfPeer, ASynDoesNotUnpinWhatThePeerHadEstablished) {
    peer_knows(kPinned);
    EXPECT_EQ(send(kOpens).backend, kPinned);
    EXPECT_EQ(remembered().state(), FlowState::kEstablished);
}

TEST_F(TrackOfPeer, ASynOnAFlowThatThePeerSawClosingOpensAnew) {
    peer_knows(kPinned, FlowState::kClosing);
    EXPECT_EQ(send(kOpens).backend, kOwner);
    EXPECT_EQ(remembered().state(), FlowState::kOpening);
}

TEST_F(TrackOfPeer, AFlowWhoseBackendMayNotServeItOrIsNotKnownHereIsGivenToTheOwner) {
    for (const BackendIndex backend : {kPinned, BackendIndex{99}}) {
        TableForTest fresh(64);
        backends_[kPinned].serves_flows = 0;
        peer_knows(backend);
        const Tracked tracked = track(*fresh, {kFlowHash, {}}, at(), kGoesOn, backends_, {}, now_);
        EXPECT_EQ(tracked.backend, kOwner) << backend;
        EXPECT_TRUE(tracked.is_remembered);
    }
}

TEST_F(TrackOfPeer, WhereNobodyServesNothingIsAdopted) {
    slot_.owner = kNoBackend;
    peer_knows(kPinned);
    backends_[kPinned].serves_flows = 0;
    EXPECT_EQ(send(kGoesOn).backend, kNoBackend);
    EXPECT_FALSE(remembered());
    backends_[kPinned].serves_flows = 1;
    EXPECT_EQ(send(kGoesOn).backend, kPinned) << "and it has not been given away";
}

TEST_F(TrackOfPeer, AFlowThatFindsNoRoomGoesWhereItWentAllTheSame) {
    flows_->set_pools({0xffff, 0, 0, 0}, {0});
    peer_knows(kPinned);
    for (int i = 0; i < 2; ++i) {
        const Tracked tracked = send(kGoesOn);
        EXPECT_EQ(tracked.backend, kPinned);
        EXPECT_FALSE(tracked.is_remembered);
    }
}

TEST_F(TrackOfPeer, AFollowedFlowGoesWhereThePeerSendsIt) {
    peer_knows(kPinned);
    EXPECT_EQ(followed(kGoesOn), kPinned);
    EXPECT_EQ(followed(kCloses), kPinned);
    EXPECT_EQ(followed(kOpens), kPinned);
    backends_[kPinned].serves_flows = 0;
    EXPECT_EQ(followed(kGoesOn), kOwner);
}

TEST_F(TrackOfPeer, ABackendOfAnotherPoolServesNothing) {
    peer_knows(kPinned);
    backends_[kPinned].pool = 1;
    EXPECT_EQ(followed(kGoesOn), kOwner);
    EXPECT_EQ(send(kGoesOn).backend, kOwner);
}

TEST_F(TrackOfPeer, AFollowedFlowThatWasClosingOpensAtTheOwner) {
    peer_knows(kPinned, FlowState::kClosing);
    EXPECT_EQ(followed(kOpens), kOwner);
    EXPECT_EQ(followed(kGoesOn), kPinned);
}

TEST_F(TrackOfPeer, AnyOtherFollowedFlowGoesToTheSteadyOwnerAndOpensAtTheOwner) {
    EXPECT_EQ(followed(kGoesOn), kSteadyThere);
    EXPECT_EQ(followed(kOpens), kOwner);
    backends_[kSteadyThere].serves_flows = 0;
    EXPECT_EQ(followed(kGoesOn), kOwner);
    slot_.steady = Slot::kByHash;
    earlier_ = {{.first_hash = 0, .owner = kPinned}};
    EXPECT_EQ(followed(kGoesOn), kPinned);
}

TEST_F(TrackOfPeer, FollowingRemembersNothing) {
    peer_knows(kPinned);
    for (const FlowSignal& signal : {kOpens, kGoesOn, kCloses}) followed(signal);
    EXPECT_EQ(flows_.entries(), 0U);
    EXPECT_EQ(flows_.statistics().inserted, 0U);
}

}  // namespace
}  // namespace tandem::tables
