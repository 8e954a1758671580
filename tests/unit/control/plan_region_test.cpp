// Two control processes, one after the other, on the regions of one dataplane.
#include "control/plan_region.h"

#include <fcntl.h>
#include <new>

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem {
namespace {

using tables::HealthState;
using tables::Region;
using tables::RegionKind;

constexpr std::size_t kArenaBytes = std::size_t{4} << 20U;

conf::Config config_of(const std::vector<const char*>& backends) {
    conf::Config config;
    conf::Pool& pool = config.pools.emplace_back();
    pool.name = "web";
    for (const char* address : backends) pool.backends.push_back({address, ip(address), 80, 1});
    conf::Vip& vip = config.vips.emplace_back();
    vip.name = "web";
    vip.prefix = *Prefix::parse("203.0.113.10");
    vip.pool = "web";
    return config;
}

class PlanRegionTest : public testing::Test {
  protected:
    PlanRegionTest() { new (live_.fixed()) tables::LiveFixed{}; }

    static FileDescriptor copy_of(int fd) {
        return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    PlanRegion map() {
        Result<PlanRegion> region =
            PlanRegion::map({copy_of(plan_.fd()), copy_of(live_.fd()), FileDescriptor()});
        EXPECT_TRUE(region) << region.error().message;
        return std::move(region.value());
    }

    Region plan_ = std::move(
        Region::create(RegionKind::kPlan, 0, kArenaBytes, tables::Pages::kNormal).value());
    Region live_ = std::move(Region::create(RegionKind::kLive, sizeof(tables::LiveFixed),
                                            kArenaBytes, tables::Pages::kNormal)
                                 .value());
};

TEST_F(PlanRegionTest, HasNothingBeforeTheFirstPlan) {
    EXPECT_FALSE(map().published());
}

TEST_F(PlanRegionTest, TheNextProcessContinuesWithKeyIndicesHealthAndSlots) {
    plan::Planner first({HashKey{{1}}, 77});
    ASSERT_TRUE(first.apply(config_of({"10.0.0.11", "10.0.0.12", "10.0.0.13"})));
    ASSERT_TRUE(first.apply(config_of({"10.0.0.12", "10.0.0.13"})));  // an index falls free
    first.set_health({"web", ip("10.0.0.12"), 80}, HealthState::kUp);
    first.set_health({"web", ip("10.0.0.13"), 80}, HealthState::kDown);
    const plan::PlanContent before = first.make().first;
    {
        PlanRegion region = map();
        ASSERT_TRUE(region.publish(before));
    }
    PlanRegion region = map();
    const auto view = region.published();
    ASSERT_TRUE(view);
    plan::Planner second({HashKey{{2}}, 88});
    second.read_back(*view, region.owners(*view));
    EXPECT_EQ(second.key(), (plan::TableKey{HashKey{{1}}, 77}));
    EXPECT_EQ(second.health({"web", ip("10.0.0.12"), 80}), HealthState::kUp);
    EXPECT_EQ(second.health({"web", ip("10.0.0.13"), 80}), HealthState::kDown);
    ASSERT_TRUE(second.apply(config_of({"10.0.0.12", "10.0.0.13", "10.0.0.14"})));
    const auto [after, moved] = second.make();
    EXPECT_EQ(*after.owners[0], *before.owners[0]);
    EXPECT_TRUE(moved.empty()) << moved[0].slots_moved << " slots";
    EXPECT_GT(after.head.config_revision, before.head.config_revision);
    EXPECT_EQ(after.backends[2].address, ip("10.0.0.12"));
    EXPECT_EQ(after.backends[1].address, ip("10.0.0.14")) << "the free index is used again";
}

TEST_F(PlanRegionTest, TheNextProcessKnowsWhatHeldThoughItSawOtherwise) {
    conf::Config config = config_of({"10.0.0.11", "10.0.0.12"});
    config.pair.emplace();
    plan::Planner first({HashKey{{1}}, 77});
    ASSERT_TRUE(first.apply(config));
    first.set_health({"web", ip("10.0.0.11"), 80}, HealthState::kDown);
    first.set_health({"web", ip("10.0.0.12"), 80}, HealthState::kUp);
    first.set_peer_health(std::array{HealthState::kUnused, HealthState::kUp, HealthState::kDown});
    PlanRegion region = map();
    ASSERT_TRUE(region.publish(first.make().first));
    plan::Planner second({HashKey{{2}}, 88});
    second.read_back(*region.published(), region.owners(*region.published()));
    const plan::Verdicts disputed = second.verdicts({"web", ip("10.0.0.11"), 80});
    EXPECT_EQ(disputed.ours, HealthState::kDown);
    EXPECT_EQ(disputed.holds, HealthState::kUp);
}

TEST_F(PlanRegionTest, WritesSlotsOnlyWhenTheyChange) {
    plan::Planner planner({HashKey{{1}}, 77});
    ASSERT_TRUE(planner.apply(config_of({"10.0.0.11", "10.0.0.12"})));
    PlanRegion region = map();
    const auto slots_block = [&] { return region.published()->pools[0].slots; };
    ASSERT_TRUE(region.publish(planner.make().first));
    const tables::BlockRef first = slots_block();
    planner.set_mac({0, ip("10.0.0.11")}, Mac{2});
    ASSERT_TRUE(region.publish(planner.make().first));
    EXPECT_EQ(slots_block(), first);
    planner.set_health({"web", ip("10.0.0.11"), 80}, HealthState::kUp);
    ASSERT_TRUE(region.publish(planner.make().first));
    EXPECT_NE(slots_block(), first);
}

TEST_F(PlanRegionTest, AFullRegionIsAnErrorAndChangesNothing) {
    plan::Planner planner({HashKey{{1}}, 77});
    conf::Config config = config_of({"10.0.0.11"});
    ASSERT_TRUE(planner.apply(config));
    PlanRegion region = map();
    ASSERT_TRUE(region.publish(planner.make().first));
    for (int i = 0; i < 40; ++i) {
        conf::Pool pool = config.pools[0];
        pool.name = "web" + std::to_string(i);
        config.pools.push_back(pool);
    }
    ASSERT_TRUE(planner.apply(config));
    const Result<std::uint64_t> refused = region.publish(planner.make().first);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("table_memory"), std::string::npos);
    EXPECT_EQ(region.published()->pools.size(), 1U);
    ASSERT_TRUE(planner.apply(config_of({"10.0.0.11", "10.0.0.12"})));
    EXPECT_TRUE(region.publish(planner.make().first));
}

}  // namespace
}  // namespace tandem
