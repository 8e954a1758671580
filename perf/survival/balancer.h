// What the compared ways of balancing have in common.
#pragma once

#include <cstdint>

#include "dataplane/base/time.h"
#include "dataplane/net/hash.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/track.h"
#include "perf/survival/fleet.h"

namespace tandem::survival {

/// A packet as a worker has it when its VIP is known.
struct Arrival {
    std::uint64_t flow;
    std::uint64_t slot_hash;  ///< by the key of the tables
    tables::FlowSignal signal;
};

/// What a way of balancing has done with its flow table.
struct TableUse {
    std::uint64_t bytes = 0;  ///< of entries; 0: it has no flow table
    std::uint64_t entries = 0;
    std::uint64_t entries_peak = 0;
    std::uint64_t inserted = 0;
    std::uint64_t evicted = 0;
    std::uint64_t refused = 0;  ///< not remembered, for want of room
    std::uint64_t told = 0;     ///< records that another instance would be told
};

class Balancer {
  public:
    Balancer() = default;
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;
    virtual ~Balancer() = default;

    /// Other tables, which are valid until the next call.
    virtual void adopt(const Tables& tables, CoarseTime now) = 0;
    /// kNoBackend: nobody serves.
    virtual tables::BackendIndex forward(const Arrival& packet, CoarseTime now) = 0;
    /// Once a second.
    virtual void tick(CoarseTime /*now*/) {}
    [[nodiscard]] virtual TableUse use() const { return {}; }
};

inline std::uint32_t slot_of(const Arrival& packet, std::size_t slots) {
    return tables::LiveView::slot_index(packet.slot_hash, static_cast<std::uint32_t>(slots));
}

}  // namespace tandem::survival
