#include "dataplane/tables/publisher.h"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr Instant kAnyTime{};
constexpr Duration kMoment = std::chrono::milliseconds(1);

TEST(Publisher, ReplacesSomeBlocksAndSharesTheOthers) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    ASSERT_EQ(publisher.publish(stamped_blocks(publisher, {5000, 100, 8})).value(), 1U);
    std::vector<BlockRef> next = current_of(publisher);
    const BlockRef old = next[1];
    next[1] = stamped_blocks(publisher, {200})[0];
    ASSERT_EQ(publisher.publish(next).value(), 2U);

    const std::span<const BlockRef> first = f.region.references(1);
    const std::span<const BlockRef> second = f.region.references(2);
    ASSERT_EQ(first.size(), 3U);
    ASSERT_EQ(second.size(), 3U);
    EXPECT_EQ(first[0], second[0]);
    EXPECT_EQ(first[1], old);
    EXPECT_NE(first[1], second[1]);
    EXPECT_EQ(first[2], second[2]);
    EXPECT_TRUE(all_whole(f.region, first));
    EXPECT_TRUE(all_whole(f.region, second));
}

TEST(Publisher, AReaderHoldsWhatItHasAdoptedAndNothingElse) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader reader = f.reader(0);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    reader.join();
    const std::vector<BlockRef> held = current_of(publisher);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
        EXPECT_EQ(publisher.collect(kAnyTime), 0U);
    }
    // Everything from the reader's generation on is kept: six blocks, six roots.
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - 12 * kPageBytes);
    EXPECT_TRUE(all_whole(f.region, held));
    EXPECT_EQ(reader.adopt(), 6U);
    publisher.collect(kAnyTime);
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - footprint(publisher.current()));
}

TEST(Publisher, EmptyBlocksTakeNoMemoryHoweverOftenTheyArePublished) {
    RegionWithReaders f(16);
    Publisher publisher(f.region, f.cells);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {64, 0, 0}))) << i;
        publisher.collect(kAnyTime);
    }
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - footprint(publisher.current()));
    EXPECT_TRUE(f.region.bytes(publisher.current()[1]).empty());
    const Publisher again(f.region, f.cells);
    EXPECT_EQ(again.free_bytes(), publisher.free_bytes());
    EXPECT_EQ(again.current().size(), 3U);
}

TEST(Publisher, AFullArenaIsAnErrorThatLosesNothing) {
    RegionWithReaders f(8);
    Publisher publisher(f.region, f.cells);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {kPageBytes, kPageBytes})));
    const std::size_t free = publisher.free_bytes();
    ASSERT_TRUE(publisher.allocate(3 * kPageBytes));
    for (const std::size_t size :
         {3 * kPageBytes, std::size_t{1} << 40U, std::numeric_limits<std::size_t>::max()}) {
        const Result<BlockRef> block = publisher.allocate(size);
        ASSERT_FALSE(block) << size;
        EXPECT_NE(block.error().message.find("full"), std::string::npos);
    }
    EXPECT_EQ(publisher.generation(), 1U);
    EXPECT_TRUE(all_whole(f.region, f.region.references(1)));
    publisher.abandon();
    EXPECT_EQ(publisher.free_bytes(), free);
    EXPECT_TRUE(publisher.allocate(free)) << "what was given back is in pieces";
}

TEST(Publisher, ThatHasNoRoomForTheRootKeepsTheBlocksForTheNextTry) {
    RegionWithReaders f(4);
    Publisher publisher(f.region, f.cells);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    publisher.collect(kAnyTime);
    const std::vector<BlockRef> next = stamped_blocks(publisher, {2 * kPageBytes});
    ASSERT_EQ(publisher.free_bytes(), 0U);
    EXPECT_FALSE(publisher.publish(next));
    EXPECT_EQ(publisher.generation(), 2U);
    EXPECT_TRUE(all_whole(f.region, f.region.references(2)));
    EXPECT_TRUE(all_whole(f.region, next));
    publisher.abandon();
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
}

TEST(Publisher, WithEveryRootHeldWaitsForTheReader) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader reader = f.reader(1);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    reader.join();
    while (publisher.generation() < RegionHeader::kRoots) {
        ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
        publisher.collect(kAnyTime);
    }
    const std::vector<BlockRef> next = stamped_blocks(publisher, {8});
    const Result<std::uint64_t> refused = publisher.publish(next);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("holds generation 1"), std::string::npos);
    EXPECT_TRUE(all_whole(f.region, f.region.references(1)));
    EXPECT_EQ(publisher.generation(), RegionHeader::kRoots);

    reader.adopt();
    EXPECT_FALSE(publisher.publish(next)) << "the writer has not looked at its readers yet";
    publisher.collect(kAnyTime);
    EXPECT_EQ(publisher.publish(next).value(), RegionHeader::kRoots + 1);
    EXPECT_TRUE(all_whole(f.region, f.region.references(RegionHeader::kRoots + 1)));
}

TEST(Publisher, LeavesOutAReaderThatHasStoppedAndSaysSo) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader stopped = f.reader(0);
    GenerationReader running = f.reader(1);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    stopped.join();
    running.join();
    EXPECT_EQ(publisher.collect(kAnyTime + 10 * kReaderStallLimit), 0U) << "nothing new to adopt";

    const Instant begin = kAnyTime + 20 * kReaderStallLimit;
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    running.adopt();
    EXPECT_EQ(publisher.collect(begin), 0U);
    EXPECT_EQ(publisher.collect(begin + kReaderStallLimit - kMoment), 0U);
    EXPECT_TRUE(stopped.still_intact());
    EXPECT_TRUE(is_whole(f.region, f.region.references(1)[0]));
    const std::size_t free = publisher.free_bytes();

    EXPECT_EQ(publisher.collect(begin + kReaderStallLimit), 1U);
    EXPECT_EQ(publisher.free_bytes(), free + 2 * kPageBytes);
    EXPECT_FALSE(stopped.still_intact());
    EXPECT_TRUE(running.still_intact());
    EXPECT_EQ(publisher.collect(begin + 2 * kReaderStallLimit), 1U) << "it still stands";

    EXPECT_EQ(stopped.adopt(), 2U);
    EXPECT_TRUE(stopped.still_intact());
    EXPECT_EQ(publisher.collect(begin + 2 * kReaderStallLimit), 0U);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    EXPECT_EQ(publisher.collect(begin + 2 * kReaderStallLimit), 0U) << "its time begins again";
    EXPECT_TRUE(stopped.still_intact());
}

TEST(Publisher, TheClockOfASlowReaderBeginsAgainWithEveryGenerationItAdopts) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader slow = f.reader(0);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    slow.join();
    Instant now = kAnyTime;
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
        EXPECT_EQ(publisher.collect(now), 0U);  // always one behind, never stopped
        now += kReaderStallLimit - kMoment;
        EXPECT_EQ(publisher.collect(now), 0U);
        EXPECT_TRUE(slow.still_intact());
        slow.adopt();
    }
}

// A reader that begins before anything is published is counted from the first generation it adopts,
// as any other.
TEST(Publisher, HoldsTheFirstGenerationForAReaderThatCameBeforeIt) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader early = f.reader(2);
    early.join();
    EXPECT_EQ(early.adopt(), 0U);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    EXPECT_EQ(early.adopt(), 1U);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    publisher.collect(kAnyTime);
    EXPECT_TRUE(early.still_intact());
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - 4 * kPageBytes);
}

TEST(Publisher, AReaderThatLeavesHoldsNothing) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    GenerationReader reader = f.reader(0);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    reader.join();
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {4096})));
    reader.leave();
    EXPECT_EQ(publisher.collect(kAnyTime), 0U);
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - footprint(publisher.current()));
    reader.join();
    EXPECT_EQ(reader.adopted(), 2U);
}

// A writer was killed when the root stood complete but the generation was not announced yet. Its
// successor publishes another one under the same number.
TEST(Publisher, OvertakesAGenerationThatItsPredecessorCouldNotAnnounce) {
    RegionWithReaders f(64);
    BlockRef unannounced;
    {
        Publisher killed(f.region, f.cells);
        ASSERT_TRUE(killed.publish(stamped_blocks(killed, {100})));
        unannounced = stamped_blocks(killed, {8192})[0];
        ASSERT_TRUE(killed.publish({unannounced}));
        f.region.header().generations.published = 1;
    }
    Publisher publisher(f.region, f.cells);
    EXPECT_EQ(publisher.generation(), 1U);
    EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region) - footprint(publisher.current()));
    const std::vector<BlockRef> next = stamped_blocks(publisher, {300});
    ASSERT_TRUE(publisher.publish(next));
    EXPECT_EQ(f.region.references(2)[0], next[0]);
}

// What a process with a bug left in the memory is handed back at every start, so dying of it would
// never end.
TEST(Publisher, BeginsAnewWhereWhatIsPublishedContradictsItself) {
    const auto damaged =
        [](const std::function<void(RegionWithReaders&, std::span<BlockRef>)>& damage) {
            RegionWithReaders f(64);
            Publisher before(f.region, f.cells);
            ASSERT_TRUE(before.publish(stamped_blocks(before, {100, 5000})));
            GenerationReader reader = f.reader(0);
            reader.join();
            damage(f, f.region.array<BlockRef>(f.region.header().roots[1].references));

            Publisher publisher(f.region, f.cells);
            EXPECT_TRUE(publisher.current().empty());
            EXPECT_EQ(publisher.free_bytes(), arena_bytes(f.region));
            EXPECT_FALSE(reader.still_intact()) << "what it reads is not kept";
            EXPECT_TRUE(Publisher(f.region, f.cells).current().empty()) << "killed once more";
            const Result<std::uint64_t> next = publisher.publish(stamped_blocks(publisher, {8}));
            ASSERT_TRUE(next) << next.error().message;
            EXPECT_EQ(next.value(), 2U);
            reader.adopt();
            EXPECT_TRUE(reader.still_intact());
            EXPECT_TRUE(all_whole(f.region, f.region.references(2)));
        };
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) {
        blocks[1].offset = blocks[0].offset;
    });
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) { blocks[0].size_bytes = 8192; });
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) { blocks[0].size_bytes = kMax; });
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) { blocks[0].offset = kMax - 4095; });
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) { blocks[0].offset = 0; });
    damaged([](RegionWithReaders&, std::span<BlockRef> blocks) { blocks[1].offset += 64; });
    damaged([](RegionWithReaders& f, std::span<BlockRef>) {
        f.region.header().roots[1].generation = 0;
    });
    damaged([](RegionWithReaders& f, std::span<BlockRef>) {
        f.region.header().roots[1].references.size_bytes = 0;
    });
}

TEST(PublisherDeathTest, NeverPublishesABlockThatIsNotItsOwn) {
    RegionWithReaders f(64);
    Publisher publisher(f.region, f.cells);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    const std::vector<BlockRef> old = current_of(publisher);
    ASSERT_TRUE(publisher.publish(stamped_blocks(publisher, {8})));
    EXPECT_DEATH(static_cast<void>(publisher.publish(old)), "CHECK");
}

}  // namespace
}  // namespace tandem::tables
