// Answers to what neighbours and clients ask about a VIP, made in place from the question: ARP,
// neighbour discovery, ping. Pure; the caller has parsed the question and knows it is for a VIP.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/net/headers.h"
#include "dataplane/net/parse.h"

namespace tandem {

/// Room that a reply may need behind the question: an option that the question did not have.
inline constexpr std::size_t kReplyGrowthMax = neighbour::kMacOptionBytes;

inline constexpr IpAddress kAllNodes{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};  ///< RFC 2464 section 7

/// An IPv6 packet that says `mac` has `target` (RFC 4861 section 4.4).
inline constexpr std::size_t kAdvertisementBytes =
    ipv6::kHeaderBytes + neighbour::kOptions + neighbour::kMacOptionBytes;
void write_advertisement(std::uint8_t* ip, const IpAddress& target, const IpAddress& destination,
                         std::uint8_t flags, const Mac& mac);

/// Turns an ARP request into the reply that `mac` has the address (RFC 826).
void make_arp_reply(std::span<std::uint8_t> frame, const Mac& mac);

/// Turns a neighbour solicitation into the advertisement that `mac` has the target (RFC 4861
/// section 7.2.4). `frame` extends kReplyGrowthMax bytes past the question. Returns the reply's
/// length.
std::size_t make_advertisement(std::span<std::uint8_t> frame, const ParsedPacket& question,
                               const Mac& mac);

/// Turns an echo request into its reply, in whatever the packet's first bytes hold: only headers
/// change, and checksums are mended, not recomputed (RFC 1624).
void make_echo_reply(std::span<std::uint8_t> frame, const ParsedPacket& question, const Mac& mac);

}  // namespace tandem
