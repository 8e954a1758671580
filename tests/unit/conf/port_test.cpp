#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;

TEST(PortSection, NeedsOnlyADevice) {
    Port expected;
    expected.name = "wan";
    expected.device = "eth1";
    expected.driver = Driver::kAfPacket;
    expected.device_name = "eth1";
    EXPECT_EQ(load("[port.wan]\ndevice = \"eth1\"").ports, std::vector{expected});
    EXPECT_EQ(load("[port.wan]\ndevice = \"eth1\"\ndriver = \"auto\"").ports,
              std::vector{expected});
    EXPECT_EQ(expected.mtu, 1500);
}

TEST(PortSection, TakesEveryKey) {
    const Port port = load(R"(
        [port."lan-1.a_B"]
        device = "3B:00.1"
        driver = "pci"
        address = ["2001:db8::1/64", "10.0.0.1/24"]
        gateway = ["fe80::1", "10.0.0.254"]
        mtu = 9000
        neighbours = { "fd00::11" = "02:00:00:00:00:11", "10.0.0.11" = "02:00:00:00:00:12" })")
                          .ports.at(0);
    EXPECT_EQ(port.name, "lan-1.a_B");
    EXPECT_EQ(port.device, "3B:00.1");
    EXPECT_EQ(port.driver, Driver::kPci);
    EXPECT_EQ(port.device_name, "0000:3b:00.1");
    ASSERT_EQ(port.addresses.size(), 2U);
    EXPECT_EQ(port.addresses[0].str(), "10.0.0.1/24");
    EXPECT_EQ(port.addresses[1].str(), "2001:db8::1/64");
    ASSERT_EQ(port.gateways.size(), 2U);
    EXPECT_EQ(port.gateways[0].str(), "10.0.0.254");
    EXPECT_EQ(port.gateways[1].str(), "fe80::1");
    EXPECT_EQ(port.mtu, 9000);
    ASSERT_EQ(port.neighbours.size(), 2U);
    EXPECT_EQ(port.neighbours[0].first.str(), "10.0.0.11");
    EXPECT_EQ(port.neighbours[0].second, (Mac{2, 0, 0, 0, 0, 0x12}));
    EXPECT_EQ(port.neighbours[1].first.str(), "fd00::11");
}

TEST(PortSection, OneAddressAndOneGatewayNeedNoBrackets) {
    const Port port = load(
                          "[port.wan]\ndevice = \"eth1\"\naddress = \"192.0.2.10/24\"\n"
                          "gateway = \"192.0.2.1\"")
                          .ports.at(0);
    ASSERT_EQ(port.addresses.size(), 1U);
    ASSERT_EQ(port.gateways.size(), 1U);
}

TEST(PortSection, NeighboursMayHaveASectionOfTheirOwn) {
    const Port port = load(
                          "[port.wan]\ndevice = \"null\"\n[port.wan.neighbours]\n"
                          "\"10.0.0.11\" = \"02:00:00:00:00:11\"")
                          .ports.at(0);
    EXPECT_EQ(port.neighbours.size(), 1U);
}

Strings errors_of_port(const std::string& lines) {
    return errors_in("[port.wan]\ndevice = \"null\"\n" + lines);
}

TEST(PortSection, ADeviceIsRequired) {
    EXPECT_EQ(errors_in("[port.wan]\nmtu = 1500"), Strings{"1:1 port.wan.device is missing"});
    EXPECT_EQ(errors_in("\n [port.wan]"), Strings{"2:2 port.wan.device is missing"});
    EXPECT_EQ(errors_in("[port.wan]\ndevise = \"null:\"\n"),
              Strings{"2:1 unknown key port.wan.devise (did you mean 'device'?)"});
    EXPECT_EQ(errors_in("[port.wan]\ndevice = 1"),
              Strings{"2:10 port.wan.device must be a string such as \"eth1\", not 1"});
}

TEST(PortSection, WhatIsWrongWithTheDeviceIsSaidAtTheDevice) {
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"af_xpd:eth1\""),
              Strings{"2:10 port.wan.device: \"af_xpd\" is not a driver; did you mean 'af_xdp'?"});
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"af_xdp:eth1\"\ndriver = \"pci\""),
              Strings{"2:10 port.wan.device: \"af_xdp:eth1\" is not a device of driver \"pci\""});
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"eth1\"\ndriver = \"afxdp\""),
              Strings{R"(3:10 port.wan.driver must be "auto", "pci", "af_xdp", "af_packet", )"
                      R"("tap", "pcap", "null", "memif" or "ring", not "afxdp" )"
                      "(did you mean 'af_xdp'?)"});
}

TEST(PortSection, ADeviceIsOfOnePort) {
    EXPECT_EQ(errors_in("[port.b]\ndevice = \"af_xdp:eth1\"\n[port.a]\ndevice = \"eth1\""),
              Strings{"4:10 port.a.device: \"eth1\" is already used, in line 2"});
    EXPECT_EQ(errors_in("[port.a]\ndevice = \"0000:3b:00.0\"\n[port.b]\ndevice = \"3B:00.0\""),
              Strings{"4:10 port.b.device: \"3B:00.0\" is already used, in line 2"});
    EXPECT_EQ(errors_in("[port.a]\ndevice = \"null:\"\n[port.b]\ndevice = \"null:\""), Strings{});
}

TEST(PortSection, AddressesAreOfOurOwn) {
    EXPECT_EQ(errors_of_port("address = \"10.0.0.1\""),
              Strings{"3:11 port.wan.address: \"10.0.0.1\" lacks the length of its subnet, as in "
                      "\"10.0.0.1/24\""});
    EXPECT_EQ(errors_of_port("address = [\"10.0.0.1/24\",\n 5,\n \"10.0.0.1/16\", \"ff02::1/64\"]"),
              (Strings{"4:2 port.wan.address must be a string such as \"192.0.2.10/24\", not 5",
                       "5:2 port.wan.address: 10.0.0.1 is already given, in line 3",
                       "5:17 port.wan.address: \"ff02::1/64\" is a multicast address"}));
    EXPECT_EQ(errors_of_port("address = \"10.0.0.1/24\"\n[port.lan]\ndevice = \"null\"\n"
                             "address = \"10.0.0.1/24\""),
              Strings{"6:11 port.lan.address: 10.0.0.1 is already given, in line 3"});
}

TEST(PortSection, ThereIsOneGatewayOfEachFamily) {
    EXPECT_EQ(errors_of_port("gateway = [\"10.0.0.1\", \"fe80::1\", \"10.0.0.2\"]"),
              Strings{"3:35 port.wan.gateway: \"10.0.0.2\" is a second gateway for IPv4; there "
                      "can be one"});
    EXPECT_EQ(errors_of_port("gateway = [\"fe80::2\", \"fe80::1\"]").size(), 1U);
    EXPECT_EQ(errors_of_port("gateway = \"router\""),
              Strings{"3:11 port.wan.gateway: \"router\" is not an IP address; addresses are "
                      "literal, names are not looked up"});
    EXPECT_EQ(errors_of_port("gateway = \"10.0.0.1/24\""),
              Strings{"3:11 port.wan.gateway: \"10.0.0.1/24\" is not a single address"});
}

TEST(PortSection, AnMtuIsOfIpv4AndOfJumboFrames) {
    EXPECT_EQ(errors_of_port("mtu = 68"), Strings{});  // RFC 791 section 3.2
    EXPECT_EQ(errors_of_port("mtu = 67"),
              Strings{"3:7 port.wan.mtu must be an integer from 68 to 9000, not 67"});
    EXPECT_EQ(errors_of_port("mtu = 9001").size(), 1U);
    EXPECT_EQ(errors_of_port("mtu = \"auto\"").size(), 1U);
}

TEST(PortSection, NeighboursAreAddressesAndMacs) {
    EXPECT_EQ(errors_of_port("neighbours = [\"10.0.0.1\"]"),
              Strings{"3:14 port.wan.neighbours must be a table of addresses and MACs such as "
                      R"({ "10.0.0.11" = "02:00:00:00:00:11" }, not an array)"});
    EXPECT_EQ(errors_of_port("neighbours = {}"), Strings{});
    EXPECT_EQ(
        errors_of_port("[port.wan.neighbours]\nweb = \"02:00:00:00:00:11\"\n\"10.0.0.1\" = 2\n"
                       "\"10.0.0.2\" = \"02:00\"\n\"fd00::1\" = \"02:00:00:00:00:11\"\n"
                       "\"fd00:0::1\" = \"02:00:00:00:00:12\""),
        (Strings{"4:1 port.wan.neighbours: \"web\" is not an IP address; addresses are literal, "
                 "names are not looked up",
                 "5:14 port.wan.neighbours must be a MAC address in quotes, not 2",
                 "6:14 port.wan.neighbours: \"02:00\" is not a MAC address such as "
                 "\"02:00:00:00:00:11\"",
                 "7:1 port.wan.neighbours: fd00::1 is given twice"}));
}

TEST(PortSection, OneIsNeeded) {
    const Strings expected{"1:1 there is no section [port.NAME]; one is needed"};
    EXPECT_EQ(errors_in(""), expected);
    EXPECT_EQ(errors_in("# only this\n"), expected);
    EXPECT_EQ(errors_in(test::kPool), expected);
    EXPECT_EQ(errors_in("[port]"), expected);
}

TEST(PortSection, ThatThereIsNoneIsNotSaidWhenAnotherErrorMayBeTheReason) {
    EXPECT_EQ(errors_in("[prot.wan]\ndevice = \"eth1\""),
              Strings{"1:2 unknown section [prot] (did you mean 'port'?)"});
    EXPECT_EQ(errors_in("[port.wan]\ndevice = 1").size(), 1U);
}

TEST(PortSection, SixteenAreTheMost) {
    std::string text;
    for (int i = 0; i < 16; ++i) {
        text += "[port.p" + std::to_string(i) + "]\ndevice = \"null\"\n";
    }
    EXPECT_EQ(load(text).ports.size(), kPortsMax);
    EXPECT_EQ(errors_in(text + "[port.a]\ndevice = \"null\""),
              Strings{"33:7 there are 17 ports; the most is 16"});
}

}  // namespace
}  // namespace tandem::conf
