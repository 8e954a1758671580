// The slots of all pools, as far as they remember: what the plan, time, and the other instance make
// of them. Pure; merge.h makes workers see it.
//
// VIPs of one group and family move between two instances together, and what their slots remember
// moves with them: so a pool has a table for each such domain that has VIPs of it. Of a table that
// the other instance answers for, what counts is what that one says; this one's own begins anew
// when it takes over.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/slot_memory.h"

namespace tandem::tables {

struct SlotTableId {
    std::uint64_t pool = 0;
    Domain domain = kNoDomain;

    friend auto operator<=>(const SlotTableId&, const SlotTableId&) = default;
};

class SlotTables {
  public:
    struct Table {
        SlotMemory memory;
        std::optional<SlotMemory::Steady> peers;  ///< what the other says of it: it is followed
        /// Flows remembered here from before are outdated, in all tables of a domain alike. It may
        /// lie a second ahead: flows count as seen then, not earlier.
        CoarseTime void_before = 0;
        /// Of its transitions. Until a plan says it, they do not end.
        CoarseTime hold = std::numeric_limits<CoarseTime>::max();
        std::uint64_t revision = 1;  ///< grows whenever workers are to see something else
    };
    /// Of a pool's slot, when a remembered flow of it was last seen.
    using LastUse = std::function<CoarseTime(std::uint64_t pool, std::uint32_t slot)>;
    /// Told of transitions that are over. True: they end when finish() is called for them, false:
    /// at once.
    using Commit = std::function<bool(const SlotTableId&, std::span<const SlotMemory::Ending>)>;

    [[nodiscard]] const std::map<SlotTableId, Table>& all() const { return tables_; }
    /// nullptr: there is none.
    [[nodiscard]] const Table* find(const SlotTableId& id) const;
    /// One that an earlier process had.
    Table& restore(const SlotTableId& id) { return tables_[id]; }

    /// These, and no others, are there from now on. A new one begins with what another one of its
    /// pool remembers: its VIPs have come from there.
    void keep_only(std::span<const SlotTableId> ids);
    void set_hold(const SlotTableId& id, CoarseTime hold);
    /// Its slots point to `owners` from now on.
    void update(const SlotTableId& id, std::span<const BackendIndex> owners, CoarseTime now);

    /// The other instance answers for its VIPs, and says so of its slots. Nothing happens if it has
    /// other slots. True: workers are to see something else.
    bool follow(const SlotTableId& id, SlotMemory::Steady peers);
    /// This instance goes on where the other has stopped. True if it was followed.
    /// `is_remembered` says whether a slot has flows of the peer's.
    bool take_over(const SlotTableId& id, CoarseTime now,
                   const std::function<bool(std::uint32_t)>& is_remembered);
    /// The slots for which it is true are asked for flows. True: that is new of any.
    bool remember(const SlotTableId& id, const std::function<bool(std::uint32_t)>& has_flows);
    /// The other instance has answered for these VIPs: what was remembered here is outdated.
    void outdate(Domain domain, CoarseTime now);

    /// Lets time do its work on tables that are not followed. `remembering`: the longest a flow
    /// can be idle and be remembered. True: workers are to see something else.
    bool settle(CoarseTime now, CoarseTime remembering, const LastUse& last_use,
                const Commit& commit = {});
    bool finish(const SlotTableId& id, std::span<const SlotMemory::Ending> endings, CoarseTime now,
                CoarseTime remembering, const LastUse& last_use);

    /// How many slots in transition have each backend as their steady owner and point to another.
    [[nodiscard]] std::vector<std::uint32_t> waiting_by_backend(std::size_t backends) const;
    [[nodiscard]] std::size_t in_transition() const;

  private:
    [[nodiscard]] CoarseTime void_before(Domain domain) const;

    std::map<SlotTableId, Table> tables_;
};

}  // namespace tandem::tables
