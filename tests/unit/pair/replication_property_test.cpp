// Whatever becomes of flows, slots and backends on one instance, and of what it says on its way:
// the other one knows it in the end, and goes on from there.
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/pair/two_in_step.h"

namespace tandem::pair {
namespace {

constexpr std::uint64_t kFlowsOfAll = 400;
constexpr std::size_t kSlotsOfAll = 64;

class RandomLife {
  public:
    explicit RandomLife(unsigned seed) : random_(seed) {
        two.meet();
        change_slots(two.a);
        change_slots(two.b);
    }

    void step() {
        change_flows(below(40));
        if (below(10) == 0) change_slots(two.a);
        if (below(10) == 0) change_slots(two.b);
        if (below(30) == 0) renumber(two.b);
        if (below(50) == 0) two.pass(std::chrono::seconds(below(kHoldOfSides)));
        if (below(40) == 0) two.a.table->sweep(two.coarse(), Side::kFlowBuckets);
        if (below(300) == 0) lose_each_other();
        two.tick([&] { return below(100) < loss_percent_; });
        if (below(20) == 0) loss_percent_ = below(4) * 25;
    }

    void change_flows(std::size_t times) {
        for (; times > 0; --times) change_flow();
    }

    std::size_t below(std::size_t end) { return random_() % end; }

    TwoSides two{StreamLimits{.queue_bytes = 20'000}};

  private:
    unsigned backend() { return static_cast<unsigned>(1 + below(4)); }

    void change_flow() {
        const std::uint64_t flow = below(kFlowsOfAll);
        const auto state = static_cast<tables::FlowState>(below(tables::kFlowStateCount));
        if (const auto place = two.a.find(flow, two.coarse())) {
            if (below(4) == 0) two.a.table->rewrite(place, two.a.number_of(backend()));
            two.a.table->touch(place, state, two.coarse());
        } else {
            two.a.remember(flow, backend(), two.coarse(), state);
        }
    }
    void change_slots(Side& side) {
        std::vector<unsigned> owners(kSlotsOfAll);
        for (unsigned& owner : owners) owner = below(4) == 0 ? backend() : 1;
        side.own(owners, two.coarse());
    }
    void renumber(Side& side) {
        // Its own slots by their new numbers, as a plan has them.
        const std::vector<tables::Slot> before(
            side.slots.find(kSharedTable)->memory.slots().begin(),
            side.slots.find(kSharedTable)->memory.slots().end());
        std::vector<unsigned> owners;
        for (const tables::Slot& slot : before) owners.push_back(side.which_is(slot.owner));
        std::ranges::shuffle(side.which, random_);
        side.own(owners, two.coarse());
    }
    void lose_each_other() {
        two.part();
        for (std::size_t i = below(20); i > 0; --i) {
            change_flow();
            two.now += std::chrono::milliseconds(1);
        }
        two.meet(/*is_new=*/below(2) == 0);
    }

    std::mt19937 random_;
    std::size_t loss_percent_ = 30;
};

TEST(ReplicationProperty, TheFollowerKnowsInTheEndWhatTheTellerHas) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        RandomLife life(seed);
        for (int i = 0; i < 1000; ++i) life.step();
        life.change_flows(kFlowsOfAll / 2);  // the last step may have been a long silence
        TwoSides& two = life.two;
        two.run(300);
        ASSERT_TRUE(two.b.replication.is_caught_up()) << "seed " << seed;
        ASSERT_TRUE(two.a.replication.has_told_all()) << "seed " << seed;
        std::size_t told = 0;
        for (std::uint64_t flow = 0; flow < kFlowsOfAll; ++flow) {
            const auto place = two.a.find(flow, two.coarse());
            const bool is_told = place && !tables::on_probation(place.state());
            two.run(1);  // it may have been idle for too long just now
            const std::optional<unsigned> expected =
                is_told ? std::optional(two.a.which_is(place.backend())) : std::nullopt;
            ASSERT_EQ(two.b.peers_flow(flow), expected) << "seed " << seed << ", flow " << flow;
            told += static_cast<std::size_t>(is_told);
        }
        EXPECT_EQ(two.b.peers.count(), told) << "seed " << seed;
        EXPECT_GT(told, kFlowsOfAll / 10) << "seed " << seed;
        ASSERT_EQ(two.b.followed(), two.a.steady()) << "seed " << seed;

        two.part();
        const std::vector<unsigned> steady = two.a.steady();
        two.b.answer_for_all(two.coarse());
        EXPECT_EQ(two.b.steady(), steady) << "seed " << seed;
    }
}

// At any moment: what is steady there was so here, or is about to be and is waited with.
TEST(ReplicationProperty, AnEndIsNeverInEffectHereBeforeItIsKnownThere) {
    std::size_t ends = 0;
    for (unsigned seed = 100; seed < 110; ++seed) {
        RandomLife life(seed);
        TwoSides& two = life.two;
        two.run(50);
        for (int i = 0; i < 500; ++i) {
            if (life.below(5) == 0) {
                std::vector<unsigned> owners(kSlotsOfAll, 1);
                for (unsigned& owner : owners) owner = static_cast<unsigned>(1 + life.below(4));
                two.a.own(owners, two.coarse());
            }
            if (life.below(20) == 0) {
                two.pass(std::chrono::seconds(life.below(kHoldOfSides)));
            }
            const std::vector<unsigned> before = two.a.steady();
            two.tick([&] { return life.below(2) == 0; });
            ends += static_cast<std::size_t>(two.a.steady() != before);
            const tables::SlotMemory::Steady known =
                two.b.replication.follower().steady(kSharedTable);
            for (std::size_t slot = 0; slot < kSlotsOfAll; ++slot) {
                const unsigned here = two.a.steady()[slot];
                const unsigned there = two.b.which_is(known.owners[slot]);
                // Who is told of an end before it takes effect has the owner that it had then.
                if (here == there) continue;
                ASSERT_TRUE(two.a.slot(slot).is_in_transition())
                    << "seed " << seed << ", slot " << slot << ": " << there << " for " << here;
            }
        }
        EXPECT_EQ(two.a.replication.uncommitted(), 0U) << "seed " << seed;
    }
    EXPECT_GT(ends, 50U);
}

}  // namespace
}  // namespace tandem::pair
