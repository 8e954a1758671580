#include "conf/endpoint.h"

#include <gtest/gtest.h>

namespace tandem::conf {
namespace {

template <class Value>
std::string complaint(const Result<Value>& result) {
    return result ? "" : result.error().message;
}

TEST(Endpoint, AddressesOfHostsAreLiteral) {
    EXPECT_EQ(parse_host("192.0.2.1").value().str(), "192.0.2.1");
    EXPECT_EQ(parse_host("2001:db8::1").value().str(), "2001:db8::1");
    for (const char* text :
         {"web1.example.com", "localhost", "", "10.0.0", "10.0.0.256", "[::2]"}) {
        EXPECT_EQ(complaint(parse_host(text)),
                  '"' + std::string(text) +
                      "\" is not an IP address; addresses are literal, names are not looked up");
    }
}

TEST(Endpoint, AZeroByteDoesNotEndAnAddress) {
    using std::string_view_literals::operator""sv;
    EXPECT_NE(complaint(parse_host("10.0.0.1\0.2"sv)), "");
    EXPECT_NE(complaint(parse_endpoint("10.0.0.1\0:80"sv)), "");
    EXPECT_NE(complaint(parse_listen("10.0.0.1\0:80/tcp"sv)), "");
}

// RFC 4291 section 2.5.5.2: such an address means the IPv4 one, and which family is on the wire
// should be seen in the file.
TEST(Endpoint, Ipv4MappedAddressesAreToBeWrittenAsIpv4) {
    EXPECT_EQ(complaint(parse_host("::ffff:10.0.0.1")),
              "\"::ffff:10.0.0.1\" is an IPv4 address written as IPv6; write 10.0.0.1");
    EXPECT_NE(complaint(parse_endpoint("[::ffff:a00:1]:80")), "");
    EXPECT_NE(complaint(parse_listen("[::ffff:10.0.0.0/120]:80/tcp")), "");
}

TEST(Endpoint, AddressesOfNoSingleHostAreRefused) {
    EXPECT_EQ(complaint(parse_host("0.0.0.0")), "\"0.0.0.0\" is the unspecified address");
    EXPECT_EQ(complaint(parse_host("::")), "\"::\" is the unspecified address");
    EXPECT_EQ(complaint(parse_host("127.0.0.1")), "\"127.0.0.1\" is a loopback address");
    EXPECT_EQ(complaint(parse_host("127.255.0.1")), "\"127.255.0.1\" is a loopback address");
    EXPECT_EQ(complaint(parse_host("::1")), "\"::1\" is a loopback address");
    EXPECT_EQ(complaint(parse_host("224.0.0.1")), "\"224.0.0.1\" is a multicast address");
    EXPECT_EQ(complaint(parse_host("239.255.255.255")),
              "\"239.255.255.255\" is a multicast address");
    EXPECT_EQ(complaint(parse_host("ff02::1")), "\"ff02::1\" is a multicast address");
    EXPECT_EQ(complaint(parse_host("255.255.255.255")),
              "\"255.255.255.255\" is the broadcast address");
    for (const char* text : {"128.0.0.1", "223.255.255.255", "240.0.0.1", "::2", "fe80::1"}) {
        EXPECT_EQ(complaint(parse_host(text)), "");
    }
}

TEST(Endpoint, AnInterfaceHasTheLengthOfItsSubnet) {
    EXPECT_EQ(parse_interface("192.0.2.10/24").value().str(), "192.0.2.10/24");
    EXPECT_EQ(parse_interface("2001:db8::1/64").value().str(), "2001:db8::1/64");
    EXPECT_EQ(complaint(parse_interface("192.0.2.10")),
              "\"192.0.2.10\" lacks the length of its subnet, as in \"192.0.2.10/24\"");
    EXPECT_EQ(complaint(parse_interface("2001:db8::1")),
              "\"2001:db8::1\" lacks the length of its subnet, as in \"2001:db8::1/64\"");
    for (const char* text : {"192.0.2.10/33", "192.0.2.10/", "2001:db8::1/129", "/24"}) {
        EXPECT_NE(complaint(parse_interface(text)), "") << text;
    }
}

TEST(Endpoint, APrefixHasNoHostBits) {
    EXPECT_EQ(parse_prefix("203.0.113.0/24").value().str(), "203.0.113.0/24");
    EXPECT_EQ(parse_prefix("203.0.113.10").value().str(), "203.0.113.10/32");
    EXPECT_EQ(complaint(parse_prefix("203.0.113.10/24")),
              "\"203.0.113.10/24\" has bits set after its length; the prefix is 203.0.113.0/24");
}

TEST(Endpoint, ABackendHasAnAddressAndAPort) {
    const Endpoint v4 = parse_endpoint("10.0.0.11:8080").value();
    EXPECT_EQ(v4.address.str(), "10.0.0.11");
    EXPECT_EQ(v4.port, 8080);
    EXPECT_EQ(str(v4), "10.0.0.11:8080");
    const Endpoint v6 = parse_endpoint("[2001:db8::1]:65535").value();
    EXPECT_EQ(v6.port, 65'535);
    EXPECT_EQ(str(v6), "[2001:db8::1]:65535");
}

TEST(Endpoint, SaysWhatABackendLacks) {
    const std::string shape = "\" is not an address and a port such as \"10.0.0.11:80\"";
    for (const std::string text :
         {"", "10.0.0.11", "[2001:db8::1]", "[2001:db8::1]80", "[", "[:80", "[10.0.0.11]:80"}) {
        EXPECT_EQ(complaint(parse_endpoint(text)), '"' + text + shape);
    }
    EXPECT_EQ(complaint(parse_endpoint("2001:db8::1:80")),
              "\"2001:db8::1:80\": an IPv6 address stands in brackets: \"[2001:db8::1]:80\"");
    for (const char* port : {"", "0", "65536", "http", "-1", "80 ", "8000-8001", "*"}) {
        EXPECT_EQ(complaint(parse_endpoint(std::string("10.0.0.11:") + port)),
                  '"' + std::string(port) + "\" is not a port from 1 to 65535");
    }
    EXPECT_EQ(complaint(parse_endpoint("web1:80")),
              "\"web1\" is not an IP address; addresses are literal, names are not looked up");
    EXPECT_EQ(complaint(parse_endpoint("10.0.0.0/24:80")),
              "\"10.0.0.0/24\" is not a single address");
}

TEST(Endpoint, AVipListensToAPortARangeOrAll) {
    const Listen one = parse_listen("203.0.113.10:80/tcp").value();
    EXPECT_EQ(one.prefix.str(), "203.0.113.10/32");
    EXPECT_EQ(one.port_first, 80);
    EXPECT_EQ(one.port_last, 80);
    EXPECT_EQ(one.protocol, Protocol::kTcp);
    const Listen range = parse_listen("[2001:db8::/64]:8000-8999/udp").value();
    EXPECT_EQ(range.prefix.str(), "2001:db8::/64");
    EXPECT_EQ(range.port_first, 8000);
    EXPECT_EQ(range.port_last, 8999);
    EXPECT_EQ(range.protocol, Protocol::kUdp);
    const Listen all = parse_listen("203.0.113.0/24:*/tcp").value();
    EXPECT_EQ(all.prefix.str(), "203.0.113.0/24");
    EXPECT_EQ(all.port_first, 0);
    EXPECT_EQ(all.port_last, 65'535);
}

TEST(Endpoint, SaysWhatIsWrongWithAVip) {
    EXPECT_EQ(complaint(parse_listen("203.0.113.10:80")),
              "\"203.0.113.10:80\" does not end in its protocol, /tcp or /udp, as in "
              "\"203.0.113.10:80/tcp\"");
    EXPECT_NE(complaint(parse_listen("203.0.113.10:80/sctp")), "");
    EXPECT_NE(complaint(parse_listen("/tcp")), "");
    EXPECT_EQ(complaint(parse_listen("203.0.113.10:90-80/tcp")), "\"90-80\" ends before it begins");
    for (const char* ports : {"", "0", "-", "80-", "-80", "0-80", "80-65536", "80,81", "**"}) {
        EXPECT_EQ(complaint(parse_listen("203.0.113.10:" + std::string(ports) + "/tcp")),
                  '"' + std::string(ports) +
                      "\" is not a port from 1 to 65535, a range such as \"8000-8999\", or \"*\"");
    }
    EXPECT_EQ(complaint(parse_listen("2001:db8::10:443/tcp")),
              "\"2001:db8::10:443\": an IPv6 address stands in brackets: \"[2001:db8::1]:80\"");
    EXPECT_NE(complaint(parse_listen("203.0.113.10/24:80/tcp")), "");
    EXPECT_NE(complaint(parse_listen("224.0.0.1:80/udp")), "");
}

TEST(Endpoint, MacsAreOfOneHost) {
    EXPECT_EQ(parse_mac("02:00:00:00:aB:11").value(), (Mac{2, 0, 0, 0, 0xab, 0x11}));
    EXPECT_EQ(complaint(parse_mac("02-00-00-00-00-11")),
              "\"02-00-00-00-00-11\" is not a MAC address such as \"02:00:00:00:00:11\"");
    for (const char* text : {"", "02:00:00:00:00", "2:0:0:0:0:11", "02:00:00:00:00:1g",
                             "02:00:00:00:00:+1", "02:00:00:00:00:11:", "02:00:00:00:0011:"}) {
        EXPECT_NE(complaint(parse_mac(text)), "") << text;
    }
    // IEEE 802-2014 section 8.2.2: the first bit says that it is a group's.
    EXPECT_EQ(complaint(parse_mac("01:00:5e:00:00:01")),
              "\"01:00:5e:00:00:01\" is not the MAC of one host");
    EXPECT_NE(complaint(parse_mac("ff:ff:ff:ff:ff:ff")), "");
    EXPECT_NE(complaint(parse_mac("00:00:00:00:00:00")), "");
}

}  // namespace
}  // namespace tandem::conf
