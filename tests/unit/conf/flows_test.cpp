// What the file says of flows: [flows], and the keys of pools, backends and VIPs that go with it.
#include <gtest/gtest.h>

#include "conf/diff.h"
#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::kBackends;
using test::kPool;
using test::kPort;
using test::load;
using test::Strings;
using test::with_section;

Config flows(std::string_view lines) {
    return load(with_section("[flows]", lines));
}

std::string pool(std::string_view lines, std::string_view rest = "") {
    return with_section("[pool.web]", std::string(kBackends).append(lines)).append(rest);
}

TEST(FlowsSection, HasDefaults) {
    EXPECT_EQ(load(std::string(kPort)).flows, Flows{});
}

TEST(FlowsSection, TakesEveryKey) {
    const Flows read = flows(
                           "per_worker = 5000\nopening = \"2s\"\nestablished = \"1h\"\n"
                           "closing = \"3s\"\nudp = \"4s\"\n")
                           .flows;
    EXPECT_EQ(read.per_worker, 5000U);
    EXPECT_EQ(read.opening, milliseconds{2000});
    EXPECT_EQ(read.established, milliseconds{3'600'000});
    EXPECT_EQ(read.closing, milliseconds{3000});
    EXPECT_EQ(read.udp, milliseconds{4000});
}

TEST(FlowsSection, HasBounds) {
    EXPECT_EQ(errors_in(with_section("[flows]",
                                     "per_worker = 999\nestablished = \"3h\"\n"
                                     "udp = \"10ms\"\n"))
                  .size(),
              3U);
}

TEST(FlowsSection, IsReadAtStartOnly) {
    const Config running = flows("");
    Config wanted = running;
    wanted.flows.udp = milliseconds{5000};
    wanted.flows.per_worker = 7;
    EXPECT_EQ(needs_restart(running, wanted), (Strings{"flows.per_worker", "flows.udp"}));
}

TEST(PoolSection, SaysWhatBecomesOfFlows) {
    const Pool usual = load(pool("")).pools.at(0);
    EXPECT_EQ(usual.on_down, OnDown::kRehash);
    EXPECT_EQ(usual.transition_hold, milliseconds{900'000});
    EXPECT_EQ(usual.slow_start, milliseconds{0});
    EXPECT_EQ(usual.flow_budget_percent, 50);
    const Pool other = load(pool("on_down = \"keep\"\ntransition_hold = \"1h\"\n"
                                 "slow_start = \"20s\"\nflow_budget = \"10%\"\n"))
                           .pools.at(0);
    EXPECT_EQ(other.on_down, OnDown::kKeep);
    EXPECT_EQ(other.transition_hold, milliseconds{3'600'000});
    EXPECT_EQ(other.slow_start, milliseconds{20'000});
    EXPECT_EQ(other.flow_budget_percent, 10);
}

TEST(PoolSection, HoldsTransitionsAsLongAsAFlowMayBeSilent) {
    const std::string_view rest = "[flows]\nestablished = \"1m\"\n";
    EXPECT_EQ(load(pool("", rest)).pools.at(0).transition_hold, milliseconds{60'000});
    EXPECT_EQ(errors_in(pool("transition_hold = \"59s\"\n", rest)),
              Strings{"6:19 pool.web.transition_hold: a flow that is silent for longer would be "
                      "lost, so it is no shorter than flows.established"});
}

TEST(Backends, MayDrain) {
    const Config config = load(with_section("[pool.web]",
                                            "backends = [{ address = \"10.0.0.11:80\", state = "
                                            "\"drain\" }, \"10.0.0.12:80\"]\n"));
    EXPECT_TRUE(config.pools.at(0).backends.at(0).is_draining);
    EXPECT_FALSE(config.pools.at(0).backends.at(1).is_draining);
}

TEST(VipSection, SaysWhetherUdpFlowsAreRemembered) {
    const auto vip = [](std::string_view listen, std::string_view lines) {
        return std::string(kPort)
            .append(kPool)
            .append("[vip.web]\npool = \"web\"\nlisten = \"")
            .append(listen)
            .append("\"\n")
            .append(lines);
    };
    EXPECT_EQ(load(vip("203.0.113.10:53/udp", "")).vips.at(0).udp, UdpFlows::kSticky);
    EXPECT_EQ(load(vip("203.0.113.10:53/udp", "udp = \"stateless\"\n")).vips.at(0).udp,
              UdpFlows::kStateless);
    EXPECT_EQ(errors_in(vip("203.0.113.10:53/tcp", "udp = \"stateless\"\n")).size(), 1U);
}

}  // namespace
}  // namespace tandem::conf
