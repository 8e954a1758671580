// Turns a plan generation into a live generation: VIPs indexed for lookup, backends with the MACs
// and ports they are reached by, slots with what they remember. Pure but for the memory it writes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/publisher.h"
#include "dataplane/tables/slot_memory.h"

namespace tandem::tables {

/// The number of a pool, or of a group, in every generation and on every instance: of its name.
std::uint64_t name_id(const Name& name);

/// The slots of one pool for the VIPs of one domain: those move between instances together, and
/// with them what their slots remember.
struct SlotTableId {
    std::uint64_t pool = 0;
    Domain domain = kNoDomain;

    friend auto operator<=>(const SlotTableId&, const SlotTableId&) = default;
};

/// What slots remember belongs to the names of pool and group, whatever becomes of others. Tables
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

    /// The domains of the VIPs of the plan that was merged last, without kNoDomain.
    [[nodiscard]] std::vector<Domain> domains() const;
    [[nodiscard]] std::vector<SlotTableId> tables() const;
    /// nullptr: there is no such table.
    [[nodiscard]] const SlotMemory* memory(const SlotTableId& id) const;

    /// The other instance answers for this table's VIPs, and this is what it says of its slots:
    /// workers are to follow it.
    void follow(const SlotTableId& id, SlotMemory::Steady peers);
    [[nodiscard]] bool is_followed(const SlotTableId& id) const;
    /// This instance goes on with the table where the other has stopped.
    void take_over(const SlotTableId& id, CoarseTime now,
                   const std::function<bool(std::uint32_t)>& is_remembered);
    /// Flows that are remembered here from before then are outdated, by domain.
    [[nodiscard]] CoarseTime void_before(Domain domain) const;

    /// Of a pool's slot, when a remembered flow of it was last seen.
    using LastUse = std::function<CoarseTime(std::uint64_t pool_id, std::uint32_t slot)>;
    /// Told of transitions that are over. True: they end when finish() is called for them, false:
    /// at once.
    using Commit = std::function<bool(const SlotTableId&, std::span<const SlotMemory::Ending>)>;
    /// Lets time do its work on all slots that are not followed. `remembering`: the longest a flow
    /// can be idle and be remembered. True: workers are to see it, merge() again.
    bool settle(CoarseTime now, CoarseTime remembering, const LastUse& last_use,
                const Commit& commit = {});
    bool finish(const SlotTableId& id, std::span<const SlotMemory::Ending> endings, CoarseTime now,
                CoarseTime remembering, const LastUse& last_use);

    /// How many slots in transition have a backend of this pool as their steady owner, by backend.
    [[nodiscard]] std::vector<std::uint32_t> waiting_by_backend(std::size_t backends) const;
    [[nodiscard]] std::size_t in_transition() const;

  private:
    struct Table {
        SlotMemory memory;
        std::optional<SlotMemory::Steady> peers;  ///< it is followed
        CoarseTime void_before = 0;
        BlockRef plan;  ///< the block whose owners `memory` has
        BlockRef slots;
        BlockRef times;
        /// Of its transitions. Until a plan says it, they do not end.
        CoarseTime hold = std::numeric_limits<CoarseTime>::max();
        bool is_written = false;  ///< the live blocks say what `memory` says
    };
    /// Blocks of a generation that is not published yet.
    struct Fresh {
        Table* table;
        BlockRef slots;
        BlockRef times;
    };

    Result<BlockRef> write_head(const PlanView& plan, std::uint64_t plan_generation,
                                const VipTableShape& shape);
    Result<BlockRef> write_backends(const PlanView& plan);
    Status read_owners(const Region& plan_region, const PlanView& plan, CoarseTime now,
                       const std::function<bool()>& is_intact);
    Table like_another_of(std::uint64_t pool, const std::map<SlotTableId, Table>& kept) const;
    Status write_slots(Table& table, LivePool& record, std::vector<BlockRef>& references);
    void write_backend(LiveBackend& live, const PlanView& plan, std::span<const PlanPool> pools,
                       const PlanBackend& backend) const;
    Result<std::vector<BlockRef>> write(const PlanView& plan, std::uint64_t plan_generation);

    Publisher* live_;
    std::span<const PortInfo> ports_;
    std::array<std::uint8_t, kGroupsMax> group_numbers_{};
    std::map<SlotTableId, Table> tables_;
    std::vector<Fresh> fresh_;
};

}  // namespace tandem::tables
