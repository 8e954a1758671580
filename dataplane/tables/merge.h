// Turns a plan generation into a live generation: VIPs indexed for lookup, backends with the MACs
// and ports they are reached by, slots as workers see them. Pure but for the memory it writes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/publisher.h"

namespace tandem::tables {

/// Publishes into `live` what `plan` says. Pools whose slots are the blocks of the plan generation
/// merged last keep their live blocks, so a neighbour's new MAC copies no slot.
class Merger {
  public:
    Merger(Publisher& live, std::span<const PortInfo> ports) : live_(&live), ports_(ports) {}

    /// Writes the blocks of the next live generation and returns their references, not published
    /// yet: the caller first asks whether the plan was intact while it was read. Errors: the live
    /// region is full, or the plan contradicts itself (a bug in control); nothing is allocated
    /// then.
    Result<std::vector<BlockRef>> merge(const Region& plan_region, const PlanView& plan,
                                        std::uint64_t plan_generation);

    /// Tells that what merge() returned has been published, or with false that it has not.
    void published(bool done);

  private:
    struct PoolBlocks {
        BlockRef plan;
        BlockRef live;
    };

    Result<BlockRef> write_head(const PlanView& plan, std::uint64_t plan_generation,
                                const VipTableShape& shape);
    Result<BlockRef> write_backends(const PlanView& plan);
    Result<BlockRef> write_slots(const Region& plan_region, const PlanPool& pool);
    [[nodiscard]] LiveBackend live_backend(const PlanView& plan, const PlanBackend& backend) const;
    Result<std::vector<BlockRef>> write(const Region& plan_region, const PlanView& plan,
                                        std::uint64_t plan_generation);

    Publisher* live_;
    std::span<const PortInfo> ports_;
    std::vector<PoolBlocks> merged_;  ///< by pool, as of the live generation that is published
    std::vector<PoolBlocks> merging_;
};

}  // namespace tandem::tables
