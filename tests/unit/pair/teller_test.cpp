#include "dataplane/pair/teller.h"

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using tables::FlowChange;
using tables::FlowState;
using tables::SlotTableId;

constexpr SlotTableId kWeb{.pool = 10, .domain = 2};
constexpr SlotTableId kMail{.pool = 11, .domain = 2};
constexpr Instant kMorning{std::chrono::hours(1)};

ToldBackend told_backend(tables::BackendIndex number) {
    return {number, kWeb.pool, IpAddress::from_v4({10, 0, 0, static_cast<std::uint8_t>(number)}),
            80};
}

FlowChange flow_is(tables::FlowIdentity identity, tables::BackendIndex backend) {
    return {identity, backend, FlowState::kEstablished, FlowChange::Kind::kIs};
}

class TellerTest : public testing::Test {
  protected:
    TellerTest() {
        slots_.keep_only(std::vector{kWeb, kMail});
        slots_.update(kWeb, std::vector<tables::BackendIndex>{1, 2, 1}, 1000);
        slots_.update(kMail, std::vector<tables::BackendIndex>{2}, 1000);
    }
    void begin(std::vector<SlotTableId> tables = {kWeb}) {
        teller_.begin({.backends = {told_backend(1), told_backend(2)},
                       .verdicts = {{1, tables::HealthState::kUp}},
                       .tables = std::move(tables)},
                      slots_);
    }
    /// Tells all there is, of no flows.
    void begin_and_end() {
        begin();
        teller_.go_on(slots_);
        teller_.all_flows_told();
    }
    /// What is sent; with `is_heard` all of it arrives, and the teller knows.
    std::vector<Told> told(bool is_heard = true) {
        std::vector<Told> all;
        while (const std::optional<Batch> batch = teller_.stream().next(now_, 1000)) {
            for (const Record& record : batch->records) all.push_back(*decode_record(record));
        }
        if (is_heard) acknowledge();
        return all;
    }
    void acknowledge() {
        teller_.stream().acknowledged(teller_.stream().epoch(), teller_.stream().end(), now_);
    }
    Teller::Endings endings(std::uint32_t slot, tables::BackendIndex owner,
                            const SlotTableId& id = kWeb) {
        const tables::SlotTables::Table* table = slots_.find(id);
        const std::uint32_t era = table == nullptr ? 0 : table->memory.era();
        return {id, {{.slot = slot, .owner = owner, .changed_at = 1000, .era = era}}};
    }
    static ToldEndings told_endings(std::uint32_t slot, std::uint16_t owner) {
        return {kWeb, {{slot, owner}}};
    }

    tables::SlotTables slots_;
    Teller teller_{{}};
    Instant now_ = kMorning;
};

TEST_F(TellerTest, TellsBackendsThenTablesThenVerdictsThenFlowsThenThatThisWasAll) {
    begin({kWeb, kMail});
    EXPECT_FALSE(teller_.awaits_flows());
    teller_.tell(flow_is(1, 1));
    teller_.go_on(slots_);
    EXPECT_TRUE(teller_.awaits_flows());
    teller_.tell(flow_is(2, 1));
    EXPECT_FALSE(teller_.is_caught_up());
    teller_.all_flows_told();
    teller_.tell({3, 1, FlowState::kClosing, FlowChange::Kind::kEnded});
    EXPECT_EQ(told(),
              (std::vector<Told>{told_backend(1), told_backend(2), ToldTable{kWeb, 3},
                                 ToldSteady{{1, 2, 1}}, ToldTable{kMail, 1}, ToldSteady{{2}},
                                 ToldVerdict{1, tables::HealthState::kUp},
                                 ToldFlow{2, 1, FlowState::kEstablished}, AllTold{}, ToldEnd{3}}))
        << "a flow that comes too early is told when the flows' turn has come";
    EXPECT_TRUE(teller_.is_caught_up());
}

TEST_F(TellerTest, HasCaughtUpWhenThePeerHasAcknowledgedWhatThereWasAndNotWhatCameSince) {
    begin_and_end();
    const std::uint64_t all = teller_.stream().end();
    teller_.tell(flow_is(1, 1));
    teller_.stream().next(now_, 1000);
    teller_.stream().acknowledged(teller_.stream().epoch(), all - 1, now_);
    EXPECT_FALSE(teller_.is_caught_up());
    teller_.stream().acknowledged(teller_.stream().epoch(), all, now_);
    EXPECT_TRUE(teller_.is_caught_up());
}

TEST_F(TellerTest, ManyTablesTakeManyStepsForOthersWaitForEach) {
    constexpr std::size_t kTables = 20;
    constexpr std::uint32_t kSlots = 65'537;
    constexpr std::size_t kRecordsPerTable = 1 + (kSlots + ToldSteady::kMax - 1) / ToldSteady::kMax;
    std::vector<SlotTableId> tables;
    for (std::size_t i = 0; i < kTables; ++i) tables.push_back({.pool = 100 + i, .domain = 2});
    slots_.keep_only(tables);
    for (const SlotTableId& id : tables) {
        slots_.update(id, std::vector<tables::BackendIndex>(kSlots, 1), 1000);
    }
    begin(tables);
    std::size_t steps = 0;
    std::uint64_t most = 0;
    for (; steps < 1000 && !teller_.awaits_flows(); ++steps) {
        const std::uint64_t before = teller_.stream().end();
        teller_.go_on(slots_);
        most = std::max(most, teller_.stream().end() - before);
    }
    EXPECT_GE(teller_.stream().end(), kTables * kRecordsPerTable);
    EXPECT_LT(most, 2 * kRecordsPerTable) << "about a table at a step";
    EXPECT_GE(steps, kTables / 2);
    EXPECT_LT(steps, 1000U);
}

TEST_F(TellerTest, LargeTablesComeInParts) {
    constexpr SlotTableId kLarge{.pool = 12, .domain = 2};
    slots_.keep_only(std::vector{kLarge});
    std::vector<tables::BackendIndex> owners(1000);
    for (std::size_t i = 0; i < owners.size(); ++i) {
        owners[i] = static_cast<tables::BackendIndex>(i + 1);
    }
    slots_.update(kLarge, owners, 1000);
    slots_.update(kLarge, std::vector<tables::BackendIndex>(ToldSteady::kMax, 1), 1000);
    begin({kLarge});
    teller_.go_on(slots_);
    std::vector<std::uint16_t> steady;
    std::vector<tables::EarlierOwner> earlier;
    for (const Told& each : told()) {
        if (const auto* part = std::get_if<ToldSteady>(&each)) {
            steady.insert(steady.end(), part->owners.begin(), part->owners.end());
        } else if (const auto* more = std::get_if<ToldEarlier>(&each)) {
            earlier.insert(earlier.end(), more->owners.begin(), more->owners.end());
        }
    }
    EXPECT_EQ(steady, slots_.find(kLarge)->memory.steady().owners);
    EXPECT_EQ(earlier, slots_.find(kLarge)->memory.steady().earlier);
    EXPECT_GT(earlier.size(), ToldEarlier::kMax);
}

TEST_F(TellerTest, ATableThatIsGoneIsPassedOverAndAnEmptyOneHasNoSlots) {
    slots_.keep_only(std::vector<SlotTableId>{kWeb, {.pool = 12, .domain = 2}});
    begin({kMail, {.pool = 12, .domain = 2}, kWeb});
    teller_.go_on(slots_);
    const std::vector<Told> all = told();
    ASSERT_EQ(all.size(), 6U);
    EXPECT_EQ(all[2], (Told{ToldTable{{.pool = 12, .domain = 2}, 0}}));
    EXPECT_EQ(all[3], (Told{ToldTable{kWeb, 3}}));
}

TEST_F(TellerTest, WhatIsLargerThanItsRoomIsToldAsRoomComesFree) {
    slots_.update(kWeb, std::vector<tables::BackendIndex>(5000, 1), 1000);
    slots_.update(kWeb, std::vector<tables::BackendIndex>(5001, 1), 1000);
    teller_ = Teller({.queue_bytes = 4000});
    begin();
    std::size_t rounds = 0;
    std::size_t slots = 0;
    for (; !teller_.awaits_flows() && rounds < 100; ++rounds) {
        teller_.go_on(slots_);
        EXPECT_FALSE(teller_.is_broken());
        now_ += std::chrono::milliseconds(10);
        for (const Told& each : told()) {
            if (const auto* part = std::get_if<ToldSteady>(&each)) slots += part->owners.size();
        }
    }
    EXPECT_EQ(slots, 5001U);
    EXPECT_GT(rounds, 3U);
    EXPECT_LT(rounds, 100U);
}

TEST_F(TellerTest, FlowsAreTakenAsLongAsThereIsRoom) {
    teller_ = Teller({.queue_bytes = 1000});
    begin();
    EXPECT_FALSE(teller_.takes_flows());
    teller_.go_on(slots_);
    tables::FlowIdentity identity = 1;
    for (; teller_.takes_flows(); ++identity) teller_.tell(flow_is(identity, 1));
    EXPECT_FALSE(teller_.is_broken()) << "half of the room is left for what cannot wait";
    told();
    EXPECT_TRUE(teller_.takes_flows());
    for (; !teller_.is_broken(); ++identity) teller_.tell(flow_is(identity, 1));
    EXPECT_FALSE(teller_.takes_flows());
    EXPECT_FALSE(teller_.tells(kWeb));
    begin();
    EXPECT_FALSE(teller_.is_broken());
}

TEST_F(TellerTest, BackendsAndVerdictsAreToldAtAnyTimeInATelling) {
    teller_.tell(told_backend(7));
    teller_.tell(ToldVerdict{7, tables::HealthState::kDown});
    EXPECT_TRUE(told().empty()) << "to nobody";
    begin({});
    teller_.tell(told_backend(7));
    teller_.go_on(slots_);
    teller_.tell(ToldVerdict{7, tables::HealthState::kDown});
    const std::vector<Told> all = told();
    EXPECT_EQ(all.front(), (Told{told_backend(7)}));
    EXPECT_EQ(all.back(), (Told{ToldVerdict{7, tables::HealthState::kDown}}));
}

TEST_F(TellerTest, EndsOfTransitionsTakeEffectWhenTheyAreAcknowledged) {
    begin_and_end();
    told();
    EXPECT_TRUE(teller_.tells(kWeb));
    EXPECT_FALSE(teller_.tells(kMail));
    teller_.tell(endings(2, 5));
    teller_.tell(endings(1, 6));
    EXPECT_EQ(told(false), (std::vector<Told>{told_endings(2, 5), told_endings(1, 6)}));
    EXPECT_TRUE(teller_.take_acknowledged().empty());
    teller_.stream().acknowledged(teller_.stream().epoch(), teller_.stream().end() - 1, now_);
    std::vector<Teller::Endings> taken = teller_.take_acknowledged();
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(taken[0].id, kWeb);
    EXPECT_EQ(taken[0].slots[0].slot, 2U);
    acknowledge();
    EXPECT_EQ(teller_.take_acknowledged().size(), 1U);
    EXPECT_TRUE(teller_.take_acknowledged().empty());
    EXPECT_TRUE(teller_.take_unacknowledged().empty());
}

// The table may have been told already, or not yet: only when all of it has come does it count.
TEST_F(TellerTest, EndsDuringATellingWaitUntilAllIsTold) {
    begin();
    teller_.tell(endings(0, 5));
    teller_.go_on(slots_);
    teller_.tell(endings(1, 6));
    told();
    EXPECT_TRUE(teller_.take_acknowledged().empty());
    teller_.all_flows_told();
    EXPECT_EQ(told(), (std::vector<Told>{AllTold{}, told_endings(0, 5), told_endings(1, 6)}));
    EXPECT_EQ(teller_.take_acknowledged().size(), 2U);
}

TEST_F(TellerTest, EndsThatWaitAreToldAnewInAnotherTelling) {
    begin_and_end();
    told();
    teller_.tell(endings(0, 5));
    told(false);
    begin();
    acknowledge();
    EXPECT_TRUE(teller_.take_acknowledged().empty()) << "what was acknowledged is void";
    teller_.go_on(slots_);
    teller_.all_flows_told();
    const std::vector<Told> all = told();
    EXPECT_EQ(all.front(), (Told{told_backend(1)}));
    EXPECT_EQ(all.back(), (Told{told_endings(0, 5)}));
    EXPECT_EQ(teller_.take_acknowledged().size(), 1U);
}

TEST_F(TellerTest, ManyEndsComeInParts) {
    begin_and_end();
    told();
    Teller::Endings many{kWeb, {}};
    for (std::uint32_t i = 0; i < 2 * ToldEndings::kMax + 1; ++i) {
        many.slots.push_back({.slot = i, .owner = 1, .changed_at = 1000});
    }
    teller_.tell(many);
    const std::vector<Told> parts = told(false);
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(std::get<ToldEndings>(parts[2]).slots.size(), 1U);
    teller_.stream().acknowledged(teller_.stream().epoch(), teller_.stream().end() - 1, now_);
    EXPECT_TRUE(teller_.take_acknowledged().empty());
    acknowledge();
    ASSERT_EQ(teller_.take_acknowledged().size(), 1U);
}

TEST_F(TellerTest, MoreEndsThanTheQueueTakesAreToldAsRoomComesFreeBesideFlows) {
    teller_ = Teller({.queue_bytes = 2000});
    begin_and_end();
    told();
    Teller::Endings many{kWeb, {}};
    std::vector<ToldEndings::Slot> expected;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        many.slots.push_back({.slot = i, .owner = 1, .changed_at = 1000});
        expected.push_back({i, 1});
    }
    teller_.tell(many);
    teller_.tell(endings(7, 2));
    expected.push_back({7, 2});
    std::vector<ToldEndings::Slot> slots;
    std::size_t taken = 0;
    for (std::size_t round = 0; round < 100 && taken < 2; ++round) {
        EXPECT_TRUE(teller_.takes_flows());
        teller_.go_on(slots_);
        ASSERT_FALSE(teller_.is_broken());
        now_ += std::chrono::milliseconds(10);
        for (const Told& each : told()) {
            const auto& part = std::get<ToldEndings>(each).slots;
            slots.insert(slots.end(), part.begin(), part.end());
        }
        taken += teller_.take_acknowledged().size();
        EXPECT_EQ(taken != 0, slots.size() >= 1000) << "each when all of it has come";
    }
    EXPECT_EQ(taken, 2U);
    EXPECT_EQ(slots, expected);
}

TEST_F(TellerTest, WhoIsNotThereWillNotAcknowledge) {
    begin_and_end();
    told();
    teller_.tell(endings(0, 5));
    told(false);
    teller_.stop();
    EXPECT_TRUE(teller_.is_idle());
    EXPECT_FALSE(teller_.tells(kWeb));
    EXPECT_EQ(teller_.take_unacknowledged().size(), 1U);
    EXPECT_TRUE(teller_.take_unacknowledged().empty());
}

TEST_F(TellerTest, AnEndOfSlotsThatHaveBecomeOthersIsNotToldAnew) {
    begin();
    teller_.tell(endings(1, 2));
    teller_.tell(endings(0, 2, kMail));
    slots_.update(kWeb, std::vector<tables::BackendIndex>{2, 2, 2, 2}, 1001);
    begin({kWeb, kMail});
    teller_.go_on(slots_);
    teller_.all_flows_told();
    for (const Told& each : told()) {
        const auto* ended = std::get_if<ToldEndings>(&each);
        EXPECT_FALSE(ended != nullptr && ended->id == kWeb);
    }
    const std::vector<Teller::Endings> acknowledged = teller_.take_acknowledged();
    ASSERT_EQ(acknowledged.size(), 2U);
    EXPECT_TRUE(acknowledged[0].slots.empty());
    EXPECT_EQ(acknowledged[1].slots.size(), 1U);
}

}  // namespace
}  // namespace tandem::pair
