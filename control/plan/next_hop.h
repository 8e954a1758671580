// By which port and over which neighbour a backend is reached. Pure: addresses in, addresses out.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace tandem::plan {

/// What matters here of one of the dataplane's ports.
struct PortAddresses {
    std::uint8_t port = 0;            ///< index into LiveFixed::ports
    std::vector<Prefix> addresses;    ///< ours, with the length of their subnets
    std::vector<IpAddress> gateways;  ///< at most one of each family
    std::string name{};
    Mac mac{};
};

struct NextHop {
    std::uint8_t port = 0;
    IpAddress neighbour;  ///< the destination itself, or a gateway
    IpAddress source;     ///< our address towards it

    friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

/// The longest subnet that contains the destination, else the first port with a gateway of its
/// family. nullopt: there is no way.
std::optional<NextHop> next_hop_to(const IpAddress& destination,
                                   std::span<const PortAddresses> ports);

}  // namespace tandem::plan
