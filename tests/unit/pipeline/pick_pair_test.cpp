// Packets for VIPs that the other instance answers for, and after it has gone.
#include <gtest/gtest.h>

#include "dataplane/net/headers.h"
#include "dataplane/pipeline/pick.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::pipeline {
namespace {

using tables::BackendIndex;

constexpr std::uint8_t kGroup = 5;

/// One slot that points to backend 1; in the other instance's eyes backend 2 is steady.
class PickForPeer : public testing::Test {
  protected:
    PickForPeer() {
        tables::PlanGroup group;
        group.name = tables::Name("east");
        group.router_id = 51;
        plan_.groups = {group};
        plan_.vips[0].group = 0;
        std::array<std::uint8_t, tables::kGroupsMax> numbers{};
        numbers[0] = kGroup;
        both_.merger().set_group_numbers(numbers);
        plan_.pools[0].slot_count = 1;
        plan_.owners[0] = {1};
        live_ = both_.apply(plan_);
        table_ = {live_.pools()[0].id, live_.pools()[0].domain};
        both_.merger().slots().follow(table_, {.owners = {2}, .earlier = {}});
        live_ = both_.apply(plan_);
        tracker_.now = both_.now;
        tracker_.roles = &roles_;
        tracker_.table.keep_journal(memory_.identities(0), journal_);
        journal_.ask(1);
        tracker_.table.answer_journal(both_.now, tracker_.table.bucket_count());
    }
    static FlowKey flow_from(std::uint16_t port) {
        FlowKey key{};
        key.source = tables::ip("198.51.100.7");
        key.destination = tables::ip("203.0.113.10");
        key.source_port = port;
        key.destination_port = 80;
        key.protocol = 6;
        return key;
    }
    [[nodiscard]] tables::FlowIdentity identity_of(const FlowKey& key) const {
        return tables::flow_identity(live_.hash().of_flow(key), table_.domain);
    }
    void peer_knows(const FlowKey& key, BackendIndex backend) {
        ASSERT_TRUE(peers_.put(identity_of(key), {.backend = backend, .peers = 9}));
    }
    void take_over() {
        both_.merger().slots().take_over(table_, both_.now, [](std::uint32_t) { return true; });
        both_.merger().slots().outdate(table_.domain, both_.now);
        live_ = both_.apply(plan_);
    }
    BackendIndex send(const FlowKey& key, std::uint8_t tcp_flags = tcp::kAck) {
        burst_.reset(0);
        burst_.add(nullptr);
        Packet& packet = burst_.packets().back();
        packet.parsed = {};
        packet.parsed.key = key;
        packet.parsed.tcp_flags = tcp_flags;
        packet.pool = 0;
        packet.is_stateless = false;
        pick(live_, tracker_, burst_);
        return burst_.packets()[0].backend;
    }
    std::vector<tables::FlowChange> told() {
        std::vector<tables::FlowChange> changes;
        journal_.drain(100, [&](const tables::FlowChange& each) { changes.push_back(each); });
        return changes;
    }
    [[nodiscard]] CoarseTime last_use() { return memory_.slot_use(0).last(table_.pool, 0); }

    tables::Roles roles_;
    tables::Both both_;
    tables::PlanContent plan_ = tables::small_plan();
    tables::LiveView live_;
    tables::SlotTableId table_;
    tables::PeerFlows peers_{100};
    tables::FlowJournal journal_;
    tables::FlowMemory memory_ =
        std::move(tables::FlowMemory::create(1, 1000, tables::Pages::kNormal).value());
    FlowTracker tracker_{memory_, 0, {}, {.peers = &peers_, .journal = &journal_}};
    Burst burst_;
};

TEST_F(PickForPeer, WhileThePeerAnswersPacketsGoWhereItSendsThemAndNothingIsRemembered) {
    peer_knows(flow_from(1), 1);
    EXPECT_EQ(send(flow_from(1)), 1) << "pinned there";
    EXPECT_EQ(send(flow_from(2)), 2) << "the steady owner there";
    EXPECT_EQ(send(flow_from(3), tcp::kSyn), 2) << "and so will its next packet";
    EXPECT_EQ(memory_.statistics(0).inserted, 0U);
    EXPECT_EQ(last_use(), 0U);
}

TEST_F(PickForPeer, AfterATakeoverItsFlowsAreThisInstancesFromTheirFirstPacketOn) {
    peer_knows(flow_from(1), 1);
    told();
    take_over();
    EXPECT_EQ(send(flow_from(1)), 1);
    EXPECT_EQ(send(flow_from(2)), 2);
    EXPECT_EQ(memory_.statistics(0).adopted, 1U);
    EXPECT_EQ(memory_.statistics(0).inserted, 2U);
    EXPECT_EQ(last_use(), both_.now + 1) << "what was noted before is outdated";
    const std::vector<tables::FlowChange> changes = told();
    ASSERT_FALSE(changes.empty());
    EXPECT_EQ(changes[0].identity, identity_of(flow_from(1)));
    peers_.remove(identity_of(flow_from(1)));
    EXPECT_EQ(send(flow_from(1)), 1);
}

TEST_F(PickForPeer, FramesThatCameLateGoWhereThoseBeforeThemWent) {
    take_over();
    ASSERT_EQ(send(flow_from(1), tcp::kSyn), 1);
    roles_.set_moving(kGroup - 1, true, true);
    roles_.set_moving(kGroup, false, true);
    ASSERT_EQ(send(flow_from(9), tcp::kSyn), 1) << "it is other groups that move";
    roles_.set_moving(kGroup, true, true);
    EXPECT_EQ(send(flow_from(2), tcp::kSyn), 2) << "it may go on at the peer";
    EXPECT_EQ(send(flow_from(1)), 1) << "the peer has not said yet what it has";
    peer_knows(flow_from(9), 1);
    both_.merger().slots().follow(table_, {.owners = {2}, .earlier = {}});
    live_ = both_.apply(plan_);
    EXPECT_EQ(send(flow_from(9)), 1) << "now it has";
    EXPECT_EQ(send(flow_from(1)), 2);
    EXPECT_EQ(send(flow_from(2)), 2);
    EXPECT_EQ(send(flow_from(3), tcp::kSyn), 2);
}

TEST_F(PickForPeer, WhatWasRememberedBeforeThePeerHadThemIsForgottenThen) {
    take_over();
    EXPECT_EQ(send(flow_from(1), tcp::kSyn), 1);
    EXPECT_EQ(send(flow_from(1)), 1);
    both_.merger().slots().follow(table_, {.owners = {2}, .earlier = {}});
    peer_knows(flow_from(1), 2);
    both_.now += 10;
    tracker_.now = both_.now;
    take_over();
    EXPECT_EQ(send(flow_from(1)), 2);
}

}  // namespace
}  // namespace tandem::pipeline
