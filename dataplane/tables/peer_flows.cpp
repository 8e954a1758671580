#include "dataplane/tables/peer_flows.h"

#include <bit>
#include <sys/mman.h>

#include "dataplane/base/check.h"
#include "dataplane/net/hash.h"

namespace tandem::tables {

Domain group_domain(std::uint64_t group_id, std::uint8_t router_id, bool is_v4) {
    const auto of_name = static_cast<Domain>(group_id & 0x7f);
    return static_cast<Domain>(of_name << 9U | static_cast<unsigned>(router_id) << 1U |
                               static_cast<unsigned>(is_v4));
}

PeerFlows::PeerFlows(std::size_t flows)
    : buckets_(nullptr, Unmap{0}),
      // Half full at most: with two buckets of four, and flows that make room by moving to their
      // second one, no flow then finds both full.
      mask_(std::bit_ceil(flows * 2 / kPlaces + 2) - 1),
      capacity_(flows) {
    const std::size_t bytes = (mask_ + 1) * sizeof(Bucket);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    // Zeroed pages are empty buckets.
    buckets_ = {static_cast<Bucket*>(memory), Unmap{bytes}};
}

void PeerFlows::Unmap::operator()(Bucket* buckets) const {
    ::munmap(buckets, bytes);
}

std::array<std::size_t, 2> PeerFlows::buckets_of(FlowIdentity identity) const {
    // The upper bits choose slots, the lowest are the domain's: both mixed into all.
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
    const std::uint64_t mixed = (identity ^ identity >> 29U) * kOdd;
    const std::size_t first = (mixed >> 32U) & mask_;
    return {first, first ^ (((mixed & 0xffff'ffff) | 1U) & mask_)};
}

PeerFlows::Place PeerFlows::place_of(FlowIdentity identity) const {
    for (const std::size_t bucket : buckets_of(identity)) {
        Bucket& at = buckets_[bucket];
        for (unsigned place = 0; place < kPlaces; ++place) {
            if (at.identities[place].load(std::memory_order_acquire) == identity) {
                return {&at, place};
            }
        }
    }
    return {};
}

std::optional<PeerFlows::Flow> PeerFlows::find(FlowIdentity identity) const {
    if (identity == 0) return std::nullopt;
    // Its place may be given to another meanwhile, and it may have moved: once at most.
    for (int attempt = 0; attempt < 2; ++attempt) {
        const Place place = place_of(identity);
        if (place.bucket == nullptr) return std::nullopt;
        const std::uint64_t word = place.bucket->flows[place.index].load(std::memory_order_acquire);
        // What is put there is put before whose it is.
        const FlowIdentity now =
            place.bucket->identities[place.index].load(std::memory_order_relaxed);
        if (now == identity && is_of(identity, word)) return unpacked(word);
    }
    return std::nullopt;
}

PeerFlows::Place PeerFlows::room_in(std::size_t bucket) const {
    Bucket& at = buckets_[bucket];
    for (unsigned place = 0; place < kPlaces; ++place) {
        if (at.identities[place].load(std::memory_order_relaxed) == 0) return {&at, place};
    }
    return {};
}

/// Moves one flow of a full bucket to its second one, if one has room there.
PeerFlows::Place PeerFlows::make_room(std::size_t bucket) {
    Bucket& at = buckets_[bucket];
    for (unsigned place = 0; place < kPlaces; ++place) {
        const FlowIdentity identity = at.identities[place].load(std::memory_order_relaxed);
        const std::array<std::size_t, 2> its = buckets_of(identity);
        if (its[0] != bucket) continue;
        const Place elsewhere = room_in(its[1]);
        if (elsewhere.bucket == nullptr) continue;
        elsewhere.bucket->flows[elsewhere.index].store(
            at.flows[place].load(std::memory_order_relaxed), std::memory_order_release);
        elsewhere.bucket->identities[elsewhere.index].store(identity, std::memory_order_release);
        at.identities[place].store(0, std::memory_order_release);
        return {&at, place};
    }
    return {};
}

bool PeerFlows::put(FlowIdentity identity, const Flow& flow) {
    if (identity == 0) return false;
    if (const Place known = place_of(identity); known.bucket != nullptr) {
        known.bucket->flows[known.index].store(packed(identity, flow), std::memory_order_release);
        return true;
    }
    if (count_ >= capacity_) return false;
    const std::array<std::size_t, 2> buckets = buckets_of(identity);
    Place free = room_in(buckets[0]);
    if (free.bucket == nullptr) free = room_in(buckets[1]);
    if (free.bucket == nullptr) free = make_room(buckets[0]);
    if (free.bucket == nullptr) free = make_room(buckets[1]);
    if (free.bucket == nullptr) return false;
    free.bucket->flows[free.index].store(packed(identity, flow), std::memory_order_release);
    free.bucket->identities[free.index].store(identity, std::memory_order_release);
    ++count_;
    return true;
}

void PeerFlows::remove(FlowIdentity identity) {
    const Place known = identity == 0 ? Place{} : place_of(identity);
    if (known.bucket == nullptr) return;
    known.bucket->identities[known.index].store(0, std::memory_order_release);
    --count_;
}

std::uint64_t PeerFlows::packed(FlowIdentity identity, const Flow& flow) {
    return std::uint64_t{flow.backend} | std::uint64_t{flow.peers} << 16U |
           std::uint64_t{static_cast<std::uint8_t>(flow.state)} << 32U |
           std::uint64_t{flow.serial} << 40U | (identity >> 16U & 0xffffU) << 48U;
}

PeerFlows::Flow PeerFlows::unpacked(std::uint64_t word) {
    return {.backend = static_cast<BackendIndex>(word),
            .peers = static_cast<BackendIndex>(word >> 16U),
            .state = static_cast<FlowState>(word >> 32U & 0xffU),
            .serial = static_cast<std::uint8_t>(word >> 40U)};
}

}  // namespace tandem::tables
