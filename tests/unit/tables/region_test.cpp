#include "dataplane/tables/region.h"

#include <functional>
#include <limits>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr std::size_t kFixedBytes = 1000;
constexpr std::size_t kArenaBytes = 64 * kPageBytes;

Region small_region() {
    return new_region(RegionKind::kPlan, kFixedBytes, kArenaBytes);
}

Result<Region> map_again(const Region& region, Access access = Access::kRead) {
    return Region::map(duplicate(region.fd()), RegionKind::kPlan, kFixedBytes, access);
}

TEST(Region, NewOneIsZeroedAndAsLargeAsAsked) {
    const Region region = small_region();
    EXPECT_GE(arena_bytes(region), kArenaBytes);
    EXPECT_EQ(region.header().generations.published.load(), 0U);
    EXPECT_TRUE(std::all_of(region.fixed(), region.fixed() + kFixedBytes,
                            [](std::byte byte) { return byte == std::byte{0}; }));
    EXPECT_NE(region.header().instance_id, small_region().header().instance_id);
}

TEST(Region, CannotChangeItsSize) {
    const Region region = small_region();
    const auto size = static_cast<off_t>(region.header().size_bytes);
    for (const off_t wanted : {off_t{0}, size - 4096, size + 4096}) {
        EXPECT_EQ(::ftruncate(region.fd(), wanted), -1) << wanted;
        EXPECT_EQ(errno, EPERM) << wanted;
    }
    EXPECT_EQ(::fcntl(region.fd(), F_ADD_SEALS, F_SEAL_WRITE), -1) << "seals can be added";
}

TEST(Region, TwoMappingsShowTheSameMemory) {
    Region region = small_region();
    const Result<Region> other = map_again(region);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other.value().header().instance_id, region.header().instance_id);
    const BlockRef block{region.header().arena_offset, 64, 1};
    region.array<std::uint64_t>(block)[3] = 42;
    region.fixed()[kFixedBytes - 1] = std::byte{7};
    EXPECT_EQ(other.value().array<std::uint64_t>(block)[3], 42U);
    EXPECT_EQ(other.value().fixed()[kFixedBytes - 1], std::byte{7});
}

TEST(RegionDeathTest, AReaderCannotWrite) {
    const Region region = small_region();
    Result<Region> reader = map_again(region);
    ASSERT_TRUE(reader);
    EXPECT_DEATH(reader.value().fixed()[0] = std::byte{1}, "");
}

struct BadHeader {
    const char* name;
    std::function<void(RegionHeader&)> damage;
    std::string complaint;
};

TEST(Region, RefusesAHeaderThatIsNotItsOwn) {
    const BadHeader cases[] = {
        {"magic", [](RegionHeader& h) { h.magic ^= 1; }, "mark"},
        {"layout", [](RegionHeader& h) { h.layout_version = kLayoutVersion + 1; },
         "layout version " + std::to_string(kLayoutVersion + 1) + ", this program has " +
             std::to_string(kLayoutVersion)},
        {"kind", [](RegionHeader& h) { h.kind = RegionKind::kLive; }, "kind or size"},
        {"size", [](RegionHeader& h) { h.size_bytes += 4096; }, "kind or size"},
        {"fixed size", [](RegionHeader& h) { h.fixed_size_bytes += 8; }, "kind or size"},
        {"fixed part over the header", [](RegionHeader& h) { h.fixed_offset = 0; }, "kind or size"},
        {"fixed part at an odd place", [](RegionHeader& h) { h.fixed_offset += 8; },
         "kind or size"},
        {"fixed part that wraps",
         [](RegionHeader& h) { h.fixed_offset = std::numeric_limits<std::uint64_t>::max() - 4095; },
         "kind or size"},
        {"arena over the fixed part", [](RegionHeader& h) { h.arena_offset = h.fixed_offset; },
         "kind or size"},
        {"arena at an odd place", [](RegionHeader& h) { h.arena_offset += 8; }, "kind or size"},
        {"arena behind the end", [](RegionHeader& h) { h.arena_offset = h.size_bytes + 4096; },
         "kind or size"},
    };
    for (const BadHeader& bad : cases) {
        Region region = small_region();
        ASSERT_TRUE(map_again(region)) << bad.name;
        bad.damage(region.header());
        const Result<Region> mapped = map_again(region);
        ASSERT_FALSE(mapped) << bad.name;
        EXPECT_NE(mapped.error().message.find(bad.complaint), std::string::npos)
            << bad.name << ": " << mapped.error().message;
    }
}

TEST(Region, RefusesMemoryThatCouldShrink) {
    Region region = small_region();
    FileDescriptor copy(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto size = static_cast<std::size_t>(region.header().size_bytes);
    ASSERT_EQ(::write(copy.get(), &region.header(), size), static_cast<ssize_t>(size));
    Result<Region> mapped =
        Region::map(duplicate(copy.get()), RegionKind::kPlan, kFixedBytes, Access::kRead);
    ASSERT_FALSE(mapped);
    EXPECT_NE(mapped.error().message.find("not sealed"), std::string::npos);

    ASSERT_EQ(::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
    EXPECT_TRUE(Region::map(std::move(copy), RegionKind::kPlan, kFixedBytes, Access::kRead));
}

TEST(Region, RefusesWhatIsNoSharedMemory) {
    FileDescriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(Region::map(std::move(file), RegionKind::kPlan, 0, Access::kRead));
    EXPECT_FALSE(Region::map(FileDescriptor(), RegionKind::kPlan, 0, Access::kRead));
    FileDescriptor empty(::memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::fcntl(empty.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
    const Result<Region> mapped =
        Region::map(std::move(empty), RegionKind::kPlan, 0, Access::kRead);
    ASSERT_FALSE(mapped);
    EXPECT_NE(mapped.error().message.find("no header"), std::string::npos);
}

TEST(Region, LiesInHugePagesWhenAskedTo) {
    const Result<Region> region =
        Region::create(RegionKind::kLive, kFixedBytes, kArenaBytes, Pages::kHuge);
    if (!region) {
        EXPECT_NE(region.error().message.find("huge pages"), std::string::npos);
        GTEST_SKIP() << "this machine has no free huge page: " << region.error().message;
    }
    struct stat status {};
    ASSERT_EQ(::fstat(region.value().fd(), &status), 0);
    EXPECT_EQ(status.st_blksize, 2 << 20);
    EXPECT_EQ(status.st_size % (2 << 20), 0);
    EXPECT_TRUE(Region::map(duplicate(region.value().fd()), RegionKind::kLive, kFixedBytes,
                            Access::kReadWrite));
}

TEST(Region, MoreMemoryThanThereIsIsAnErrorAndLeavesNothingBehind) {
    const std::size_t descriptors = open_descriptors();
    for (const Pages pages : {Pages::kNormal, Pages::kHuge}) {
        for (const std::size_t size : {std::size_t{1} << 43U, std::size_t{1} << 62U,
                                       std::numeric_limits<std::size_t>::max() - 5000}) {
            const Result<Region> region = Region::create(RegionKind::kLive, 0, size, pages);
            ASSERT_FALSE(region) << size;
            EXPECT_NE(region.error().message.find("MiB"), std::string::npos)
                << region.error().message;
        }
    }
    EXPECT_EQ(open_descriptors(), descriptors);
}

TEST(Region, BytesOutsideTheArenaAreNone) {
    const Region region = small_region();
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t arena = region.header().arena_offset;
    const std::uint64_t end = region.header().size_bytes;
    EXPECT_EQ(region.bytes({arena, end - arena, 1}).size(), end - arena);
    for (const BlockRef& outside :
         {BlockRef{0, 64, 1}, BlockRef{arena - 64, 128, 1}, BlockRef{arena, end - arena + 1, 1},
          BlockRef{end - 64, 65, 1}, BlockRef{end, 1, 1}, BlockRef{end + 64, 0, 1},
          BlockRef{arena, kMax, 1}, BlockRef{kMax - 63, 64, 1}, BlockRef{kMax - 63, kMax, 1},
          BlockRef{arena + 1, 8, 1}}) {
        EXPECT_TRUE(region.bytes(outside).empty()) << outside.offset << ' ' << outside.size_bytes;
        EXPECT_TRUE(region.array<std::uint32_t>(outside).empty());
    }
}

TEST(Region, HasNoReferencesForWhatWasNeverPublished) {
    Region region = small_region();
    EXPECT_TRUE(region.references(0).empty());
    EXPECT_TRUE(region.references(5).empty());
    // A root that points outside, as memory that somebody else wrote may have.
    region.header().roots[5].references = {region.header().size_bytes, 4096, 5};
    region.header().roots[5].generation = 5;
    EXPECT_TRUE(region.references(5).empty());
}

}  // namespace
}  // namespace tandem::tables
