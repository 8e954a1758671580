#include "dataplane/tables/slot_memory.h"

#include <algorithm>

namespace tandem::tables {

namespace {

bool is_over(CoarseTime since, CoarseTime span, CoarseTime now) {
    // Both ends are whole seconds: one more makes sure that all of the span has passed. What seems
    // to lie ahead has only just been.
    return static_cast<std::int32_t>(now - since) > static_cast<std::int64_t>(span);
}

}  // namespace

void SlotMemory::recover(std::span<const Slot> slots, std::span<const CoarseTime> changed_at) {
    slots_.assign(slots.begin(), slots.end());
    changed_at_.assign(changed_at.begin(), changed_at.end());
    changed_at_.resize(slots_.size());
    changes_.clear();
    lingering_.clear();
    in_transition_ = 0;
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
        if (slots_[slot].is_in_transition()) {
            changes_.push_back({changed_at_[slot], slot});
            ++in_transition_;
        } else if (slots_[slot].steady == Slot::kRemembering) {
            lingering_.push_back(slot);
        }
    }
    std::ranges::sort(changes_, {}, &Change::at);
}

std::size_t SlotMemory::update(std::span<const BackendIndex> owners, CoarseTime now) {
    if (owners.size() != slots_.size()) {
        slots_.assign(owners.size(), {});
        changed_at_.assign(owners.size(), 0);
        changes_.clear();
        lingering_.clear();
        in_transition_ = 0;
    }
    std::size_t changed = 0;
    bool end_lingering = false;
    for (std::uint32_t i = 0; i < owners.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.owner == owners[i]) [[likely]]
            continue;
        ++changed;
        if (!slot.is_in_transition()) {
            // Nobody's flows need no memory: there are none.
            const bool is_first = slot.owner == kNoBackend && slot.steady == Slot::kSteady;
            if (is_first) {
                slot.owner = owners[i];
                continue;
            }
            end_lingering |= slot.steady == Slot::kRemembering;
            slot.steady = slot.owner;
            ++in_transition_;
        }
        slot.owner = owners[i];
        changed_at_[i] = now;
        changes_.push_back({now, i});
    }
    if (end_lingering) {
        std::erase_if(lingering_, [&](std::uint32_t i) { return slots_[i].is_in_transition(); });
    }
    return changed;
}

std::size_t SlotMemory::settle(CoarseTime now, const Times& times,
                               const std::function<CoarseTime(std::uint32_t)>& last_use) {
    std::size_t changed = 0;
    const auto may_be_remembered = [&](std::uint32_t slot) {
        return !is_over(last_use(slot), times.remembering, now);
    };
    changed += std::erase_if(lingering_, [&](std::uint32_t slot) {
        if (may_be_remembered(slot)) return false;
        slots_[slot].steady = Slot::kSteady;
        return true;
    });
    while (!changes_.empty() && is_over(changes_.front().at, times.hold, now)) {
        const Change change = changes_.front();
        changes_.pop_front();
        Slot& slot = slots_[change.slot];
        if (!slot.is_in_transition() || changed_at_[change.slot] != change.at) continue;
        ++changed;
        --in_transition_;
        if (may_be_remembered(change.slot)) {
            slot.steady = Slot::kRemembering;
            lingering_.push_back(change.slot);
        } else {
            slot.steady = Slot::kSteady;
        }
    }
    return changed;
}

}  // namespace tandem::tables
