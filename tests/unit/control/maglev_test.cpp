#include "control/plan/maglev.h"

#include <array>
#include <cstddef>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::plan {
namespace {

using Table = std::vector<std::uint16_t>;

// The worked example of the Maglev paper, table 1: 7 slots, three backends.
constexpr std::array<Turns, 3> kPaper{{{3, 4, 1}, {0, 2, 1}, {3, 1, 1}}};

TEST(Maglev, FillsTheTableOfThePapersExample) {
    EXPECT_EQ(fill_in_turns(kPaper, 7), (Table{1, 0, 1, 0, 2, 2, 0}));
}

TEST(Maglev, FillsTheTableOfThePapersExampleWithoutTheSecondBackend) {
    const std::array without{kPaper[0], kPaper[2]};  // positions 0 and 1 are B0 and B2
    EXPECT_EQ(fill_in_turns(without, 7), (Table{0, 0, 0, 0, 1, 1, 1}));
}

TEST(Maglev, GivesEveryBackendOneSlotMoreThanAnotherAtMost) {
    for (const std::uint32_t count : {1U, 2U, 3U, 5U, 11U}) {
        std::vector<Turns> backends;
        for (std::uint32_t i = 0; i < count; ++i) backends.push_back({i * 7 % 101, 1 + i * 5, 1});
        std::vector<std::uint32_t> slots(count);
        for (const std::uint16_t owner : fill_in_turns(backends, 101)) ++slots[owner];
        for (const std::uint32_t own : slots) {
            EXPECT_GE(own, 101 / count);
            EXPECT_LE(own, 101 / count + 1);
        }
    }
}

TEST(Maglev, GivesTurnsInProportionToWeights) {
    const std::array<Turns, 3> backends{{{1, 2, 100}, {5, 3, 50}, {9, 7, 10}}};
    std::array<double, 3> slots{};
    for (const std::uint16_t owner : fill_in_turns(backends, 65'537)) slots[owner] += 1;
    EXPECT_NEAR(slots[0], 65'537.0 * 100 / 160, 2);
    EXPECT_NEAR(slots[1], 65'537.0 * 50 / 160, 2);
    EXPECT_NEAR(slots[2], 65'537.0 * 10 / 160, 2);
}

/// As the paper's section 3.4 has it, in as few words as possible.
Table filled_by_the_definition(const std::vector<Turns>& backends, std::uint32_t slot_count) {
    constexpr std::uint16_t kFree = 0xffff;
    Table owners(slot_count, kFree);
    std::vector<std::uint32_t> asked(backends.size());
    for (std::uint32_t filled = 0; filled < slot_count;) {
        for (std::size_t i = 0; i < backends.size() && filled < slot_count; ++i) {
            const auto next = [&] {
                return (backends[i].offset + std::uint64_t{asked[i]++} * backends[i].skip) %
                       slot_count;
            };
            std::uint64_t slot = next();
            while (owners[slot] != kFree) slot = next();
            owners[slot] = static_cast<std::uint16_t>(i);
            ++filled;
        }
    }
    return owners;
}

TEST(Maglev, FillsTablesAsThePaperDefinesThem) {
    std::mt19937 random(1);
    for (const std::uint32_t slot_count : {2U, 61U, 67U, 1009U, 65'537U}) {
        for (const std::size_t count : {1U, 2U, 3U, 50U, 500U}) {
            std::vector<Turns> backends(count);
            for (Turns& backend : backends) {
                backend.offset = static_cast<std::uint32_t>(random() % slot_count);
                backend.skip = static_cast<std::uint32_t>(1 + random() % (slot_count - 1));
                backend.weight = 1;
            }
            EXPECT_EQ(fill_in_turns(backends, slot_count),
                      filled_by_the_definition(backends, slot_count))
                << count << " backends, " << slot_count << " slots";
        }
    }
}

TEST(Maglev, HasNoTableForNobody) {
    EXPECT_TRUE(fill_in_turns({}, 7).empty());
}

}  // namespace
}  // namespace tandem::plan
