// One writer and three readers at full speed on one mapping; every version says what it is. To be
// run under ThreadSanitizer too.
#include "dataplane/tables/generation.h"

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr std::size_t kBlocks = 5;
constexpr std::size_t kReaders = 3;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kGenerationsMin = 10'000;  // on few cores some take a time slice each
#else
constexpr std::uint64_t kGenerationsMin = 200'000;
#endif
constexpr auto kPatience = std::chrono::seconds(180);

/// Publishes versions of kBlocks stamped blocks; the first is new in each.
class Writer {
  public:
    Writer(RegionWithReaders& shared, Duration tick)
        : publisher_(shared.region, shared.cells), tick_(tick) {}

    /// False if a reader is in the way; to be repeated.
    bool publish() {
        std::vector<BlockRef> next = current_of(publisher_);
        next.resize(kBlocks);
        for (BlockRef& block : next) {
            if (&block != next.data() && block.size_bytes != 0 && random_() % 2 == 0) continue;
            const std::vector<BlockRef> fresh =
                stamped_blocks(publisher_, {8 * (1 + random_() % 700)});
            if (fresh.empty()) return false;
            block = fresh[0];
        }
        if (publisher_.publish(next)) return true;
        publisher_.abandon();
        return false;
    }

    std::size_t collect() { return publisher_.collect(now_ += tick_); }
    [[nodiscard]] std::uint64_t generation() const { return publisher_.generation(); }

  private:
    std::mt19937_64 random_{1};
    Publisher publisher_;
    Instant now_{};
    Duration tick_;
};

bool is_version(const Region& region, std::uint64_t generation) {
    const std::span<const BlockRef> references = region.references(generation);
    if (references.size() != kBlocks) return false;
    if (read_once(references[0]).generation != generation) return false;
    return std::ranges::all_of(references, [&](const BlockRef& shared) {
        const BlockRef block = read_once(shared);
        return block.generation <= generation && is_whole(region, block);
    });
}

struct Seen {
    std::atomic<std::uint64_t> whole{0};
    std::atomic<std::uint64_t> stale{0};  ///< and the reader knew it
    std::atomic<std::uint64_t> torn{0};   ///< and the reader did not know it
    std::atomic<std::uint64_t> backwards{0};
    std::atomic<bool> done{false};
};

void read(const Region& region, GenerationReader reader, std::uint64_t seed, Seen& seen) {
    std::mt19937_64 random(seed);
    std::uint64_t last = 0;
    reader.join();
    while (!seen.done.load(std::memory_order_relaxed)) {
        const std::uint64_t generation = reader.adopt();
        if (generation < last) ++seen.backwards;
        last = generation;
        if (generation == 0) continue;
        const bool is_whole = is_version(region, generation);
        if (!reader.still_intact()) {
            ++seen.stale;
        } else {
            ++(is_whole ? seen.whole : seen.torn);
        }
        if (random() % 64 == 0) {
            reader.leave();
            if (random() % 2 == 0) std::this_thread::yield();
            reader.join();
        }
    }
    reader.leave();
}

/// Writes at least kGenerationsMin versions, and until `is_enough`, while readers read them.
template <class Enough>
std::size_t run(Duration tick, Seen& seen, const Enough& is_enough) {
    RegionWithReaders shared(64);
    std::vector<std::jthread> readers;
    for (std::size_t i = 0; i < kReaders; ++i) {
        readers.emplace_back([&, i] { read(shared.region, shared.reader(i), 100 + i, seen); });
    }
    Writer writer(shared, tick);
    std::size_t left_out = 0;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while ((writer.generation() < kGenerationsMin || !is_enough()) &&
           std::chrono::steady_clock::now() < deadline) {
        const bool is_published = writer.publish();
        left_out += writer.collect();
        if (!is_published) std::this_thread::yield();
    }
    seen.done = true;
    readers.clear();
    EXPECT_GE(writer.generation(), kGenerationsMin);
    EXPECT_TRUE(is_enough());
    return left_out;
}

TEST(Generations, RunningReadersSeeEveryVersionWhole) {
    Seen seen;
    const std::size_t left_out = run(Duration{0}, seen, [&] { return seen.whole > 1000; });
    EXPECT_EQ(left_out, 0U);
    EXPECT_EQ(seen.torn, 0U);
    EXPECT_EQ(seen.stale, 0U);
    EXPECT_EQ(seen.backwards, 0U);
}

// The writer's clock runs so fast that a reader which is one version behind for a moment counts as
// stopped. Its memory is written over while it reads, and it must notice every time.
TEST(Generations, AReaderThatWasLeftOutKnowsThatWhatItReadIsStale) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the race is the point: what was read in it is thrown away";
#else
    Seen seen;
    const std::size_t left_out = run(kReaderStallLimit, seen, [&] { return seen.stale > 100; });
    EXPECT_GT(left_out, 0U);
    EXPECT_EQ(seen.torn, 0U);
    EXPECT_GT(seen.whole, 0U);
    EXPECT_EQ(seen.backwards, 0U);
#endif
}

}  // namespace
}  // namespace tandem::tables
