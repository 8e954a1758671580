#include "dataplane/tables/region.h"

#include <bit>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <linux/memfd.h>
#include <new>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

namespace tandem::tables {

namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;
constexpr std::size_t kBlockAlignment = 4096;
constexpr std::size_t kSizeMax = std::size_t{1} << 44U;  // far from any overflow
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
    return (value + unit - 1) / unit * unit;
}

std::string mebibytes(std::size_t bytes) {
    return std::to_string(bytes >> 20U) + " MiB";
}

/// What can be taken without anything being killed for it. The kernel gives pages of shared memory
/// one by one and finds out too late that there are not enough.
std::size_t available_bytes() {
    std::ifstream memory("/proc/meminfo");
    std::string word;
    while (memory >> word) {
        std::size_t kibibytes = 0;
        if (word == "MemAvailable:" && memory >> kibibytes) return kibibytes << 10U;
    }
    return std::numeric_limits<std::size_t>::max();
}

Result<FileDescriptor> allocate_memory(std::size_t size_bytes, bool huge) {
    const std::string wanted =
        "cannot get " + mebibytes(size_bytes) + (huge ? " of huge pages" : "") + " for the tables";
    if (!huge && size_bytes > available_bytes()) {
        return Error{wanted + ": this machine has " + mebibytes(available_bytes()) + " left"};
    }
    const unsigned page_flags = huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0U;
    FileDescriptor fd(
        ::memfd_create("tandem-tables", MFD_CLOEXEC | MFD_ALLOW_SEALING | page_flags));
    if (!fd.is_open()) return errno_error("cannot create shared memory for the tables");
    // fallocate, so that memory that is missing is an error here and not SIGBUS on the packet path.
    if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0 ||
        ::fallocate(fd.get(), 0, 0, static_cast<off_t>(size_bytes)) != 0) {
        return errno_error(wanted);
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
        return errno_error("cannot seal the tables' shared memory");
    }
    return fd;
}

Result<std::byte*> map_memory(int fd, std::size_t size_bytes, Access access) {
    const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
    void* base = ::mmap(nullptr, size_bytes, protection, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return errno_error("cannot map " + mebibytes(size_bytes) + " of tables");
    return static_cast<std::byte*>(base);
}

}  // namespace

Result<Region> Region::create(RegionKind kind, std::size_t fixed_size_bytes,
                              std::size_t arena_size_bytes, Pages pages) {
    const bool huge = pages == Pages::kHuge;
    if (fixed_size_bytes > kSizeMax || arena_size_bytes > kSizeMax) {
        return Error{"cannot get " + mebibytes(arena_size_bytes) + " for the tables"};
    }
    const std::size_t fixed_offset = round_up(sizeof(RegionHeader), kBlockAlignment);
    const std::size_t arena_offset = fixed_offset + round_up(fixed_size_bytes, kBlockAlignment);
    const std::size_t size_bytes =
        round_up(arena_offset + arena_size_bytes, huge ? kHugePageBytes : kBlockAlignment);

    std::uint64_t instance_id = 0;
    if (::getrandom(&instance_id, sizeof(instance_id), 0) < 0) {
        return errno_error("cannot get random bytes");
    }
    Result<FileDescriptor> fd = allocate_memory(size_bytes, huge);
    if (!fd) return fd.error();
    Result<std::byte*> base = map_memory(fd.value().get(), size_bytes, Access::kReadWrite);
    if (!base) return base.error();

    auto* header = new (base.value()) RegionHeader{};
    header->magic = RegionHeader::kMagic;
    header->layout_version = kLayoutVersion;
    header->kind = kind;
    header->size_bytes = size_bytes;
    header->fixed_offset = fixed_offset;
    header->fixed_size_bytes = fixed_size_bytes;
    header->arena_offset = arena_offset;
    header->instance_id = instance_id;
    return Region(std::move(fd.value()), base.value(), size_bytes);
}

Result<Region> Region::map(FileDescriptor fd, RegionKind kind, std::size_t fixed_size_bytes,
                           Access access) {
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno_error("cannot examine the tables' memory");
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return Error{"the tables' memory is not sealed against shrinking"};
    }
    const auto size_bytes = static_cast<std::size_t>(status.st_size);
    if (size_bytes < sizeof(RegionHeader)) return Error{"the tables' memory has no header"};
    Result<std::byte*> base = map_memory(fd.get(), size_bytes, access);
    if (!base) return base.error();

    Region region(std::move(fd), base.value(), size_bytes);
    const RegionHeader& header = region.header();
    if (header.magic != RegionHeader::kMagic) {
        return Error{"the tables' memory does not carry Tandem's mark"};
    }
    if (header.layout_version != kLayoutVersion) {
        return Error{"the tables have layout version " + std::to_string(header.layout_version) +
                     ", this program has " + std::to_string(kLayoutVersion) +
                     ": restart tandem-dataplane and tandem-control from one release"};
    }
    if (header.kind != kind || header.size_bytes != size_bytes ||
        header.fixed_size_bytes != fixed_size_bytes || header.arena_offset > size_bytes ||
        header.arena_offset % kBlockAlignment != 0 || header.fixed_offset % kBlockAlignment != 0 ||
        header.fixed_offset < sizeof(RegionHeader) || header.fixed_offset > header.arena_offset ||
        fixed_size_bytes > header.arena_offset - header.fixed_offset) {
        return Error{"the tables' memory is of another kind or size than expected"};
    }
    return region;
}

Region::Region(Region&& other) noexcept
    : fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(base_, other.base_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
}

Region::~Region() {
    if (base_ != nullptr) ::munmap(base_, size_bytes_);
}

bool Region::inside_arena(const BlockRef& block) const {
    return block.offset >= header().arena_offset && block.offset <= size_bytes_ &&
           block.size_bytes <= size_bytes_ - block.offset && block.offset % kCacheLineBytes == 0;
}

std::span<std::byte> Region::bytes(const BlockRef& shared) {
    const BlockRef block = read_once(shared);
    if (!inside_arena(block)) return {};
    return {base_ + block.offset, block.size_bytes};
}

std::span<const std::byte> Region::bytes(const BlockRef& shared) const {
    const BlockRef block = read_once(shared);
    if (!inside_arena(block)) return {};
    return {base_ + block.offset, block.size_bytes};
}

std::span<const BlockRef> Region::references(std::uint64_t generation) const {
    const RootSlot& root = header().roots[generation % RegionHeader::kRoots];
    if (generation == 0 || root.generation.load(std::memory_order_acquire) != generation) return {};
    return array<BlockRef>(root.references);
}

}  // namespace tandem::tables
