#include "dataplane/tables/publisher.h"

#include <algorithm>
#include <new>

namespace tandem::tables {

namespace {

constexpr std::uint64_t kBlockUnitBytes = 4096;

std::uint64_t rounded(std::uint64_t size_bytes) {
    const std::uint64_t units = (size_bytes + kBlockUnitBytes - 1) / kBlockUnitBytes;
    return units * kBlockUnitBytes;
}

/// Membership in a list of references, by where a block begins. Empty blocks belong to none.
class BlockSet {
  public:
    explicit BlockSet(std::span<const BlockRef> blocks) {
        for (const BlockRef& block : blocks) {
            if (block.size_bytes != 0) offsets_.push_back(block.offset);
        }
        std::ranges::sort(offsets_);
        const auto repeated = std::ranges::unique(offsets_);
        offsets_.erase(repeated.begin(), repeated.end());
    }
    [[nodiscard]] bool contains(const BlockRef& block) const {
        return block.size_bytes != 0 && std::ranges::binary_search(offsets_, block.offset);
    }
    [[nodiscard]] std::size_t size() const { return offsets_.size(); }

  private:
    std::vector<std::uint64_t> offsets_;
};

}  // namespace

Publisher::Publisher(Region& region, std::span<const ReaderCell> readers)
    : region_(&region), readers_(readers), progress_(readers.size()) {
    const RegionHeader& header = region_->header();
    free_arena();
    generation_ = header.generations.published.load(std::memory_order_acquire);
    oldest_held_ = header.generations.oldest_intact.load(std::memory_order_relaxed);
    if (generation_ != 0 && !recover()) start_anew();
}

void Publisher::free_arena() {
    const RegionHeader& header = region_->header();
    const std::uint64_t size = header.size_bytes - header.arena_offset;
    free_.clear();
    free_.emplace(header.arena_offset, size / kBlockUnitBytes * kBlockUnitBytes);
}

/// Memory that another process left behind damaged is no reason to die, again at every start.
void Publisher::start_anew() {
    free_arena();
    current_.clear();
    retired_.clear();
    current_root_ = {};
    oldest_held_ = generation_ + 1;
    region_->header().generations.raise_oldest_intact(oldest_held_);
}

// Whatever a reader may still look at is claimed; everything else is free. What only older
// generations refer to is retired as of the current one. False if it contradicts itself.
bool Publisher::recover() {
    const RegionHeader& header = region_->header();
    std::uint64_t oldest = generation_;
    for (const ReaderCell& reader : readers_) {
        const std::uint64_t adopted = reader.adopted.load(std::memory_order_seq_cst);
        if (adopted != 0) oldest = std::min(oldest, adopted);
    }
    oldest = std::max(oldest, header.generations.oldest_intact.load(std::memory_order_relaxed));

    std::map<std::uint64_t, BlockRef> claimed;
    const auto claim_once = [&](const BlockRef& block, bool is_current) {
        if (block.size_bytes == 0) return true;
        const auto [entry, is_new] = claimed.emplace(block.offset, block);
        if (!is_new) return entry->second == block;
        if (!is_current) retired_.push_back({block, generation_});
        return claim(block);
    };
    for (std::uint64_t generation = generation_; generation + RegionHeader::kRoots > generation_ &&
                                                 generation >= std::max<std::uint64_t>(oldest, 1);
         --generation) {
        const std::span<const BlockRef> references = region_->references(generation);
        const bool is_current = generation == generation_;
        const BlockRef root = header.roots[generation % RegionHeader::kRoots].references;
        if (references.empty() || !claim_once(root, is_current)) return false;
        for (const BlockRef& block : references) {
            if (!claim_once(block, is_current)) return false;
        }
        if (is_current) {
            current_.assign(references.begin(), references.end());
            current_root_ = root;
        }
    }
    return true;
}

/// Takes a block out of the free memory. False if it does not lie in it.
bool Publisher::claim(const BlockRef& block) {
    const auto next = free_.upper_bound(block.offset);
    if (next == free_.begin() || block.offset % kBlockUnitBytes != 0) return false;
    const auto found = std::prev(next);
    const std::uint64_t hole_begin = found->first;
    const std::uint64_t hole_end = hole_begin + found->second;
    if (block.offset >= hole_end || block.size_bytes > hole_end - block.offset) return false;
    const std::uint64_t block_end = block.offset + rounded(block.size_bytes);
    free_.erase(found);
    if (block.offset > hole_begin) free_.emplace(hole_begin, block.offset - hole_begin);
    if (hole_end > block_end) free_.emplace(block_end, hole_end - block_end);
    return true;
}

void Publisher::release(const BlockRef& block) {
    std::uint64_t begin = block.offset;
    std::uint64_t size = rounded(block.size_bytes);
    auto next = free_.upper_bound(begin);
    if (next != free_.end() && begin + size == next->first) {
        size += next->second;
        next = free_.erase(next);
    }
    if (next != free_.begin()) {
        const auto previous = std::prev(next);
        if (previous->first + previous->second == begin) {
            begin = previous->first;
            size += previous->second;
            free_.erase(previous);
        }
    }
    free_.emplace(begin, size);
}

Result<BlockRef> Publisher::allocate(std::size_t size_bytes) {
    if (size_bytes == 0) return BlockRef{region_->header().arena_offset, 0, generation_ + 1};
    const auto hole =
        std::ranges::find_if(free_, [&](const auto& entry) { return entry.second >= size_bytes; });
    if (hole == free_.end()) {
        return Error{"the tables' memory is full: " + std::to_string(size_bytes >> 10U) +
                     " KiB wanted, " + std::to_string(free_bytes() >> 10U) +
                     " KiB free in pieces; raise dataplane.table_memory and restart the dataplane"};
    }
    const BlockRef block{hole->first, size_bytes, generation_ + 1};
    CHECK(claim(block));
    fresh_.push_back(block);
    return block;
}

Result<std::uint64_t> Publisher::publish(std::vector<BlockRef> references) {
    RegionHeader& header = region_->header();
    const std::uint64_t next = generation_ + 1;
    RootSlot& slot = header.roots[next % RegionHeader::kRoots];
    const std::uint64_t occupant = slot.generation.load(std::memory_order_relaxed);
    // One beyond the current was never published: its writer was killed just before it could.
    if (occupant != 0 && occupant <= generation_ && occupant >= oldest_held_) {
        return Error{"a reader still holds generation " + std::to_string(occupant)};
    }
    const BlockSet kept(references);
    const auto is_kept = [&](const BlockRef& block) { return kept.contains(block); };
    CHECK(std::ranges::count_if(current_, is_kept) + std::ranges::count_if(fresh_, is_kept) ==
          static_cast<std::ptrdiff_t>(kept.size()));
    CHECK(!references.empty());
    Result<BlockRef> root = allocate(references.size() * sizeof(BlockRef));
    if (!root) return root.error();

    slot.generation.store(0, std::memory_order_relaxed);
    std::ranges::copy(references, array<BlockRef>(root.value()).begin());
    slot.references = root.value();
    slot.generation.store(next, std::memory_order_release);
    header.generations.published.store(next, std::memory_order_seq_cst);

    if (current_root_.size_bytes != 0) retired_.push_back({current_root_, next});
    for (const BlockRef& block : current_) {
        if (block.size_bytes != 0 && !is_kept(block)) retired_.push_back({block, next});
    }
    for (const BlockRef& block : fresh_) {
        if (block != root.value() && !is_kept(block)) release(block);
    }
    fresh_.clear();
    current_ = std::move(references);
    current_root_ = root.value();
    generation_ = next;
    return next;
}

void Publisher::abandon() {
    for (const BlockRef& block : fresh_) release(block);
    fresh_.clear();
}

std::uint64_t Publisher::oldest_adopted(Instant now, std::size_t& stalled) {
    std::uint64_t oldest = generation_;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
        const std::uint64_t adopted = readers_[i].adopted.load(std::memory_order_seq_cst);
        Progress& progress = progress_[i];
        if (adopted == 0 || adopted >= generation_) {
            progress = {};
            continue;
        }
        if (!progress.behind || progress.adopted != adopted) {
            progress = {.adopted = adopted, .behind_since = now, .behind = true};
        }
        if (now - progress.behind_since >= kReaderStallLimit) {
            ++stalled;
        } else {
            oldest = std::min(oldest, adopted);
        }
    }
    return oldest;
}

std::size_t Publisher::collect(Instant now) {
    std::size_t stalled = 0;
    oldest_held_ = std::max(oldest_held_, oldest_adopted(now, stalled));
    // Before anything is overwritten, so that a reader that was left out can tell.
    region_->header().generations.raise_oldest_intact(oldest_held_);
    std::erase_if(retired_, [&](const Retired& retired) {
        if (retired.since > oldest_held_) return false;
        release(retired.block);
        return true;
    });
    return stalled;
}

std::size_t Publisher::free_bytes() const {
    std::size_t total = 0;
    for (const auto& [offset, size] : free_) total += size;
    return total;
}

}  // namespace tandem::tables
