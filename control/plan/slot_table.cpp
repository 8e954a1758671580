#include "control/plan/slot_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "control/plan/maglev.h"
#include "dataplane/base/check.h"

namespace tandem::plan {

namespace {

constexpr std::size_t kSlotsPerBackend = 100;
constexpr std::array<std::uint32_t, 5> kSlotCounts{65'537, 131'101, 262'147, 524'309, 655'373};
constexpr std::uint32_t kDrawsMax = 256;
/// After a change of one backend nearly all slots are looked at and left alone: one branch for so
/// many of them.
constexpr std::uint32_t kSlotsAtOnce = 16;
constexpr std::uint64_t kAlways = std::uint64_t{1} << 32U;

// What a hash is for, in bits that no slot or draw reaches: no two uses share an input.
constexpr std::uint64_t kForOffset = 1ULL << 56U;
constexpr std::uint64_t kForSkip = 2ULL << 56U;
constexpr std::uint64_t kForThinning = 3ULL << 56U;
constexpr std::uint64_t kForWeighing = 4ULL << 56U;
constexpr std::uint64_t kForDigest = 5ULL << 56U;
constexpr std::uint64_t kForWalk = 6ULL << 56U;

std::uint64_t digest_term(const KeyedHash& hash, std::uint32_t slot, std::uint64_t identity) {
    return hash.of_pair(identity, kForDigest | slot);
}

/// How many slots two tables disagree on: all of them if their sizes differ.
std::size_t differences(const Owners& before, const Owners& now) {
    if (before.size() != now.size()) return now.size();
    std::size_t count = 0;
    for (std::size_t slot = 0; slot < now.size(); ++slot) {
        count += static_cast<std::size_t>(before[slot] != now[slot]);
    }
    return count;
}

}  // namespace

std::uint32_t slot_count_for(std::size_t backends) {
    const auto* large_enough = std::ranges::lower_bound(kSlotCounts, backends * kSlotsPerBackend);
    return large_enough == kSlotCounts.end() ? kSlotCounts.back() : *large_enough;
}

std::uint64_t identity_hash(const KeyedHash& hash, const IpAddress& address, std::uint16_t port) {
    std::array<std::byte, sizeof(IpAddress) + sizeof(std::uint16_t)> bytes;
    std::memcpy(bytes.data(), address.bytes.data(), sizeof(IpAddress));
    std::memcpy(bytes.data() + sizeof(IpAddress), &port, sizeof(port));
    return hash.of_bytes(bytes);
}

void SlotTable::configure(const KeyedHash& hash, std::uint32_t slot_count,
                          std::vector<Member> members) {
    struct Hashed {
        std::uint64_t identity;
        Member member;
    };
    std::vector<Hashed> sorted;
    for (const Member& member : members) {
        sorted.push_back({identity_hash(hash, member.address, member.port), member});
    }
    std::ranges::sort(sorted, {}, [](const Hashed& each) {
        return std::tuple(each.identity, each.member.address, each.member.port);
    });
    std::ranges::transform(sorted, members.begin(), &Hashed::member);
    if (slot_count == base_.size() && members == members_) return;
    members_ = std::move(members);
    places_.clear();
    std::vector<Turns> turns;
    for (const auto& [identity, member] : sorted) {
        CHECK(member.weight >= 1);
        Place place{};
        place.identity = identity;
        place.index = member.index;
        places_.push_back(place);
        const std::uint64_t skip = hash.of_pair(identity, kForSkip) % (slot_count - 1) + 1;
        const std::uint64_t offset = hash.of_pair(identity, kForOffset) % slot_count;
        turns.push_back({.offset = static_cast<std::uint32_t>(offset),
                         .skip = static_cast<std::uint32_t>(skip),
                         .weight = member.weight});
    }
    base_is_new_ = true;
    base_ = fill_in_turns(turns, slot_count);
    base_.resize(slot_count, kNobody);
    base_digest_ = 0;
    for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
        base_digest_ += digest_term(hash, slot, identity_of(base_[slot]));
    }
}

/// False if they are as before.
bool SlotTable::set_weights(std::span<const std::uint16_t> weights_now) {
    bool differ = false;
    std::uint64_t weight_max = 1;
    for (const Member& member : members_) {
        weight_max = std::max<std::uint64_t>(weight_max, member.weight);
    }
    serving_.clear();
    in_question_.resize(members_.size());
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const std::uint16_t weight = weights_now[members_[i].index];
        CHECK(weight <= members_[i].weight);
        Place& place = places_[i];
        const bool kept_all = base_is_new_ || place.keeps_below == kAlways;
        in_question_[i] = static_cast<std::uint8_t>(!kept_all || weight != members_[i].weight);
        if (weight != place.weight_now) {
            differ = true;
            place.keeps_below = kAlways * weight / members_[i].weight;
            place.accepts_below = kAlways * weight / weight_max;
            place.weight_now = weight;
        }
        if (weight != 0) serving_.push_back(static_cast<PlaceNumber>(i));
    }
    return differ;
}

std::size_t SlotTable::update(const KeyedHash& hash, std::span<const std::uint16_t> weights_now) {
    if (!set_weights(weights_now) && !base_is_new_) return 0;
    auto owners = std::make_shared<Owners>(base_is_new_ ? base_owners() : *owners_);
    std::size_t moved = 0;
    digest_ = base_digest_;
    const auto repoint = [&](std::uint32_t slot) {
        const PlaceNumber base = base_[slot];
        if (in_question_[base] == 0) return;
        const PlaceNumber owner = owner_of(hash, slot);
        const tables::BackendIndex index =
            owner == kNobody ? tables::kNoBackend : places_[owner].index;
        moved += static_cast<std::size_t>((*owners)[slot] != index);
        (*owners)[slot] = index;
        if (owner == base) return;
        digest_ -= digest_term(hash, slot, identity_of(base));
        digest_ += digest_term(hash, slot, identity_of(owner));
    };
    const auto slot_count = static_cast<std::uint32_t>(places_.empty() ? 0 : base_.size());
    for (std::uint32_t first = 0; first < slot_count; first += kSlotsAtOnce) {
        const std::uint32_t end = std::min(first + kSlotsAtOnce, slot_count);
        if (end - first == kSlotsAtOnce && !any_in_question(first)) [[likely]]
            continue;
        for (std::uint32_t slot = first; slot < end; ++slot) repoint(slot);
    }
    if (base_is_new_) moved = differences(*owners_, *owners);
    base_is_new_ = false;
    if (moved != 0) owners_ = std::move(owners);
    return moved;
}

/// Of the kSlotsAtOnce from `first` on.
bool SlotTable::any_in_question(std::uint32_t first) const {
    std::uint8_t any = 0;
    for (std::uint32_t i = 0; i < kSlotsAtOnce; ++i) any |= in_question_[base_[first + i]];
    return any != 0;
}

/// The table if all backends had their full weights.
Owners SlotTable::base_owners() const {
    Owners owners(base_.size(), tables::kNoBackend);
    if (places_.empty()) return owners;
    std::ranges::transform(base_, owners.begin(),
                           [&](PlaceNumber place) { return places_[place].index; });
    return owners;
}

std::uint64_t SlotTable::identity_of(PlaceNumber place) const {
    return place == kNobody ? 0 : places_[place].identity;
}

SlotTable::PlaceNumber SlotTable::owner_of(const KeyedHash& hash, std::uint32_t slot) const {
    if (serving_.empty()) return kNobody;
    const Place& base = places_[base_[slot]];
    const auto draw =
        static_cast<std::uint32_t>(hash.of_pair(base.identity, kForThinning | slot) >> 32U);
    if (draw < base.keeps_below) return base_[slot];
    return walk(hash, slot);
}

// Indices of the whole configured set, so that the sequence does not depend on who serves.
SlotTable::PlaceNumber SlotTable::walk(const KeyedHash& hash, std::uint32_t slot) const {
    for (std::uint32_t draw = 0; draw < kDrawsMax; ++draw) {
        const std::uint64_t random = hash.of_pair(slot, kForWalk | draw);
        const std::uint64_t place = (random >> 32U) * places_.size() >> 32U;
        if (static_cast<std::uint32_t>(random) < places_[place].accepts_below) {
            return static_cast<PlaceNumber>(place);
        }
    }
    return heaviest(hash, slot);
}

// Highest random weight (Thaler and Ravishankar, 1998), with weights: the smallest of -log(u)/w.
SlotTable::PlaceNumber SlotTable::heaviest(const KeyedHash& hash, std::uint32_t slot) const {
    PlaceNumber best = kNobody;
    std::uint64_t best_score = 0;
    for (const PlaceNumber place : serving_) {
        const std::uint64_t random = hash.of_pair(places_[place].identity, kForWeighing | slot);
        const std::uint64_t score = negative_log2(random) / places_[place].weight_now;
        if (best == kNobody || score < best_score) {
            best = place;
            best_score = score;
        }
    }
    return best;
}

// The integer part is the position of the highest bit; each squaring of the rest yields one more
// bit of the fraction.
std::uint64_t negative_log2(std::uint64_t random) {
    constexpr int kFractionBits = 32;
    const std::uint64_t value = random == ~std::uint64_t{0} ? random : random + 1;
    const int highest = 63 - std::countl_zero(value);
    std::uint64_t log = static_cast<std::uint64_t>(highest) << kFractionBits;
    std::uint64_t mantissa = value << (63 - highest);  // 1.0 is 2^63
    __extension__ using Wide = unsigned __int128;
    for (int bit = kFractionBits - 1; bit >= 0; --bit) {
        const Wide square = static_cast<Wide>(mantissa) * mantissa;
        const bool is_two_or_more = (square >> 127U) != 0;
        mantissa = static_cast<std::uint64_t>(square >> (is_two_or_more ? 64U : 63U));
        if (is_two_or_more) log |= std::uint64_t{1} << bit;
    }
    return (std::uint64_t{64} << kFractionBits) - log;
}

}  // namespace tandem::plan
