// Maglev with a flow table that remembers every flow, as Maglev and Katran do: a flow goes where it
// went before, if its backend may serve it, else by Maglev's table. Entries have Tandem's timeouts;
// when there is no room, the one that was silent longest goes, ended ones first.
//
// Better than one can build: exact order of use and no collisions, in the bytes that the entries
// alone take in Tandem's table.
#pragma once

#include <list>
#include <unordered_map>

#include "perf/survival/balancer.h"

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
        std::uint64_t flow;
        tables::BackendIndex backend;
        bool is_closing;
        CoarseTime used_at;
    };
    using List = std::list<Entry>;  ///< the one that was silent longest first

    void forget_first(List& list);
    static bool is_idle(const List& list, std::uint16_t seconds, CoarseTime now);

    const Tables* tables_ = nullptr;
    std::uint64_t places_;
    tables::FlowTimeouts timeouts_;
    List open_;
    List closing_;
    std::unordered_map<std::uint64_t, List::iterator> entries_;
    TableUse use_;
};

}  // namespace tandem::survival
