// Tables of slots that belong to VIPs of different groups, and those that the other instance
// answers for, as workers see them.
#include <string>

#include <gtest/gtest.h>

#include "dataplane/base/check.h"
#include "dataplane/tables/merge.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::tables {
namespace {

PlanGroup plan_group(const char* name, std::uint8_t router_id) {
    PlanGroup group;
    group.name = Name(name);
    group.router_id = router_id;
    return group;
}

PlanVip grouped_vip(const char* address, std::uint8_t group) {
    PlanVip vip = small_plan().vips[0];
    vip.address = ip(address);
    vip.group = group;
    return vip;
}

/// One pool, VIPs of two groups and both families, and one of no group.
PlanContent plan_of_groups() {
    PlanContent plan = small_plan();
    plan.groups = {plan_group("east", 51), plan_group("west", 52)};
    plan.vips = {grouped_vip("203.0.113.10", 0), grouped_vip("203.0.113.11", 1),
                 grouped_vip("2001:db8::10", 0), grouped_vip("203.0.113.12", kNoGroup),
                 grouped_vip("203.0.113.13", 0)};
    return plan;
}

Domain domain_of_east(bool is_v4) {
    return group_domain(name_id(Name("east")), 51, is_v4);
}

const LiveView::Pool& pool_of_vip(const LiveView& live, const char* address) {
    const VipEntry* vip = live.vips().find(ip(address), service_of(80, 6));
    CHECK(vip != nullptr && vip->pool < live.pools().size());
    return live.pools()[vip->pool];
}

const SlotTableId kEastTable{.pool = name_id(Name("web")), .domain = domain_of_east(true)};

TEST(MergeDomains, APoolHasATableForEachDomainAndItsVipsReferToTheirs) {
    Both both;
    PlanContent plan = plan_of_groups();
    const LiveView live = both.apply(plan);
    EXPECT_EQ(live.pools().size(), 4U);
    EXPECT_EQ(both.merger().slots().all().size(), 4U);
    EXPECT_EQ(pool_of_vip(live, "203.0.113.10").domain, domain_of_east(true));
    EXPECT_EQ(pool_of_vip(live, "203.0.113.13").domain, domain_of_east(true));
    EXPECT_EQ(pool_of_vip(live, "2001:db8::10").domain, domain_of_east(false));
    EXPECT_EQ(pool_of_vip(live, "203.0.113.11").domain,
              group_domain(name_id(Name("west")), 52, true));
    EXPECT_EQ(pool_of_vip(live, "203.0.113.12").domain, kNoDomain);
    for (const LiveView::Pool& pool : live.pools()) {
        EXPECT_EQ(pool.id, name_id(Name("web")));
        ASSERT_EQ(pool.slot_count, 101U);
        EXPECT_EQ(pool.slots[7].owner, 2);
        EXPECT_FALSE(pool.is_followed);
        EXPECT_EQ(pool.void_before, 0U);
    }
}

TEST(MergeDomains, APoolKnowsItsBackendsInEveryDomain) {
    Both both;
    PlanContent plan = plan_of_groups();
    plan.pools.push_back(plan.pools[0]);
    plan.pools[1].name = Name("api");
    plan.owners.emplace_back(101, BackendIndex{2});
    plan.backends[2].pool = 1;
    plan.vips.push_back(grouped_vip("203.0.113.14", 0));
    plan.vips.push_back(grouped_vip("203.0.113.15", 1));
    plan.vips[5].pool = plan.vips[6].pool = 1;
    const LiveView live = both.apply(plan);
    EXPECT_EQ(live.pools().size(), 6U);
    for (const LiveView::Pool& pool : live.pools()) {
        EXPECT_EQ(pool.number, pool.id == name_id(Name("api")) ? 1 : 0);
        EXPECT_EQ(live.backends()[pool.slots[0].owner].pool, pool.number);
    }
}

TEST(MergeDomains, AChangeOfThePoolChangesAllOfItsTables) {
    Both both;
    PlanContent plan = plan_of_groups();
    both.apply(plan);
    plan.owners[0][8] = 2;
    const LiveView live = both.apply(plan);
    for (const LiveView::Pool& pool : live.pools()) EXPECT_EQ(pool.slots[8], (Slot{2, 1}));
}

TEST(MergeDomains, OfAFollowedTableAllSlotsPointHereAndAreSteadyAsThePeerSays) {
    Both both;
    PlanContent plan = plan_of_groups();
    both.apply(plan);
    std::vector<std::uint16_t> owners(101, 2);
    owners[9] = Slot::kByHash;
    both.merger().slots().follow(kEastTable,
                                 {.owners = owners, .earlier = {{.first_hash = 5, .owner = 1}}});
    const LiveView live = both.apply(plan);
    const LiveView::Pool& east = pool_of_vip(live, "203.0.113.10");
    EXPECT_TRUE(east.is_followed);
    EXPECT_EQ(east.slots[0], (Slot{1, 2}));
    EXPECT_EQ(east.slots[7], (Slot{2, 2})) << "in transition as all of them, for flows are asked";
    EXPECT_EQ(east.slots[9], (Slot{1, Slot::kByHash}));
    EXPECT_EQ(earlier_owner(east.earlier, 5), 1);
    const LiveView::Pool& west = pool_of_vip(live, "203.0.113.11");
    EXPECT_FALSE(west.is_followed);
    EXPECT_EQ(west.slots[0], (Slot{1, Slot::kSteady}));
}

TEST(MergeDomains, AfterATakeoverWorkersSeeTheirOwnSlotsAndSinceWhenMemoryCounts) {
    Both both;
    PlanContent plan = plan_of_groups();
    both.apply(plan);
    both.merger().slots().follow(kEastTable,
                                 {.owners = std::vector<std::uint16_t>(101, 1), .earlier = {}});
    both.apply(plan);
    both.now += 5;
    both.merger().slots().take_over(kEastTable, both.now,
                                    [](std::uint32_t slot) { return slot == 3; });
    both.merger().slots().outdate(kEastTable.domain, both.now);
    const LiveView live = both.apply(plan);
    const LiveView::Pool& east = pool_of_vip(live, "203.0.113.10");
    EXPECT_FALSE(east.is_followed);
    EXPECT_EQ(east.void_before, both.now + 1);
    EXPECT_EQ(east.slots[0], (Slot{1, Slot::kSteady}));
    EXPECT_EQ(east.slots[3], (Slot{1, Slot::kRemembering}));
    EXPECT_EQ(east.slots[7], (Slot{2, 1}));
    EXPECT_EQ(east.changed_at[7], both.now);
    EXPECT_EQ(pool_of_vip(live, "203.0.113.11").void_before, 0U);
}

TEST(MergeDomains, ASuccessorKnowsItsTablesByTheirDomains) {
    Both both;
    PlanContent plan = plan_of_groups();
    both.apply(plan);
    both.merger().slots().follow(kEastTable,
                                 {.owners = std::vector<std::uint16_t>(101, 2), .earlier = {}});
    both.merger().slots().take_over(kEastTable, 1234, [](std::uint32_t) { return false; });
    both.merger().slots().outdate(kEastTable.domain, 1234);
    both.apply(plan);
    const std::vector<PortInfo> ports = two_ports();
    Merger successor(both.live_region(), both.live(), ports);
    EXPECT_EQ(successor.slots().all().size(), 4U);
    const SlotTables::Table* east = successor.slots().find(kEastTable);
    ASSERT_NE(east, nullptr);
    EXPECT_EQ(east->void_before, 1235U);
    EXPECT_EQ(east->memory.slots()[0], (Slot{1, 2}));
    EXPECT_EQ(east->memory.slots()[7], (Slot{2, Slot::kSteady}));
}

TEST(MergeDomains, AVipThatChangesItsGroupTakesWhatItsSlotsRememberAlong) {
    Both both;
    PlanContent plan = small_plan();
    plan.groups = {plan_group("east", 51)};
    both.apply(plan);
    plan.owners[0][8] = 2;
    both.apply(plan);
    plan.vips[0].group = 0;
    const LiveView live = both.apply(plan);
    ASSERT_EQ(live.pools().size(), 1U);
    EXPECT_EQ(live.pools()[0].domain, domain_of_east(true));
    EXPECT_EQ(live.pools()[0].slots[8], (Slot{2, 1}));
}

TEST(MergeDomains, MoreTablesThanThereMayBeAreAnErrorThatLeavesWhatIsLive) {
    Both both;
    PlanContent plan = small_plan();
    both.apply(plan);
    plan.vips.clear();
    for (std::uint8_t group = 0; group < kGroupsMax; ++group) {
        const std::string name = "group" + std::to_string(group);
        plan.groups.push_back(plan_group(name.c_str(), static_cast<std::uint8_t>(group + 1)));
    }
    constexpr std::size_t kPools = kLivePoolsMax / (2 * kGroupsMax) + 1;
    plan.pools.resize(kPools, plan.pools[0]);
    plan.owners.resize(kPools, std::vector<BackendIndex>(101, 1));
    for (std::uint16_t pool = 0; pool < kPools; ++pool) {
        plan.pools[pool].name = Name("pool" + std::to_string(pool));
        for (std::uint8_t group = 0; group < kGroupsMax; ++group) {
            for (const char* address : {"203.0.113.10", "2001:db8::10"}) {
                plan.vips.push_back(grouped_vip(address, group));
                plan.vips.back().pool = pool;
            }
        }
    }
    EXPECT_FALSE(both.merge(plan));
    EXPECT_EQ(both.view().pools().size(), 1U);
}

}  // namespace
}  // namespace tandem::tables
