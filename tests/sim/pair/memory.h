// What a machine keeps while its dataplane is restarted: control holds the shared memory. In it are
// the flows that workers remember and the tables that they had last.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <vector>

#include "dataplane/net/hash.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/flow_table.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/slot_tables.h"
#include "tests/sim/pair/control.h"

namespace tandem::sim {

inline constexpr std::size_t kWorkersMax = 2;
inline constexpr std::size_t kUseCells = 512;
inline constexpr std::size_t kPeerFlows = 256;

/// Arrays by backend are as long as an index reaches; schedules use their first few entries and
/// share them, one after the other.
struct PerBackendArrays {
    std::vector<std::atomic<std::uint32_t>> flows =
        std::vector<std::atomic<std::uint32_t>>(tables::kBackendsMax + 1);
    std::vector<std::atomic<std::uint16_t>> silence_s =
        std::vector<std::atomic<std::uint16_t>>(tables::kBackendsMax + 1);
};

/// Of one worker.
struct WorkerMemory {
    explicit WorkerMemory(std::size_t buckets, std::uint64_t key_bits, PerBackendArrays& arrays);

    [[nodiscard]] tables::FlowTable::PerBackend per_backend() const {
        return {.flows = arrays->flows, .silence_s = arrays->silence_s};
    }
    /// nullopt: it is not there.
    [[nodiscard]] std::optional<tables::FlowState> state_of(tables::FlowIdentity identity) const;

    std::vector<tables::FlowBucket> buckets;
    std::vector<tables::FlowIdentities> identities;
    tables::FlowStatistics statistics;
    std::array<tables::SlotUse::Cell, kUseCells> use_cells{};
    HashKey key;
    PerBackendArrays* arrays;
};

/// Tables as workers see them.
struct LiveTables {
    struct Pool {
        tables::SlotTableId id;
        std::uint64_t revision = 0;
        std::vector<tables::Slot> slots;
        std::vector<CoarseTime> changed_at;
        std::vector<tables::EarlierOwner> earlier;
        CoarseTime void_before = 0;
        bool is_followed = false;
    };
    std::vector<Pool> pools;
    std::vector<tables::LiveBackend> backends;
    std::shared_ptr<const Plan> plan;

    [[nodiscard]] const Pool* find(const tables::SlotTableId& id) const {
        for (const Pool& pool : pools) {
            if (pool.id == id) return &pool;
        }
        return nullptr;
    }
    /// Whether that backend's flows may go on.
    [[nodiscard]] bool serves(BackendId id) const {
        if (id == kNobody || !plan || !plan->has(id)) return false;
        return backends[plan->index_of[id]].serves_flows != 0;
    }
};

}  // namespace tandem::sim
