// What a frame is: one pass over its headers, every length checked before anything is read.
//
// Pure and without DPDK, so that the same code runs on a pcap file and under a fuzzer.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/net/flow_key.h"

namespace tandem {

enum class PacketKind : std::uint8_t {
    kFlow,          ///< TCP or UDP over IPv4 or IPv6, whole
    kEchoRequest,   ///< ICMP or ICMPv6
    kArpRequest,    ///< key.destination: the address asked for
    kSolicitation,  ///< IPv6 neighbour solicitation; key.destination: the address asked for
    kFragment,      ///< TCP, UDP or anything else in pieces; key has addresses only
    kOtherIp,       ///< another protocol over IP; key has addresses and protocol
    kOther,         ///< not IP, tagged, or ARP that is no request
    kMalformed,
};

struct ParsedPacket {
    FlowKey key;  ///< fields that the kind does not have are 0
    PacketKind kind;
    bool is_v4;
    bool has_payload;         ///< TCP: anything after its header
    bool is_quic_initial;     ///< UDP: what opens a QUIC connection
    std::uint8_t tcp_flags;   ///< 0 unless TCP
    std::uint8_t l4_offset;   ///< from the frame's start, bytes
    std::uint16_t l3_length;  ///< of the IP packet, by its own header; without link padding
};

/// How far into a frame headers may reach. Longer chains are malformed.
inline constexpr std::size_t kHeadersMax = 255;

/// Reads the headers of a frame of `frame_length` bytes of which `head` are at hand: all of them or
/// at least kHeadersMax. Sources: RFC 791, 8200 (extension headers), 9293, 768, 826, 4861, 9000.
ParsedPacket parse(std::span<const std::uint8_t> head, std::size_t frame_length);

}  // namespace tandem
