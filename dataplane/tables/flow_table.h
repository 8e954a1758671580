// The flows that one worker remembers, and to which backend each goes. Fixed memory, no allocation,
// no lock: one writer. Tells flows apart by 64 bits of a keyed hash and nothing else.
//
// A flow lives in one of two buckets of a cache line each, both known from its hash: in the second
// only if the first was full. Entries whose sender has not shown that it gets answers are on
// probation: they alone are evicted, once they have had the time for an answer. What finds no room
// is not remembered, counted, and forwarded all the same.
//
// To look up a burst, call prefetch() for all of its flows, then glimpse() for all, then find(): so
// the waits for memory overlap.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <immintrin.h>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/check.h"
#include "dataplane/base/time.h"
#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/flow_journal.h"
#include "dataplane/tables/flow_state.h"
#include "dataplane/tables/plan.h"

namespace tandem::tables {

/// By state, the time without a packet after which a flow is forgotten.
struct FlowTimeouts {
    static constexpr std::uint16_t kMaxSeconds = 7200;  ///< what 13 bits tell apart, with a margin
    std::array<std::uint16_t, kFlowStateCount> idle_s{10, 900, 900, 15, 30, 30};
};

/// Eight flows in one cache line. A tag of 0 marks a free place.
struct alignas(64) FlowBucket {
    static constexpr unsigned kPlaces = 8;

    std::array<std::uint32_t, kPlaces> tags{};
    std::array<BackendIndex, kPlaces> backends{};
    std::array<std::uint16_t, kPlaces> stamps{};  ///< state in 3 bits, seconds of last use in 13
};
static_assert(sizeof(FlowBucket) == 64);

/// By what the other instance knows the flows of a bucket. A line of its own, for only changes of
/// what is remembered need it.
struct alignas(64) FlowIdentities {
    std::array<FlowIdentity, FlowBucket::kPlaces> of_place{};
};

/// worker: wo, everybody else: ro.
struct FlowStatistics {
    using Counter = std::atomic<std::uint64_t>;

    std::array<Counter, kFlowStateCount> entries{};  ///< as of now; all others only ever grow
    Counter lookups{0};
    Counter missed{0};  ///< of the lookups
    Counter inserted{0};
    Counter adopted{0};         ///< of the inserted: those that the other instance remembered
    Counter rewritten{0};       ///< given another backend, theirs being gone
    Counter expired{0};         ///< idle for too long
    Counter refreshed{0};       ///< found, and used for the first time in a second or a state
    Counter evicted_full{0};    ///< on probation, made room for another: both buckets were full
    Counter evicted_budget{0};  ///< likewise of its own pool, which had used up its share
    Counter relocated{0};       ///< moved to their second bucket to make room
    Counter refused_full{0};    ///< not remembered: no room
    Counter refused_budget{0};  ///< not remembered: their pool has used up its share
};

class FlowTable {
  public:
    /// Where a flow is remembered, or false. Valid until the next insert() or sweep().
    struct Place {
        FlowBucket* bucket;
        unsigned index;

        explicit operator bool() const { return bucket != nullptr; }
        [[nodiscard]] BackendIndex backend() const { return bucket->backends[index]; }
        [[nodiscard]] FlowState state() const { return state_of(*bucket, index); }
    };
    static FlowState state_of(const FlowBucket& bucket, unsigned place) {
        return static_cast<FlowState>(bucket.stamps[place] >> kTimeBits);
    }

    /// By BackendIndex, for others to read.
    struct PerBackend {
        std::span<std::atomic<std::uint32_t>> flows;  ///< that it has here, as of now
        /// Seconds since the last packet of that flow of it which is silent longest, as of the last
        /// time that sweep() had seen all buckets. Of backends that set_pools() names.
        std::span<std::atomic<std::uint16_t>> silence_s;
    };

    /// `buckets`: a power of two of them, zeroed or as an earlier FlowTable left them.
    FlowTable(std::span<FlowBucket> buckets, const PerBackend& per_backend,
              FlowStatistics& statistics, const FlowTimeouts& timeouts);

    /// From now on a journal is told of flows, by their identities: as many as there are buckets.
    void keep_journal(std::span<FlowIdentities> identities, FlowJournal& journal);

    void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[first_of(hash)], 1); }

    /// Where find() will find the flow, most likely. Nowhere: its second bucket is on its way.
    [[nodiscard]] Place glimpse(std::uint64_t hash) const {
        const std::size_t first = first_of(hash);
        const std::uint32_t tag = tag_of(hash);
        const Place place = find_in(buckets_[first], tag);
        if (!place) [[unlikely]]
            __builtin_prefetch(&buckets_[second_of(first, tag)], 1);
        return place;
    }

    /// The flow, unless it has been idle for too long, or since before `void_before`; it is
    /// forgotten then. `glimpsed` may be out of date.
    [[nodiscard]] Place find(std::uint64_t hash, CoarseTime now, const Place& glimpsed = {},
                             CoarseTime void_before = 0) {
        const std::uint32_t tag = tag_of(hash);
        Place place = glimpsed;
        if (!place || place.bucket->tags[place.index] != tag) [[unlikely]] {
            const std::size_t first = first_of(hash);
            place = find_in(buckets_[first], tag);
            if (!place) place = find_in(buckets_[second_of(first, tag)], tag);
        }
        const bool is_outdated = place && age(place, now) > now - void_before;
        if (is_outdated || (place && is_expired(place, now))) [[unlikely]] {
            count(statistics_->expired);
            is_outdated ? drop(place) : remove(place);
            place = {};
        }
        if (!place) [[unlikely]]
            count(statistics_->missed);
        return place;
    }
    void count_lookups(std::size_t amount) { count(statistics_->lookups, amount); }

    /// Notes that a flow is in use, in which state. False: so it was in this second already.
    bool touch(const Place& place, FlowState state, CoarseTime now) {
        const std::uint16_t stamp = stamp_of(state, now);
        if (place.bucket->stamps[place.index] == stamp) return false;
        count(statistics_->refreshed);
        const FlowState before = place.state();
        place.bucket->stamps[place.index] = stamp;
        if (before != state) [[unlikely]]
            change_state(place, before, state);
        return true;
    }
    /// Whether a place that may be out of date still is the flow's, and touch() would say false.
    static bool is_as_of(const Place& place, std::uint64_t hash, FlowState state, CoarseTime now) {
        return place.bucket->tags[place.index] == tag_of(hash) &&
               place.bucket->stamps[place.index] == stamp_of(state, now);
    }
    void rewrite(const Place& place, BackendIndex backend);

    /// Remembers a flow that find() did not find. False: it has no room.
    bool insert(std::uint64_t hash, BackendIndex backend, FlowState state, CoarseTime now,
                FlowIdentity identity = 0);
    /// Likewise one that the other instance remembered.
    Place adopt(std::uint64_t hash, BackendIndex backend, FlowState state, CoarseTime now,
                FlowIdentity identity);

    /// Which pool each backend belongs to, and how many flows each pool may have here: a pool that
    /// has used up its share takes room from none but its own. Without it nobody has a limit.
    void set_pools(std::vector<std::uint16_t> pool_of, std::vector<std::uint32_t> budgets);

    /// Forgets what is idle in the next `bucket_count` buckets. To be called again and again: each
    /// bucket within kMaxSeconds, or old entries would seem young.
    void sweep(CoarseTime now, std::size_t bucket_count);

    /// True: the journal's asking is to be answered anew from now on, by what set_void() said last.
    bool begins_to_answer();
    /// Answers it, as far as it comes in `bucket_count` buckets.
    void answer_journal(CoarseTime now, std::size_t bucket_count);
    /// Flows of these domains that were last seen before are void: the other instance knows better.
    struct Void {
        Domain domain;
        CoarseTime before;
    };
    void set_void(std::vector<Void> voids) { void_ = std::move(voids); }

    [[nodiscard]] std::size_t bucket_count() const { return buckets_.size(); }
    /// Of one backend here; read by other threads as well.
    [[nodiscard]] std::uint32_t flows_of(BackendIndex backend) const {
        return per_backend_.flows[backend].load(std::memory_order_relaxed);
    }

  private:
    static constexpr unsigned kTimeBits = 13;
    static constexpr std::uint16_t kTimeMask = (1U << kTimeBits) - 1;
    static constexpr std::uint16_t kSecondsAhead = 64;

    // The two come from disjoint bits of the hash: 32 for the bucket, 32 for the tag.
    [[nodiscard]] std::size_t first_of(std::uint64_t hash) const {
        return static_cast<std::uint32_t>(hash) & mask_;
    }
    static std::uint32_t tag_of(std::uint64_t hash) {
        const auto tag = static_cast<std::uint32_t>(hash >> 32U);
        return tag != 0 ? tag : 1;
    }
    /// The other bucket of an entry, from either of them.
    [[nodiscard]] std::size_t second_of(std::size_t bucket, std::uint32_t tag) const {
        constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
        return bucket ^ (((tag * kOdd) >> 32U | 1U) & mask_);
    }
    static Place find_in(FlowBucket& bucket, std::uint32_t tag) {
        const __m256i tags = _mm256_load_si256(reinterpret_cast<const __m256i*>(&bucket.tags));
        const __m256i same = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32(static_cast<int>(tag)));
        const int found = _mm256_movemask_ps(_mm256_castsi256_ps(same));
        if (found == 0) return {};
        return {&bucket, static_cast<unsigned>(__builtin_ctz(static_cast<unsigned>(found)))};
    }
    static std::uint16_t stamp_of(FlowState state, CoarseTime now) {
        return static_cast<std::uint16_t>(static_cast<unsigned>(state) << kTimeBits |
                                          (now & kTimeMask));
    }
    /// Seconds of use may lie a little ahead (SlotTables::Table::void_before).
    static CoarseTime age(const Place& place, CoarseTime now) {
        const CoarseTime age = (now - place.bucket->stamps[place.index]) & kTimeMask;
        return age > kTimeMask - kSecondsAhead ? 0 : age;
    }
    [[nodiscard]] bool is_expired(const Place& place, CoarseTime now) const {
        return age(place, now) > timeouts_.idle_s[static_cast<std::size_t>(place.state())];
    }
    static void count(FlowStatistics::Counter& counter, std::uint64_t amount = 1) {
        counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    FlowStatistics::Counter& entries(FlowState state) {
        return statistics_->entries[static_cast<std::size_t>(state)];
    }
    void change_state(const Place& place, FlowState before, FlowState after) {
        count(entries(before), ~std::uint64_t{0});
        count(entries(after));
        // One that opens anew is told of once it is established; what was told of it is over.
        const bool is_over = on_probation(after) && !on_probation(before);
        tell(place, is_over ? FlowChange::Kind::kEnded : FlowChange::Kind::kIs, before);
        if (is_over) tell(place, FlowChange::Kind::kIs);
    }

    /// nullptr: it belongs to no pool.
    [[nodiscard]] std::uint32_t* pool_flows(BackendIndex backend) {
        if (backend >= pool_of_.size() || pool_of_[backend] >= of_pool_.size()) return nullptr;
        return &of_pool_[pool_of_[backend]];
    }
    [[nodiscard]] bool has_used_up_its_share(BackendIndex backend);
    void add_flows(BackendIndex backend, std::uint32_t amount);
    void remove(const Place& place);
    void drop(const Place& place);
    void expire(const Place& place, CoarseTime now);
    Place room_in(FlowBucket& bucket, CoarseTime now);
    Place make_room(std::size_t bucket, CoarseTime now);
    Place victim(std::size_t first, std::size_t second, CoarseTime now,
                 std::optional<std::uint16_t> of_pool);
    void publish_silence();
    void put(const Place& place, std::uint32_t tag, BackendIndex backend, FlowState state,
             CoarseTime now, FlowIdentity identity);
    [[nodiscard]] FlowIdentity& identity_of(const Place& place) const {
        return identities_[static_cast<std::size_t>(place.bucket - buckets_.data())]
            .of_place[place.index];
    }
    void tell(const Place& place, FlowChange::Kind kind) { tell(place, kind, place.state()); }
    void tell(const Place& place, FlowChange::Kind kind, FlowState told_in);
    [[nodiscard]] bool is_void(const Place& place, CoarseTime now) const;

    std::span<FlowBucket> buckets_;
    std::size_t mask_;
    PerBackend per_backend_;
    FlowStatistics* statistics_;
    FlowTimeouts timeouts_;
    std::vector<std::uint16_t> pool_of_;    ///< by backend; beyond its end: no pool
    std::vector<std::uint32_t> budgets_;    ///< by pool
    std::vector<std::uint32_t> of_pool_;    ///< flows, by pool
    std::size_t swept_ = 0;                 ///< the bucket that sweep() looks at next
    std::vector<std::uint16_t> silence_;    ///< by backend, as sweep() has found it so far
    std::span<FlowIdentities> identities_;  ///< none: nobody is told
    FlowJournal* journal_ = nullptr;
    std::vector<Void> void_;
    std::size_t told_ = 0;  ///< the bucket that the journal hears of next
    bool is_telling_ = false;
};

}  // namespace tandem::tables
