// Which VIP is a packet for: most specific prefix first, then the narrowest range of ports.
//
// Three arrays of one kind of entry: `exact` (a hash table of single ports on single addresses,
// where nearly every packet ends after one probe), `networks` (a hash table of all prefixes that
// VIPs are in) and `wide` (port ranges and prefixes, those of one network together, narrowest
// first). Keys come from the operator's configuration, never from senders, so the hash needs no
// secret.
#pragma once

#include <array>
#include <cstdint>
#include <immintrin.h>
#include <span>
#include <type_traits>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/net/flow_key.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

struct VipEntry {
    IpAddress address;             ///< host bits cleared
    std::uint32_t service = 0;     ///< service_of() the first port; of a network: its prefix length
    std::uint16_t port_first = 0;  ///< host order; of a network: its first entry in `wide`
    std::uint16_t port_last = 0;   ///< of a network: how many entries it has there
    std::uint16_t vip = 0;
    std::uint16_t pool = 0;
    std::uint8_t prefix_length = 0;
    Flag used = 0;
    Flag udp_is_stateless = 0;
    std::uint8_t group = kNoGroup;  ///< of a network: of all its VIPs
};
static_assert(sizeof(VipEntry) == 32 && std::is_trivially_copyable_v<VipEntry>);

/// Sizes of the parts, and the prefix lengths that occur, longest first.
struct VipTableShape {
    std::uint32_t exact_size = 0;    ///< a power of two, or 0
    std::uint32_t network_size = 0;  ///< a power of two, or 0
    std::uint32_t wide_size = 0;
    std::uint32_t length_count = 0;
    std::array<std::uint8_t, 129> lengths{};
};

struct BuiltVipTable {
    VipTableShape shape;
    std::vector<VipEntry> entries;  ///< exact, then networks, then wide
};

/// Indexes `vips` (at most kVipsMax). Of two VIPs that say the same, the first wins.
BuiltVipTable build_vip_table(std::span<const PlanVip> vips);

class VipTable {
  public:
    VipTable() = default;
    /// A shape that does not fit `entries` gives an empty table.
    VipTable(const VipTableShape& shape, std::span<const VipEntry> entries);

    /// The VIP of a packet by its destination and service_of(), or nullptr.
    [[nodiscard]] const VipEntry* find(const IpAddress& address, std::uint32_t service) const {
        const std::size_t at = hash(address, service);
        const VipEntry& entry = exact_[at & exact_mask_];
        // No service is 0, as those of free entries are.
        if (entry.address == address && entry.service == service) [[likely]]
            return &entry;
        return find_further(address, service, at);
    }
    /// The smallest network of VIPs with this address, or nullptr: ARP, neighbour discovery and
    /// ping ask that. VIPs whose addresses overlap are of one group.
    [[nodiscard]] const VipEntry* find_network(const IpAddress& address) const;

    static std::size_t hash(const IpAddress& address, std::uint32_t service);

  private:
    [[nodiscard]] const VipEntry* find_further(const IpAddress& address, std::uint32_t service,
                                               std::size_t hash) const;
    [[nodiscard]] const VipEntry* find_wide(const IpAddress& address, std::uint32_t service) const;
    [[nodiscard]] const VipEntry* network_of(const IpAddress& address, std::uint8_t length) const;

    static constexpr VipEntry kFree{};
    const VipEntry* exact_ = &kFree;  ///< never none
    std::size_t exact_mask_ = 0;      ///< one less than there are
    std::span<const VipEntry> networks_;
    std::span<const VipEntry> wide_;
    std::array<std::uint8_t, 129> lengths_{};
    std::uint32_t length_count_ = 0;
};

inline std::size_t VipTable::hash(const IpAddress& address, std::uint32_t service) {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, address.bytes.data(), sizeof(high));
    std::memcpy(&low, address.bytes.data() + sizeof(high), sizeof(low));
    return _mm_crc32_u64(_mm_crc32_u64(service, low), high);
}

}  // namespace tandem::tables
