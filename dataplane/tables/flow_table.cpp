#include "dataplane/tables/flow_table.h"

#include <algorithm>
#include <bit>

namespace tandem::tables {

namespace {

/// Whoever opens gets an answer and sends again within a second: the first repetition of a SYN or
/// of its answer is due then (RFC 6298 section 2). One more, for whole seconds are counted.
constexpr CoarseTime kAnswerSeconds = 2;

}  // namespace

FlowTable::FlowTable(std::span<FlowBucket> buckets, const PerBackend& per_backend,
                     FlowStatistics& statistics, const FlowTimeouts& timeouts)
    : buckets_(buckets),
      mask_(buckets.size() - 1),
      per_backend_(per_backend),
      statistics_(&statistics),
      timeouts_(timeouts) {
    CHECK(std::has_single_bit(buckets.size()) && buckets.size() >= 2);
    CHECK(per_backend.flows.size() > kBackendsMax && per_backend.silence_s.size() > kBackendsMax);
}

void FlowTable::set_pools(std::vector<std::uint16_t> pool_of, std::vector<std::uint32_t> budgets) {
    pool_of_ = std::move(pool_of);
    budgets_ = std::move(budgets);
    of_pool_.assign(budgets_.size(), 0);
    silence_.resize(pool_of_.size());
    for (std::size_t backend = 0; backend < pool_of_.size(); ++backend) {
        const auto index = static_cast<BackendIndex>(backend);
        if (std::uint32_t* flows = pool_flows(index)) *flows += flows_of(index);
    }
}

bool FlowTable::has_used_up_its_share(BackendIndex backend) {
    const std::uint32_t* flows = pool_flows(backend);
    return flows != nullptr && *flows >= budgets_[pool_of_[backend]];
}

/// With `amount` of 2^32 - 1: takes one away.
void FlowTable::add_flows(BackendIndex backend, std::uint32_t amount) {
    std::atomic<std::uint32_t>& flows = per_backend_.flows[backend];
    flows.store(flows.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    if (std::uint32_t* of_pool = pool_flows(backend)) *of_pool += amount;
}

void FlowTable::put(const Place& place, std::uint32_t tag, BackendIndex backend, FlowState state,
                    CoarseTime now, FlowIdentity identity) {
    place.bucket->backends[place.index] = backend;
    place.bucket->stamps[place.index] = stamp_of(state, now);
    if (!identities_.empty()) identity_of(place) = identity;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // whole, wherever we may be killed
    place.bucket->tags[place.index] = tag;
    add_flows(backend, 1);
    count(entries(state));
    tell(place, FlowChange::Kind::kIs);
}

void FlowTable::remove(const Place& place) {
    tell(place, FlowChange::Kind::kEnded);
    drop(place);
}

/// Tells nobody: that a void entry goes is not the end of its flow.
void FlowTable::drop(const Place& place) {
    add_flows(place.backend(), ~std::uint32_t{0});
    count(entries(place.state()), ~std::uint64_t{0});
    place.bucket->tags[place.index] = 0;
}

void FlowTable::expire(const Place& place, CoarseTime now) {
    count(statistics_->expired);
    is_void(place, now) ? drop(place) : remove(place);
}

void FlowTable::rewrite(const Place& place, BackendIndex backend) {
    add_flows(place.backend(), ~std::uint32_t{0});
    place.bucket->backends[place.index] = backend;
    add_flows(backend, 1);
    count(statistics_->rewritten);
    tell(place, FlowChange::Kind::kIs);
}

/// A place that is free, or whose flow has been idle for too long.
FlowTable::Place FlowTable::room_in(FlowBucket& bucket, CoarseTime now) {
    if (const Place free = find_in(bucket, 0)) return free;
    for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
        const Place place{&bucket, i};
        if (!is_expired(place, now)) continue;
        expire(place, now);
        return place;
    }
    return {};
}

/// Moves one flow of a full bucket to its other bucket, if one has room there.
FlowTable::Place FlowTable::make_room(std::size_t bucket, CoarseTime now) {
    for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
        const Place place{&buckets_[bucket], i};
        const std::uint32_t tag = place.bucket->tags[i];
        const Place elsewhere = room_in(buckets_[second_of(bucket, tag)], now);
        if (!elsewhere) continue;
        elsewhere.bucket->backends[elsewhere.index] = place.backend();
        elsewhere.bucket->stamps[elsewhere.index] = place.bucket->stamps[i];
        if (!identities_.empty()) identity_of(elsewhere) = identity_of(place);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        elsewhere.bucket->tags[elsewhere.index] = tag;
        std::atomic_signal_fence(std::memory_order_seq_cst);
        place.bucket->tags[i] = 0;
        count(statistics_->relocated);
        // Whoever is telling all has been where it is now, and not yet where it was.
        const auto at = static_cast<std::size_t>(elsewhere.bucket - buckets_.data());
        const bool is_missed = is_telling_ && at < told_ && bucket >= told_;
        if (is_missed && !is_void(elsewhere, now)) tell(elsewhere, FlowChange::Kind::kIs);
        return place;
    }
    return {};
}

/// Who has to go for another: of those on probation the one that was silent longest, opening ones
/// before others. With `of_pool`, only of that pool's. One that has only just opened stays: its
/// next packet would be the first to go elsewhere, while what is not remembered from the beginning
/// goes one way as long as the slot's transition does.
FlowTable::Place FlowTable::victim(std::size_t first, std::size_t second, CoarseTime now,
                                   std::optional<std::uint16_t> of_pool) {
    Place found{};
    CoarseTime highest_rank = 0;
    for (const std::size_t bucket : {first, second}) {
        for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
            const Place place{&buckets_[bucket], i};
            if (place.bucket->tags[i] == 0 || !on_probation(place.state())) continue;
            const BackendIndex backend = place.backend();
            if (of_pool && (backend >= pool_of_.size() || pool_of_[backend] != *of_pool)) continue;
            constexpr CoarseTime kBeforeAllOthers = kTimeMask + 1;
            const CoarseTime bonus = place.state() == FlowState::kOpening ? kBeforeAllOthers : 0;
            const CoarseTime rank = age(place, now) + 1 + bonus;
            const bool awaits_answer =
                place.state() != FlowState::kDoubtful && age(place, now) < kAnswerSeconds;
            if (awaits_answer || rank <= highest_rank) continue;
            highest_rank = rank;
            found = place;
        }
    }
    return found;
}

bool FlowTable::insert(std::uint64_t hash, BackendIndex backend, FlowState state, CoarseTime now,
                       FlowIdentity identity) {
    const std::uint32_t tag = tag_of(hash);
    const std::size_t first = first_of(hash);
    const std::size_t second = second_of(first, tag);
    const bool is_limited = has_used_up_its_share(backend);
    Place place{};
    if (!is_limited) {
        // The first as long as it has room, not the emptier of the two: so look-ups end there.
        place = room_in(buckets_[first], now);
        if (!place) place = room_in(buckets_[second], now);
        if (!place) place = make_room(first, now);
        if (!place) place = make_room(second, now);
    }
    if (!place) {
        const auto pool = is_limited ? std::optional(pool_of_[backend]) : std::nullopt;
        place = victim(first, second, now, pool);
        if (!place) {
            count(is_limited ? statistics_->refused_budget : statistics_->refused_full);
            return false;
        }
        count(is_limited ? statistics_->evicted_budget : statistics_->evicted_full);
        is_void(place, now) ? drop(place) : remove(place);
    }
    put(place, tag, backend, state, now, identity);
    count(statistics_->inserted);
    return true;
}

FlowTable::Place FlowTable::adopt(std::uint64_t hash, BackendIndex backend, FlowState state,
                                  CoarseTime now, FlowIdentity identity) {
    if (!insert(hash, backend, state, now, identity)) return {};
    count(statistics_->adopted);
    const std::size_t first = first_of(hash);
    const Place place = find_in(buckets_[first], tag_of(hash));
    return place ? place : find_in(buckets_[second_of(first, tag_of(hash))], tag_of(hash));
}

void FlowTable::keep_journal(std::span<FlowIdentities> identities, FlowJournal& journal) {
    CHECK(identities.size() == buckets_.size());
    identities_ = identities;
    journal_ = &journal;
}

/// `told_in`: the state in which the journal may have heard of it last, or hears of it now.
void FlowTable::tell(const Place& place, FlowChange::Kind kind, FlowState told_in) {
    const FlowState state = kind == FlowChange::Kind::kEnded ? told_in : place.state();
    if (journal_ == nullptr || !journal_->wants(on_probation(state))) return;
    const FlowIdentity identity = identity_of(place);
    if (identity == 0) return;
    journal_->tell({identity, place.backend(), place.state(), kind});
}

bool FlowTable::is_void(const Place& place, CoarseTime now) const {
    if (void_.empty() || identities_.empty()) return false;
    const auto known = std::ranges::find(void_, domain_of(identity_of(place)), &Void::domain);
    if (known == void_.end()) return false;
    const CoarseTime at = std::max(now, known->before);
    return age(place, at) > at - known->before;
}

bool FlowTable::begins_to_answer() {
    if (journal_ == nullptr || !journal_->begins_anew()) return false;
    told_ = 0;
    is_telling_ = true;
    return true;
}

void FlowTable::answer_journal(CoarseTime now, std::size_t bucket_count) {
    begins_to_answer();
    for (; is_telling_ && bucket_count > 0 && journal_->has_room(FlowBucket::kPlaces + 1);
         --bucket_count) {
        FlowBucket& bucket = buckets_[told_];
        for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
            const Place place{&bucket, i};
            if (bucket.tags[i] == 0 || is_expired(place, now) || is_void(place, now)) continue;
            tell(place, FlowChange::Kind::kIs);
        }
        told_ = (told_ + 1) & mask_;
        if (told_ != 0) continue;
        is_telling_ = false;
        journal_->tell({.kind = FlowChange::Kind::kTold});
    }
}

void FlowTable::sweep(CoarseTime now, std::size_t bucket_count) {
    for (std::size_t i = 0; i < bucket_count; ++i) {
        FlowBucket& bucket = buckets_[swept_];
        swept_ = (swept_ + 1) & mask_;
        __builtin_prefetch(&buckets_[(swept_ + 8) & mask_]);
        for (unsigned place = 0; place < FlowBucket::kPlaces; ++place) {
            if (bucket.tags[place] == 0) continue;
            if (is_expired({&bucket, place}, now) || is_void({&bucket, place}, now)) {
                expire({&bucket, place}, now);
            } else {
                const BackendIndex backend = bucket.backends[place];
                const auto silence = static_cast<std::uint16_t>(age({&bucket, place}, now));
                if (backend < silence_.size()) {
                    silence_[backend] = std::max(silence_[backend], silence);
                }
            }
        }
        if (swept_ == 0) publish_silence();
    }
}

void FlowTable::publish_silence() {
    for (std::size_t backend = 0; backend < silence_.size(); ++backend) {
        per_backend_.silence_s[backend].store(silence_[backend], std::memory_order_relaxed);
        silence_[backend] = 0;
    }
}

}  // namespace tandem::tables
