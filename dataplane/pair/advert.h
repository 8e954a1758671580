// VRRPv3 advertisements as they travel: IP packets of protocol 112, checked and made.
//
// Source: RFC 9568 sections 5 and 7.1, errata 8298 to 8301. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace tandem::pair {

inline constexpr std::size_t kAdvertAddressesMax = 255;
/// Of 12 bits of centiseconds.
inline constexpr Duration kAdvertIntervalMin = std::chrono::milliseconds{10};
inline constexpr Duration kAdvertIntervalMax = std::chrono::milliseconds{40'950};

inline constexpr std::uint8_t kPriorityReleased = 0;  ///< the sender gives its role up
inline constexpr std::uint8_t kPriorityOwner = 255;

inline constexpr IpAddress kVrrpGroupV4 = IpAddress::from_v4({224, 0, 0, 18});
inline constexpr IpAddress kVrrpGroupV6{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12}};

struct Advert {
    std::uint8_t router_id = 0;  ///< VRID: which virtual router; IPv4 and IPv6 count apart
    std::uint8_t priority = 0;
    Duration interval{};  ///< at which the sender sends, whole centiseconds
    IpAddress source;     ///< the sender's own primary address, link-local with IPv6
    IpAddress destination;
    std::vector<IpAddress> addresses;  ///< the VIPs

    friend bool operator==(const Advert&, const Advert&) = default;
};

/// Why a packet is none of ours. One counter each.
enum class AdvertFault : std::uint8_t {
    kTruncated,     ///< lengths that contradict each other
    kTtl,           ///< TTL or hop limit is not 255: it was forwarded
    kVersion,       ///< not VRRP version 3
    kType,          ///< not an advertisement
    kChecksum,      ///<
    kNoAddress,     ///< it names no address
    kInterval,      ///< an interval of 0
    kNotLinkLocal,  ///< IPv6: the first address has to be
};
inline constexpr std::size_t kAdvertFaultCount =
    static_cast<std::size_t>(AdvertFault::kNotLinkLocal) + 1;
std::string_view name_of(AdvertFault fault);

/// What the checksum of an IPv4 advertisement covers besides the message. RFC 9568 says: nothing;
/// keepalived and FRR put a pseudo-header in front by default. Both are accepted.
enum class AdvertChecksum : std::uint8_t { kMessage, kWithPseudoHeader };

/// Reads an IP packet of protocol 112. Options and extension headers are refused as kTruncated:
/// nobody sends them.
std::variant<Advert, AdvertFault> read_advert(std::span<const std::uint8_t> ip_packet);

/// The IP packet; of the family of `advert.source`. Its addresses must be of one family, at least
/// one and at most kAdvertAddressesMax.
std::vector<std::uint8_t> make_advert(const Advert& advert, AdvertChecksum checksum);

}  // namespace tandem::pair
