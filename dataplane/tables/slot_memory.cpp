#include "dataplane/tables/slot_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tandem::tables {

namespace {

/// Compared in one go: a branch for each of a table's slots would take most of a flip's time.
constexpr std::size_t kSlotsAtOnce = 64;

bool is_over(CoarseTime since, CoarseTime span, CoarseTime now) {
    // Both ends are whole seconds: one more makes sure that all of the span has passed. What seems
    // to lie ahead has only just been.
    return static_cast<std::int32_t>(now - since) > static_cast<std::int64_t>(span);
}

/// Whether any of these slots points elsewhere: nearly none does.
bool any_differs(std::span<const BackendIndex> before, std::span<const BackendIndex> now) {
    return std::memcmp(before.data(), now.data(), before.size_bytes()) != 0;
}

}  // namespace

void SlotMemory::recover(std::span<const Slot> slots, std::span<const CoarseTime> changed_at,
                         std::span<const EarlierOwner> earlier) {
    slots_.assign(slots.begin(), slots.end());
    owners_.resize(slots_.size());
    std::ranges::transform(slots_, owners_.begin(), &Slot::owner);
    changed_at_.assign(changed_at.begin(), changed_at.end());
    changed_at_.resize(slots_.size());
    earlier_.assign(earlier.begin(), earlier.end());
    changes_.clear();
    lingering_.clear();
    in_transition_ = 0;
    by_hash_ = 0;
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
        if (slots_[slot].is_in_transition()) {
            changes_.push_back({changed_at_[slot], slot});
            ++in_transition_;
            by_hash_ += static_cast<std::size_t>(slots_[slot].steady == Slot::kByHash);
        } else if (slots_[slot].steady == Slot::kRemembering) {
            lingering_.push_back(slot);
        }
    }
    std::ranges::sort(changes_, {}, &Change::at);
}

std::size_t SlotMemory::update(std::span<const BackendIndex> owners, CoarseTime now) {
    if (owners.size() != slots_.size()) return replace(owners, now);
    std::size_t changed = 0;
    const std::size_t in_transition_before = in_transition_;
    for (std::size_t first = 0; first < owners.size(); first += kSlotsAtOnce) {
        const std::size_t end = std::min(first + kSlotsAtOnce, owners.size());
        const std::span<const BackendIndex> before = std::span(owners_).subspan(first, end - first);
        if (!any_differs(before, owners.subspan(first, end - first))) [[likely]]
            continue;
        for (std::size_t slot = first; slot < end; ++slot) {
            if (slots_[slot].owner == owners[slot]) continue;
            point(static_cast<std::uint32_t>(slot), owners[slot], now);
            ++changed;
        }
    }
    if (in_transition_ != in_transition_before) {
        std::erase_if(lingering_, [&](std::uint32_t i) { return slots_[i].is_in_transition(); });
    }
    return changed;
}

void SlotMemory::point(std::uint32_t index, BackendIndex owner, CoarseTime now) {
    Slot& slot = slots_[index];
    // Nobody's flows need no memory: there are none.
    const bool is_first = slot == Slot{};
    const BackendIndex before = std::exchange(slot.owner, owner);
    owners_[index] = owner;
    if (is_first) {
        ++foundings_;
        return;
    }
    const bool is_noted = slot.is_in_transition() && changed_at_[index] == now;
    if (!slot.is_in_transition()) {
        slot.steady = before;
        ++in_transition_;
    }
    changed_at_[index] = now;
    if (!is_noted) changes_.push_back({now, index});
}

/// Takes a table of another size.
std::size_t SlotMemory::replace(std::span<const BackendIndex> owners, CoarseTime now) {
    // Nobody's flows need no memory: there are none.
    const bool has_served =
        std::ranges::any_of(slots_, [](const Slot& slot) { return slot != Slot{}; });
    earlier_ = has_served ? steady_by_hash() : std::vector<EarlierOwner>{};
    ++era_;
    slots_.clear();
    changes_.clear();
    lingering_.clear();
    const std::uint16_t steady = has_served ? Slot::kByHash : Slot::kSteady;
    for (const BackendIndex owner : owners) {
        if (has_served) changes_.push_back({now, static_cast<std::uint32_t>(slots_.size())});
        slots_.push_back({owner, steady});
    }
    owners_.assign(owners.begin(), owners.end());
    changed_at_.assign(owners.size(), now);
    in_transition_ = by_hash_ = changes_.size();
    ++foundings_;
    return owners.size();
}

/// Of every hash who owns it or did when its slot was last steady: once for each slot, and for each
/// of the earlier owners that a slot had hashes of. In one go through both, whatever their sizes:
/// the main core does it every second.
template <class Visit>
void SlotMemory::visit_steady(Visit&& visit) const {
    const auto slot_count = static_cast<std::uint32_t>(slots_.size());
    std::size_t next = 0;  // of earlier_, the first that begins behind the slot's first hash
    std::uint64_t end = 0;
    for (std::uint32_t i = 0; i < slot_count; ++i) {
        const Slot& slot = slots_[i];
        const std::uint64_t first = std::exchange(end, first_hash_of(i + 1, slot_count));
        if (slot.steady != Slot::kByHash) {
            visit(first, slot, slot.is_in_transition() ? slot.steady : slot.owner);
            continue;
        }
        while (next < earlier_.size() && earlier_[next].first_hash <= first) ++next;
        if (next != 0) visit(first, slot, earlier_[next - 1].owner);
        for (; next < earlier_.size() && earlier_[next].first_hash < end; ++next) {
            visit(earlier_[next].first_hash, slot, earlier_[next].owner);
        }
    }
}

/// For a table whose slots are to go.
std::vector<EarlierOwner> SlotMemory::steady_by_hash() const {
    std::vector<EarlierOwner> ranges;
    visit_steady([&](std::uint64_t first_hash, const Slot& /*slot*/, BackendIndex owner) {
        if (!ranges.empty() && ranges.back().owner == owner) return;
        ranges.push_back({.first_hash = static_cast<std::uint32_t>(first_hash), .owner = owner});
    });
    return ranges;
}

void SlotMemory::count_waiting(std::span<std::uint32_t> waiting) const {
    if (in_transition_ == 0) return;
    visit_steady([&](std::uint64_t /*first_hash*/, const Slot& slot, BackendIndex steady) {
        if (steady < waiting.size() && steady != slot.owner) ++waiting[steady];
    });
}

void SlotMemory::end_transition(std::uint32_t slot, std::uint16_t steady) {
    if (slots_[slot].steady == Slot::kByHash && --by_hash_ == 0) earlier_.clear();
    slots_[slot].steady = steady;
    --in_transition_;
}

std::vector<SlotMemory::Ending> SlotMemory::take_endings(CoarseTime now, CoarseTime hold) {
    std::vector<Ending> endings;
    while (!changes_.empty() && is_over(changes_.front().at, hold, now)) {
        const Change change = changes_.front();
        changes_.pop_front();
        const bool is_outdated = changed_at_[change.slot] != change.at;
        if (is_outdated || !slots_[change.slot].is_in_transition()) continue;
        endings.push_back({change.slot, slots_[change.slot].owner, change.at, era_});
    }
    return endings;
}

std::size_t SlotMemory::finish(std::span<const Ending> endings, CoarseTime now,
                               CoarseTime remembering,
                               const std::function<CoarseTime(std::uint32_t)>& last_use) {
    std::size_t changed = 0;
    for (const Ending& ending : endings) {
        // Meanwhile the table may have become another one.
        const bool is_ours = ending.era == era_ && ending.slot < slots_.size();
        if (!is_ours || !slots_[ending.slot].is_in_transition()) continue;
        ++changed;
        if (changed_at_[ending.slot] != ending.changed_at ||
            slots_[ending.slot].owner != ending.owner) {
            // It goes on, and whoever was steady before has no silent flows left.
            if (slots_[ending.slot].steady == Slot::kByHash && --by_hash_ == 0) earlier_.clear();
            slots_[ending.slot].steady = ending.owner;
            continue;
        }
        const bool lingers = !is_over(last_use(ending.slot), remembering, now);
        end_transition(ending.slot, lingers ? Slot::kRemembering : Slot::kSteady);
        if (lingers) lingering_.push_back(ending.slot);
    }
    return changed;
}

std::size_t SlotMemory::settle(CoarseTime now, const Times& times,
                               const std::function<CoarseTime(std::uint32_t)>& last_use) {
    const std::size_t changed = std::erase_if(lingering_, [&](std::uint32_t slot) {
        if (!is_over(last_use(slot), times.remembering, now)) return false;
        slots_[slot].steady = Slot::kSteady;
        return true;
    });
    return changed + finish(take_endings(now, times.hold), now, times.remembering, last_use);
}

SlotMemory::Steady SlotMemory::steady() const {
    Steady steady;
    steady.owners.reserve(slots_.size());
    for (const Slot& slot : slots_) {
        steady.owners.push_back(slot.is_in_transition() ? slot.steady : slot.owner);
    }
    if (by_hash_ != 0) steady.earlier = earlier_;
    return steady;
}

void SlotMemory::take_over(const Steady& peers, CoarseTime now,
                           const std::function<bool(std::uint32_t)>& is_remembered) {
    if (peers.owners.size() != slots_.size()) return;
    ++era_;
    changes_.clear();
    lingering_.clear();
    earlier_ = peers.earlier;
    in_transition_ = by_hash_ = 0;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        slot.steady = peers.owners[i];
        if (slot.steady != slot.owner) {
            changed_at_[i] = now;
            changes_.push_back({now, i});
            ++in_transition_;
            by_hash_ += static_cast<std::size_t>(slot.steady == Slot::kByHash);
        } else if (is_remembered(i)) {
            slot.steady = Slot::kRemembering;
            lingering_.push_back(i);
        } else {
            slot.steady = Slot::kSteady;
        }
    }
}

std::size_t SlotMemory::remember(const std::function<bool(std::uint32_t)>& has_flows) {
    std::size_t changed = 0;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        if (!slots_[i].is_steady() || !has_flows(i)) continue;
        slots_[i].steady = Slot::kRemembering;
        lingering_.push_back(i);
        ++changed;
    }
    return changed;
}

}  // namespace tandem::tables
