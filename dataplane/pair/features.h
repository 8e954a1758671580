// What two instances that may be of different releases can do with each other. Each message names
// what its sender has, and what it cannot do without in a peer; both use what both have. Pure.
//
// A release that names nothing is one from before there were names: it has kFeaturesBefore.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::pair {

/// Never another meaning for a bit that was in use.
enum Feature : std::uint32_t {
    kStreams = 1,   ///< tells what it remembers, record by record, and takes what it is told
    kHandsOff = 2,  ///< asks, and is asked, to take a group
};

struct Features {
    std::uint32_t has = 0;
    std::uint32_t needs = 0;  ///< of the peer

    friend bool operator==(const Features&, const Features&) = default;
};

inline constexpr Features kOurFeatures{.has = kStreams | kHandsOff, .needs = 0};
inline constexpr Features kFeaturesBefore{.has = kStreams | kHandsOff, .needs = 0};

/// What comes of ours and the peer's.
struct Common {
    std::uint32_t usable = 0;      ///< none if one of them lacks what the other one needs
    std::uint32_t we_lack = 0;     ///< of what the peer needs
    std::uint32_t peer_lacks = 0;  ///< of what we need

    [[nodiscard]] bool suits() const { return we_lack == 0 && peer_lacks == 0; }
    friend bool operator==(const Common&, const Common&) = default;
};
Common common(const Features& ours, const Features& peers);

/// What keeps the two apart, and which of them is to be upgraded; empty if they suit.
std::string trouble_of(const Common& common);

}  // namespace tandem::pair
