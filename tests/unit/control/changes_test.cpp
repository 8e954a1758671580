#include "control/changes.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

using Lines = std::vector<std::string>;

conf::Config running() {
    conf::Config config;
    conf::Pool& pool = config.pools.emplace_back();
    pool.name = "web";
    pool.backends = {{"a", *IpAddress::parse("10.0.0.1"), 80, 1},
                     {"b", *IpAddress::parse("10.0.0.2"), 80, 1}};
    conf::Vip& vip = config.vips.emplace_back();
    vip.name = "web";
    vip.pool = "web";
    return config;
}

TEST(Changes, AreNoneBetweenEqualConfigurations) {
    EXPECT_EQ(changes_between(running(), running()), Lines{});
}

TEST(Changes, NameWhatBecomesOfBackends) {
    conf::Config wanted = running();
    wanted.pools[0].backends[0].weight = 5;
    wanted.pools[0].backends[1] = {"c", *IpAddress::parse("10.0.0.3"), 80, 1};
    EXPECT_EQ(changes_between(running(), wanted),
              (Lines{"pool web: backend a: weight 1 -> 5", "pool web: backend c is new",
                     "pool web: backend b is removed"}));
}

TEST(Changes, NamePoolsAndVips) {
    conf::Config wanted = running();
    wanted.pools[0].check.interval = std::chrono::seconds(9);
    wanted.pools[0].mode = conf::Mode::kL2;
    wanted.pools.push_back(wanted.pools[0]);
    wanted.pools[1].name = "zoo";
    wanted.vips[0].port_last = 81;
    wanted.vips.push_back(wanted.vips[0]);
    wanted.vips[1].name = "zoo";
    EXPECT_EQ(changes_between(running(), wanted),
              (Lines{"pool web: mode, slots or tunnel_source differ",
                     "pool web: is checked in another way", "pool zoo is new, with 2 backends",
                     "vip web: listen or pool differ", "vip zoo is new"}));
    EXPECT_EQ(changes_between(wanted, running()).back(), "vip zoo is removed");
}

}  // namespace
}  // namespace tandem
