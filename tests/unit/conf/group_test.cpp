// [[group]], and the key of a VIP that says which group it belongs to.
#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;

constexpr std::string_view kVip = "[vip.web]\nlisten = \"203.0.113.10:80/tcp\"\npool = \"web\"\n\n";
constexpr std::string_view kSecondPort = "[port.lan]\ndevice = \"null\"\n";

/// A port, a pool and a VIP come before it; line 1 of `text` is line 11.
std::string with_vip(std::string_view text) {
    return std::string(test::kPort).append(test::kPool).append(kVip).append(text);
}

/// A group with a router_id and these lines: line 1 of them is line 13.
std::string with_group(std::string_view lines) {
    return with_vip("[[group]]\nrouter_id = 51\n").append(lines);
}

Group group_of(std::string_view lines) {
    const Config config = load(with_group(lines));
    return config.groups.empty() ? Group{} : config.groups[0];
}

Strings errors_of_group(std::string_view lines) {
    return errors_in(with_group(lines));
}

TEST(GroupSection, NeedsOnlyARouterId) {
    const Config config = load(with_group(""));
    Group expected;
    expected.name = "group51";
    expected.port = "wan";
    expected.router_id = 51;
    EXPECT_EQ(config.groups, std::vector{expected});
    EXPECT_EQ(config.vips.at(0).group, "group51");
    EXPECT_EQ(expected.priority, 100);
    EXPECT_EQ(expected.interval, milliseconds{30});
    EXPECT_TRUE(expected.preempt);
    EXPECT_EQ(load(with_vip("")).groups, std::vector<Group>{});
}

TEST(GroupSection, TakesEveryKey) {
    const Group group = group_of(R"(
        name = "edge"
        port = "wan"
        priority = 200
        interval = "1s"
        preempt = true
        preempt_delay = "1m"
        mac = "port"
        checksum = "message"
        strict = true
        gateway_check = false
        peers = ["fe80::2", "192.0.2.11", "192.0.2.2"])");
    EXPECT_EQ(group.name, "edge");
    EXPECT_EQ(group.port, "wan");
    EXPECT_EQ(group.router_id, 51);
    EXPECT_EQ(group.priority, 200);
    EXPECT_EQ(group.interval, milliseconds{1'000});
    EXPECT_TRUE(group.preempt);
    EXPECT_EQ(group.preempt_delay, milliseconds{60'000});
    EXPECT_EQ(group.mac, GroupMac::kPort);
    EXPECT_EQ(group.checksum, AdvertChecksum::kMessage);
    EXPECT_TRUE(group.is_strict);
    ASSERT_EQ(group.peers.size(), 3U);
    EXPECT_EQ(group.peers[0].str(), "192.0.2.2");
    EXPECT_EQ(group.peers[1].str(), "192.0.2.11");
    EXPECT_EQ(group.peers[2].str(), "fe80::2");
}

TEST(GroupSection, TakesTheWordsOfTheDefaults) {
    EXPECT_EQ(group_of("preempt = true\npreempt_delay = \"0s\"\nmac = \"virtual\"\n"
                       "checksum = \"pseudo-header\"\nstrict = false\npeers = []"),
              group_of(""));
    EXPECT_FALSE(group_of("preempt = false").preempt);
}

TEST(GroupSection, IsOneOfAnArray) {
    EXPECT_EQ(errors_in(with_vip("[group]\nrouter_id = 51")),
              Strings{"11:1 group must be a section [[group]], not a table (write [[group]]; its "
                      "name is the key 'name')"});
    EXPECT_EQ(errors_in(with_vip("[group.edge]\nrouter_id = 51\n[group.core]\nrouter_id = 52")),
              Strings{"11:1 group must be a section [[group]], not a table (write [[group]]; its "
                      "name is the key 'name')"});
    EXPECT_EQ(errors_in("group = \"edge\"\n" + with_vip("")),
              Strings{"1:9 group must be a section [[group]], not \"edge\""});
    EXPECT_EQ(errors_in("group = [51, { router_id = 52 }]\n" + with_vip("")),
              Strings{"1:10 group must be a section [[group]], not 51"});
    EXPECT_EQ(errors_of_group("[group.core]\nrouter_id = 52"),
              Strings{"13:8 unknown key group.core"});
    EXPECT_EQ(errors_in(with_vip("[[grup]]\nrouter_id = 51")),
              Strings{"11:3 unknown key grup (did you mean 'group'?)"});
    EXPECT_EQ(load("group = [{ router_id = 51 }]\n" + with_vip("")).groups,
              load(with_group("")).groups);
    EXPECT_EQ(errors_in("group = []\n" + with_vip("")), Strings{});
}

TEST(GroupSection, ThatIsNoArrayIsNoSecondErrorOfItsVips) {
    EXPECT_EQ(errors_in(with_vip("group = \"edge\"\n[group]\nrouter_id = 51")).size(), 1U);
    EXPECT_EQ(errors_in(with_vip("[[group]]\nname = 5\nrouter_id = 51\n[vip.b]\ngroup = \"edge\"\n"
                                 "listen = \"203.0.113.11:80/tcp\"\npool = \"web\"")),
              Strings{"12:8 group.name must be a string such as \"edge\", not 5"});
    EXPECT_EQ(errors_in(with_vip("[[group]]\n[vip.b]\ngroup = \"group51\"\n"
                                 "listen = \"203.0.113.11:80/tcp\"\npool = \"web\"")),
              Strings{"11:1 group.router_id is missing"});
}

TEST(GroupSection, ARouterIdIsOneByteAndNotZero) {
    EXPECT_EQ(errors_in(with_vip("[[group]]")), Strings{"11:1 group.router_id is missing"});
    EXPECT_EQ(errors_in(with_vip("[[group]]\nroutr_id = 51")),
              Strings{"12:1 unknown key group.routr_id (did you mean 'router_id'?)"});
    for (const char* wrong : {"0", "256", "-1", "\"51\""}) {
        EXPECT_EQ(errors_in(with_vip("[[group]]\nrouter_id = ") + wrong),
                  Strings{"12:13 group.router_id must be an integer from 1 to 255, not " +
                          std::string(wrong)});
    }
    EXPECT_EQ(load(with_vip("[[group]]\nrouter_id = 1")).groups.at(0).router_id, 1);
    EXPECT_EQ(load(with_vip("[[group]]\nrouter_id = 255")).groups.at(0).router_id, 255);
}

/// Two ports and two groups, with a VIP each; line 1 of `first` is line 11.
Strings errors_of_two_groups(const std::string& first, const std::string& second) {
    return errors_in(std::string(kSecondPort)
                         .append(test::kPort)
                         .append(test::kPool)
                         .append("\n[[group]]\n" + first + "\n[[group]]\n" + second + "\n")
                         .append("[vip.a]\nlisten = \"203.0.113.1:80/tcp\"\npool = \"web\"\n"
                                 "group = \"a\"\n"
                                 "[vip.b]\nlisten = \"203.0.113.2:80/tcp\"\npool = \"web\"\n"
                                 "group = \"b\"\n"));
}

TEST(GroupSection, ARouterIdIsThatOfOneGroupOfAPort) {
    EXPECT_EQ(errors_of_two_groups("router_id = 51\nport = \"wan\"\nname = \"a\"",
                                   "name = \"b\"\nport = \"wan\"\nrouter_id = 51"),
              Strings{"17:13 group.router_id: 51 is already that of the group in line 11, on port "
                      "\"wan\""});
    EXPECT_EQ(errors_of_two_groups("router_id = 51\nport = \"wan\"\nname = \"a\"",
                                   "name = \"b\"\nport = \"lan\"\nrouter_id = 51"),
              Strings{});
    EXPECT_EQ(errors_in(with_group("[[group]]\nrouter_id = 51")),
              Strings{"14:13 group.router_id: 51 is already that of the group in line 12, on port "
                      "\"wan\""});
}

TEST(GroupSection, ANameIsThatOfOneGroup) {
    EXPECT_EQ(errors_of_two_groups("router_id = 51\nport = \"wan\"\nname = \"a\"",
                                   "router_id = 52\nport = \"wan\"\nname = \"a\""),
              Strings{"17:8 group.name: \"a\" is already the name of the group in line 13"});
    EXPECT_EQ(
        errors_of_two_groups("router_id = 51\nport = \"wan\"", "router_id = 51\nport = \"lan\""),
        Strings{"13:1 group.name: \"group51\" is already the name of the group in line 10 "
                "(without a name it is called after its router_id)"});
}

TEST(GroupSection, ANameIsOneAsSectionsHave) {
    const std::string longest(63, 'x');
    EXPECT_EQ(group_of("name = \"" + longest + '"').name, longest);
    for (const std::string& name : {std::string(), std::string("a b"), longest + 'x'}) {
        EXPECT_EQ(errors_of_group("name = \"" + name + '"'),
                  Strings{"13:8 group.name: \"" + name +
                          "\" is not a name: 1 to 63 letters, digits, '-', '_' and '.'"});
    }
    EXPECT_EQ(errors_of_group("name = \"a\\n\""),
              Strings{"13:8 group.name: \"a\\x0a\" contains control characters"});
}

TEST(GroupSection, APortIsNamedIfThereAreSeveral) {
    const std::string groups = with_group("port = \"lan\"\n");
    EXPECT_EQ(load(groups + std::string(kSecondPort)).groups.at(0).port, "lan");
    EXPECT_EQ(errors_of_group(kSecondPort),
              Strings{"11:1 group.port is missing (it is \"wan\" or \"lan\")"});
    EXPECT_EQ(errors_of_group(std::string("prot = \"lan\"\n").append(kSecondPort)),
              Strings{"13:1 unknown key group.prot (did you mean 'port'?)"});
    EXPECT_EQ(
        errors_of_group("port = \"wam\""),
        Strings{"13:8 group.port: there is no port \"wam\" (did you mean 'wan', in line 1?)"});
    EXPECT_EQ(errors_of_group("port = \"inside\""),
              Strings{"13:8 group.port: there is no port \"inside\""});
    EXPECT_EQ(errors_of_group("port = 1"),
              Strings{"13:8 group.port must be the name of a port, not 1"});
}

TEST(GroupSection, APortThatIsBrokenOrAbsentIsNoSecondError) {
    const std::string rest = std::string(test::kPool).append(kVip) + "[[group]]\nrouter_id = 51\n";
    EXPECT_EQ(errors_in(rest), Strings{"1:1 there is no section [port.NAME]; one is needed"});
    EXPECT_EQ(errors_in(rest + "[port.wan]\nmtu = 1500"),
              Strings{"10:1 port.wan.device is missing"});
    EXPECT_EQ(errors_in(rest + "port = \"wan\"\n[port.wan]\nmtu = 1500"),
              Strings{"11:1 port.wan.device is missing"});
}

TEST(GroupSection, APriorityIsFromOneTo255) {
    EXPECT_EQ(group_of("priority = 1").priority, 1);
    EXPECT_EQ(group_of("priority = 255").priority, 255);
    EXPECT_EQ(errors_of_group("priority = 0"),
              Strings{"13:12 group.priority must be an integer from 1 to 255, not 0"});
    EXPECT_EQ(errors_of_group("priority = 256").size(), 1U);
}

TEST(GroupSection, AnIntervalIsWholeCentisecondsOfTwelveBits) {  // RFC 9568 section 5.2.7
    EXPECT_EQ(group_of("interval = \"10ms\"").interval, milliseconds{10});
    EXPECT_EQ(group_of("interval = \"40950ms\"").interval, milliseconds{40'950});
    for (const char* wrong : {"\"0s\"", "\"9ms\"", "\"40951ms\"", "\"41s\"", "30"}) {
        EXPECT_EQ(errors_of_group(std::string("interval = ") + wrong),
                  Strings{"13:12 group.interval must be a duration from 10ms to 40950ms such as "
                          "\"200ms\", \"2s\" or \"5m\", not " +
                          std::string(wrong)});
    }
    EXPECT_EQ(errors_of_group("interval = \"15ms\""),
              Strings{"13:12 group.interval: 15ms is no multiple of 10ms, in which "
                      "advertisements count"});
}

TEST(GroupSection, OnlyAGroupThatPreemptsWaitsBeforeIt) {
    EXPECT_EQ(group_of("preempt_delay = \"1h\"").preempt_delay, milliseconds{3'600'000});
    EXPECT_EQ(errors_of_group("preempt_delay = \"2h\""),
              Strings{"13:17 group.preempt_delay must be a duration from 0ms to 1h such as "
                      "\"200ms\", \"2s\" or \"5m\", not \"2h\""});
    EXPECT_EQ(errors_of_group("preempt = \"no\"\npreempt_delay = \"1s\""),
              Strings{"13:11 group.preempt must be true or false, not \"no\""});
    EXPECT_EQ(errors_of_group("priority = 0\npreempt_delay = \"1s\"\npreempt = false"),
              (Strings{"13:12 group.priority must be an integer from 1 to 255, not 0",
                       "14:17 group.preempt_delay: only a group that preempts has this"}));
}

TEST(GroupSection, TheRestIsWords) {
    EXPECT_EQ(errors_of_group("mac = \"virtuel\"\nchecksum = \"header\"\nstrict = 1"),
              (Strings{"13:7 group.mac must be \"virtual\" or \"port\", not \"virtuel\" (did you "
                       "mean 'virtual'?)",
                       "14:12 group.checksum must be \"message\" or \"pseudo-header\", not "
                       "\"header\"",
                       "15:10 group.strict must be true or false, not 1"}));
}

/// A group with this key, on a port of af_packet with these lines: line 1 of them is line 3.
Strings errors_with_gateway(std::string_view port_lines, std::string_view more = "") {
    return errors_in(
        std::string("[port.wan]\ndevice = \"eth0\"\n")
            .append(port_lines)
            .append("\n")
            .append(test::kPool)
            .append(kVip)
            .append("[[group]]\nrouter_id = 51\nport = \"wan\"\ngateway_check = true\n")
            .append(more));
}

TEST(GroupSection, CanFollowTheGatewayOfItsPort) {
    EXPECT_FALSE(Group{}.checks_gateway);
    EXPECT_EQ(errors_with_gateway("gateway = \"192.0.2.1\""), Strings{})
        << "what networks the netdev has is not known";
    EXPECT_EQ(errors_with_gateway("address = [\"192.0.2.10/24\"]\n"
                                  "gateway = [\"192.0.2.1\", \"fe80::1\"]"),
              Strings{});
    EXPECT_EQ(errors_in(with_group("gateway_check = 1")),
              Strings{"13:17 group.gateway_check must be true or false, not 1"});
    EXPECT_EQ(errors_in(with_group("gateway_check = false\npreempt = false")), Strings{});
}

TEST(GroupSection, CannotFollowAGatewayThatNobodyAsksFor) {
    EXPECT_EQ(errors_with_gateway(""),
              Strings{"14:17 group.gateway_check: port \"wan\" has no gateway"});
    EXPECT_EQ(
        errors_with_gateway("address = [\"192.0.2.10/24\", \"2001:db8::10/64\"]\n"
                            "gateway = [\"2001:db8::1\", \"198.51.100.1\"]"),
        Strings{"15:17 group.gateway_check: the gateway 198.51.100.1 is on no network of port "
                "\"wan\""});
    EXPECT_EQ(errors_with_gateway("address = \"192.0.2.10/24\"\ngateway = \"10.0.0.254\"",
                                  "[port.lan]\ndevice = \"eth1\"\naddress = \"10.0.0.1/24\"\n"),
              Strings{"15:17 group.gateway_check: the gateway 10.0.0.254 is on no network of port "
                      "\"wan\", but of port \"lan\""});
    EXPECT_EQ(errors_in(std::string("[port.wan]\ndevice = \"null:\"\ngateway = \"192.0.2.1\"\n")
                            .append(test::kPool)
                            .append(kVip)
                            .append("[[group]]\nrouter_id = 51\ngateway_check = true\n")),
              Strings{"13:17 group.gateway_check: nobody asks for the neighbours of port \"wan\": "
                      "there is no kernel behind it"});
    EXPECT_EQ(errors_with_gateway("gateway = 5"),
              Strings{"3:11 port.wan.gateway must be a string such as \"192.0.2.1\", not 5"})
        << "one error is enough";
}

TEST(GroupSection, WhoGivesWayMustPreempt) {
    EXPECT_EQ(errors_with_gateway("gateway = \"192.0.2.1\"", "preempt = false"),
              Strings{"14:17 group.gateway_check: a group that does not preempt never takes over "
                      "from one that gives way"});
}

TEST(GroupSection, PeersAreSingleHosts) {
    EXPECT_EQ(group_of("peers = \"fe80::1\"").peers, std::vector{*IpAddress::parse("fe80::1")});
    EXPECT_EQ(errors_of_group("peers = [\"224.0.0.18\", \"ff02::12\", \"0.0.0.0\", \"::\",\n"
                              "\"peer\", 5, \"192.0.2.0/24\"]"),
              (Strings{"13:10 group.peers: \"224.0.0.18\" is a multicast address",
                       "13:24 group.peers: \"ff02::12\" is a multicast address",
                       "13:36 group.peers: \"0.0.0.0\" is the unspecified address",
                       "13:47 group.peers: \"::\" is the unspecified address",
                       "14:1 group.peers: \"peer\" is not an IP address; addresses are literal, "
                       "names are not looked up",
                       "14:9 group.peers must be a string such as \"192.0.2.11\", not 5",
                       "14:12 group.peers: \"192.0.2.0/24\" is not a single address"}));
}

TEST(GroupSection, PeersAreThereOnce) {
    EXPECT_EQ(errors_of_group("peers = [\"fe80::1\",\n\"192.0.2.1\", \"fe80:0::1\"]"),
              Strings{"14:14 group.peers: fe80::1 is already given, in line 13"});
}

TEST(GroupSection, SixteenPeersAreTheMost) {
    std::string peers = "peers = [";
    for (int i = 1; i <= 16; ++i) peers += "\"192.0.2." + std::to_string(i) + "\", ";
    EXPECT_EQ(group_of(peers + ']').peers.size(), 16U);
    EXPECT_EQ(errors_of_group(peers + "\"192.0.2.17\"]"),
              Strings{"13:9 group.peers: there are 17 peers; the most is 16"});
}

TEST(GroupSection, SixtyFourAreTheMost) {
    std::string text = with_vip("").erase(test::kPort.size() + test::kPool.size());
    const auto group = [](std::size_t i) {
        const std::string id = std::to_string(i + 1);
        return "[[group]]\nrouter_id = " + id + "\n[vip.v" + id +
               "]\npool = \"web\"\ngroup = \"group" + id + "\"\nlisten = \"203.0.113." + id +
               ":80/tcp\"\n";
    };
    for (std::size_t i = 0; i < kGroupsMax; ++i) text += group(i);
    EXPECT_EQ(load(text).groups.size(), kGroupsMax);
    EXPECT_EQ(errors_in(text + group(kGroupsMax)),
              Strings{"391:1 there are 65 groups; the most is 64"});
}

TEST(GroupSection, HasAVip) {
    const std::string groups =
        std::string(test::kPort).append(test::kPool) +
        "[[group]]\nrouter_id = 51\n[[group]]\nname = \"b\"\nrouter_id = 52\n";
    EXPECT_EQ(errors_in(groups), (Strings{"7:1 no VIP belongs to group \"group51\"; one is needed",
                                          "10:8 no VIP belongs to group \"b\"; one is needed"}));
    EXPECT_EQ(errors_in(groups + std::string(kVip) + "group = \"b\""),
              (Strings{"7:1 no VIP belongs to group \"group51\"; one is needed"}));
    EXPECT_EQ(errors_in(groups + "[vip.web]\nlisten = 5\npool = \"web\"\ngroup = \"b\"").size(), 1U)
        << "another error may be the reason";
}

/// Two groups, and a VIP with these lines: line 1 of them is line 12.
Strings errors_of_grouped(std::string_view lines) {
    return errors_in(std::string(test::kPort)
                         .append(test::kPool)
                         .append("[vip.web]\nlisten = \"203.0.113.10:80/tcp\"\npool = \"web\"\n"
                                 "group = \"edge\"\n[vip.a]\n")
                         .append(lines)
                         .append("\npool = \"web\"\n[[group]]\nrouter_id = 51\nname = \"edge\"\n"
                                 "[[group]]\nrouter_id = 52\nname = \"core\"\n"));
}

TEST(VipSection, BelongsToTheOnlyGroupThereIs) {
    EXPECT_EQ(load(with_group("")).vips.at(0).group, "group51");
    EXPECT_EQ(load(with_vip("group = \"group51\"\n[[group]]\nrouter_id = 51")).vips.at(0).group,
              "group51");
    EXPECT_EQ(load(with_vip("")).vips.at(0).group, "");
}

TEST(VipSection, NamesItsGroupIfThereAreSeveral) {
    EXPECT_EQ(errors_of_grouped("listen = \"203.0.113.11:80/tcp\"\ngroup = \"core\""), Strings{});
    EXPECT_EQ(errors_of_grouped("listen = \"203.0.113.11:80/tcp\""),
              Strings{"11:1 vip.a.group is missing (it is \"edge\" or \"core\")"});
    EXPECT_EQ(errors_of_grouped("listen = \"203.0.113.11:80/tcp\"\ngruop = \"core\""),
              Strings{"13:1 unknown key vip.a.gruop (did you mean 'group'?)"});
    EXPECT_EQ(errors_of_grouped("listen = \"203.0.113.11:80/tcp\"\ngroup = 5"),
              Strings{"13:9 vip.a.group must be the name of a group, not 5"});
}

TEST(VipSection, AGroupThatIsNoneIsAnError) {
    EXPECT_EQ(
        errors_of_grouped("listen = \"203.0.113.11:80/tcp\"\ngroup = \"cor\""),
        Strings{"13:9 vip.a.group: there is no group \"cor\" (did you mean 'core', in line 20?)"});
    EXPECT_EQ(errors_in(with_vip("group = \"edge\"")),
              Strings{"11:9 vip.web.group: there is no group \"edge\""});
    EXPECT_EQ(errors_in(with_vip("group = \"\"")),
              Strings{"11:9 vip.web.group: there is no group \"\""});
}

TEST(VipSection, AGroupThatIsBrokenIsNoSecondError) {
    EXPECT_EQ(errors_in(with_vip("group = \"edge\"\n[[group]]\nname = \"edge\"\nrouter_id = 0")),
              Strings{"14:13 group.router_id must be an integer from 1 to 255, not 0"});
    EXPECT_EQ(
        errors_in(with_vip("group = \"a b\"\n[[group]]\nname = \"a b\"\nrouter_id = 1")).size(),
        1U);
}

TEST(VipSection, ThoseThatOverlapBelongToOneGroup) {
    const auto errors_of = [](const std::string& listen) {
        return errors_of_grouped("listen = \"" + listen + "\"\ngroup = \"core\"");
    };
    const Strings expected{
        "13:9 vip.a.group: the VIP in line 8 overlaps this one and belongs to group \"edge\" (an "
        "address belongs to one group)"};
    EXPECT_EQ(errors_of("203.0.113.10:80/udp"), expected);
    EXPECT_EQ(errors_of("203.0.113.10:443/tcp"), expected);
    EXPECT_EQ(errors_of("203.0.113.11:80/tcp"), Strings{});
    EXPECT_EQ(errors_of("[2001:db8::10]:80/tcp"), Strings{});
    EXPECT_EQ(errors_of("203.0.113.0/29:80/tcp"), Strings{});
    EXPECT_EQ(errors_of("203.0.113.8/29:443/tcp"),
              Strings{"10:9 vip.web.group: the VIP in line 12 overlaps this one and belongs to "
                      "group \"core\" (an address belongs to one group)"})
        << "said of the narrower one";
    EXPECT_EQ(errors_of_grouped("listen = \"203.0.113.8/29:443/tcp\"\ngroup = \"edge\""),
              Strings{"20:8 no VIP belongs to group \"core\"; one is needed"});
}

TEST(VipSection, EachThatOverlapsAnotherGroupIsNamed) {
    const auto vip = [](const std::string& name, const std::string& listen, const char* group) {
        return "[vip." + name + "]\nlisten = \"" + listen + "\"\npool = \"web\"\ngroup = \"" +
               group + "\"\n";
    };
    EXPECT_EQ(
        errors_in(std::string(test::kPort).append(test::kPool) +
                  "[[group]]\nrouter_id = 1\n[[group]]\nrouter_id = 2\n" +
                  vip("a", "10.1.2.3:80/tcp", "group1") +       // in d and c
                  vip("b", "10.1.2.3:81/tcp", "group2") +       // and with a
                  vip("c", "10.1.0.0/16:80/tcp", "group1") +    // in d
                  vip("d", "10.0.0.0/8:80/tcp", "group1") +     // around all
                  vip("e", "10.1.3.0/24:80/tcp", "group2") +    // in c
                  vip("f", "10.1.3.4:80/tcp", "group2") +       // in e and c
                  vip("g", "10.2.0.0/16:80/tcp", "group1") +    // in d
                  vip("h", "11.0.0.0/8:80/tcp", "group2") +     // alone
                  vip("i", "[2001:db8::1]:80/tcp", "group2") +  // alone
                  vip("j", "10.2.3.4:80/tcp", "group2")),       // in g
        (Strings{"18:9 vip.b.group: the VIP in line 12 overlaps this one and belongs to group "
                 "\"group1\" (an address belongs to one group)",
                 "30:9 vip.e.group: the VIP in line 20 overlaps this one and belongs to group "
                 "\"group1\" (an address belongs to one group)",
                 "34:9 vip.f.group: the VIP in line 20 overlaps this one and belongs to group "
                 "\"group1\" (an address belongs to one group)",
                 "50:9 vip.j.group: the VIP in line 36 overlaps this one and belongs to group "
                 "\"group1\" (an address belongs to one group)"}));
}

}  // namespace
}  // namespace tandem::conf
