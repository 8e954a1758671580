// What is put in front of a packet on its way to a backend: an Ethernet header, and for IP-in-IP
// the outer header of RFC 2003 or RFC 2473. Made once for each backend; a packet copies it and sets
// the few fields that differ.
#pragma once

#include <arpa/inet.h>
#include <array>
#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace tandem {

inline constexpr std::uint8_t kOuterTtl = 64;

struct OuterHeader {
    /// Ethernet, then IP; IPv4's is that around an IPv4 packet, and its checksum field the folded
    /// sum of all that stands here.
    std::array<std::uint8_t, ethernet::kHeaderBytes + ipv6::kHeaderBytes> bytes{};
    std::uint8_t added = 0;             ///< bytes that a packet grows by; 0: no tunnel
    std::uint8_t source_host_bits = 0;  ///< of the outer source's last 32, which vary by flow

    [[nodiscard]] bool is_v4() const { return added == ipv4::kHeaderBytes; }
};

/// For packets that keep their IP header: their own type follows the two addresses.
OuterHeader link_header(const Mac& destination_mac, const Mac& source_mac);

/// Between two addresses of one family. The `source_host_bits` last bits of `source` are ignored.
OuterHeader ipip_header(const Mac& destination_mac, const Mac& source_mac, const IpAddress& source,
                        std::uint8_t source_host_bits, const IpAddress& destination);

/// What the outer header takes over from the inner one.
struct Inner {
    bool is_v4;
    std::uint32_t traffic_class;  ///< TOS or traffic class: DSCP and ECN, carried over (RFC 6040)
    std::uint32_t length;         ///< of the whole inner packet, bytes
};

/// The bits of the outer source that come from the flow's hash, as they lie in memory.
inline std::uint32_t varying_source(const OuterHeader& outer, std::uint32_t hash) {
    const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << outer.source_host_bits) - 1);
    return htonl(hash & mask);
}

/// Writes an IPv4 tunnel's header at `frame`. The packet is never to be fragmented on its way: DF
/// is set, so the identification may be 0 (RFC 6864 section 4.1).
inline void write_outer_ipv4(std::uint8_t* frame, const OuterHeader& outer, const Inner& inner,
                             std::uint32_t hash) {
    std::memcpy(frame, outer.bytes.data(), ethernet::kHeaderBytes + ipv4::kHeaderBytes);
    const std::uint8_t* shared = outer.bytes.data() + ethernet::kHeaderBytes;
    std::uint8_t* at = frame + ethernet::kHeaderBytes;
    const std::uint16_t length =
        htons(static_cast<std::uint16_t>(inner.length + ipv4::kHeaderBytes));
    const std::uint32_t varying = varying_source(outer, hash);
    // Words as they lie in memory.
    std::uint64_t sum = std::uint64_t{load_raw16(shared + ipv4::kChecksum)} +
                        (inner.traffic_class << 8U) + length + varying;
    if (!inner.is_v4) [[unlikely]] {
        at[ipv4::kProtocol] = protocol::kIpv6;
        sum += std::uint64_t{protocol::kIpv6 - protocol::kIpv4} << 8U;
    }
    at[ipv4::kTos] = static_cast<std::uint8_t>(inner.traffic_class);
    store_raw16(at + ipv4::kTotalLength, length);
    store_raw16(at + ipv4::kChecksum, checksum_of(sum));
    store_raw32(at + ipv4::kSource, load_raw32(shared + ipv4::kSource) | varying);
}

/// Writes an IPv6 tunnel's header at `frame`. The flow label carries 20 bits of the flow's hash, so
/// that routers on the way spread flows (RFC 6438).
inline void write_outer_ipv6(std::uint8_t* frame, const OuterHeader& outer, const Inner& inner,
                             std::uint32_t hash) {
    std::memcpy(frame, outer.bytes.data(), outer.bytes.size());
    const std::uint8_t* shared = outer.bytes.data() + ethernet::kHeaderBytes;
    std::uint8_t* at = frame + ethernet::kHeaderBytes;
    store_raw32(at, htonl(6U << 28U | inner.traffic_class << 20U | (hash & 0xf'ffffU)));
    store_be16(at + ipv6::kPayloadLength, static_cast<std::uint16_t>(inner.length));
    at[ipv6::kNextHeader] = inner.is_v4 ? protocol::kIpv4 : protocol::kIpv6;
    constexpr std::size_t kSourceEnd = ipv6::kSource + sizeof(IpAddress) - sizeof(std::uint32_t);
    store_raw32(at + kSourceEnd, load_raw32(shared + kSourceEnd) | varying_source(outer, hash));
}

/// Takes one from the TTL and mends the checksum. `ip` is an IPv4 header.
inline void decrement_ttl(std::uint8_t* ip) {
    --ip[ipv4::kTtl];
    // RFC 1624, equation 3, where m' = m - 1 in the word's low byte: one more, but for the two
    // values at which a carry is due.
    const std::uint16_t checksum = load_raw16(ip + ipv4::kChecksum);
    store_raw16(ip + ipv4::kChecksum,
                static_cast<std::uint16_t>(checksum + (checksum >= 0xfffeU ? 2U : 1U)));
}

}  // namespace tandem
