// The plan: what control says the tables should be. Control writes it, the dataplane's main core
// reads it and turns it into what workers see (live.h).
//
// Everything is an array of plain records that refer to each other by index. Names and identities
// are part of it, so that a restarted control reads the whole truth back from here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/net/hash.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

inline constexpr std::size_t kNameBytes = 64;
inline constexpr std::size_t kPortsMax = 16;
inline constexpr std::size_t kVipsMax = 4096;
inline constexpr std::size_t kPoolsMax = 1024;
inline constexpr std::size_t kGroupsMax = 64;
inline constexpr std::size_t kBackendsMax = 65'532;

/// Index 0 is "none": what a slot holds when nobody serves.
using BackendIndex = std::uint16_t;
inline constexpr BackendIndex kNoBackend = 0;

/// A VIP of no group is this instance's always.
inline constexpr std::uint8_t kNoGroup = 0xff;

/// A name in shared memory; longer text is cut.
struct Name {
    std::array<char, kNameBytes> text{};

    Name() = default;
    explicit Name(std::string_view name) { name.copy(text.data(), text.size() - 1); }
    [[nodiscard]] std::string_view view() const {
        return std::string_view(text.data(), text.size())
            .substr(0, std::string_view(text.data(), text.size()).find('\0'));
    }
};

/// The number of a pool, or of a group, in every generation and on every instance: of its name.
std::uint64_t name_id(const Name& name);

enum class ForwardMode : std::uint8_t { kL2, kIpip };
enum class HealthState : std::uint8_t { kUnused, kChecking, kUp, kDown };

struct PlanHead {
    HashKey hash_key;  ///< for slots and for the table function; the pair shares it
    std::uint64_t hash_key_born_ms = 0;  ///< when it was made, Unix time
    std::uint64_t config_revision = 0;
    std::uint64_t digest = 0;  ///< over the digests of all VIPs
};

struct PlanVip {
    Name name;
    IpAddress address;                 ///< the prefix, host bits cleared
    std::uint8_t prefix_length = 128;  ///< of the 16-byte form
    std::uint8_t protocol = 0;         ///< IANA number
    std::uint16_t port_first = 0;      ///< host order
    std::uint16_t port_last = 0;
    std::uint16_t pool = 0;
    Flag udp_is_stateless = 0;  ///< UDP follows the slot, no flow is remembered
    std::uint8_t group = kNoGroup;
    std::uint64_t digest = 0;
};

/// The only ones a group is advertised to, if it has any.
struct PlanPeer {
    IpAddress address;
    std::array<std::uint8_t, 6> mac{};  ///< of the neighbour it is reached over
    Flag resolved = 0;
};
inline constexpr std::size_t kPeersMax = 16;

/// What is known of the gateways that a group follows, of the worst of them.
enum class GatewayState : std::uint8_t {
    kAnswers,   ///< or there is none to follow
    kDoubtful,  ///< nothing is known for sure: this instance takes nothing from another one
    kSilent,    ///< whoever is better off may have the group
};

/// VIPs that one of two instances has at a time, and how it says so (VRRPv3).
struct PlanGroup {
    Name name;
    IpAddress source_v4;  ///< ours on the port; all 0: there is none
    IpAddress source_v6;  ///< link-local; all 0: there is none
    std::uint32_t interval_ms = 1000;
    std::uint32_t preempt_delay_ms = 0;
    std::uint32_t checks_apart_ms = 0;  ///< the peer's checks may notice so much later what ours do
    std::uint8_t port = 0;              ///< index into LiveFixed::ports
    std::uint8_t router_id = 0;
    std::uint8_t priority = 100;
    std::uint8_t peer_count = 0;
    Flag preempts = 1;
    Flag has_virtual_mac = 1;
    Flag sums_pseudo_header = 1;  ///< of IPv4
    Flag is_strict = 0;           ///< nobody but the active instance forwards
    GatewayState gateway = GatewayState::kAnswers;
    std::array<PlanPeer, kPeersMax> peers{};
};

struct PlanPool {
    Name name;
    ForwardMode mode = ForwardMode::kIpip;
    std::uint8_t tunnel_source_length = 128;  ///< outer sources vary below this length
    Flag has_tunnel_source = 0;               ///< 0: the port's own address
    std::uint32_t slot_count = 0;
    IpAddress tunnel_source;
    std::uint32_t transition_hold_s = 900;
    std::uint32_t flow_budget_percent = 50;  ///< of each worker's flow table
    std::uint64_t digest = 0;                ///< of owner identities, slot by slot
    BlockRef slots;                          ///< BackendIndex[slot_count]: the owner `now`
};

struct PlanBackend {
    Name name;
    IpAddress address;
    std::uint16_t port = 0;  ///< host order
    std::uint16_t pool = 0;
    HealthState health = HealthState::kUnused;  ///< by the checks of this instance alone
    Flag serves_flows = 0;                      ///< flows that it has may go on, drained or not
    Flag is_draining = 0;                       ///< gets no new flows until it is taken away
    std::uint8_t zero = 0;
    std::uint16_t weight_base = 0;  ///< as configured, in hundredths
    std::uint16_t weight_now = 0;
    std::uint16_t next_hop = 0;  ///< index; 0 is "none known"
};

struct PlanNextHop {
    IpAddress address;  ///< the neighbour's: the backend itself or a gateway
    IpAddress source;   ///< our address on that port: the outer source by default
    std::array<std::uint8_t, 6> mac{};
    std::uint8_t port = 0;  ///< index into LiveFixed::ports
    Flag resolved = 0;
};

static_assert(std::is_trivially_copyable_v<PlanVip> && std::is_trivially_copyable_v<PlanGroup> &&
              std::is_trivially_copyable_v<PlanPool> && std::is_trivially_copyable_v<PlanBackend> &&
              std::is_trivially_copyable_v<PlanNextHop> && std::is_trivially_copyable_v<PlanHead>);

/// The order of a plan generation's references; a pool's slots follow at kPlanFixedBlocks + pool.
enum PlanBlock : std::uint8_t {
    kPlanHead,
    kPlanVips,
    kPlanPools,
    kPlanBackends,
    kPlanNextHops,
    kPlanGroups,
};
inline constexpr std::size_t kPlanFixedBlocks = 6;

/// A plan generation as arrays. Valid while the reader that adopted it has not adopted another.
struct PlanView {
    const PlanHead* head = nullptr;
    std::span<const PlanVip> vips;
    std::span<const PlanPool> pools;
    std::span<const PlanBackend> backends;   ///< by BackendIndex; [0] is unused
    std::span<const PlanNextHop> next_hops;  ///< [0] is unused
    std::span<const PlanGroup> groups;
    std::span<const BlockRef> references;

    /// nullopt if the generation is no longer there or is not a plan.
    static std::optional<PlanView> open(const Region& region, std::uint64_t generation);
};

}  // namespace tandem::tables
