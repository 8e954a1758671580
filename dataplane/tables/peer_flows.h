// The flows that the other instance remembers, as far as it has told of them. The main core writes,
// workers look up while it does: a flow that one of them does not know may be one of these.
//
// Two buckets of a cache line each for every flow, like the tables of workers, but with whole
// identities. Flows move from their first bucket to their second one to make room, never back: a
// worker that looks into them in this order misses none. Entries stay until the main core takes
// them away: their age is for the peer to say, and once that is gone, for whoever took over.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/flow_state.h"
#include "dataplane/tables/plan.h"

namespace tandem::tables {

class PeerFlows {
  public:
    /// Room for so many; memory is taken as it is used.
    explicit PeerFlows(std::size_t flows);

    struct Flow {
        BackendIndex backend = kNoBackend;  ///< here; kNoBackend: this instance does not know it
        BackendIndex peers = kNoBackend;    ///< its number at the peer
        FlowState state = FlowState::kEstablished;
        std::uint8_t serial = 0;  ///< of the telling that it was part of

        friend bool operator==(const Flow&, const Flow&) = default;
    };

    /// By any thread.
    [[nodiscard]] std::optional<Flow> find(FlowIdentity identity) const;

    // By the main core alone.
    /// False: no room.
    bool put(FlowIdentity identity, const Flow& flow);
    void remove(FlowIdentity identity);
    /// Visits all flows of the next `bucket_count` buckets, beginning with `bucket`: those for
    /// which `keeps` is false are taken away; it may change the flow. Returns where to go on: 0 at
    /// the end.
    template <class Keeps>
    std::size_t walk(std::size_t bucket, std::size_t bucket_count, Keeps&& keeps);
    template <class Keeps>
    void walk_all(Keeps&& keeps) {
        if (count_ != 0) walk(0, bucket_count(), keeps);
    }

    [[nodiscard]] std::size_t count() const { return count_; }
    [[nodiscard]] std::size_t bucket_count() const { return mask_ + 1; }

  private:
    static constexpr unsigned kPlaces = 4;
    struct alignas(64) Bucket {
        std::array<std::atomic<FlowIdentity>, kPlaces> identities;
        std::array<std::atomic<std::uint64_t>, kPlaces> flows;
    };
    static_assert(sizeof(Bucket) == 64);
    struct Unmap {
        std::size_t bytes;
        void operator()(Bucket* buckets) const;
    };
    struct Place {
        Bucket* bucket = nullptr;
        unsigned index = 0;
    };

    [[nodiscard]] std::array<std::size_t, 2> buckets_of(FlowIdentity identity) const;
    [[nodiscard]] Place place_of(FlowIdentity identity) const;
    [[nodiscard]] Place room_in(std::size_t bucket) const;
    Place make_room(std::size_t bucket);
    /// With a part of the identity: whose place was given to others and back would not notice.
    static std::uint64_t packed(FlowIdentity identity, const Flow& flow);
    static bool is_of(FlowIdentity identity, std::uint64_t word) {
        return word >> 48U == (identity >> 16U & 0xffffU);
    }
    static Flow unpacked(std::uint64_t word);

    std::unique_ptr<Bucket[], Unmap> buckets_;
    std::size_t mask_;
    std::size_t capacity_;
    std::size_t count_ = 0;
};

template <class Keeps>
std::size_t PeerFlows::walk(std::size_t bucket, std::size_t bucket_count, Keeps&& keeps) {
    for (std::size_t i = 0; i < bucket_count && bucket <= mask_; ++i, ++bucket) {
        Bucket& at = buckets_[bucket];
        for (unsigned place = 0; place < kPlaces; ++place) {
            const FlowIdentity identity = at.identities[place].load(std::memory_order_relaxed);
            if (identity == 0) continue;
            const Flow before = unpacked(at.flows[place].load(std::memory_order_relaxed));
            Flow flow = before;
            if (!keeps(identity, flow)) {
                at.identities[place].store(0, std::memory_order_release);
                --count_;
            } else if (flow != before) {
                at.flows[place].store(packed(identity, flow), std::memory_order_release);
            }
        }
    }
    return bucket <= mask_ ? bucket : 0;
}

}  // namespace tandem::tables
