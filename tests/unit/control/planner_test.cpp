#include "control/plan/planner.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem::plan {
namespace {

using tables::HealthState;

constexpr TableKey kPlannerKey{.key = {{7}}, .born_ms = 1000};

conf::Pool pool(const char* name, const std::vector<const char*>& backends) {
    conf::Pool pool;
    pool.name = name;
    for (const char* address : backends) pool.backends.push_back({address, ip(address), 80, 1});
    return pool;
}

conf::Vip vip(const char* name, const char* prefix, const char* pool) {
    conf::Vip vip;
    vip.name = name;
    vip.prefix = *Prefix::parse(prefix);
    vip.port_first = 80;
    vip.port_last = 80;
    vip.pool = pool;
    return vip;
}

class PlannerTest : public testing::Test {
  protected:
    PlannerTest() {
        config_.pools = {pool("api", {"10.0.0.21", "10.0.0.22"}),
                         pool("web", {"10.0.0.11", "10.0.0.12", "10.0.0.13"})};
        config_.vips = {vip("v", "203.0.113.10", "web")};
        planner_.set_ports(
            {{.port = 0, .addresses = {*Prefix::parse("10.0.0.1/24")}, .gateways = {}}});
        EXPECT_TRUE(planner_.apply(config_));
    }
    void set_health(const char* pool, const char* address, HealthState health) {
        planner_.set_health({pool, ip(address), 80}, health);
    }
    void all_up() {
        for (const conf::Pool& each : config_.pools) {
            for (const conf::Backend& backend : each.backends) {
                planner_.set_health({each.name, backend.address, backend.port}, HealthState::kUp);
            }
        }
    }
    static tables::BackendIndex index_of(const PlanContent& content, const char* address) {
        const auto found =
            std::ranges::find(content.backends, ip(address), &tables::PlanBackend::address);
        EXPECT_NE(found, content.backends.end()) << address;
        return static_cast<tables::BackendIndex>(found - content.backends.begin());
    }
    static std::size_t slots_of(const PlanContent& content, std::size_t pool,
                                tables::BackendIndex index) {
        return static_cast<std::size_t>(std::ranges::count(*content.owners[pool], index));
    }

    conf::Config config_;
    Planner planner_{kPlannerKey};
};

TEST_F(PlannerTest, GivesNewFlowsOnlyToBackendsThatAreUp) {
    const PlanContent nobody = planner_.make().first;
    EXPECT_EQ(slots_of(nobody, 1, tables::kNoBackend), nobody.pools[1].slot_count);
    set_health("web", "10.0.0.12", HealthState::kUp);
    set_health("web", "10.0.0.13", HealthState::kDown);
    const PlanContent one = planner_.make().first;
    EXPECT_EQ(slots_of(one, 1, index_of(one, "10.0.0.12")), one.pools[1].slot_count);
}

TEST_F(PlannerTest, HandsOnWhatTheFileSaysOfAVip) {
    conf::Vip dns = vip("dns", "203.0.113.64/26", "api");
    dns.protocol = conf::Protocol::kUdp;
    dns.port_first = 53;
    dns.port_last = 54;
    dns.udp = conf::UdpFlows::kStateless;
    config_.vips.push_back(dns);
    ASSERT_TRUE(planner_.apply(config_));
    const PlanContent plan = planner_.make().first;
    ASSERT_EQ(plan.vips.size(), 2U);
    const auto found = std::ranges::find(plan.vips, ip("203.0.113.64"), &tables::PlanVip::address);
    ASSERT_NE(found, plan.vips.end());
    EXPECT_EQ(found->prefix_length, 122) << "of the 128 bits that hold either family";
    EXPECT_EQ(found->protocol, 17);
    EXPECT_EQ(found->port_first, 53);
    EXPECT_EQ(found->port_last, 54);
    EXPECT_EQ(found->udp_is_stateless, 1);
    EXPECT_EQ(plan.pools[found->pool].name.view(), "api");
    const tables::PlanVip& other = plan.vips[found == plan.vips.begin() ? 1 : 0];
    EXPECT_EQ(other.udp_is_stateless, 0);
    EXPECT_EQ(plan.pools[other.pool].name.view(), "web");
}

TEST_F(PlannerTest, KeepsTheSlotsOfPoolsThatHaveNotChanged) {
    all_up();
    const PlanContent before = planner_.make().first;
    set_health("web", "10.0.0.12", HealthState::kDown);
    const auto [after, moved] = planner_.make();
    EXPECT_EQ(after.owners[0], before.owners[0]);
    EXPECT_NE(after.owners[1], before.owners[1]);
    ASSERT_EQ(moved.size(), 1U);
    EXPECT_EQ(moved[0].pool, "web");
    EXPECT_EQ(moved[0].serving, 2U);
    EXPECT_EQ(moved[0].slots_moved, slots_of(before, 1, index_of(before, "10.0.0.12")));
    EXPECT_NE(after.head.digest, before.head.digest);
}

TEST_F(PlannerTest, KeepsTheIndicesOfBackendsThatStayWhateverComesAndGoes) {
    all_up();
    const PlanContent before = planner_.make().first;
    conf::Config other = config_;
    other.pools.insert(other.pools.begin(), pool("aaa", {"10.0.0.99"}));
    other.pools[2].backends.erase(other.pools[2].backends.begin());
    other.pools[2].backends.push_back({"new", ip("10.0.0.14"), 80, 1});
    ASSERT_TRUE(planner_.apply(other));
    const PlanContent after = planner_.make().first;
    for (const char* address : {"10.0.0.12", "10.0.0.13", "10.0.0.21", "10.0.0.22"}) {
        EXPECT_EQ(index_of(after, address), index_of(before, address)) << address;
        EXPECT_EQ(after.backends[index_of(after, address)].health, HealthState::kUp);
    }
    EXPECT_EQ(after.backends[index_of(after, "10.0.0.14")].health, HealthState::kChecking);
    const auto named = std::ranges::count_if(
        after.backends, [](const auto& backend) { return backend.health != HealthState::kUnused; });
    EXPECT_EQ(named, 6);
}

TEST_F(PlannerTest, TellsOneBackendInTwoPoolsApart) {
    config_.pools[0].backends.push_back({"shared", ip("10.0.0.11"), 80, 1});
    ASSERT_TRUE(planner_.apply(config_));
    set_health("web", "10.0.0.11", HealthState::kUp);
    const PlanContent content = planner_.make().first;
    EXPECT_EQ(slots_of(content, 0, tables::kNoBackend), content.pools[0].slot_count);
    EXPECT_EQ(slots_of(content, 1, tables::kNoBackend), 0U);
}

TEST_F(PlannerTest, LeadsToBackendsOverNeighbours) {
    const PlanContent before = planner_.make().first;
    const auto record = [](const PlanContent& content, const char* address) {
        const auto backend =
            std::ranges::find(content.backends, ip(address), &tables::PlanBackend::address);
        return content.next_hops[backend->next_hop];
    };
    EXPECT_FALSE(record(before, "10.0.0.11").resolved);
    EXPECT_EQ(record(before, "10.0.0.11").source, ip("10.0.0.1"));
    EXPECT_TRUE(planner_.set_mac({0, ip("10.0.0.11")}, Mac{2, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(planner_.set_mac({0, ip("10.0.0.11")}, Mac{2, 0, 0, 0, 0, 1}));
    const PlanContent after = planner_.make().first;
    EXPECT_TRUE(record(after, "10.0.0.11").resolved);
    EXPECT_EQ(record(after, "10.0.0.11").mac, (Mac{2, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(record(after, "10.0.0.12").resolved);
    EXPECT_EQ(planner_.neighbours().size(), 5U);
    EXPECT_TRUE(planner_.unreachable().empty());
}

TEST_F(PlannerTest, OtherPortsAreOtherWaysToTheBackends) {
    planner_.make();
    planner_.set_ports({{.port = 3, .addresses = {*Prefix::parse("10.0.0.2/24")}, .gateways = {}}});
    const PlanContent content = planner_.make().first;
    const auto backend =
        std::ranges::find(content.backends, ip("10.0.0.11"), &tables::PlanBackend::address);
    EXPECT_EQ(content.next_hops[backend->next_hop].port, 3);
    EXPECT_EQ(content.next_hops[backend->next_hop].source, ip("10.0.0.2"));
}

TEST_F(PlannerTest, WhatIsKnownOfNeighboursFollowsThePortsNumber) {
    planner_.set_mac({0, ip("10.0.0.11")}, {2, 0, 0, 0, 0, 1});
    planner_.set_mac({0, ip("10.0.0.12")}, {2, 0, 0, 0, 0, 2});
    planner_.set_ports({{.port = 0,
                         .addresses = {*Prefix::parse("10.1.0.1/24")},
                         .gateways = {},
                         .name = "before"},
                        {.port = 1, .addresses = {*Prefix::parse("10.0.0.1/24")}, .gateways = {}}});
    const PlanContent content = planner_.make().first;
    const tables::PlanNextHop hop =
        content.next_hops[content.backends[index_of(content, "10.0.0.12")].next_hop];
    EXPECT_EQ(hop.port, 1);
    EXPECT_TRUE(hop.resolved);
    EXPECT_EQ(hop.mac, (Mac{2, 0, 0, 0, 0, 2}));
    EXPECT_TRUE(planner_.set_mac({0, ip("10.0.0.11")}, {2, 0, 0, 0, 0, 1})) << "another's number";
}

TEST_F(PlannerTest, NamesBackendsThatNoPortLeadsTo) {
    config_.pools[0].backends.push_back({"far", ip("192.0.2.1"), 80, 1});
    ASSERT_TRUE(planner_.apply(config_));
    ASSERT_EQ(planner_.unreachable().size(), 1U);
    EXPECT_EQ(planner_.unreachable()[0].address, ip("192.0.2.1"));
    const PlanContent content = planner_.make().first;
    EXPECT_EQ(content.backends[index_of(content, "192.0.2.1")].next_hop, 0);
}

TEST_F(PlannerTest, RefusesMoreBackendsThanThereAreIndicesAndKeepsWhatItHas) {
    conf::Config huge = config_;
    conf::Pool& crowd = huge.pools.emplace_back();
    crowd.name = "zoo";
    for (std::uint32_t i = 0; i <= tables::kBackendsMax; ++i) {
        const std::array<std::uint8_t, 4> address{11, static_cast<std::uint8_t>(i >> 16U),
                                                  static_cast<std::uint8_t>(i >> 8U),
                                                  static_cast<std::uint8_t>(i)};
        crowd.backends.push_back({"", IpAddress::from_v4(address), 80, 1});
    }
    EXPECT_FALSE(planner_.apply(huge));
    EXPECT_EQ(planner_.make().first.pools.size(), 2U);
}

TEST_F(PlannerTest, HasTheSameDigestsWhateverItsHistory) {
    all_up();
    set_health("web", "10.0.0.12", HealthState::kDown);
    const PlanContent one = planner_.make().first;
    Planner fresh(kPlannerKey);
    ASSERT_TRUE(fresh.apply(config_));
    for (const conf::Pool& each : config_.pools) {
        for (const conf::Backend& backend : each.backends) {
            const bool is_down = backend.address == ip("10.0.0.12");
            fresh.set_health({each.name, backend.address, 80},
                             is_down ? HealthState::kDown : HealthState::kUp);
        }
    }
    const PlanContent other = fresh.make().first;
    EXPECT_EQ(one.head.digest, other.head.digest);
    EXPECT_EQ(*one.owners[1], *other.owners[1]);
}

TEST_F(PlannerTest, HasTheTablesOfAKeyThatItAdopts) {
    all_up();
    const PlanContent before = planner_.make().first;
    const TableKey other{.key = {{8}}, .born_ms = 500};
    planner_.adopt(other);
    const auto [content, moved] = planner_.make();
    EXPECT_EQ(content.head.hash_key, other.key);
    EXPECT_EQ(content.head.hash_key_born_ms, 500U);
    ASSERT_EQ(moved.size(), 2U);
    std::size_t differ = 0;
    for (std::size_t slot = 0; slot < before.owners[1]->size(); ++slot) {
        differ += static_cast<std::size_t>((*content.owners[1])[slot] != (*before.owners[1])[slot]);
    }
    EXPECT_EQ(moved[1].slots_moved, differ) << "not all of them";
    EXPECT_LT(differ, moved[1].slots);
    Planner fresh(other);
    ASSERT_TRUE(fresh.apply(config_));
    for (const conf::Pool& each : config_.pools) {
        for (const conf::Backend& backend : each.backends) {
            fresh.set_health({each.name, backend.address, 80}, HealthState::kUp);
        }
    }
    const PlanContent wanted = fresh.make().first;
    EXPECT_EQ(content.head.digest, wanted.head.digest);
    EXPECT_EQ(*content.owners[1], *wanted.owners[1]);
}

/// Two instances of a pair, of which the tests play the other one.
class PlannerOfAPair : public PlannerTest {
  protected:
    PlannerOfAPair() {
        config_.pair.emplace();
        EXPECT_TRUE(planner_.apply(config_));
        all_up();
    }
    void peer_says(const std::vector<std::pair<const char*, HealthState>>& verdicts) {
        std::vector<HealthState> by_index(10, HealthState::kUp);
        const PlanContent content = planner_.make().first;
        for (const auto& [address, health] : verdicts)
            by_index[index_of(content, address)] = health;
        planner_.set_peer_health(by_index);
    }
    Verdicts verdicts(const char* address) const {
        return planner_.verdicts({"web", ip(address), 80});
    }
};

TEST_F(PlannerOfAPair, ServesAsBothAgreeAndPublishesWhatItSeesItself) {
    peer_says({{"10.0.0.12", HealthState::kDown}});
    const PlanContent content = planner_.make().first;
    const tables::BackendIndex index = index_of(content, "10.0.0.12");
    EXPECT_EQ(slots_of(content, 1, index), 0U) << "the peer is right about the rest";
    EXPECT_EQ(content.backends[index].health, HealthState::kUp) << "by the checks of this instance";
    EXPECT_EQ(content.backends[index].serves_flows, 0);
    EXPECT_EQ(content.backends[index].weight_now, 0);
}

TEST_F(PlannerOfAPair, KeepsWhatIsDisputedAndSaysSoOnce) {
    peer_says({});
    planner_.agree();
    set_health("web", "10.0.0.12", HealthState::kDown);
    set_health("web", "10.0.0.13", HealthState::kDown);
    const std::vector<Ruling> rulings = planner_.agree();
    ASSERT_EQ(rulings.size(), 2U);
    EXPECT_EQ(rulings[0].backend.address, ip("10.0.0.12"));
    EXPECT_FALSE(rulings[0].before.is_disputed);
    EXPECT_EQ(rulings[0].now,
              (Verdicts{HealthState::kDown, HealthState::kUp, HealthState::kUp, true}));
    EXPECT_TRUE(planner_.agree().empty());
    EXPECT_EQ(planner_.disputed().size(), 2U);
    const PlanContent content = planner_.make().first;
    EXPECT_GT(slots_of(content, 1, index_of(content, "10.0.0.12")), 0U);
    set_health("web", "10.0.0.13", HealthState::kUp);
    ASSERT_EQ(planner_.agree().size(), 2U) << "with one of them up it is right about the rest";
    EXPECT_EQ(verdicts("10.0.0.12").holds, HealthState::kDown);
    EXPECT_TRUE(planner_.disputed().empty());
}

TEST_F(PlannerOfAPair, GoesByItselfWhileThePeerIsNotHeardOrThereIsNone) {
    peer_says({{"10.0.0.12", HealthState::kDown}});
    planner_.agree();
    planner_.set_peer_health({});
    ASSERT_EQ(planner_.agree().size(), 1U);
    EXPECT_EQ(verdicts("10.0.0.12").holds, HealthState::kUp);
    peer_says({{"10.0.0.12", HealthState::kDown}});
    config_.pair.reset();
    ASSERT_TRUE(planner_.apply(config_));
    planner_.agree();
    EXPECT_EQ(verdicts("10.0.0.12").holds, HealthState::kUp);
}

TEST_F(PlannerOfAPair, GivesWhatIsNewHereToNobodyBeforeItIsKnownToBeUp) {
    peer_says({});
    config_.pools[1].backends.push_back({"new", ip("10.0.0.14"), 80, 1});
    ASSERT_TRUE(planner_.apply(config_));
    planner_.agree();
    EXPECT_EQ(verdicts("10.0.0.14").holds, HealthState::kChecking)
        << "what the peer said of its index was about another";
    peer_says({});
    planner_.agree();
    EXPECT_EQ(verdicts("10.0.0.14").holds, HealthState::kUp) << "the peer has checked it";
}

TEST_F(PlannerOfAPair, AgreesByThePolicyOfTheConfiguration) {
    const auto holds_with = [&](conf::Agreement agreement) {
        config_.pair->agreement = agreement;
        EXPECT_TRUE(planner_.apply(config_));
        planner_.agree();
        return verdicts("10.0.0.12").holds;
    };
    peer_says({{"10.0.0.12", HealthState::kDown}, {"10.0.0.13", HealthState::kDown}});
    EXPECT_EQ(holds_with(conf::Agreement::kAny), HealthState::kDown);
    EXPECT_EQ(holds_with(conf::Agreement::kBoth), HealthState::kUp);
    EXPECT_TRUE(planner_.disputed().empty());
    EXPECT_EQ(holds_with(conf::Agreement::kCredible), HealthState::kUp);
    EXPECT_EQ(planner_.disputed().size(), 2U);
    EXPECT_EQ(holds_with(conf::Agreement::kLocal), HealthState::kUp);
    EXPECT_TRUE(planner_.disputed().empty());
}

class PlannerGroups : public PlannerTest {
  protected:
    PlannerGroups() {
        conf::Group edge;
        edge.name = "edge";
        edge.port = "wan";
        edge.router_id = 51;
        edge.priority = 200;
        edge.interval = conf::milliseconds(30);
        edge.mac = conf::GroupMac::kPort;
        edge.is_strict = true;
        edge.peers = {ip("10.0.0.2"), ip("10.0.0.3"), ip("fe80::2")};
        config_.groups = {edge};
        config_.vips[0].group = "edge";
    }
    PlanContent made(const char* port_name) {
        planner_.set_ports(
            {{.port = 4,
              .addresses = {*Prefix::parse("2001:db8::1/64"), *Prefix::parse("10.0.0.1/24")},
              .gateways = {},
              .name = port_name,
              .mac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55}}});
        EXPECT_TRUE(planner_.apply(config_));
        planner_.set_mac({4, ip("10.0.0.3")}, {2, 0, 0, 0, 0, 3});
        return planner_.make().first;
    }
};

TEST_F(PlannerGroups, ArePlannedWithAddressesToSpeakFromAndPeersToSpeakTo) {
    const PlanContent plan = made("wan");
    ASSERT_EQ(plan.groups.size(), 1U);
    EXPECT_TRUE(planner_.speechless().empty());
    const tables::PlanGroup& group = plan.groups[0];
    EXPECT_EQ(plan.vips[0].group, 0);
    EXPECT_EQ(group.port, 4);
    EXPECT_EQ(group.router_id, 51);
    EXPECT_EQ(group.priority, 200);
    EXPECT_EQ(group.interval_ms, 30U);
    EXPECT_EQ(group.checks_apart_ms, 3700U)
        << "an interval, three shares of it, a probe's time-out";
    EXPECT_EQ(group.has_virtual_mac, 0);
    EXPECT_EQ(group.is_strict, 1);
    EXPECT_EQ(group.preempts, 1);
    EXPECT_EQ(group.sums_pseudo_header, 1);
    EXPECT_EQ(group.source_v4, ip("10.0.0.1"));
    EXPECT_EQ(group.source_v6, ip("fe80::11:22ff:fe33:4455"));
    ASSERT_EQ(group.peer_count, 3);
    EXPECT_EQ(group.peers[0].resolved, 0);
    EXPECT_EQ(group.peers[1].resolved, 1);
    EXPECT_EQ(group.peers[1].mac[5], 3);
    const std::vector<Neighbour> wanted = planner_.neighbours();
    for (const char* peer : {"10.0.0.2", "10.0.0.3", "fe80::2"}) {
        EXPECT_NE(std::ranges::find(wanted, Neighbour{4, ip(peer)}), wanted.end()) << peer;
    }
}

TEST_F(PlannerGroups, FollowTheGatewaysOfTheirPort) {
    using tables::GatewayState;
    const Neighbour four{4, ip("10.0.0.254")};
    const Neighbour six{4, ip("fe80::1")};
    config_.groups.push_back(config_.groups[0]);
    config_.groups[1].name = "other";
    config_.groups[0].checks_gateway = true;
    planner_.set_ports({{.port = 4,
                         .addresses = {*Prefix::parse("10.0.0.1/24")},
                         .gateways = {four.second, six.second},
                         .name = "wan",
                         .mac = {}}});
    ASSERT_TRUE(planner_.apply(config_));
    EXPECT_EQ(planner_.gateways(), (std::vector{four, six}));
    EXPECT_EQ(planner_.followers(four), std::vector<std::string>{"edge"});
    const std::vector<Neighbour> wanted = planner_.neighbours();
    EXPECT_NE(std::ranges::find(wanted, four), wanted.end());
    EXPECT_NE(std::ranges::find(wanted, six), wanted.end());
    const auto planned = [&] { return planner_.make().first.groups[0].gateway; };
    EXPECT_EQ(planned(), GatewayState::kAnswers);
    EXPECT_TRUE(planner_.set_gateway(four, GatewayState::kDoubtful));
    EXPECT_FALSE(planner_.set_gateway(four, GatewayState::kDoubtful));
    EXPECT_EQ(planned(), GatewayState::kDoubtful);
    EXPECT_TRUE(planner_.set_gateway(six, GatewayState::kSilent));
    EXPECT_EQ(planned(), GatewayState::kSilent) << "the worst of them counts";
    EXPECT_EQ(planner_.make().first.groups[1].gateway, GatewayState::kAnswers);
    config_.groups[0].checks_gateway = false;
    ASSERT_TRUE(planner_.apply(config_));
    EXPECT_TRUE(planner_.gateways().empty());
    EXPECT_EQ(planned(), GatewayState::kAnswers);
}

TEST_F(PlannerGroups, StayOnTheirPortUntilTheDataplaneHasTheNewOne) {
    made("wan");
    for (int reload = 0; reload < 2; ++reload) {
        config_.groups[0].port = "uplink";
        const PlanContent plan = made("wan");
        EXPECT_EQ(plan.groups[0].port, 4);
        EXPECT_EQ(plan.groups[0].source_v4, ip("10.0.0.1"));
        EXPECT_TRUE(planner_.speechless().empty());
    }
    EXPECT_EQ(made("uplink").groups[0].source_v4, ip("10.0.0.1"));
    config_.groups[0].port = "lan";
    made("dmz");
    EXPECT_EQ(planner_.speechless(), std::vector<std::string>{"edge"}) << "it is nowhere";
}

TEST_F(PlannerGroups, OfAPortThatIsNotThereHaveNoAddressToSpeakFrom) {
    const PlanContent plan = made("lan");
    ASSERT_EQ(plan.groups.size(), 1U);
    EXPECT_EQ(plan.vips[0].group, 0) << "its VIPs are not answered for";
    EXPECT_EQ(planner_.speechless(), std::vector<std::string>{"edge"});
    EXPECT_EQ(plan.groups[0].source_v4, IpAddress{});
    EXPECT_EQ(plan.groups[0].source_v6, IpAddress{});
}

}  // namespace
}  // namespace tandem::plan
