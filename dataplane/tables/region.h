// A shared memory region: a sealed memfd whose header says what it is and which version is current.
//
// Offsets, never pointers: each process maps it where it likes. The size never changes (sealed), so
// no access inside it can raise SIGBUS. The region does not know what its blocks mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/tables/generation.h"

namespace tandem::tables {

/// Raised with every change of a structure that lies in shared memory.
inline constexpr std::uint32_t kLayoutVersion = 14;

enum class RegionKind : std::uint32_t { kPlan = 1, kLive = 2, kFlows = 3 };

/// A piece of a region's arena. `generation` is the one it was written in: a block with the same
/// offset and generation has the same content.
struct BlockRef {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t generation = 0;
    friend bool operator==(const BlockRef&, const BlockRef&) = default;
};

/// Yes or no in a shared record: 0 or another value. Not bool, for which most values are undefined
/// behaviour: a reader that slept too long may find any.
using Flag = std::uint8_t;

/// A copy of a record in shared memory. A reader that slept too long reads memory that is being
/// reused, so what it checks has to be the very value that it then uses.
template <class T>
T read_once(const T& shared) {
    const T copy = shared;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // so the compiler cannot read it again
    return copy;
}

/// Where a published generation is found: a block that holds nothing but the references of the
/// blocks the generation consists of.
struct RootSlot {
    std::atomic<std::uint64_t> generation{0};  ///< 0 while it is written
    BlockRef references;
};

struct RegionHeader {
    static constexpr std::uint64_t kMagic = 0x4d45444e4154'0001;  // "TANDEM"
    static constexpr std::size_t kRoots = 8;

    std::uint64_t magic;
    std::uint32_t layout_version;
    RegionKind kind;
    std::uint64_t size_bytes;
    std::uint64_t instance_id;   ///< random; a re-created region has another
    std::uint64_t fixed_offset;  ///< the part that is not versioned (counters, reader cells)
    std::uint64_t fixed_size_bytes;
    std::uint64_t arena_offset;  ///< from here to the end: blocks
    GenerationCell generations;
    std::array<RootSlot, kRoots> roots;  ///< generation g is in roots[g % kRoots]
};

enum class Access : std::uint8_t { kRead, kReadWrite };
enum class Pages : std::uint8_t { kNormal, kHuge };

class Region {
  public:
    /// Makes a new zeroed region with room for `fixed_size_bytes` and an arena of at least
    /// `arena_size_bytes`, all of it backed by memory that exists. Errors: not enough memory.
    static Result<Region> create(RegionKind kind, std::size_t fixed_size_bytes,
                                 std::size_t arena_size_bytes, Pages pages);

    /// Maps a region made by somebody else. Errors: not sealed, or another magic, layout version,
    /// kind or size than this build expects.
    static Result<Region> map(FileDescriptor fd, RegionKind kind, std::size_t fixed_size_bytes,
                              Access access);

    Region(Region&& other) noexcept;
    Region& operator=(Region&& other) noexcept;
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region();

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] RegionHeader& header() { return *reinterpret_cast<RegionHeader*>(base_); }
    [[nodiscard]] const RegionHeader& header() const {
        return *reinterpret_cast<const RegionHeader*>(base_);
    }
    [[nodiscard]] std::byte* fixed() { return base_ + header().fixed_offset; }
    [[nodiscard]] const std::byte* fixed() const { return base_ + header().fixed_offset; }

    /// The bytes of a block; empty if the reference does not lie inside the arena.
    [[nodiscard]] std::span<std::byte> bytes(const BlockRef& block);
    [[nodiscard]] std::span<const std::byte> bytes(const BlockRef& block) const;

    /// The block as an array of T, as many as fit.
    template <class T>
    [[nodiscard]] std::span<const T> array(const BlockRef& block) const {
        const std::span<const std::byte> raw = bytes(block);
        return {reinterpret_cast<const T*>(raw.data()), raw.size() / sizeof(T)};
    }
    template <class T>
    [[nodiscard]] std::span<T> array(const BlockRef& block) {
        const std::span<std::byte> raw = bytes(block);
        return {reinterpret_cast<T*>(raw.data()), raw.size() / sizeof(T)};
    }

    /// The blocks of a published generation; empty if its root has been given to a later one.
    [[nodiscard]] std::span<const BlockRef> references(std::uint64_t generation) const;

  private:
    Region(FileDescriptor fd, std::byte* base, std::size_t size_bytes)
        : fd_(std::move(fd)), base_(base), size_bytes_(size_bytes) {}
    [[nodiscard]] bool inside_arena(const BlockRef& block) const;

    FileDescriptor fd_;
    std::byte* base_ = nullptr;
    std::size_t size_bytes_ = 0;
};

}  // namespace tandem::tables
