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
    : places_(bytes / kEntryBytes), timeouts_(timeouts) {
    use_.bytes = bytes;
}

void FullTracking::adopt(const Tables& tables, CoarseTime /*now*/) {
    tables_ = &tables;
}

BackendIndex FullTracking::forward(const Arrival& packet, CoarseTime now) {
    const BackendIndex owner = (*tables_->maglev)[slot_of(packet, tables_->maglev->size())];
    const auto known = entries_.find(packet.flow);
    if (known != entries_.end()) {
        const auto entry = known->second;
        const bool may_serve = tables_->backends[entry->backend].serves_flows != 0;
        if (!may_serve) entry->backend = owner;
        List& from = entry->is_closing ? closing_ : open_;
        entry->is_closing |= packet.signal.closes;
        entry->used_at = now;
        List& to = entry->is_closing ? closing_ : open_;
        to.splice(to.end(), from, entry);
        return entry->backend;
    }
    if (owner == tables::kNoBackend) return owner;
    if (entries_.size() == places_) {
        forget_first(closing_.empty() ? open_ : closing_);
        ++use_.evicted;
    }
    List& to = packet.signal.closes ? closing_ : open_;
    to.push_back({packet.flow, owner, packet.signal.closes, now});
    entries_.emplace(packet.flow, std::prev(to.end()));
    ++use_.inserted;
    use_.entries = entries_.size();
    use_.entries_peak = std::max(use_.entries_peak, use_.entries);
    return owner;
}

void FullTracking::tick(CoarseTime now) {
    while (is_idle(open_, idle_s(timeouts_, FlowState::kEstablished), now)) forget_first(open_);
    while (is_idle(closing_, idle_s(timeouts_, FlowState::kClosing), now)) forget_first(closing_);
}

bool FullTracking::is_idle(const List& list, std::uint16_t seconds, CoarseTime now) {
    return !list.empty() && now - list.front().used_at > seconds;
}

void FullTracking::forget_first(List& list) {
    entries_.erase(list.front().flow);
    list.pop_front();
    use_.entries = entries_.size();
}

}  // namespace tandem::survival
