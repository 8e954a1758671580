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
                .peers = &peers_,
                .is_moving = is_moving_};
    }
    Tracked send(const FlowSignal& signal) {
        return track(*flows_, {kFlowHash, {}}, at(), signal, backends_, {.udp_idle = 30}, now_);
    }
    BackendIndex followed() { return follow_peer(at(), backends_); }
    FlowTable::Place remembered() { return flows_->find(kFlowHash, now_); }

    TableForTest flows_{64};
    PeerFlows peers_{100};
    std::vector<LiveBackend> backends_;
    Slot slot_{kOwner, kSteadyThere};
    CoarseTime changed_at_ = kTakenOverAt;
    std::vector<EarlierOwner> earlier_;
    CoarseTime void_before_ = 0;
    CoarseTime now_ = kTakenOverAt;
    bool is_moving_ = false;
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
    EXPECT_EQ(followed(), kPinned);
    backends_[kPinned].serves_flows = 0;
    EXPECT_EQ(followed(), kOwner);
}

// Its number is another's by now: the flow may be a later one, on the same ports, that nobody told
// of.
TEST_F(TrackOfPeer, OfAFlowWithABackendOfAnotherPoolThePeerHasSaidNothing) {
    peer_knows(kPinned);
    backends_[kPinned].pool = 1;
    EXPECT_EQ(followed(), kSteadyThere);
    EXPECT_EQ(send(kGoesOn).backend, kSteadyThere);
}

TEST_F(TrackOfPeer, AnyOtherFollowedFlowGoesToTheSteadyOwner) {
    EXPECT_EQ(followed(), kSteadyThere);
    backends_[kSteadyThere].serves_flows = 0;
    EXPECT_EQ(followed(), kOwner);
    slot_.steady = Slot::kByHash;
    earlier_ = {{.first_hash = 0, .owner = kPinned}};
    EXPECT_EQ(followed(), kPinned);
}

// The peer, once it has the group, looks for an unknown flow at the steady owner.
TEST_F(TrackOfPeer, WhileAGroupMovesNothingOpensWhereThePeerWouldNotLookForIt) {
    constexpr FlowSignal kUdp{.is_udp = true};
    constexpr FlowSignal kQuic{.is_udp = true, .opens = true};
    changed_at_ = kTakenOverAt - 31;  // an unknown UDP flow counts as new
    for (const FlowSignal& signal : {kOpens, kUdp, kQuic}) {
        const auto sent = [&] {
            TableForTest fresh(64);
            return track(*fresh, {kFlowHash, {}}, at(), signal, backends_, {.udp_idle = 30}, now_)
                .backend;
        };
        is_moving_ = false;
        EXPECT_EQ(sent(), kOwner);
        is_moving_ = true;
        EXPECT_EQ(sent(), kSteadyThere);
        EXPECT_EQ(sent(), followed());
    }
    EXPECT_FALSE(send(kOpens).is_remembered) << "its steady owner may be down, and kept";
    backends_[kSteadyThere].serves_flows = 0;
    EXPECT_EQ(send(kOpens).backend, kOwner) << "where the peer would look as well";
    EXPECT_EQ(remembered().backend(), kOwner) << "and if it sees others up, it is told";
}

TEST_F(TrackOfPeer, WhileAGroupMovesAFlowOnOldPortsStaysWhereItWas) {
    is_moving_ = true;
    ASSERT_TRUE(flows_->insert(kFlowHash, kPinned, FlowState::kClosing, now_, kPeersFlow));
    EXPECT_EQ(send(kOpens).backend, kPinned);
    is_moving_ = false;
    EXPECT_EQ(remembered().state(), FlowState::kOpening);
    ASSERT_EQ(send({.closes = true}).backend, kPinned);
    EXPECT_EQ(send(kOpens).backend, kOwner);
}

}  // namespace
}  // namespace tandem::tables
