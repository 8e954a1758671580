// IP-in-IP: the outer headers of RFC 2003 and RFC 2473, written in front of a packet.
#pragma once

#include <arpa/inet.h>
#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace tandem {

inline constexpr std::uint8_t kOuterTtl = 64;

/// What the outer header takes over from the inner one.
struct Inner {
    bool is_v4;
    std::uint32_t traffic_class;  ///< TOS or traffic class: DSCP and ECN, carried over (RFC 6040)
    std::uint32_t length;         ///< of the whole inner packet, bytes
};

/// Writes 20 bytes at `at`. The packet is never to be fragmented on its way: DF is set, so the
/// identification may be 0 (RFC 6864 section 4.1).
inline void write_outer_ipv4(std::uint8_t* at, const IpAddress& source,
                             const IpAddress& destination, const Inner& inner) {
    const auto length = static_cast<std::uint16_t>(inner.length + ipv4::kHeaderBytes);
    // Whole words, kept for the sum: a load that spans smaller stores waits until they are in the
    // cache.
    const auto version_and_tos = static_cast<std::uint16_t>(0x45U | inner.traffic_class << 8U);
    const auto ttl_and_protocol = static_cast<std::uint16_t>(
        kOuterTtl | std::uint32_t{inner.is_v4 ? protocol::kIpv4 : protocol::kIpv6} << 8U);
    store_raw16(at, version_and_tos);
    store_be16(at + ipv4::kTotalLength, length);
    store_be16(at + 4, 0);
    store_be16(at + ipv4::kFragment, ipv4::kDontFragment);
    store_raw16(at + ipv4::kTtl, ttl_and_protocol);
    const std::uint32_t from = source.v4_network_order();
    const std::uint32_t to = destination.v4_network_order();
    std::memcpy(at + ipv4::kSource, &from, sizeof(from));
    std::memcpy(at + ipv4::kDestination, &to, sizeof(to));
    const std::uint64_t sum = std::uint64_t{version_and_tos} + htons(length) +
                              htons(ipv4::kDontFragment) + ttl_and_protocol + from + to;
    store_raw16(at + ipv4::kChecksum, checksum_of(sum));
}

/// Writes 40 bytes at `at`. The flow label carries 20 bits of the flow's hash, so that routers on
/// the way spread flows (RFC 6438).
inline void write_outer_ipv6(std::uint8_t* at, const IpAddress& source,
                             const IpAddress& destination, const Inner& inner,
                             std::uint32_t flow_label) {
    const std::uint32_t first = 6U << 28U | inner.traffic_class << 20U | (flow_label & 0xf'ffffU);
    const std::uint32_t first_network_order = htonl(first);
    std::memcpy(at, &first_network_order, sizeof(first_network_order));
    store_be16(at + ipv6::kPayloadLength, static_cast<std::uint16_t>(inner.length));
    at[ipv6::kNextHeader] = inner.is_v4 ? protocol::kIpv4 : protocol::kIpv6;
    at[ipv6::kHopLimit] = kOuterTtl;
    std::memcpy(at + ipv6::kSource, source.bytes.data(), sizeof(IpAddress));
    std::memcpy(at + ipv6::kDestination, destination.bytes.data(), sizeof(IpAddress));
}

/// An address with some of its last 32 bits taken from the flow's hash.
inline IpAddress varied_by_flow(IpAddress address, std::uint32_t mask_network_order,
                                std::uint32_t hash) {
    auto words = std::bit_cast<std::array<std::uint32_t, 4>>(address);
    words[3] |= hash & mask_network_order;
    return std::bit_cast<IpAddress>(words);
}

/// Takes one from the TTL and mends the checksum (RFC 1624). `ip` is an IPv4 header.
inline void decrement_ttl(std::uint8_t* ip) {
    const std::uint16_t old_word = load_raw16(ip + ipv4::kTtl);
    const auto new_word = static_cast<std::uint16_t>(old_word - 1);  // the TTL is its low byte
    store_raw16(ip + ipv4::kTtl, new_word);
    store_raw16(ip + ipv4::kChecksum,
                updated_checksum(load_raw16(ip + ipv4::kChecksum), old_word, new_word));
}

}  // namespace tandem
