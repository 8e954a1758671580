#include "dataplane/pair/inheritance.h"

#include <algorithm>
#include <span>
#include <utility>

namespace tandem::pair {

using tables::Domain;

Inheritance::Inheritance(CoarseTime remembering, std::size_t use_cells)
    : remembering_(remembering),
      use_cells_(std::make_unique<tables::SlotUse::Cell[]>(use_cells)),
      use_(std::span(use_cells_.get(), use_cells)) {}

void Inheritance::begin(Domain domain, CoarseTime now) {
    std::erase_if(inherited_, [&](const Inherited& each) { return each.domain == domain; });
    inherited_.push_back({.domain = domain, .since = now, .sweeps = sweeps_});
}

void Inheritance::note_use(std::uint64_t pool, const std::vector<bool>& has_flows, CoarseTime now) {
    for (std::uint32_t slot = 0; slot < has_flows.size(); ++slot) {
        if (has_flows[slot]) use_.note(pool, slot, now);
    }
}

CoarseTime Inheritance::last_use(std::uint64_t pool, std::uint32_t slot, CoarseTime now) const {
    const CoarseTime noted = use_.last(pool, slot);
    return noted != 0 && !inherited_.empty() ? now : noted;
}

std::optional<bool> Inheritance::meet(Domain domain, CoarseTime now) {
    const auto of = std::ranges::find(inherited_, domain, &Inherited::domain);
    if (of == inherited_.end()) return std::nullopt;
    const bool is_silent = now - of->since > remembering_;
    of->is_there |= !is_silent;
    return is_silent;
}

void Inheritance::end_sweep(bool is_empty) {
    ++sweeps_;
    std::erase_if(inherited_, [&](Inherited& each) {
        // The first sweep to end had begun before.
        const bool was_there = std::exchange(each.is_there, false) || sweeps_ - each.sweeps < 2;
        return is_empty || !was_there;
    });
}

}  // namespace tandem::pair
