// The writer's side of a region: allocates blocks, publishes generations, reuses what no reader
// needs. Its book-keeping is private memory; after a restart it is rebuilt from what is published.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/base/time.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

/// How long a reader may go without adopting before it is left out of the count.
inline constexpr Duration kReaderStallLimit = std::chrono::seconds(2);

/// Copy-on-write publishing: a new generation is the references of the old one with some blocks
/// replaced. Single-threaded. Never blocks: when memory or a root is still held by a reader, the
/// call fails and is to be repeated after collect().
class Publisher {
  public:
    /// Takes over a region, new or published to by an earlier process. `readers` are the cells of
    /// all possible readers; whoever is not running has 0 there. If what is published contradicts
    /// itself, none of it is kept: current() is empty, and readers see it as no longer intact.
    Publisher(Region& region, std::span<const ReaderCell> readers);

    /// The current generation's blocks: what a successor starts from. Empty before the first.
    [[nodiscard]] std::span<const BlockRef> current() const { return current_; }
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    /// A block for the next generation, its content undefined. Errors: the arena is full.
    Result<BlockRef> allocate(std::size_t size_bytes);
    template <class T>
    [[nodiscard]] std::span<T> array(const BlockRef& block) {
        return region_->array<T>(block);
    }

    /// Makes `references` the live generation and returns its number: at least one block, each of
    /// current() or allocated since. Those allocated and not among them are freed. Errors: every
    /// root is held by a reader.
    Result<std::uint64_t> publish(std::vector<BlockRef> references);
    /// Gives back blocks allocated since the last publish.
    void abandon();

    /// Frees what every running reader has passed, as of `now`. Readers that have not adopted for
    /// kReaderStallLimit are left out and counted in the return value: report it.
    std::size_t collect(Instant now);

    [[nodiscard]] std::size_t free_bytes() const;

  private:
    struct Retired {
        BlockRef block;
        std::uint64_t since;  ///< the first generation that does not refer to it
    };
    struct Progress {
        std::uint64_t adopted = 0;
        Instant behind_since{};  ///< when it was first seen behind the published generation
        bool behind = false;
    };

    bool recover();
    void start_anew();
    void free_arena();
    bool claim(const BlockRef& block);
    void release(const BlockRef& block);
    [[nodiscard]] std::uint64_t oldest_adopted(Instant now, std::size_t& stalled);

    Region* region_;
    std::span<const ReaderCell> readers_;
    std::vector<Progress> progress_;
    std::map<std::uint64_t, std::uint64_t> free_;  ///< offset -> size, coalesced
    std::vector<BlockRef> current_;
    std::vector<BlockRef> fresh_;  ///< allocated, not yet published
    std::vector<Retired> retired_;
    BlockRef current_root_{};
    std::uint64_t generation_ = 0;
    std::uint64_t oldest_held_ = 0;  ///< no running reader is below it
};

}  // namespace tandem::tables
