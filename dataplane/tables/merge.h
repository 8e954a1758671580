// Turns a plan generation into a live generation: VIPs indexed for lookup, backends with the MACs
// and ports they are reached by, slots with what they remember. Pure but for the memory it writes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/publisher.h"
#include "dataplane/tables/slot_memory.h"

namespace tandem::tables {

/// A pool's number in every generation and on every instance: of its name.
std::uint64_t pool_id(const Name& name);

/// What a pool's slots remember belongs to the pool's name, whatever becomes of other pools. Pools
/// whose slots have not changed keep their live blocks, so a neighbour's new MAC copies no slot.
class Merger {
  public:
    /// Slots that `live` has from an earlier process are gone on with.
    Merger(Region& live_region, Publisher& live, std::span<const PortInfo> ports);

    /// Writes the blocks of the next live generation and returns their references for the caller to
    /// publish. `is_intact` is asked once all of the plan's slots have been read, before anything
    /// is made of them. Errors: the plan was not intact, the live region is full, or the plan
    /// contradicts itself (a bug in control); no block is allocated then.
    Result<std::vector<BlockRef>> merge(const Region& plan_region, const PlanView& plan,
                                        std::uint64_t plan_generation, CoarseTime now,
                                        const std::function<bool()>& is_intact);

    /// By the plan's numbers of groups, those that Roles has them under, for the merges to come.
    void set_group_numbers(std::span<const std::uint8_t, kGroupsMax> numbers) {
        std::ranges::copy(numbers, group_numbers_.begin());
    }

    /// Tells that what merge() returned has been published, or with false that it has not.
    void published(bool done);

    /// Of a pool's slot, when a remembered flow of it was last seen.
    using LastUse = std::function<CoarseTime(std::uint64_t pool_id, std::uint32_t slot)>;
    /// Lets time do its work on all slots. `remembering`: the longest a flow can be idle and be
    /// remembered. True: workers are to see it, merge() again.
    bool settle(CoarseTime now, CoarseTime remembering, const LastUse& last_use);

    /// How many slots in transition have a backend of this pool as their steady owner, by backend.
    [[nodiscard]] std::vector<std::uint32_t> waiting_by_backend(std::size_t backends) const;
    [[nodiscard]] std::size_t in_transition() const;

  private:
    struct Pool {
        SlotMemory memory;
        BlockRef plan;  ///< the block whose owners `memory` has
        BlockRef slots;
        BlockRef times;
        /// Of its transitions. Until a plan says it, they do not end.
        CoarseTime hold = std::numeric_limits<CoarseTime>::max();
        bool is_written = false;  ///< the live blocks say what `memory` says
    };
    /// Blocks of a generation that is not published yet.
    struct Fresh {
        Pool* pool;
        BlockRef slots;
        BlockRef times;
    };

    Result<BlockRef> write_head(const PlanView& plan, std::uint64_t plan_generation,
                                const VipTableShape& shape);
    Result<BlockRef> write_backends(const PlanView& plan);
    Status read_owners(const Region& plan_region, const PlanView& plan, CoarseTime now,
                       const std::function<bool()>& is_intact);
    Status write_slots(Pool& pool, LivePool& record, std::vector<BlockRef>& references);
    void write_backend(LiveBackend& live, const PlanView& plan, std::span<const PlanPool> pools,
                       const PlanBackend& backend) const;
    Result<std::vector<BlockRef>> write(const PlanView& plan, std::uint64_t plan_generation);

    Publisher* live_;
    std::span<const PortInfo> ports_;
    std::array<std::uint8_t, kGroupsMax> group_numbers_{};
    std::map<std::uint64_t, Pool> pools_;  ///< by id
    std::vector<Fresh> fresh_;
};

}  // namespace tandem::tables
