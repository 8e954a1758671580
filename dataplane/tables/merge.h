// Turns a plan generation into a live generation: VIPs indexed for lookup, backends with the MACs
// and ports they are reached by, slots with what they remember. Pure but for the memory it writes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/publisher.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem::tables {

/// What slots remember belongs to the names of pool and group, whatever becomes of others. Tables
/// whose slots have not changed keep their live blocks, so a neighbour's new MAC copies no slot.
class Merger {
  public:
    /// Slots that `live` has from an earlier process are gone on with.
    Merger(Region& live_region, Publisher& live, std::span<const PortInfo> ports);

    /// Writes the blocks of the next live generation and returns their references for the caller to
    /// publish. `is_intact` is asked once all of the plan's slots have been read, before anything
    /// is made of them. Errors: the plan was not intact, the live region is full, or the plan
    /// contradicts itself (a bug in control); no block is allocated then. `meanwhile` is called
    /// between tables: many take long.
    Result<std::vector<BlockRef>> merge(
        const Region& plan_region, const PlanView& plan, std::uint64_t plan_generation,
        CoarseTime now, const std::function<bool()>& is_intact,
        const std::function<void()>& meanwhile = [] {});

    /// By the plan's numbers of groups, those that Roles has them under, for the merges to come.
    void set_group_numbers(std::span<const std::uint8_t, kGroupsMax> numbers) {
        std::ranges::copy(numbers, group_numbers_.begin());
    }

    /// Tells that what merge() returned has been published, or with false that it has not.
    void published(bool done);

    /// By the names of pools and groups.
    [[nodiscard]] SlotTables& slots() { return slots_; }

  private:
    /// Where a table's slots are read from and written to.
    struct Blocks {
        BlockRef plan;  ///< the owners that the table has
        BlockRef slots;
        BlockRef times;
        std::uint64_t revision = 0;  ///< of the table, that `slots` and `times` say
    };
    /// Blocks of a generation that is not published yet.
    struct Fresh {
        SlotTableId id;
        BlockRef slots;
        BlockRef times;
        std::uint64_t revision;
    };

    Result<BlockRef> write_head(const PlanView& plan, std::uint64_t plan_generation,
                                const VipTableShape& shape);
    Result<BlockRef> write_backends(const PlanView& plan);
    Status read_owners(const Region& plan_region, const PlanView& plan, CoarseTime now,
                       const std::function<bool()>& is_intact,
                       const std::function<void()>& meanwhile);
    Status write_slots(const SlotTableId& id, LivePool& record, std::vector<BlockRef>& references);
    void write_backend(LiveBackend& live, const PlanView& plan, std::span<const PlanPool> pools,
                       const PlanBackend& backend) const;
    Result<std::vector<BlockRef>> write(const PlanView& plan, std::uint64_t plan_generation,
                                        const std::function<void()>& meanwhile);

    Publisher* live_;
    std::span<const PortInfo> ports_;
    std::array<std::uint8_t, kGroupsMax> group_numbers_{};
    SlotTables slots_;
    std::map<SlotTableId, Blocks> blocks_;
    std::vector<Fresh> fresh_;
};

}  // namespace tandem::tables
