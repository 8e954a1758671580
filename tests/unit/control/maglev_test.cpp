#include "control/plan/maglev.h"

#include <array>

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

TEST(Maglev, HasNoTableForNobody) {
    EXPECT_TRUE(fill_in_turns({}, 7).empty());
}

}  // namespace
}  // namespace tandem::plan
