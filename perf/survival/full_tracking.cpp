#include "perf/survival/full_tracking.h"

#include <algorithm>

namespace tandem::survival {

namespace {

using tables::BackendIndex;
using tables::FlowBucket;
using tables::FlowState;

constexpr std::uint64_t kEntryBytes = sizeof(FlowBucket) / FlowBucket::kPlaces;

std::uint16_t idle_s(const tables::FlowTimeouts& timeouts, FlowState state) {
    return timeouts.idle_s[static_cast<std::size_t>(state)];
}

}  // namespace

FullTracking::FullTracking(std::uint64_t bytes, const tables::FlowTimeouts& timeouts)
    : places_(bytes / kEntryBytes),
      timeouts_(timeouts),
      open_(entries_.new_list()),
      closing_(entries_.new_list()) {
    use_.bytes = bytes;
}

void FullTracking::adopt(const Tables& tables, CoarseTime /*now*/) {
    tables_ = &tables;
}

BackendIndex FullTracking::forward(const Arrival& packet, CoarseTime now) {
    const BackendIndex owner = (*tables_->maglev)[slot_of(packet, tables_->maglev->size())];
    if (const auto known = by_flow_.find(packet.flow); known != by_flow_.end()) {
        Entry& entry = entries_[known->second];
        const bool is_known = entry.backend < tables_->backends.size();
        if (!is_known || tables_->backends[entry.backend].serves_flows == 0) entry.backend = owner;
        entry.is_closing |= packet.signal.closes;
        entry.used_at = now;
        entries_.use(entry.is_closing ? closing_ : open_, known->second);
        return entry.backend;
    }
    if (owner == tables::kNoBackend) return owner;
    if (by_flow_.size() == places_) {
        forget_first(entries_.is_empty(closing_) ? open_ : closing_);
        ++use_.evicted;
    }
    const Entry entry{packet.flow, now, owner, packet.signal.closes};
    by_flow_.emplace(packet.flow, entries_.append(entry.is_closing ? closing_ : open_, entry));
    ++use_.inserted;
    ++use_.told;
    use_.entries = by_flow_.size();
    use_.entries_peak = std::max(use_.entries_peak, use_.entries);
    return owner;
}

void FullTracking::tick(CoarseTime now) {
    while (is_idle(open_, idle_s(timeouts_, FlowState::kEstablished), now)) forget_first(open_);
    while (is_idle(closing_, idle_s(timeouts_, FlowState::kClosing), now)) forget_first(closing_);
}

bool FullTracking::is_idle(EntryNumber list, std::uint16_t seconds, CoarseTime now) const {
    return !entries_.is_empty(list) && now - entries_[entries_.first(list)].used_at > seconds;
}

void FullTracking::forget_first(EntryNumber list) {
    const EntryNumber first = entries_.first(list);
    ++use_.told;  // that it is over
    by_flow_.erase(entries_[first].flow);
    entries_.erase(first);
    use_.entries = by_flow_.size();
}

}  // namespace tandem::survival
