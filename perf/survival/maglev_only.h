// Maglev without memory: a table of those that serve, filled anew at every change.
#pragma once

#include "perf/survival/balancer.h"

namespace tandem::survival {

class MaglevOnly final : public Balancer {
  public:
    void adopt(const Tables& tables, CoarseTime /*now*/) override { slots_ = tables.maglev; }
    tables::BackendIndex forward(const Arrival& packet, CoarseTime /*now*/) override {
        return (*slots_)[slot_of(packet, slots_->size())];
    }

  private:
    std::shared_ptr<const plan::Owners> slots_;
};

}  // namespace tandem::survival
