// The live tables: what workers read, packet by packet. The dataplane's main core writes them from
// the plan (and, with time, from what slots remember); control may look.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/net/encap.h"
#include "dataplane/net/hash.h"
#include "dataplane/net/verdict.h"
#include "dataplane/tables/earlier_owners.h"
#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/roles.h"
#include "dataplane/tables/vip_table.h"

namespace tandem::tables {

inline constexpr std::size_t kWorkersMax = 64;

/// One slot in the 4 bytes that the steady path reads.
///
/// `owner` is where the slot points now. `steady` says whether anything else matters: kSteady: no;
/// kRemembering: no transition, but there may be remembered flows, so the flow table is to be asked
/// first; else the slot is in transition, and `steady` is the owner that it had before, or kByHash:
/// the pool had another number of slots then, see EarlierOwner. Times are kept elsewhere.
struct Slot {
    static constexpr std::uint16_t kSteady = 0xffff;
    static constexpr std::uint16_t kRemembering = 0xfffe;
    static constexpr std::uint16_t kByHash = 0xfffd;

    BackendIndex owner = kNoBackend;
    std::uint16_t steady = kSteady;

    [[nodiscard]] bool is_steady() const { return steady == kSteady; }
    [[nodiscard]] bool is_in_transition() const { return steady < kRemembering; }
    friend bool operator==(const Slot&, const Slot&) = default;
};
static_assert(kBackendsMax < Slot::kByHash);
static_assert(sizeof(Slot) == 4);

/// Everything needed to send a packet to a backend, in one cache line.
struct alignas(kCacheLineBytes) LiveBackend {
    OuterHeader outer;
    std::uint16_t mtu = 0;   ///< of the port it leaves by, bytes of IP packet
    std::uint16_t pool = 0;  ///< its number in the plan
    std::uint8_t port = 0;
    Flag serves_flows = 0;  ///< those it has may go on
    Flag reachable = 0;     ///< configured, and its next hop has a MAC
};
static_assert(sizeof(LiveBackend) == kCacheLineBytes);

/// A pool as the VIPs of one domain see it.
struct LivePool {
    std::uint64_t id = 0;              ///< of its name: the same in every generation
    std::uint64_t slots_offset = 0;    ///< from the region's start
    std::uint64_t times_offset = 0;    ///< CoarseTime[slot_count]: when each slot changed last
    std::uint64_t earlier_offset = 0;  ///< EarlierOwner[earlier_count], behind the times
    std::uint32_t slot_count = 0;
    std::uint32_t earlier_count = 0;
    std::uint32_t flow_budget_percent = 100;
    CoarseTime void_before = 0;  ///< what is remembered of its flows from before is outdated
    Domain domain = kNoDomain;
    std::uint16_t number = 0;  ///< LiveBackend::pool of its backends
    /// The other instance answers for its VIPs: all slots are in transition, from the owners that
    /// are steady there, and the flows that count are those that it has told of.
    Flag is_followed = 0;
    std::uint8_t group = kNoGroup;  ///< Roles' number
    std::array<std::uint8_t, 2> zero{};
};

struct LiveHead {
    HashKey hash_key;
    std::uint64_t plan_generation = 0;
    VipTableShape vips;
};

enum LiveBlock : std::uint8_t {
    kLiveHead,
    kLiveVips,   ///< VipTable's entries, one after the other
    kLivePools,  ///< those of the plan, in its order, then those that VIPs of more domains have
    kLiveBackends,
};
inline constexpr std::size_t kLivePoolsMax = 2 * kPoolsMax;
/// A pool's slots, and their times with its earlier owners, follow at kLiveFixedBlocks + 2 * pool.
inline constexpr std::size_t kLiveFixedBlocks = 4;

/// worker: wo, everybody else: ro.
struct alignas(kCacheLineBytes) WorkerCounters {
    std::atomic<std::uint64_t> received{0};  ///< packets
    std::atomic<std::uint64_t> received_bytes{0};
    std::array<std::atomic<std::uint64_t>, kVerdictCount> verdicts{};
    std::atomic<std::uint64_t> loops{0};
    std::atomic<std::uint64_t> busy_loops{0};  ///< loops that found a packet
};

/// Adds to a counter that the caller alone writes: no locked instruction, readers see whole values.
inline void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

/// What is left of a backend's flows, as of the last second. main core: wo.
struct BackendFlows {
    std::atomic<std::uint32_t> remembered{0};  ///< flows in the workers' tables
    std::atomic<std::uint32_t> silence_s{0};   ///< of that one of them which is silent longest
    std::atomic<std::uint32_t> waiting{0};     ///< its old slots in transition: silent flows may be
    std::atomic<CoarseTime> draining_since{0};  ///< no flow of it is younger; 0: it is not draining
};

/// A port as control and tools see it. main core: wo.
struct PortInfo {
    Name name;
    Name driver;
    std::array<char, 16> netdev{};  ///< where the kernel sees this port's neighbours; may be empty
    std::array<std::uint8_t, 6> mac{};
    std::uint16_t mtu = 0;
    bool netdev_is_twin = false;  ///< a TAP of ours, which needs the port's addresses from control
};

/// Advertisements of virtual routers, with whomever they are shared. main core: wo.
struct alignas(kCacheLineBytes) AdvertCounters {
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> taken{0};
    std::atomic<std::uint64_t> unknown{0};    ///< of a router that is not ours
    std::atomic<std::uint64_t> own{0};        ///< with our own address
    std::atomic<std::uint64_t> mismatch{0};   ///< taken, but with other addresses than ours
    std::atomic<std::uint64_t> malformed{0};  ///< or not as a router may send it
};

/// What is known of the other instance. main core: wo.
struct alignas(kCacheLineBytes) PeerState {
    std::atomic<bool> is_configured{false};
    std::atomic<bool> is_alive{false};
    std::atomic<bool> has_same_tables{false};  ///< by digest, as far as it has said
    std::atomic<std::uint32_t> phi_milli{0};   ///< suspicion, in thousandths
    std::atomic<std::uint64_t> sent{0};        ///< heartbeats
    std::atomic<std::uint64_t> heard{0};
    std::atomic<std::uint64_t> refused{0};   ///< datagrams that were not believed
    std::atomic<std::uint64_t> unsuited{0};  ///< messages of a release that does not suit this one
    std::atomic<std::uint64_t> deaths{0};
    std::atomic<std::uint64_t> records{0};       ///< sent, repetitions included
    std::atomic<std::uint64_t> sent_bytes{0};    ///< of all datagrams, without IP and UDP headers
    std::atomic<std::uint64_t> stream_bytes{0};  ///< of messages sent with or for records
    std::atomic<bool> is_syncing{false};         ///< not in step: no group is taken back
    std::atomic<bool> is_held_down{false};       ///< the peer says so: no group is taken back
    std::atomic<std::uint32_t> losses{0};        ///< of groups, by the peer, that count yet
    std::atomic<bool> is_caught_up{false};       ///< this instance could go on for the other
    std::atomic<bool> has_told_all{false};       ///< and the other for this one
    std::atomic<std::uint64_t> tellings{0};      ///< begun: all is told anew in each
    std::atomic<std::uint64_t> overflows{0};     ///< of them, since a queue had overflowed
    std::atomic<std::uint64_t> uncommitted{0};   ///< transitions that ended without its knowledge
    std::atomic<std::uint64_t> differences{0};   ///< tables that were not what it says of them
    std::atomic<std::uint64_t> flows{0};         ///< of its own that it has told of
    std::atomic<std::uint64_t> drills{0};        ///< that measured a gap
    std::atomic<std::uint64_t> drill_gap_us{0};  ///< of the last one

    /// As if nobody had ever been heard.
    void reset() {
        is_configured = is_alive = has_same_tables = false;
        is_syncing = is_held_down = is_caught_up = has_told_all = false;
        phi_milli = losses = 0;
        sent = heard = refused = unsuited = deaths = 0;
        records = sent_bytes = stream_bytes = tellings = overflows = 0;
        uncommitted = differences = 0;
        flows = drills = drill_gap_us = 0;
    }
};

/// Which of two hash keys is the pair's.
enum class KeyHolds : std::uint8_t {
    kOlder,
    kPeers,  ///< it alone answers for VIPs, and its flows go by it
    kOurs,
};

/// What the other instance says that control goes by. main core: wo. `serial` is written last,
/// after every change: control looks again when it has grown.
struct PeerViews {
    std::atomic<std::uint64_t> serial{0};
    std::atomic<bool> is_known{false};  ///< it is heard, and has said all of what follows
    /// The key of its table function, as it lies in memory, and when that was made (Unix time; 0:
    /// not heard yet).
    std::array<std::atomic<std::uint64_t>, 2> hash_key{};
    std::atomic<std::uint64_t> hash_key_born_ms{0};
    std::atomic<KeyHolds> hash_key_holds{KeyHolds::kOlder};
    /// Its own checks' verdicts, by this instance's BackendIndex; kUnused: nothing was said.
    std::array<std::atomic<HealthState>, kBackendsMax + 1> verdicts{};
};

/// The part of the live region that is not versioned.
struct LiveFixed {
    /// Whole seconds of CLOCK_MONOTONIC, kept by the main core for the workers.
    alignas(kCacheLineBytes) std::atomic<CoarseTime> now{0};
    alignas(kCacheLineBytes) std::int32_t dataplane_pid = 0;
    std::uint32_t port_count = 0;
    std::uint32_t worker_count = 0;
    std::array<PortInfo, kPortsMax> ports{};
    Roles roles;
    AdvertCounters adverts;
    PeerState peer;
    PeerViews peer_views;
    ReaderCell plan_reader;  ///< the main core's progress in the plan
    std::array<ReaderCell, kWorkersMax> worker_readers{};
    std::array<WorkerCounters, kWorkersMax> counters{};
    std::array<BackendFlows, kBackendsMax + 1> backend_flows{};
};

/// One worker's view of a generation. Rebuilt when the generation changes, not per burst. Pool
/// entries are copied, so that no offset is read from memory that may have been reused.
class LiveView {
  public:
    struct alignas(kCacheLineBytes) Pool {
        // Of a pool that is not there: one slot that belongs to nobody.
        const Slot* slots = &kNobodysSlot;
        const CoarseTime* changed_at = &kNoTime;
        std::span<const EarlierOwner> earlier;  ///< what slots say `kByHash` of
        std::uint32_t slot_count = 1;
        std::uint32_t flow_budget_percent = 100;
        std::uint64_t id = 0;
        CoarseTime void_before = 0;
        Domain domain = kNoDomain;
        bool is_followed = false;
        std::uint8_t group = kNoGroup;
        std::uint16_t number = 0;  ///< LiveBackend::pool of its backends
    };

    /// False if the generation is no longer there; the view is then unchanged.
    bool open(const Region& region, std::uint64_t generation);

    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    [[nodiscard]] const VipTable& vips() const { return vips_; }
    [[nodiscard]] const KeyedHash& hash() const { return hash_; }
    [[nodiscard]] std::span<const Pool> pools() const { return pools_; }
    [[nodiscard]] std::span<const LiveBackend> backends() const { return backends_; }

    /// Where a hash falls in a table of `slot_count`: multiply and shift, no division.
    [[nodiscard]] static std::uint32_t slot_index(std::uint64_t hash, std::uint32_t slot_count) {
        return static_cast<std::uint32_t>(((hash >> 32U) * slot_count) >> 32U);
    }

  private:
    static constexpr Slot kNobodysSlot{};
    static constexpr CoarseTime kNoTime = 0;

    std::uint64_t generation_ = 0;
    VipTable vips_;
    KeyedHash hash_{HashKey{}};
    std::vector<Pool> pools_;
    std::span<const LiveBackend> backends_;
};

}  // namespace tandem::tables
