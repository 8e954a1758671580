// Recovery after a kill at any instruction: a child that publishes is stepped through it one
// instruction at a time, and every state of the memory that this shows is taken over by a new
// publisher.
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr std::size_t kReadersOfKilled = 2;
constexpr std::size_t kFixedBytesOfKilled = kReadersOfKilled * sizeof(ReaderCell);
constexpr std::size_t kArenaPages = 20;
constexpr int kNotAllowed = 77;

std::span<ReaderCell> cells_of(Region& region) {
    return {reinterpret_cast<ReaderCell*>(region.fixed()), kReadersOfKilled};
}

std::span<const std::byte> memory_of(const Region& region) {
    return {reinterpret_cast<const std::byte*>(&region.header()), region.header().size_bytes};
}

Region copy_of(std::span<const std::byte> memory) {
    FileDescriptor fd(::memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK(::write(fd.get(), memory.data(), memory.size()) == static_cast<ssize_t>(memory.size()));
    CHECK(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    Result<Region> region =
        Region::map(std::move(fd), RegionKind::kPlan, kFixedBytesOfKilled, Access::kReadWrite);
    CHECK(region.has_value());
    return std::move(region.value());
}

/// Publishes with one block new and one block kept.
void publish_next(Publisher& publisher) {
    std::vector<BlockRef> next = current_of(publisher);
    const std::vector<BlockRef> fresh = stamped_blocks(publisher, {200, 5000});
    CHECK(!fresh.empty());
    next.resize(3);
    next[1] = fresh[0];
    next[next[0].size_bytes == 0 || publisher.generation() % 3 == 0 ? 0 : 2] = fresh[1];
    CHECK(publisher.publish(next).has_value());
}

/// What the process does that may be killed: takes over, publishes with a reader in its way,
/// gives back what it did not need, and reuses what the reader has given up.
void be_a_writer(Region& region) {
    const std::span<ReaderCell> cells = cells_of(region);
    Publisher publisher(region, cells);
    publish_next(publisher);
    publisher.collect(Instant{});
    static_cast<void>(stamped_blocks(publisher, {100, 100}));
    publisher.abandon();
    cells[0].adopted = publisher.generation();
    publisher.collect(Instant{});
    publish_next(publisher);
    publisher.collect(Instant{} + 2 * kReaderStallLimit);
}

/// Steps a child through `work` and shows every state of `region` to `check` once.
/// False if this machine does not let us.
bool step_through(Region& region, const std::function<void()>& work,
                  const std::function<void(std::span<const std::byte>)>& check) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kNotAllowed);
        ::raise(SIGSTOP);
        work();
        ::_exit(0);
    }
    const std::span<const std::byte> memory = memory_of(region);
    std::vector<std::byte> last;
    int status = 0;
    while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (last.empty() || std::memcmp(memory.data(), last.data(), last.size()) != 0) {
            last.assign(memory.begin(), memory.end());
            check(last);
        }
        if (testing::Test::HasFailure()) ::kill(child, SIGKILL);
        const int signal = WSTOPSIG(status);
        const bool is_own = signal == SIGTRAP || signal == SIGSTOP;
        ::ptrace(PTRACE_SINGLESTEP, child, nullptr, is_own ? 0 : signal);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) return false;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    return true;
}

/// What all generations from `oldest` on take up in the arena.
std::size_t footprint_since(const Region& region, std::uint64_t oldest) {
    std::map<std::uint64_t, std::size_t> blocks;
    const RegionHeader& header = region.header();
    for (std::uint64_t g = oldest; g <= header.generations.published; ++g) {
        const BlockRef& root = header.roots[g % RegionHeader::kRoots].references;
        blocks[root.offset] = pages_of(root.size_bytes);
        for (const BlockRef& block : region.references(g)) {
            blocks[block.offset] = pages_of(block.size_bytes);
        }
    }
    std::size_t total = 0;
    for (const auto& [offset, size] : blocks) total += size;
    return total;
}

void expect_recovery(std::span<const std::byte> memory) {
    Region region = copy_of(memory);
    const std::span<ReaderCell> cells = cells_of(region);
    const std::uint64_t published = region.header().generations.published;
    const std::uint64_t held = cells[0].adopted;
    ASSERT_TRUE(all_whole(region, region.references(held)));
    ASSERT_FALSE(region.references(held).empty());

    Publisher publisher(region, cells);
    ASSERT_EQ(publisher.generation(), published);
    ASSERT_EQ(publisher.current().size(), 3U);
    ASSERT_TRUE(all_whole(region, publisher.current()));
    ASSERT_EQ(publisher.free_bytes(), arena_bytes(region) - footprint_since(region, held));
    publish_next(publisher);
    ASSERT_TRUE(all_whole(region, region.references(held)));
    for (int i = 0; i < 10; ++i) {
        cells[0].adopted = publisher.generation();
        publisher.collect(Instant{});
        publish_next(publisher);
        ASSERT_TRUE(all_whole(region, publisher.current()));
    }
    cells[0].adopted = 0;
    publisher.collect(Instant{});
    ASSERT_EQ(publisher.free_bytes(), arena_bytes(region) - footprint(publisher.current()));
}

TEST(KillPoints, AWriterKilledAfterAnyInstructionLeavesAWholeTableAndLosesNoMemory) {
    Region region = new_region(RegionKind::kPlan, kFixedBytesOfKilled, kArenaPages * kPageBytes);
    const std::span<ReaderCell> cells = cells_of(region);
    {
        Publisher before(region, cells);
        while (before.generation() < RegionHeader::kRoots + 3) {  // every root has been used
            publish_next(before);
            cells[0].adopted = before.generation() - 1;
            before.collect(Instant{});
        }
    }
    std::size_t states = 0;
    std::uint64_t newest = 0;
    const bool is_allowed = step_through(
        region, [&] { be_a_writer(region); },
        [&](std::span<const std::byte> memory) {
            ++states;
            SCOPED_TRACE("state " + std::to_string(states));
            expect_recovery(memory);
            newest = region.header().generations.published;
        });
    if (!is_allowed) GTEST_SKIP() << "ptrace is not allowed here";
    EXPECT_EQ(newest, RegionHeader::kRoots + 5);
    EXPECT_GT(states, 100U);
    RecordProperty("states", static_cast<int>(states));
}

}  // namespace
}  // namespace tandem::tables
