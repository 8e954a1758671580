#include "dataplane/tables/merge.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/tables/both_sides.h"
#include "tests/unit/tables/outer_header.h"

namespace tandem::tables {
namespace {

TEST(Merge, ABackendGetsEverythingThatAPacketToItNeeds) {
    Both both;
    PlanContent plan = small_plan();
    const LiveView live = both.apply(plan);
    ASSERT_EQ(live.backends().size(), 3U);
    EXPECT_FALSE(live.backends()[kNoBackend].reachable);

    const LiveBackend& second = live.backends()[2];
    EXPECT_EQ(outer_destination(second), ip("10.0.0.12"));
    EXPECT_EQ(outer_source(second), ip("10.0.0.1"));
    EXPECT_EQ(second.outer.source_host_bits, 0);
    EXPECT_EQ(destination_mac(second), (Mac{2, 0, 0, 0, 0, 2}));
    EXPECT_EQ(source_mac(second), (Mac{6, 0, 0, 0, 0, 2}));
    EXPECT_EQ(second.mtu, 9000);
    EXPECT_EQ(second.port, 1);
    EXPECT_TRUE(second.reachable);
    EXPECT_EQ(live.backends()[1].mtu, 1500);
    EXPECT_EQ(live.backends()[1].port, 0);
}

TEST(Merge, ABackendOnTheLinkGetsPacketsAsTheyAre) {
    Both both;
    PlanContent plan = small_plan();
    plan.pools[0].mode = ForwardMode::kL2;
    const LiveBackend backend = both.backend(plan, 2);
    EXPECT_EQ(backend.outer.added, 0);
    EXPECT_EQ(destination_mac(backend), (Mac{2, 0, 0, 0, 0, 2}));
    EXPECT_EQ(source_mac(backend), (Mac{6, 0, 0, 0, 0, 2}));
}

TEST(Merge, SlotsVipsAndKeyReachTheWorkers) {
    Both both;
    PlanContent plan = small_plan();
    const LiveView live = both.apply(plan);
    ASSERT_EQ(live.pools().size(), 1U);
    ASSERT_EQ(live.pools()[0].slot_count, 101U);
    for (std::uint32_t i = 0; i < 101; ++i) {
        EXPECT_EQ(live.pools()[0].slots[i].owner, i == 7 ? 2 : 1);
        EXPECT_EQ(live.pools()[0].slots[i].steady, Slot::kSteady);
    }
    const VipEntry* vip = live.vips().find(ip("203.0.113.10"), service_of(80, 6));
    ASSERT_NE(vip, nullptr);
    EXPECT_EQ(vip->vip, 0);
    EXPECT_EQ(live.vips().find(ip("203.0.113.10"), service_of(81, 6)), nullptr);
    EXPECT_EQ(live.hash().of_pair(1, 2), KeyedHash(plan.head.hash_key).of_pair(1, 2));
    EXPECT_EQ(live.generation(), 1U);
}

struct SourceCase {
    const char* backend;
    const char* source;  ///< nullptr: none configured
    const char* outer_source;
    int varying;  ///< of its last 32 bits
};

TEST(Merge, TheTunnelSourceVariesBelowItsPrefix) {
    for (const SourceCase& c : {SourceCase{"10.0.0.11", nullptr, "10.0.0.1", 0},
                                {"10.0.0.11", "192.0.2.77/24", "192.0.2.0", 8},
                                {"10.0.0.11", "192.0.2.77/32", "192.0.2.77", 0},
                                {"10.0.0.11", "192.0.2.77/31", "192.0.2.76", 1},
                                {"10.0.0.11", "10.0.0.0/8", "10.0.0.0", 24},
                                {"2001:db8::11", "2001:db8:5::9/64", "2001:db8:5::", 32},
                                {"2001:db8::11", "2001:db8:5::99/120", "2001:db8:5::", 8},
                                {"2001:db8::11", "2001:db8:5::9/128", "2001:db8:5::9", 0},
                                // The other family: the port's own address, as if none were given.
                                {"2001:db8::11", "192.0.2.0/24", "10.0.0.1", 0},
                                {"10.0.0.11", "2001:db8:5::/64", "10.0.0.1", 0}}) {
        Both both;
        PlanContent plan = small_plan();
        plan.backends[1].address = ip(c.backend);
        if (c.source != nullptr) {
            const Prefix prefix = *Prefix::parse(c.source);
            plan.pools[0].has_tunnel_source = true;
            plan.pools[0].tunnel_source = prefix.address;
            plan.pools[0].tunnel_source_length = prefix.length;
        }
        const LiveBackend backend = both.backend(plan);
        const std::string what =
            std::string(c.backend) + " from " + (c.source != nullptr ? c.source : "nothing");
        EXPECT_EQ(outer_source(backend).str(), c.outer_source) << what;
        EXPECT_EQ(backend.outer.source_host_bits, c.varying) << what;
    }
}

TEST(Merge, ABackendWithoutAWayToItIsNotReachable) {
    const std::pair<const char*, std::function<void(PlanContent&)>> cases[] = {
        {"no next hop", [](PlanContent& plan) { plan.backends[1].next_hop = 0; }},
        {"unknown next hop", [](PlanContent& plan) { plan.backends[1].next_hop = 999; }},
        {"next hop without MAC", [](PlanContent& plan) { plan.next_hops[1].resolved = false; }},
        {"unknown port", [](PlanContent& plan) { plan.next_hops[1].port = 2; }},
        {"unknown pool", [](PlanContent& plan) { plan.backends[1].pool = 1; }},
        {"unused", [](PlanContent& plan) { plan.backends[1].health = HealthState::kUnused; }}};
    for (const auto& [name, change] : cases) {
        Both both;
        PlanContent plan = small_plan();
        change(plan);
        EXPECT_FALSE(both.backend(plan, 1).reachable) << name;
        EXPECT_TRUE(both.view().backends()[2].reachable) << name;
    }
}

TEST(Merge, ADeadBackendStaysReachable) {
    Both both;
    PlanContent plan = small_plan();
    plan.backends[1].health = HealthState::kDown;  // the slots say who gets what, not this
    EXPECT_TRUE(both.backend(plan).reachable);
}

TEST(Merge, APlanThatContradictsItselfIsAnErrorAndLeavesWhatIsLive) {
    const std::pair<const char*, std::function<void(PlanContent&)>> cases[] = {
        {"pool web: the plan has 101 slots where it says 102",
         [](PlanContent& plan) { plan.pools[0].slot_count = 102; }},
        {"where it says 101", [](PlanContent& plan) { plan.owners[0].resize(100); }},
        {"pool web: the plan has 0 slots",
         [](PlanContent& plan) {
             plan.owners[0].clear();
             plan.pools[0].slots = {};
             plan.pools[0].slot_count = 0;
         }},
        {"prefix", [](PlanContent& plan) { plan.vips[0].prefix_length = 129; }},
        {"ports", [](PlanContent& plan) { plan.vips[0].port_first = 81; }},
        {"pool", [](PlanContent& plan) { plan.vips[0].pool = 1; }},
        {"more VIPs", [](PlanContent& plan) { plan.vips.resize(kVipsMax + 1); }}};
    for (const auto& [complaint, change] : cases) {
        Both both(2000);
        PlanContent plan = small_plan();
        both.apply(plan);
        const std::size_t free = both.live().free_bytes();

        PlanContent bad = small_plan();
        change(bad);
        const Result<std::vector<BlockRef>> refused = both.merge(bad);
        ASSERT_FALSE(refused) << complaint;
        EXPECT_NE(refused.error().message.find(complaint), std::string::npos)
            << refused.error().message;
        EXPECT_EQ(both.live().free_bytes(), free) << complaint;
        EXPECT_EQ(both.live().generation(), 1U);

        plan.owners[0][3] = 2;
        EXPECT_EQ(both.apply(plan).pools()[0].slots[3].owner, 2) << complaint;
    }
}

TEST(Merge, ASlotThatChangesReachesTheWorkersWithWhatItRemembers) {
    Both both;
    PlanContent plan = small_plan();
    plan.pools[0].transition_hold_s = 60;
    both.apply(plan);
    plan.owners[0][3] = plan.owners[0].back() = 2;
    const LiveView changed = both.apply(plan);
    for (const std::uint32_t slot : {3U, changed.pools()[0].slot_count - 1}) {
        EXPECT_EQ(changed.pools()[0].slots[slot], (Slot{2, 1}));
        EXPECT_EQ(changed.pools()[0].changed_at[slot], both.now);
    }
    EXPECT_EQ(changed.pools()[0].slots[4], (Slot{1, Slot::kSteady}));
    EXPECT_EQ(both.merger().slots().waiting_by_backend(3), (std::vector<std::uint32_t>{0, 2, 0}));

    // A process after this one goes on with it, and the transition ends in its time.
    Merger successor(both.live_region(), both.live(), {});
    EXPECT_EQ(successor.slots().in_transition(), 2U);
    const auto unused = [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; };
    EXPECT_FALSE(both.merger().slots().settle(both.now + 60, 10, unused));
    EXPECT_TRUE(both.merger().slots().settle(both.now + 61, 10, unused));
    EXPECT_EQ(both.apply(plan).pools()[0].slots[3], (Slot{2, Slot::kSteady}));
}

TEST(Merge, APoolThatGetsAnotherNumberOfSlotsKeepsItsSteadyOwnersByHash) {
    Both both(4000);
    PlanContent plan = small_plan();
    plan.pools[0].transition_hold_s = 60;
    both.apply(plan);
    plan.owners[0].assign(211, 2);
    plan.pools[0].slot_count = 211;
    const LiveView changed = both.apply(plan);
    const LiveView::Pool& pool = changed.pools()[0];
    ASSERT_EQ(pool.slot_count, 211U);
    EXPECT_EQ(pool.slots[100], (Slot{2, Slot::kByHash}));
    EXPECT_EQ(pool.changed_at[210], both.now);
    const auto hash_in_slot_7 = static_cast<std::uint32_t>(first_hash_of(7, 101));
    EXPECT_EQ(earlier_owner(pool.earlier, hash_in_slot_7), 2);
    EXPECT_EQ(earlier_owner(pool.earlier, hash_in_slot_7 - 1), 1);
    // Those slots of the new table that 1 had hashes of: all but those inside of the old slot 7.
    EXPECT_EQ(both.merger().slots().waiting_by_backend(3)[1], 210U);

    Merger successor(both.live_region(), both.live(), {});
    EXPECT_EQ(successor.slots().in_transition(), 211U);
    EXPECT_EQ(successor.slots().waiting_by_backend(3)[1], 210U);
    const auto unused = [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; };
    EXPECT_TRUE(both.merger().slots().settle(both.now + 61, 10, unused));
    const LiveView settled = both.apply(plan);
    EXPECT_EQ(settled.pools()[0].slots[100], (Slot{2, Slot::kSteady}));
    EXPECT_TRUE(settled.pools()[0].earlier.empty());
}

TEST(Merge, ASuccessorEndsNoTransitionBeforeAPlanHasSaidHowLongTheyAre) {
    Both both;
    PlanContent plan = small_plan();
    both.apply(plan);
    plan.owners[0][3] = 2;
    both.apply(plan);
    const std::vector<PortInfo> ports = two_ports();
    Merger successor(both.live_region(), both.live(), ports);
    const auto never = [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; };
    EXPECT_FALSE(successor.slots().settle(both.now + 5000, 900, never));
    EXPECT_EQ(successor.slots().in_transition(), 1U);
}

TEST(Merge, ASlotOfAPoolRemembersWhateverBecomesOfOtherPools) {
    Both both;
    PlanContent plan = small_plan();
    both.apply(plan);
    plan.owners[0][3] = 2;
    both.apply(plan);
    plan.pools.insert(plan.pools.begin(), plan.pools[0]);
    plan.pools[0].name = Name("before");
    plan.owners.insert(plan.owners.begin(), plan.owners[0]);
    for (PlanVip& vip : plan.vips) vip.pool = 1;
    EXPECT_EQ(both.apply(plan).pools()[1].slots[3], (Slot{2, 1}));
}

TEST(Merge, AnUnchangedPoolKeepsItsBlocks) {
    Both both;
    PlanContent plan = small_plan();
    plan.pools.push_back(plan.pools[0]);
    plan.owners.emplace_back(1009, BackendIndex{2});
    plan.pools[1].slot_count = 1009;
    plan.pools[1].name = Name("api");
    const LiveView before = both.apply(plan);

    plan.owners[1].clear();        // kept as it is
    plan.owners[0][0] = 2;         // written again
    plan.next_hops[1].mac[5] = 9;  // a neighbour's new MAC copies no slot by itself
    const LiveView after = both.apply(plan);
    EXPECT_EQ(after.pools()[1].slots, before.pools()[1].slots);
    EXPECT_NE(after.pools()[0].slots, before.pools()[0].slots);
    EXPECT_EQ(after.pools()[0].slots[0].owner, 2);
    EXPECT_EQ(destination_mac(after.backends()[1])[5], 9);
}

TEST(Merge, WhatCouldNotBePublishedIsGivenBackAndMergedAnew) {
    Both both;
    PlanContent plan = small_plan();
    both.apply(plan);
    const std::size_t free = both.live().free_bytes();
    plan.owners[0][3] = 2;
    ASSERT_TRUE(both.merge(plan));
    EXPECT_LT(both.live().free_bytes(), free);
    both.merger().published(false);
    EXPECT_EQ(both.live().free_bytes(), free);

    plan.owners[0].clear();  // the plan's block is the one that was merged in vain
    EXPECT_EQ(both.apply(plan).pools()[0].slots[3].owner, 2);
}

TEST(Merge, OthersHaveTheirTurnBetweenTables) {
    Both both;
    std::size_t turns = 0;
    both.meanwhile = [&] { ++turns; };
    PlanContent plan = small_plan();
    const std::size_t pools = both.apply(plan).pools().size();
    EXPECT_EQ(turns, 2 * pools) << "slots are followed, and written";
}

TEST(Merge, AFullRegionIsAnErrorThatLosesNothing) {
    Both both(12);
    PlanContent plan = small_plan();
    both.apply(plan);
    const std::size_t free = both.live().free_bytes();
    plan.pools[0].slot_count = 65'537;
    plan.owners[0].assign(65'537, BackendIndex{1});
    const Result<std::vector<BlockRef>> refused = both.merge(plan);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("full"), std::string::npos);
    EXPECT_EQ(both.live().free_bytes(), free);
    EXPECT_EQ(both.view().pools()[0].slot_count, 101U);
}

TEST(Merge, AnEmptyPlanIsAPlan) {
    Both both;
    PlanContent plan;
    for (int i = 0; i < 300; ++i) both.apply(plan);
    const LiveView live = both.view();
    EXPECT_TRUE(live.pools().empty());
    EXPECT_EQ(live.vips().find(ip("203.0.113.10"), service_of(80, 6)), nullptr);
}

TEST(Merge, APoolWhoseMemoryIsReusedHasOneSlotThatIsNobodys) {
    Both both;
    PlanContent plan = small_plan();
    LiveView live = both.apply(plan);
    const BlockRef pools = both.live_region().references(live.generation())[kLivePools];
    both.live_region().array<LivePool>(pools)[0].slot_count = 0;
    ASSERT_TRUE(live.open(both.live_region(), live.generation()));
    ASSERT_EQ(live.pools().size(), 1U);
    EXPECT_EQ(live.pools()[0].slot_count, 1U);
    EXPECT_EQ(live.pools()[0].slots[0], Slot{}) << "nobody's";
}

TEST(Merge, WorkersKeepWhatTheyHaveWhenAGenerationIsGone) {
    Both both;
    PlanContent plan = small_plan();
    LiveView live = both.apply(plan);
    EXPECT_FALSE(live.open(both.live_region(), 2));
    EXPECT_EQ(live.generation(), 1U);
    EXPECT_EQ(live.pools().size(), 1U);
}

}  // namespace
}  // namespace tandem::tables
