#include "conf/diff.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::Strings;

Config running() {
    return test::load(R"(
        [port.wan]
        device = "eth1"
        address = "10.0.0.1/24"
        [port.lan]
        device = "null"
        [check.slow]
        type = "tcp"
        [pool.web]
        check = "slow"
        backends = ["10.0.0.11:80"]
        [[group]]
        router_id = 51
        port = "wan"
        [vip.web]
        listen = "203.0.113.10:80/tcp"
        pool = "web")");
}

Strings after(const std::function<void(Config&)>& change) {
    Config wanted = running();
    change(wanted);
    EXPECT_NE(wanted, running());
    return needs_restart(running(), wanted);
}

TEST(NeedsRestart, NothingIfNothingChanged) {
    EXPECT_EQ(needs_restart(running(), running()), Strings{});
}

TEST(NeedsRestart, WhatOnlyTheStartOfTheDataplaneReads) {
    EXPECT_EQ(after([](Config& c) { c.dataplane.workers = 2; }), Strings{"dataplane.workers"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.cores += "1"; }), Strings{"dataplane.cores"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.memory = Memory::kHuge; }),
              Strings{"dataplane.memory"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.packet_memory_bytes = 1; }),
              Strings{"dataplane.packet_memory"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.table_memory_bytes = 1; }),
              Strings{"dataplane.table_memory"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.poll = Poll::kBusy; }), Strings{"dataplane.poll"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.stall_limit *= 2; }),
              Strings{"dataplane.stall_limit"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.socket += "/x"; }), Strings{"dataplane.socket"});
    EXPECT_EQ(after([](Config& c) { c.dataplane.eal_args += "x"; }), Strings{"dataplane.eal_args"});
}

TEST(NeedsRestart, TheStateDirectoryAndTheAdminSocketAndNotTheLogLevel) {
    EXPECT_EQ(after([](Config& c) { c.control.admin_socket += "x"; }),
              Strings{"control.admin_socket"});
    EXPECT_EQ(after([](Config& c) { c.control.state_dir += "/x"; }), Strings{"control.state_dir"});
    EXPECT_EQ(after([](Config& c) { c.control.log_level = LogLevel::kDebug; }), Strings{});
}

TEST(NeedsRestart, PortsThatComeGoOrAreOtherDevices) {
    EXPECT_EQ(after([](Config& c) { c.ports[0].name = std::string("dmz"); }),
              (Strings{"port.dmz", "port.lan"}));
    EXPECT_EQ(after([](Config& c) { c.ports.pop_back(); }), Strings{"port.wan"});
    EXPECT_EQ(after([](Config& c) { c.ports[1].device_name = "eth2"; }),
              Strings{"port.wan.device"});
    EXPECT_EQ(after([](Config& c) { c.ports[1].driver = Driver::kAfXdp; }),
              Strings{"port.wan.device"});
    EXPECT_EQ(after([](Config& c) { c.ports[1].mtu = 9000; }), Strings{"port.wan.mtu"});
}

TEST(NeedsRestart, NothingOfWhatAReloadApplies) {
    EXPECT_EQ(after([](Config& c) { c.ports[1].device = "af_packet:eth1"; }), Strings{})
        << "another way to write the same";
    EXPECT_EQ(after([](Config& c) { c.ports[1].addresses.clear(); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.ports[1].gateways.push_back({}); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.ports[1].neighbours.emplace_back(); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.pools[0].backends.clear(); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.pools[0].check.rise = 9; }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.vips.clear(); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.groups.clear(); }), Strings{});
    EXPECT_EQ(after([](Config& c) { c.vips[0].group = "another"; }), Strings{});
    EXPECT_EQ(after([](Config& c) {
                  c.groups[0] = {.name = "group51",
                                 .port = "lan",
                                 .router_id = 52,
                                 .priority = 200,
                                 .interval = milliseconds{10},
                                 .preempt = false,
                                 .preempt_delay = milliseconds{1},
                                 .mac = GroupMac::kPort,
                                 .checksum = AdvertChecksum::kMessage,
                                 .is_strict = true,
                                 .peers = {{}}};
              }),
              Strings{});
}

TEST(NeedsRestart, AllOfThemInTheOrderOfTheirNames) {
    EXPECT_EQ(after([](Config& c) {
                  c.ports.erase(c.ports.begin());
                  c.dataplane.workers = 3;
                  c.control.state_dir += "/x";
              }),
              (Strings{"control.state_dir", "dataplane.workers", "port.lan"}));
}

}  // namespace
}  // namespace tandem::conf
