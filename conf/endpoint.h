// Addresses as a configuration file writes them: with a subnet, with a port, as a VIP listens.
//
// Each parser returns what it read or one sentence that says what is wrong with the text. Nothing
// is looked up: addresses are literal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "conf/config.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace tandem::conf {

/// "192.0.2.1" or "2001:db8::1", of one host: not multicast, loopback, unspecified or broadcast.
Result<IpAddress> parse_host(std::string_view text);

/// "192.0.2.10/24": a host's address with its subnet's length.
Result<Prefix> parse_interface(std::string_view text);

/// "192.0.2.0/24" or a single address; no host bits, and its address is one parse_host takes.
Result<Prefix> parse_prefix(std::string_view text);

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;  ///< host order, 1..65535
};

/// "10.0.0.11:8080" or "[2001:db8::1]:80".
Result<Endpoint> parse_endpoint(std::string_view text);
/// What parse_endpoint reads.
std::string str(const Endpoint& endpoint);

struct Listen {
    Prefix prefix;
    std::uint16_t port_first = 0;  ///< host order; 0..65535 is "any port"
    std::uint16_t port_last = 65'535;
    Protocol protocol = Protocol::kTcp;
};

/// "203.0.113.10:80/tcp", "[2001:db8::/64]:8000-8999/udp", "203.0.113.0/24:*/tcp".
Result<Listen> parse_listen(std::string_view text);

/// "02:00:00:00:00:11", of one host: not multicast, not all zeros.
Result<Mac> parse_mac(std::string_view text);

}  // namespace tandem::conf
