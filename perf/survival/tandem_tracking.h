// Tandem, with its real parts: slots by the table function, SlotMemory for what they remember,
// FlowTable for the flows that need it, track() between them. What a worker's pick() and the main
// core's loop do with those parts is done here without packets, threads and shared tables.
#pragma once

#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/slot_memory.h"
#include "perf/survival/balancer.h"

namespace tandem::survival {

class TandemTracking final : public Balancer {
  public:
    /// `memory`: of one worker. `key`: of its flow hash. Transitions are held for as long as an
    /// established flow is remembered.
    TandemTracking(tables::FlowMemory memory, const HashKey& key,
                   const tables::FlowTimeouts& timeouts);

    void adopt(const Tables& tables, CoarseTime now) override;
    tables::BackendIndex forward(const Arrival& packet, CoarseTime now) override;
    void tick(CoarseTime now) override;
    [[nodiscard]] TableUse use() const override;

    [[nodiscard]] const tables::SlotMemory& slots() const { return slots_; }
    /// Slots in transition or lingering, at most at any time.
    [[nodiscard]] std::size_t unsteady_slots_peak() const { return unsteady_slots_peak_; }

  private:
    tables::FlowMemory memory_;
    KeyedHash hash_;
    tables::FlowTimeouts timeouts_;
    tables::FlowTable flows_;
    tables::FlowJournal journal_;
    std::uint64_t told_ = 0;
    tables::SlotUse slot_use_;
    tables::SlotMemory slots_;
    const Tables* tables_ = nullptr;
    std::uint64_t entries_peak_ = 0;
    std::size_t unsteady_slots_peak_ = 0;
};

}  // namespace tandem::survival
