// The shared memory in which flows are remembered: one table for each worker, and beside it what
// others want to know of it. Outlives the dataplane, as all regions do: a restarted one goes on
// with it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "dataplane/base/result.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hash.h"
#include "dataplane/tables/flow_table.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

/// When a remembered flow of a slot was last seen, by one worker. Slots share cells by chance: one
/// may seem in use that is not, and costs look-ups; never the other way round.
class SlotUse {
  public:
    static constexpr std::size_t kCells = std::size_t{1} << 18U;
    using Cell = std::atomic<CoarseTime>;

    /// `cells`: a power of two of them.
    explicit SlotUse(std::span<Cell> cells) : cells_(cells) {}

    void note(std::uint64_t pool_id, std::uint32_t slot, CoarseTime now) const {
        Cell& cell = cells_[index(pool_id, slot)];
        if (cell.load(std::memory_order_relaxed) != now) {
            cell.store(now, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] CoarseTime last(std::uint64_t pool_id, std::uint32_t slot) const {
        return cells_[index(pool_id, slot)].load(std::memory_order_relaxed);
    }

  private:
    [[nodiscard]] std::size_t index(std::uint64_t pool_id, std::uint32_t slot) const {
        // Slots of one pool are neighbours: none share.
        return (pool_id + slot) & (cells_.size() - 1);
    }
    std::span<Cell> cells_;
};

/// Of Toeplitz hashing, as long as the longest that a NIC takes.
using RssKey = std::array<std::uint8_t, 64>;

class FlowMemory {
  public:
    /// Room for `flows` per worker. Errors: not enough memory.
    static Result<FlowMemory> create(std::uint32_t workers, std::uint64_t flows, Pages pages);
    /// Maps what an earlier process made. Errors: not such a region, or another layout.
    static Result<FlowMemory> map(FileDescriptor fd, Access access);

    /// Whether it is what create() would make: if not, it is of no use to this dataplane.
    [[nodiscard]] bool fits(std::uint32_t workers, std::uint64_t flows) const;
    /// Forgets everything; for memory that nobody has kept up to date for too long.
    void clear();
    /// Counts the flows anew, and forgets what is none: whoever kept them up to date may have been
    /// killed at any instruction.
    void recount();

    [[nodiscard]] int fd() const { return region_.fd(); }
    [[nodiscard]] std::uint32_t workers() const;
    [[nodiscard]] std::uint32_t buckets_per_worker() const;
    /// The key of a worker's flow hash: its own, and nobody else's to know.
    [[nodiscard]] const HashKey& key(std::uint32_t worker) const;
    /// By which NICs are to spread flows over workers: a flow must come to the one that knows it.
    [[nodiscard]] const RssKey& rss_key() const;
    [[nodiscard]] FlowStatistics& statistics(std::uint32_t worker);
    [[nodiscard]] const FlowStatistics& statistics(std::uint32_t worker) const;
    [[nodiscard]] std::span<FlowBucket> buckets(std::uint32_t worker);
    [[nodiscard]] std::span<FlowIdentities> identities(std::uint32_t worker);
    [[nodiscard]] FlowTable::PerBackend per_backend(std::uint32_t worker);
    [[nodiscard]] SlotUse slot_use(std::uint32_t worker);
    /// Of a pool's slot, when any worker has last seen a remembered flow of it.
    [[nodiscard]] CoarseTime last_use(std::uint64_t pool_id, std::uint32_t slot);

    /// When somebody last kept it up to date.
    [[nodiscard]] std::atomic<CoarseTime>& alive_at();

  private:
    explicit FlowMemory(Region region) : region_(std::move(region)) {}
    template <class T>
    std::span<T> part(std::uint32_t worker, std::size_t offset, std::size_t count);

    Region region_;
};

}  // namespace tandem::tables
