// A plan as ordinary vectors, and how control lays it out in a region.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/tables/plan.h"
#include "dataplane/tables/publisher.h"

namespace tandem::tables {

struct PlanContent {
    PlanHead head;
    std::vector<PlanVip> vips;
    std::vector<PlanPool> pools;
    /// By pool. An empty list keeps the block that the pool already refers to.
    std::vector<std::vector<BackendIndex>> owners;
    std::vector<PlanBackend> backends{1};
    std::vector<PlanNextHop> next_hops{1};
    std::vector<PlanGroup> groups;
};

template <class T>
Result<BlockRef> write_block(Publisher& publisher, std::span<const T> records) {
    Result<BlockRef> block = publisher.allocate(records.size_bytes());
    if (block) std::ranges::copy(records, publisher.array<T>(block.value()).begin());
    return block;
}

/// Publishes `content` and notes in its pools which blocks their slots lie in. Errors: no room, or
/// a reader in the way; nothing is allocated then.
inline Result<std::uint64_t> publish_plan(Publisher& publisher, PlanContent& content) {
    std::vector<PlanPool> pools = content.pools;
    std::vector<BlockRef> slots;
    const auto write = [&]() -> Result<std::uint64_t> {
        for (std::size_t i = 0; i < pools.size(); ++i) {
            if (!content.owners[i].empty()) {
                Result<BlockRef> block = write_block<BackendIndex>(publisher, content.owners[i]);
                if (!block) return block.error();
                pools[i].slots = block.value();
            }
            slots.push_back(pools[i].slots);
        }
        const std::array blocks{write_block<PlanHead>(publisher, std::span(&content.head, 1)),
                                write_block<PlanVip>(publisher, content.vips),
                                write_block<PlanPool>(publisher, pools),
                                write_block<PlanBackend>(publisher, content.backends),
                                write_block<PlanNextHop>(publisher, content.next_hops),
                                write_block<PlanGroup>(publisher, content.groups)};
        std::vector<BlockRef> references;
        for (const Result<BlockRef>& block : blocks) {
            if (!block) return block.error();
            references.push_back(block.value());
        }
        references.insert(references.end(), slots.begin(), slots.end());
        return publisher.publish(std::move(references));
    };
    Result<std::uint64_t> generation = write();
    if (generation) {
        content.pools = std::move(pools);
    } else {
        publisher.abandon();
    }
    return generation;
}

}  // namespace tandem::tables
