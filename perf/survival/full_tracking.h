// Maglev with a flow table that remembers every flow, as Maglev and Katran do: a flow goes where it
// went before, if its backend may serve it, else by Maglev's table. Entries have Tandem's timeouts;
// when there is no room, the one that was silent longest goes, ended ones first.
//
// Better than one can build: exact order of use and no collisions, in the bytes that the entries
// alone take in Tandem's table.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "perf/survival/balancer.h"
#include "perf/survival/recency.h"

namespace tandem::survival {

class FullTracking final : public Balancer {
  public:
    /// Room for `bytes` of entries as Tandem has them.
    FullTracking(std::uint64_t bytes, const tables::FlowTimeouts& timeouts);

    void adopt(const Tables& tables, CoarseTime now) override;
    tables::BackendIndex forward(const Arrival& packet, CoarseTime now) override;
    void tick(CoarseTime now) override;
    [[nodiscard]] TableUse use() const override { return use_; }

  private:
    struct Entry {
        std::uint64_t flow = 0;
        CoarseTime used_at = 0;
        tables::BackendIndex backend = tables::kNoBackend;
        bool is_closing = false;
    };

    [[nodiscard]] bool is_idle(EntryNumber list, std::uint16_t seconds, CoarseTime now) const;
    void forget_first(EntryNumber list);

    const Tables* tables_ = nullptr;
    std::uint64_t places_;
    tables::FlowTimeouts timeouts_;
    RecencyLists<Entry> entries_;
    EntryNumber open_;
    EntryNumber closing_;
    boost::unordered_flat_map<std::uint64_t, EntryNumber> by_flow_;
    TableUse use_;
};

}  // namespace tandem::survival
