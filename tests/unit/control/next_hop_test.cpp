#include "control/plan/next_hop.h"

#include <gtest/gtest.h>

#include "tests/unit/control/addresses.h"

namespace tandem::plan {
namespace {

PortAddresses port(std::uint8_t number, const std::vector<const char*>& addresses,
                   const std::vector<const char*>& gateways = {}) {
    PortAddresses port{.port = number, .addresses = {}, .gateways = {}};
    for (const char* address : addresses) port.addresses.push_back(*Prefix::parse(address));
    for (const char* gateway : gateways) port.gateways.push_back(ip(gateway));
    return port;
}

TEST(NextHop, OfABackendOnOurNetworkIsTheBackend) {
    const std::vector ports{port(0, {"192.0.2.10/24", "2001:db8::10/64"})};
    EXPECT_EQ(next_hop_to(ip("192.0.2.7"), ports), (NextHop{0, ip("192.0.2.7"), ip("192.0.2.10")}));
    EXPECT_EQ(next_hop_to(ip("2001:db8::7"), ports),
              (NextHop{0, ip("2001:db8::7"), ip("2001:db8::10")}));
}

TEST(NextHop, IsOnTheSmallestNetworkThatTheBackendIsIn) {
    const std::vector ports{port(0, {"10.0.0.1/8"}), port(1, {"10.1.0.1/16"}),
                            port(2, {"10.1.2.1/24"})};
    EXPECT_EQ(next_hop_to(ip("10.1.2.9"), ports)->port, 2);
    EXPECT_EQ(next_hop_to(ip("10.1.3.9"), ports)->port, 1);
    EXPECT_EQ(next_hop_to(ip("10.9.3.9"), ports)->port, 0);
}

TEST(NextHop, OfABackendElsewhereIsTheGatewayOfItsFamily) {
    const std::vector ports{port(0, {"192.0.2.10/24"}, {}),
                            port(1, {"198.51.100.3/24", "198.51.100.4/30", "2001:db8::10/64"},
                                 {"198.51.100.1", "fe80::1"})};
    EXPECT_EQ(next_hop_to(ip("10.0.0.1"), ports),
              (NextHop{1, ip("198.51.100.1"), ip("198.51.100.3")}));
    EXPECT_EQ(next_hop_to(ip("2001:db8:9::1"), ports),
              (NextHop{1, ip("fe80::1"), ip("2001:db8::10")}));
}

TEST(NextHop, IsNoneWhereNoPortLeads) {
    const std::vector ports{port(0, {"192.0.2.10/24"}, {"192.0.2.1"})};
    EXPECT_EQ(next_hop_to(ip("2001:db8::1"), ports), std::nullopt);
    EXPECT_EQ(next_hop_to(ip("10.0.0.1"), {}), std::nullopt);
}

}  // namespace
}  // namespace tandem::plan
