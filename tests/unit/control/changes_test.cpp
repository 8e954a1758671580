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
                     "vip web: listen, pool or group differ", "vip zoo is new"}));
    EXPECT_EQ(changes_between(wanted, running()).back(), "vip zoo is removed");
}

TEST(Changes, NameAnotherWayToAgree) {
    conf::Config before = running();
    before.pair.emplace();
    conf::Config wanted = before;
    wanted.pair->agreement = conf::Agreement::kLocal;
    EXPECT_EQ(changes_between(before, wanted), Lines{"pair: agreement credible -> local"});
    EXPECT_EQ(changes_between(running(), wanted), Lines{}) << "which needs a restart";
}

TEST(Changes, NameGroupsAndTheirKeys) {
    conf::Config before = running();
    before.groups.emplace_back().name = "core";
    conf::Config wanted = before;
    wanted.groups[0].priority = 200;
    wanted.groups[0].is_strict = true;
    wanted.groups.emplace_back().name = "edge";
    wanted.vips[0].group = "edge";
    EXPECT_EQ(changes_between(before, wanted),
              (Lines{"group core differs in priority, strict", "group edge is new",
                     "vip web: listen, pool or group differ"}));
    EXPECT_EQ(changes_between(before, running()), Lines{"group core is removed"});
}

TEST(Changes, NameEveryKeyOfAGroup) {
    conf::Config before = running();
    before.groups.emplace_back().name = "core";
    conf::Config wanted = before;
    wanted.groups[0] = {.name = "core",
                        .port = "wan",
                        .router_id = 51,
                        .priority = 200,
                        .interval = std::chrono::milliseconds{10},
                        .preempt = false,
                        .preempt_delay = std::chrono::seconds{1},
                        .mac = conf::GroupMac::kPort,
                        .checksum = conf::AdvertChecksum::kMessage,
                        .is_strict = true,
                        .checks_gateway = true,
                        .peers = {*IpAddress::parse("192.0.2.11")}};
    EXPECT_EQ(changes_between(before, wanted),
              Lines{"group core differs in port, router_id, priority, interval, preempt, "
                    "preempt_delay, mac, checksum, strict, gateway_check, peers"});
}

}  // namespace
}  // namespace tandem
