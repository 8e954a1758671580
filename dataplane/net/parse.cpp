#include "dataplane/net/parse.h"

#include <algorithm>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace tandem {

namespace {

constexpr std::size_t kL3 = ethernet::kHeaderBytes;
constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kTcpDataOffset = 12;
constexpr std::size_t kTcpFlags = 13;
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::size_t kUdpLength = 4;
constexpr int kExtensionHeadersMax = 8;

/// Where the upper layer begins and what is left of the packet for it.
struct Upper {
    std::size_t offset;     ///< from the frame's start
    std::size_t available;  ///< bytes at hand from there
    std::size_t length;     ///< bytes the IP header claims from there
    std::uint8_t protocol;
};

PacketKind parse_tcp(const std::uint8_t* at, const Upper& upper, ParsedPacket& packet) {
    if (upper.length < kTcpHeaderBytes || upper.available < kTcpHeaderBytes) {
        return PacketKind::kMalformed;
    }
    const std::size_t header_bytes = std::size_t{at[kTcpDataOffset]} / 16 * 4;
    if (header_bytes < kTcpHeaderBytes || header_bytes > upper.length) {
        return PacketKind::kMalformed;
    }
    packet.tcp_flags = at[kTcpFlags];
    packet.has_payload = upper.length > header_bytes;
    packet.key.set_ports(at);
    return PacketKind::kFlow;
}

/// A long header of type Initial: RFC 9000 section 17.2.2 for version 1, RFC 9369 section 3.2
/// for 2. Of other versions no more is known than that their packets have other types, or none.
bool is_quic_initial(std::span<const std::uint8_t> datagram) {
    constexpr std::size_t kFlagsAndVersion = 5;
    if (datagram.size() < kFlagsAndVersion) return false;
    const std::uint32_t version =
        std::uint32_t{load_be16(datagram.data() + 1)} << 16U | load_be16(datagram.data() + 3);
    const std::uint8_t flags = datagram[0] & 0xf0U;
    constexpr std::uint32_t kVersion1 = 0x0000'0001;
    constexpr std::uint32_t kVersion2 = 0x6b33'43cf;
    return (version == kVersion1 && flags == 0xc0) || (version == kVersion2 && flags == 0xd0);
}

// Of Upper by value only what it needs: by reference all of it would be put into memory for TCP,
// too.
PacketKind parse_udp(const std::uint8_t* at, std::size_t upper_length, std::size_t available,
                     ParsedPacket& packet) {
    if (upper_length < kUdpHeaderBytes || available < kUdpHeaderBytes) {
        return PacketKind::kMalformed;
    }
    const std::size_t length = load_be16(at + kUdpLength);
    if (length < kUdpHeaderBytes || length > upper_length) return PacketKind::kMalformed;
    packet.is_quic_initial =
        is_quic_initial({at + kUdpHeaderBytes, std::min(length, available) - kUdpHeaderBytes});
    packet.key.set_ports(at);
    return PacketKind::kFlow;
}

PacketKind parse_icmp(const std::uint8_t* at, const Upper& upper) {
    if (upper.length < icmp::kHeaderBytes || upper.available < icmp::kHeaderBytes) {
        return PacketKind::kMalformed;
    }
    const bool echo = at[0] == icmp::kEchoRequest && at[1] == 0;
    return echo ? PacketKind::kEchoRequest : PacketKind::kOtherIp;
}

// RFC 4861 section 7.1.1: what makes a solicitation valid.
PacketKind parse_solicitation(std::span<const std::uint8_t> head, const Upper& upper,
                              ParsedPacket& packet) {
    const std::uint8_t* at = head.data() + upper.offset;
    if (head[kL3 + ipv6::kHopLimit] != neighbour::kHopLimit || at[1] != 0 ||
        upper.length < neighbour::kOptions || upper.available < upper.length) {
        return PacketKind::kMalformed;
    }
    const std::uint64_t sum =
        pseudo_header_sum(sum_words(head.subspan(kL3 + ipv6::kSource, 2 * sizeof(IpAddress))),
                          upper.length, protocol::kIcmpv6);
    if (fold(sum_words(head.subspan(upper.offset, upper.length), sum)) != 0xffff) {
        return PacketKind::kMalformed;
    }
    std::memcpy(packet.key.destination.bytes.data(), at + neighbour::kTarget, sizeof(IpAddress));
    return PacketKind::kSolicitation;
}

PacketKind parse_icmpv6(std::span<const std::uint8_t> head, const Upper& upper,
                        ParsedPacket& packet) {
    const std::uint8_t* at = head.data() + upper.offset;
    if (upper.length < icmp::kHeaderBytes || upper.available < icmp::kHeaderBytes) {
        return PacketKind::kMalformed;
    }
    if (at[0] == neighbour::kSolicitation) return parse_solicitation(head, upper, packet);
    const bool echo = at[0] == icmp::kV6EchoRequest && at[1] == 0;
    return echo ? PacketKind::kEchoRequest : PacketKind::kOtherIp;
}

// Inlined into both callers: passing everything it needs costs as much as it does.
[[gnu::always_inline]] inline PacketKind parse_upper(std::span<const std::uint8_t> head,
                                                     const Upper& upper, ParsedPacket& packet) {
    const std::uint8_t* at = head.data() + upper.offset;
    packet.key.protocol = upper.protocol;
    packet.l4_offset = static_cast<std::uint8_t>(upper.offset);
    switch (upper.protocol) {
        case protocol::kTcp:
            return parse_tcp(at, upper, packet);
        case protocol::kUdp:
            return parse_udp(at, upper.length, upper.available, packet);
        case protocol::kIcmp:
            return packet.is_v4 ? parse_icmp(at, upper) : PacketKind::kOtherIp;
        case protocol::kIcmpv6:
            return packet.is_v4 ? PacketKind::kOtherIp : parse_icmpv6(head, upper, packet);
        default:
            return PacketKind::kOtherIp;
    }
}

PacketKind parse_ipv4(std::span<const std::uint8_t> head, std::size_t frame_length,
                      ParsedPacket& packet) {
    if (head.size() < kL3 + ipv4::kHeaderBytes) return PacketKind::kMalformed;
    const std::uint8_t* ip = head.data() + kL3;
    const std::size_t header_bytes = std::size_t{ip[0] & 0x0fU} * 4;
    const std::size_t total = load_be16(ip + ipv4::kTotalLength);
    const bool is_version_4_and_long_enough = ip[0] >= 0x45 && ip[0] <= 0x4f;
    if (!is_version_4_and_long_enough || total < header_bytes || kL3 + total > frame_length ||
        kL3 + header_bytes > head.size()) {
        return PacketKind::kMalformed;
    }
    packet.is_v4 = true;
    packet.l3_length = static_cast<std::uint16_t>(total);
    packet.key.source = IpAddress::from_v4({ip[12], ip[13], ip[14], ip[15]});
    packet.key.destination = IpAddress::from_v4({ip[16], ip[17], ip[18], ip[19]});
    const std::uint16_t fragment = load_be16(ip + ipv4::kFragment);
    if ((fragment & (ipv4::kMoreFragments | ipv4::kFragmentOffset)) != 0) {
        return PacketKind::kFragment;
    }
    const std::size_t offset = kL3 + header_bytes;
    return parse_upper(head,
                       {.offset = offset,
                        .available = head.size() - offset,
                        .length = total - header_bytes,
                        .protocol = ip[ipv4::kProtocol]},
                       packet);
}

/// Steps over one extension header. False: it does not fit, or is a fragment's.
bool skip_extension(std::span<const std::uint8_t> head, Upper& upper) {
    if (upper.available < 8 || upper.length < 8) return false;
    const std::uint8_t* at = head.data() + upper.offset;
    std::size_t bytes = (std::size_t{at[1]} + 1) * 8;
    if (upper.protocol == protocol::kAuthentication) bytes = (std::size_t{at[1]} + 2) * 4;
    if (upper.protocol == protocol::kFragment) bytes = 8;
    if (bytes > upper.length || bytes > upper.available) return false;
    upper.protocol = at[0];
    upper.offset += bytes;
    upper.length -= bytes;
    upper.available -= bytes;
    return true;
}

bool is_extension(std::uint8_t next_header) {
    return next_header == protocol::kHopByHop || next_header == protocol::kRouting ||
           next_header == protocol::kFragment || next_header == protocol::kAuthentication ||
           next_header == protocol::kDestinationOptions;
}

PacketKind parse_ipv6(std::span<const std::uint8_t> head, std::size_t frame_length,
                      ParsedPacket& packet) {
    if (head.size() < kL3 + ipv6::kHeaderBytes) return PacketKind::kMalformed;
    const std::uint8_t* ip = head.data() + kL3;
    const std::size_t payload = load_be16(ip + ipv6::kPayloadLength);
    const std::size_t total = ipv6::kHeaderBytes + payload;
    // 65535 bytes of payload would not fit l3_length; no link carries such a packet to us whole.
    if (ip[0] >> 4U != 6 || kL3 + total > frame_length || total > 0xffff)
        return PacketKind::kMalformed;
    packet.l3_length = static_cast<std::uint16_t>(total);
    std::memcpy(packet.key.source.bytes.data(), ip + ipv6::kSource, sizeof(IpAddress));
    std::memcpy(packet.key.destination.bytes.data(), ip + ipv6::kDestination, sizeof(IpAddress));

    // Mapped addresses do not belong on the wire (RFC 4291 section 2.5.5.2 has them for nodes'
    // internal use), and here they would pass for IPv4.
    if (packet.key.source.is_v4() || packet.key.destination.is_v4()) return PacketKind::kMalformed;

    const std::size_t offset = kL3 + ipv6::kHeaderBytes;
    Upper upper{.offset = offset,
                .available = head.size() - offset,
                .length = payload,
                .protocol = ip[ipv6::kNextHeader]};
    for (int i = 0; is_extension(upper.protocol); ++i) {
        const std::uint8_t* at = head.data() + upper.offset;
        if (i == kExtensionHeadersMax) return PacketKind::kMalformed;
        // A fragment header with offset 0 and no more to come is a whole packet (RFC 6946).
        const bool fragment = upper.protocol == protocol::kFragment && upper.available >= 4 &&
                              (load_be16(at + 2) & 0xfff9U) != 0;
        if (!skip_extension(head, upper)) return PacketKind::kMalformed;
        if (fragment) return PacketKind::kFragment;
    }
    return parse_upper(head, upper, packet);
}

PacketKind parse_arp(std::span<const std::uint8_t> head, ParsedPacket& packet) {
    if (head.size() < kL3 + arp::kBytes) return PacketKind::kMalformed;
    const std::uint8_t* at = head.data() + kL3;
    const bool is_request =
        std::memcmp(at, arp::kIpv4OverEthernet.data(), arp::kIpv4OverEthernet.size()) == 0 &&
        load_be16(at + arp::kOperation) == arp::kRequest;
    if (!is_request) return PacketKind::kOther;
    const std::uint8_t* target = at + arp::kTargetAddress;
    packet.key.destination = IpAddress::from_v4({target[0], target[1], target[2], target[3]});
    return PacketKind::kArpRequest;
}

PacketKind parse_frame(std::span<const std::uint8_t> head, std::size_t frame_length,
                       ParsedPacket& packet) {
    if (head.size() < ethernet::kHeaderBytes) return PacketKind::kMalformed;
    const std::uint16_t type = load_be16(head.data() + ethernet::kType);
    if (type == ethernet::kTypeIpv4) return parse_ipv4(head, frame_length, packet);
    if (type == ethernet::kTypeIpv6) return parse_ipv6(head, frame_length, packet);
    return type == ethernet::kTypeArp ? parse_arp(head, packet) : PacketKind::kOther;
}

}  // namespace

ParsedPacket parse(std::span<const std::uint8_t> head, std::size_t frame_length) {
    ParsedPacket packet{};  // where the caller wants it: it is filled in place, never copied
    packet.kind = parse_frame(head.first(std::min({head.size(), frame_length, kHeadersMax})),
                              frame_length, packet);
    return packet;
}

}  // namespace tandem
