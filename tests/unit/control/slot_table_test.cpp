// The properties of the table function, over many random cases. A failure names its seed.
#include "control/plan/slot_table.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/control/known_table.h"

namespace tandem::plan {
namespace {

constexpr HashKey kKey{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
constexpr std::uint32_t kSlots = 65'537;

/// A pool under test: who is configured, and what weight each has now.
struct Pool {
    std::vector<Member> members;
    std::vector<std::uint16_t> weights{0};  ///< by index
    KeyedHash hash{kKey};
    SlotTable table;

    explicit Pool(std::size_t count, const std::vector<std::uint16_t>& weights_of = {1}) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint16_t weight = weights_of[i % weights_of.size()];
            const auto low = static_cast<std::uint8_t>(i);
            const auto high = static_cast<std::uint8_t>(i >> 8U);
            members.push_back({IpAddress::from_v4({10, 1, high, low}), 80,
                               static_cast<tables::BackendIndex>(i + 1), weight});
            weights.push_back(weight);
        }
    }
    Owners owners() {
        table.configure(hash, kSlots, members);
        table.update(hash, weights);
        return *table.owners();
    }
    void set_up(std::size_t member, bool is_up) {
        weights[member + 1] = is_up ? members[member].weight : std::uint16_t{0};
    }
    [[nodiscard]] std::vector<double> slots_of(const Owners& owners) const {
        std::vector<double> slots(weights.size());
        for (const tables::BackendIndex owner : owners) slots[owner] += 1;
        return slots;
    }
    /// The largest number of slots of those that serve, over the mean of them.
    double max_over_mean() {
        const std::vector<double> slots = slots_of(owners());
        const auto serving = static_cast<double>(table.serving_count());
        return *std::ranges::max_element(slots) * serving / kSlots;
    }
};

TEST(SlotTable, IsEvenWhenAllServe) {
    EXPECT_LE(Pool(1000).max_over_mean(), 1.0072);
}

// Where the orphaned slots go is chance, so the bounds hold for the median of many choices of who
// is down, and one slot in fifteen more for the worst of them.
TEST(SlotTable, StaysEvenWhenSomeDoNotServe) {
    for (const auto& [down, bound] : {std::pair(10U, 1.07), std::pair(100U, 1.15)}) {
        std::vector<double> seen;
        for (unsigned seed = 1; seed <= 41; ++seed) {
            std::mt19937 random(seed);
            Pool pool(1000);
            std::vector<std::size_t> order(1000);
            std::iota(order.begin(), order.end(), 0);
            std::ranges::shuffle(order, random);
            for (std::size_t i = 0; i < down; ++i) pool.set_up(order[i], false);
            seen.push_back(pool.max_over_mean());
        }
        std::ranges::sort(seen);
        EXPECT_LE(seen[seen.size() / 2], bound) << down << " down";
        EXPECT_LE(seen.back(), bound + 1.0 / 15) << down << " down";
    }
}

TEST(SlotTable, GivesEveryBackendItsShareByWeight) {
    Pool pool(100, {100, 50, 10});
    const std::vector<double> slots = pool.slots_of(pool.owners());
    const double total = std::accumulate(pool.weights.begin(), pool.weights.end(), 0.0);
    for (const Member& member : pool.members) {
        const double fair = kSlots * member.weight / total;
        EXPECT_NEAR(slots[member.index] / fair, 1, 0.02) << "weight " << member.weight;
    }
}

TEST(SlotTable, ALowerWeightTakesThatShareAndNoMore) {
    Pool pool(100, {100});
    const double before = pool.slots_of(pool.owners())[7];
    pool.weights[7] = 30;
    EXPECT_NEAR(pool.slots_of(pool.owners())[7] / before, 0.30, 0.05);
}

/// Random sets of backends that serve, and one backend whose weight changes to and fro.
TEST(SlotTable, AChangeOfOneBackendMovesOnlyItsOwnSlotsAndIsUndoneExactly) {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const std::size_t count = 2 + random() % 200;
        Pool pool(count, {100, 50, 10});
        for (std::size_t i = 0; i < count; ++i) {
            if (random() % 4 == 0) pool.set_up(i, false);
        }
        const std::size_t flipped = random() % count;
        pool.set_up(flipped, true);
        const Owners up = pool.owners();
        const std::uint64_t digest_up = pool.table.digest();
        const tables::BackendIndex index = pool.members[flipped].index;
        const std::uint16_t full = pool.members[flipped].weight;

        for (const int percent : {0, 10, 70}) {
            pool.weights[index] = static_cast<std::uint16_t>(full * percent / 100);
            const Owners changed = pool.owners();
            for (std::size_t slot = 0; slot < up.size(); ++slot) {
                if (changed[slot] != up[slot]) {
                    ASSERT_EQ(up[slot], index) << "slot " << slot;
                }
            }
            EXPECT_NE(pool.table.digest(), digest_up);
        }
        pool.set_up(flipped, true);
        EXPECT_EQ(pool.owners(), up);
        EXPECT_EQ(pool.table.digest(), digest_up);
    }
}

TEST(SlotTable, DependsNeitherOnTheOrderOfTheListNorOnWhatWasBefore) {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        Pool with_history(100, {100, 50, 10});
        for (int step = 0; step < 20; ++step) {
            with_history.set_up(random() % 100, random() % 2 == 0);
            with_history.owners();
        }
        Pool fresh(100, {100, 50, 10});
        fresh.weights = with_history.weights;
        std::ranges::shuffle(fresh.members, random);
        EXPECT_EQ(fresh.owners(), with_history.owners());
        EXPECT_EQ(fresh.table.digest(), with_history.table.digest());
    }
}

TEST(SlotTable, HasADigestOfIdentitiesAndNotOfIndices) {
    Pool one(50);
    Pool other(50);
    for (Member& member : other.members) {
        member.index = static_cast<tables::BackendIndex>(51 - member.index);
    }
    EXPECT_NE(one.owners(), other.owners());
    EXPECT_EQ(one.table.digest(), other.table.digest());
}

TEST(SlotTable, HasAnotherDigestWhereASlotDiffers) {
    Pool pool(3);
    pool.owners();
    const std::uint64_t all = pool.table.digest();
    pool.set_up(1, false);
    pool.owners();
    const std::uint64_t two = pool.table.digest();
    pool.set_up(1, true);
    pool.set_up(2, false);
    pool.owners();
    EXPECT_NE(all, two);
    EXPECT_NE(two, pool.table.digest());
}

TEST(SlotTable, PointsNowhereWhenNobodyServes) {
    Pool pool(3);
    for (std::size_t i = 0; i < 3; ++i) pool.set_up(i, false);
    EXPECT_EQ(pool.owners(), Owners(kSlots, tables::kNoBackend));
    pool.set_up(2, true);
    EXPECT_EQ(pool.owners(), Owners(kSlots, pool.members[2].index));
}

// So few serve that walks do not find them: highest random weight decides, by weight too.
TEST(SlotTable, SpreadsByWeightWhenNearlyNobodyServes) {
    Pool pool(1000, {100, 50, 10});
    for (std::size_t i = 0; i < 1000; ++i) pool.set_up(i, i < 3);
    const std::vector<double> slots = pool.slots_of(pool.owners());
    EXPECT_NEAR(slots[1] / kSlots, 100.0 / 160, 0.02);
    EXPECT_NEAR(slots[2] / kSlots, 50.0 / 160, 0.02);
    EXPECT_NEAR(slots[3] / kSlots, 10.0 / 160, 0.02);
}

TEST(SlotTable, TellsHowManySlotsMove) {
    Pool pool(10);
    pool.table.configure(pool.hash, kSlots, pool.members);
    EXPECT_EQ(pool.table.update(pool.hash, pool.weights), kSlots);
    EXPECT_EQ(pool.table.update(pool.hash, pool.weights), 0U);
    const Owners before = *pool.table.owners();
    pool.set_up(4, false);
    EXPECT_EQ(pool.table.update(pool.hash, pool.weights),
              static_cast<std::size_t>(std::ranges::count(before, pool.members[4].index)));
}

TEST(SlotTable, IsReplacedAndNeverChanged) {
    Pool pool(10);
    const Owners before = pool.owners();
    const std::shared_ptr<const Owners> held = pool.table.owners();
    pool.set_up(4, false);
    EXPECT_NE(pool.owners(), before);
    EXPECT_EQ(*held, before);
}

TEST(SlotTable, TakesTheSmallestSizeWithAHundredSlotsForEachBackend) {
    EXPECT_EQ(slot_count_for(1), 65'537U);
    EXPECT_EQ(slot_count_for(655), 65'537U);
    EXPECT_EQ(slot_count_for(656), 131'101U);
    EXPECT_EQ(slot_count_for(5000), 524'309U);
    EXPECT_EQ(slot_count_for(60'000), 655'373U);
}

// Other compilers: tests/lint/test_compilers.py.
TEST(SlotTable, HasTheDigestsItHasEverywhere) {
    const KnownDigests digests = compute_known_digests();
    EXPECT_EQ(digests.most_serve, kKnownDigests.most_serve);
    EXPECT_EQ(digests.three_serve, kKnownDigests.three_serve);
}

TEST(NegativeLog2, IsTheLogarithm) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t value = random() >> (random() % 60);
        const double expected = 64 - std::log2(static_cast<double>(value) + 1);
        EXPECT_NEAR(static_cast<double>(negative_log2(value)) / 4294967296.0, expected, 1e-6)
            << value;
    }
    EXPECT_EQ(negative_log2(0), std::uint64_t{64} << 32U);
    EXPECT_LE(negative_log2(~std::uint64_t{0}), 2U);
}

}  // namespace
}  // namespace tandem::plan
