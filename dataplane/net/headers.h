// The few header facts the packet path needs: offsets, sizes and values, each with its source.
//
// Headers are read and written byte by byte at these offsets: no packed structs, no alignment
// traps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tandem {

using Mac = std::array<std::uint8_t, 6>;

inline std::uint16_t load_be16(const std::uint8_t* at) {
    return static_cast<std::uint16_t>(at[0] << 8U | at[1]);
}
inline void store_be16(std::uint8_t* at, std::uint16_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8U);
    at[1] = static_cast<std::uint8_t>(value);
}
/// Bytes as they lie in memory, for checksums and copies.
inline std::uint16_t load_raw16(const std::uint8_t* at) {
    std::uint16_t value = 0;
    std::memcpy(&value, at, sizeof(value));
    return value;
}
inline void store_raw16(std::uint8_t* at, std::uint16_t value) {
    std::memcpy(at, &value, sizeof(value));
}
inline std::uint32_t load_raw32(const std::uint8_t* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at, sizeof(value));
    return value;
}
inline void store_raw32(std::uint8_t* at, std::uint32_t value) {
    std::memcpy(at, &value, sizeof(value));
}

/// Of a virtual router: 00-00-5E-00-01-XX, with IPv6 00-00-5E-00-02-XX (RFC 9568 section 7.3).
constexpr Mac virtual_mac(std::uint8_t router_id, bool is_v4) {
    return {0, 0, 0x5e, 0, static_cast<std::uint8_t>(is_v4 ? 1 : 2), router_id};
}

namespace ethernet {
inline constexpr std::size_t kHeaderBytes = 14;
inline constexpr std::size_t kDestination = 0;
inline constexpr std::size_t kSource = 6;
inline constexpr std::size_t kType = 12;
inline constexpr std::uint16_t kTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kTypeArp = 0x0806;
inline constexpr std::uint16_t kTypeIpv6 = 0x86dd;
}  // namespace ethernet

namespace ipv4 {  // RFC 791 section 3.1
inline constexpr std::size_t kHeaderBytes = 20;
inline constexpr std::size_t kTos = 1;
inline constexpr std::size_t kTotalLength = 2;
inline constexpr std::size_t kFragment = 6;
inline constexpr std::size_t kTtl = 8;
inline constexpr std::size_t kProtocol = 9;
inline constexpr std::size_t kChecksum = 10;
inline constexpr std::size_t kSource = 12;
inline constexpr std::size_t kDestination = 16;
inline constexpr std::uint16_t kDontFragment = 0x4000;
inline constexpr std::uint16_t kMoreFragments = 0x2000;
inline constexpr std::uint16_t kFragmentOffset = 0x1fff;
}  // namespace ipv4

namespace ipv6 {  // RFC 8200 section 3
inline constexpr std::size_t kHeaderBytes = 40;
inline constexpr std::size_t kPayloadLength = 4;
inline constexpr std::size_t kNextHeader = 6;
inline constexpr std::size_t kHopLimit = 7;
inline constexpr std::size_t kSource = 8;
inline constexpr std::size_t kDestination = 24;
}  // namespace ipv6

namespace arp {  // RFC 826, for IPv4 over Ethernet
inline constexpr std::size_t kBytes = 28;
inline constexpr std::array<std::uint8_t, 6> kIpv4OverEthernet{0, 1, 8,
                                                               0, 6, 4};  ///< how it begins
inline constexpr std::size_t kOperation = 6;
inline constexpr std::size_t kSenderMac = 8;
inline constexpr std::size_t kSenderAddress = 14;
inline constexpr std::size_t kTargetMac = 18;
inline constexpr std::size_t kTargetAddress = 24;
inline constexpr std::uint16_t kRequest = 1;
inline constexpr std::uint16_t kReply = 2;
}  // namespace arp

namespace tcp {  // RFC 9293 section 3.1
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kAck = 0x10;
}  // namespace tcp

namespace icmp {  // RFC 792, RFC 4443
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::uint8_t kEchoRequest = 8;
inline constexpr std::uint8_t kEchoReply = 0;
inline constexpr std::uint8_t kV6EchoRequest = 128;
inline constexpr std::uint8_t kV6EchoReply = 129;
}  // namespace icmp

namespace neighbour {  // RFC 4861 sections 4.3, 4.4, 4.6.1
inline constexpr std::uint8_t kSolicitation = 135;
inline constexpr std::uint8_t kAdvertisement = 136;
inline constexpr std::size_t kFlags = 4;
inline constexpr std::size_t kTarget = 8;
inline constexpr std::size_t kOptions = 24;
inline constexpr std::size_t kMacOptionBytes = 8;
inline constexpr std::uint8_t kTargetMacOption = 2;
inline constexpr std::uint8_t kRouter = 0x80;
inline constexpr std::uint8_t kSolicited = 0x40;
inline constexpr std::uint8_t kOverride = 0x20;
inline constexpr std::uint8_t kHopLimit = 255;
}  // namespace neighbour

namespace protocol {  // IANA "Assigned Internet Protocol Numbers"
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kIpv4 = 4;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIpv6 = 41;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kAuthentication = 51;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kDestinationOptions = 60;
inline constexpr std::uint8_t kVrrp = 112;
}  // namespace protocol

}  // namespace tandem
