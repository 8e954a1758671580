// By what two instances know a flow alike: most of its hash by the pair's key, which also chooses
// its slot, and the domain of VIPs that it belongs to. Tables of flows have keys of their own.
#pragma once

#include <cstdint>

namespace tandem::tables {

/// VIPs of one group and one family, which move together between two instances. 0: of no group.
using Domain = std::uint16_t;
inline constexpr Domain kNoDomain = 0;

/// Of a group's name and virtual router, so that both instances have the same: groups of one router
/// id (on different ports) may have the same by chance.
Domain group_domain(std::uint64_t group_id, std::uint8_t router_id, bool is_v4);
constexpr bool is_v4(Domain domain) {
    return (domain & 1U) != 0;
}

/// 0 is nobody's.
using FlowIdentity = std::uint64_t;
inline constexpr FlowIdentity kDomainMask = 0xffff;

constexpr FlowIdentity flow_identity(std::uint64_t slot_hash, Domain domain) {
    return (slot_hash & ~kDomainMask) | domain;
}
constexpr Domain domain_of(FlowIdentity identity) {
    return static_cast<Domain>(identity & kDomainMask);
}

}  // namespace tandem::tables
