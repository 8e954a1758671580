// Blocks that say in every word which block they are, so that a reader can tell a whole one from
// one that somebody has begun to write over. Shared by the tests of regions, publishers, kills.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/tables/publisher.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

inline constexpr std::size_t kPageBytes = 4096;

inline Region new_region(RegionKind kind, std::size_t fixed_bytes, std::size_t arena_bytes) {
    Result<Region> region = Region::create(kind, fixed_bytes, arena_bytes, Pages::kNormal);
    CHECK(region.has_value());
    return std::move(region.value());
}

inline FileDescriptor duplicate(int fd) {
    return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/// That this process has.
inline std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::ranges::distance(std::filesystem::directory_iterator("/proc/self/fd")));
}

inline std::uint64_t stamp_of(const BlockRef& block) {
    return (block.offset * 0x9e3779b97f4a7c15U ^ block.generation) * 0x9e3779b97f4a7c15U;
}

inline void stamp(Publisher& publisher, const BlockRef& block) {
    std::ranges::fill(publisher.array<std::uint64_t>(block), stamp_of(block));
}

inline bool is_whole(const Region& region, const BlockRef& block) {
    const std::span<const std::uint64_t> words = region.array<std::uint64_t>(block);
    return words.size() == block.size_bytes / sizeof(std::uint64_t) &&
           words.front() == stamp_of(block) &&
           std::memcmp(words.data(), words.data() + 1, words.size_bytes() - sizeof words[0]) == 0;
}

inline bool all_whole(const Region& region, std::span<const BlockRef> blocks) {
    return std::ranges::all_of(blocks, [&](const BlockRef& b) { return is_whole(region, b); });
}

/// Allocates `sizes.size()` stamped blocks. Empty if there is no room for all of them; nothing is
/// kept then.
inline std::vector<BlockRef> stamped_blocks(Publisher& publisher,
                                            std::span<const std::size_t> sizes) {
    std::vector<BlockRef> blocks;
    for (const std::size_t size : sizes) {
        Result<BlockRef> block = publisher.allocate(size);
        if (!block) {
            publisher.abandon();
            return {};
        }
        stamp(publisher, block.value());
        blocks.push_back(block.value());
    }
    return blocks;
}

inline std::vector<BlockRef> stamped_blocks(Publisher& publisher,
                                            std::initializer_list<std::size_t> sizes) {
    return stamped_blocks(publisher, std::span(sizes.begin(), sizes.size()));
}

inline std::vector<BlockRef> current_of(const Publisher& publisher) {
    return {publisher.current().begin(), publisher.current().end()};
}

inline std::size_t pages_of(std::size_t size_bytes) {
    return (size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

/// What a generation takes up in the arena, its root included.
inline std::size_t footprint(std::span<const BlockRef> blocks) {
    std::size_t total = blocks.empty() ? 0 : pages_of(blocks.size_bytes());
    for (const BlockRef& block : blocks) total += pages_of(block.size_bytes);
    return total;
}

inline std::size_t arena_bytes(const Region& region) {
    return region.header().size_bytes - region.header().arena_offset;
}

/// What a publisher and its readers need, in one process.
struct RegionWithReaders {
    explicit RegionWithReaders(std::size_t arena_pages)
        : region(new_region(RegionKind::kPlan, 0, arena_pages * kPageBytes)) {}

    GenerationReader reader(std::size_t index) {
        return {region.header().generations, cells[index]};
    }

    Region region;
    std::array<ReaderCell, 4> cells{};
};

}  // namespace tandem::tables
