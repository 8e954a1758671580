#include "perf/survival/tandem_tracking.h"

#include <algorithm>
#include <utility>

#include "dataplane/base/check.h"

namespace tandem::survival {

namespace {

using tables::BackendIndex;
using tables::FlowState;

constexpr std::uint64_t kPoolId = 1;
constexpr tables::Domain kDomain = 1;
constexpr std::size_t kSweepSeconds = 30;  // a worker's

std::uint64_t entries_in(const tables::FlowStatistics& statistics) {
    std::uint64_t sum = 0;
    for (const auto& of_state : statistics.entries) sum += of_state.load(std::memory_order_relaxed);
    return sum;
}

}  // namespace

TandemTracking::TandemTracking(tables::FlowMemory memory, const HashKey& key,
                               const tables::FlowTimeouts& timeouts)
    : memory_(std::move(memory)),
      hash_(key),
      timeouts_(timeouts),
      flows_(memory_.buckets(0), memory_.per_backend(0), memory_.statistics(0), timeouts),
      slot_use_(memory_.slot_use(0)) {
    flows_.keep_journal(memory_.identities(0), journal_);
    journal_.ask(1);
}

void TandemTracking::adopt(const Tables& tables, CoarseTime now) {
    tables_ = &tables;
    slots_.update(*tables.slots, now);
    unsteady_slots_peak_ =
        std::max(unsteady_slots_peak_, slots_.in_transition() + slots_.lingering());
}

BackendIndex TandemTracking::forward(const Arrival& packet, CoarseTime now) {
    const std::uint32_t slot = slot_of(packet, slots_.slots().size());
    const tables::SlotNow at{.slot = slots_.slots()[slot],
                             .changed_at = &slots_.changed_at()[slot],
                             .slot_hash = packet.slot_hash,
                             .earlier = slots_.earlier(),
                             .identity = tables::flow_identity(packet.slot_hash, kDomain)};
    if (at.slot.is_steady()) return at.slot.owner;
    const std::uint64_t inserted = memory_.statistics(0).inserted;
    const tables::Tracked tracked = tables::track(flows_, {hash_.of_pair(packet.flow, 0), {}}, at,
                                                  packet.signal, tables_->backends, {}, now);
    if (tracked.is_remembered && !tracked.is_repeated) slot_use_.note(kPoolId, slot, now);
    if (memory_.statistics(0).inserted != inserted) {
        entries_peak_ = std::max(entries_peak_, entries_in(memory_.statistics(0)));
    }
    return tracked.backend;
}

void TandemTracking::tick(CoarseTime now) {
    flows_.sweep(now, flows_.bucket_count() / kSweepSeconds + 1);
    flows_.answer_journal(now, flows_.bucket_count());
    CHECK(!journal_.has_overflowed());
    journal_.drain(tables::FlowJournal::kCapacity, [&](const tables::FlowChange& change) {
        const bool is_flow = change.kind == tables::FlowChange::Kind::kIs ||
                             change.kind == tables::FlowChange::Kind::kEnded;
        told_ += static_cast<std::uint64_t>(is_flow);
    });
    const CoarseTime hold = timeouts_.idle_s[static_cast<std::size_t>(FlowState::kEstablished)];
    slots_.settle(now, {.hold = hold, .remembering = std::ranges::max(timeouts_.idle_s)},
                  [&](std::uint32_t slot) { return slot_use_.last(kPoolId, slot); });
}

TableUse TandemTracking::use() const {
    const tables::FlowStatistics& statistics = memory_.statistics(0);
    return {.bytes = std::uint64_t{memory_.buckets_per_worker()} * sizeof(tables::FlowBucket),
            .entries = entries_in(statistics),
            .entries_peak = entries_peak_,
            .inserted = statistics.inserted,
            .evicted = statistics.evicted_full + statistics.evicted_budget,
            .refused = statistics.refused_full + statistics.refused_budget,
            .told = told_};
}

}  // namespace tandem::survival
