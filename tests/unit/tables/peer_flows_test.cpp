#include "dataplane/tables/peer_flows.h"

#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::tables {
namespace {

constexpr PeerFlows::Flow kToldFlow{
    .backend = 7, .peers = 9, .state = FlowState::kEstablished, .serial = 3};

TEST(PeerFlows, WhatIsPutIsFoundWholeUntilItIsRemoved) {
    PeerFlows flows(100);
    EXPECT_EQ(flows.find(5), std::nullopt);
    for (std::size_t i = 0; i < kFlowStateCount; ++i) {
        const PeerFlows::Flow flow{.backend = 65'532,
                                   .peers = 1,
                                   .state = static_cast<FlowState>(i),
                                   .serial = static_cast<std::uint8_t>(255 - i)};
        ASSERT_TRUE(flows.put(5 + i, flow));
        EXPECT_EQ(flows.find(5 + i), flow);
    }
    EXPECT_EQ(flows.count(), kFlowStateCount);
    flows.remove(5);
    EXPECT_EQ(flows.find(5), std::nullopt);
    flows.remove(5);
    flows.remove(4711);
    EXPECT_EQ(flows.count(), kFlowStateCount - 1);
}

TEST(PeerFlows, AFlowThatIsKnownIsUpdatedAndTakesNoMoreRoom) {
    PeerFlows flows(1);
    ASSERT_TRUE(flows.put(5, kToldFlow));
    PeerFlows::Flow closing = kToldFlow;
    closing.state = FlowState::kClosing;
    EXPECT_TRUE(flows.put(5, closing));
    EXPECT_EQ(flows.find(5), closing);
    EXPECT_EQ(flows.count(), 1U);
}

TEST(PeerFlows, NobodyHasNoFlows) {
    PeerFlows flows(10);
    EXPECT_FALSE(flows.put(0, kToldFlow));
    EXPECT_EQ(flows.find(0), std::nullopt);
    flows.remove(0);
    EXPECT_EQ(flows.count(), 0U);
}

TEST(PeerFlows, HasRoomForAsManyAsItWasMadeForAndNoMore) {
    std::mt19937_64 random(1);
    for (const std::size_t room : {100U, 4'000U, 40'000U, 65'000U, 262'000U}) {
        PeerFlows flows(room);
        std::vector<FlowIdentity> known(room);
        for (FlowIdentity& identity : known) {
            identity = random();
            ASSERT_TRUE(flows.put(identity, kToldFlow)) << flows.count() << " of " << room;
        }
        for (int i = 0; i < 100; ++i) EXPECT_FALSE(flows.put(random(), kToldFlow));
        for (const FlowIdentity identity : known) ASSERT_TRUE(flows.find(identity));
    }
}

TEST(PeerFlows, WhereBothBucketsAreFullAnotherFlowMovesAndIsFoundAllTheSame) {
    PeerFlows flows(9);
    std::mt19937_64 random(2);
    std::vector<FlowIdentity> kept;
    const auto count_in_first_two = [&] {
        std::size_t count = 0;
        flows.walk(0, 2, [&](FlowIdentity, const PeerFlows::Flow&) { return ++count != 0; });
        return count;
    };
    while (kept.size() < 8) {
        const FlowIdentity identity = random();
        ASSERT_TRUE(flows.put(identity, kToldFlow));
        if (count_in_first_two() > kept.size()) {
            kept.push_back(identity);
        } else {
            flows.remove(identity);
        }
    }
    for (int i = 0; i < 10'000; ++i) {
        const FlowIdentity identity = random();
        ASSERT_TRUE(flows.put(identity, kToldFlow));
        ASSERT_EQ(flows.find(identity), kToldFlow);
        flows.remove(identity);
        for (const FlowIdentity each : kept) ASSERT_EQ(flows.find(each), kToldFlow);
    }
    EXPECT_LT(count_in_first_two(), kept.size());
    EXPECT_EQ(flows.count(), kept.size());
}

TEST(PeerFlows, AWalkInStepsComesByEveryFlowOnceAndMayChangeItOrTakeItAway) {
    PeerFlows flows(1000);
    std::mt19937_64 random(3);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(flows.put(random() | 1U, kToldFlow));
    std::unordered_map<FlowIdentity, int> visits;
    std::size_t bucket = 0;
    std::size_t steps = 0;
    do {
        bucket = flows.walk(bucket, 7, [&](FlowIdentity identity, PeerFlows::Flow& flow) {
            ++visits[identity];
            flow.backend = static_cast<BackendIndex>(identity);
            return identity % 8 < 4;
        });
        ++steps;
    } while (bucket != 0);
    EXPECT_EQ(steps, (flows.bucket_count() + 6) / 7);
    EXPECT_EQ(visits.size(), 500U);
    std::size_t left = 0;
    for (const auto& [identity, count] : visits) {
        EXPECT_EQ(count, 1);
        PeerFlows::Flow changed = kToldFlow;
        changed.backend = static_cast<BackendIndex>(identity);
        const bool stays = identity % 8 < 4;
        EXPECT_EQ(flows.find(identity), stays ? std::optional(changed) : std::nullopt);
        left += static_cast<std::size_t>(stays);
    }
    EXPECT_EQ(flows.count(), left);
}

TEST(PeerFlowsProperty, IsAMapAsLongAsThereIsRoom) {
    PeerFlows flows(4000);
    std::unordered_map<FlowIdentity, PeerFlows::Flow> expected;
    std::mt19937_64 random(4);
    for (int i = 0; i < 200'000; ++i) {
        const FlowIdentity identity = flow_identity((random() % 3000 + 1) << 40U, 7);
        if (random() % 3 == 0) {
            flows.remove(identity);
            expected.erase(identity);
        } else {
            const PeerFlows::Flow flow{.backend = static_cast<BackendIndex>(random()),
                                       .peers = static_cast<BackendIndex>(random()),
                                       .state = static_cast<FlowState>(random() % kFlowStateCount),
                                       .serial = static_cast<std::uint8_t>(random())};
            if (flows.put(identity, flow)) expected[identity] = flow;
        }
        ASSERT_EQ(flows.count(), expected.size());
    }
    for (FlowIdentity i = 1; i <= 3000; ++i) {
        const FlowIdentity identity = flow_identity(i << 40U, 7);
        const auto known = expected.find(identity);
        EXPECT_EQ(flows.find(identity),
                  known == expected.end() ? std::nullopt : std::optional(known->second));
    }
}

TEST(FlowIdentity, IsMostOfTheHashAndTheDomain) {
    EXPECT_EQ(flow_identity(0x0123'4567'89ab'cdef, 0x4321), 0x0123'4567'89ab'4321U);
    EXPECT_EQ(domain_of(0x0123'4567'89ab'4321U), 0x4321);
}

TEST(FlowIdentity, ADomainTellsFamiliesAndVirtualRoutersApartAndIsNeverNone) {
    for (unsigned router_id = 1; router_id <= 255; ++router_id) {
        const auto id = static_cast<std::uint8_t>(router_id);
        for (const std::uint64_t name : {std::uint64_t{0}, ~std::uint64_t{0}}) {
            EXPECT_NE(group_domain(name, id, true), group_domain(name, id, false));
            EXPECT_NE(group_domain(name, id, false), kNoDomain);
            EXPECT_NE(group_domain(name, id, true), kNoDomain);
        }
    }
    EXPECT_NE(group_domain(1, 51, true), group_domain(1, 52, true));
    EXPECT_NE(group_domain(1, 51, true), group_domain(2, 51, true)) << "on another port";
}

}  // namespace
}  // namespace tandem::tables
