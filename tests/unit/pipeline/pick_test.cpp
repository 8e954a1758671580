// pick reads keys and tables, no packets: these have none.
#include "dataplane/pipeline/pick.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "dataplane/net/headers.h"
#include "tests/unit/pipeline/packets.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::pipeline {
namespace {

using tables::BackendIndex;
using tables::LiveView;

class Pick : public testing::Test {
  protected:
    Pick() { burst_.reset(0); }

    FlowKey random_flow() {
        FlowKey key{};
        key.source = tables::ip("198.51.100.7");
        key.destination = tables::ip("203.0.113.10");
        key.source_port = static_cast<std::uint16_t>(random_());
        key.destination_port = 80;
        const auto host = static_cast<std::uint16_t>(random_());
        std::memcpy(key.source.bytes.data() + 14, &host, sizeof(host));
        key.protocol = 6;
        return key;
    }

    void add(const FlowKey& key, std::uint16_t pool = 0) {
        burst_.add(nullptr);
        Packet& packet = burst_.packets().back();
        packet.parsed = {};
        packet.parsed.key = key;
        packet.pool = pool;
        packet.is_stateless = false;
        packet.backend = tables::kNoBackend;
    }

    /// The only packet's way out; nullopt if it stays.
    std::optional<Verdict> verdict_of(const LiveView& live, std::uint16_t pool = 0) {
        burst_.reset(0);
        add(random_flow(), pool);
        pick(live, tracker_, burst_);
        if (burst_.departed().empty()) return std::nullopt;
        return burst_.departed()[0].verdict;
    }

    std::mt19937 random_{1};
    tables::Both both_;
    tables::FlowMemory memory_ =
        std::move(tables::FlowMemory::create(1, 1000, tables::Pages::kNormal).value());
    FlowTracker tracker_{memory_, 0, {}};
    Burst burst_;
};

/// As many backends as slots, each of which owns one.
tables::PlanContent a_backend_for_each_slot(std::uint32_t slots) {
    tables::PlanContent plan = tables::small_plan();
    plan.backends.resize(1);
    plan.owners[0].resize(slots);
    plan.pools[0].slot_count = slots;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
        plan.owners[0][slot] = static_cast<BackendIndex>(slot + 1);
        tables::PlanBackend backend;
        backend.health = tables::HealthState::kUp;
        plan.backends.push_back(backend);
    }
    return plan;
}

TEST_F(Pick, FlowsSpreadEvenlyOverTheSlots) {
    constexpr std::uint32_t kSlots = 101;
    constexpr int kFlows = 101'000;
    tables::PlanContent plan = a_backend_for_each_slot(kSlots);
    const LiveView live = both_.apply(plan);
    std::array<int, kSlots + 1> flows{};
    for (int i = 0; i < kFlows; ++i) {
        burst_.reset(0);
        add(random_flow());
        pick(live, tracker_, burst_);
        ASSERT_EQ(burst_.packets().size(), 1U);
        ++flows[burst_.packets()[0].backend];
    }
    double chi_squared = 0;
    for (std::uint32_t backend = 1; backend <= kSlots; ++backend) {
        chi_squared += std::pow(flows[backend] - 1000.0, 2) / 1000.0;
    }
    // 100 degrees of freedom: mean 100, deviation sqrt(200); six deviations.
    EXPECT_LT(chi_squared, 185.0);
    EXPECT_EQ(flows[0], 0);
}

TEST_F(Pick, SlotIndicesCoverTheTableAndNothingBeyond) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint32_t count : {1U, 2U, 101U, 65'537U, 655'373U}) {
        EXPECT_EQ(LiveView::slot_index(0, count), 0U);
        EXPECT_EQ(LiveView::slot_index(kMax, count), count - 1);
        for (std::uint32_t slot = 0; slot < count; slot += std::max(1U, count / 97)) {
            // The first hash that falls into a slot, and the last before it.
            const std::uint64_t first = ((std::uint64_t{slot} << 32U) + count - 1) / count << 32U;
            EXPECT_EQ(LiveView::slot_index(first, count), slot);
            if (slot > 0) {
                EXPECT_EQ(LiveView::slot_index(first - 1, count), slot - 1);
            }
        }
    }
}

TEST_F(Pick, AFlowHasOneBackendWhateverComesWithIt) {
    tables::PlanContent plan = a_backend_for_each_slot(101);
    const LiveView live = both_.apply(plan);
    const FlowKey flow = random_flow();
    add(flow);
    pick(live, tracker_, burst_);
    const BackendIndex backend = burst_.packets()[0].backend;
    burst_.reset(0);
    for (int i = 0; i < Burst::kCapacity; ++i) add(i % 3 == 0 ? flow : random_flow());
    pick(live, tracker_, burst_);
    for (std::size_t i = 0; i < Burst::kCapacity; i += 3) {
        EXPECT_EQ(burst_.packets()[i].backend, backend) << i;
    }
}

TEST_F(Pick, ASlotThatNobodyServesHasNoBackend) {
    tables::PlanContent plan = tables::small_plan();
    plan.owners[0].assign(101, tables::kNoBackend);
    EXPECT_EQ(verdict_of(both_.apply(plan)), Verdict::kNoBackend);
}

TEST_F(Pick, ASlotThatPointsBeyondTheBackendsHasNoBackend) {
    for (const auto& [owner, verdict] :
         {std::pair{BackendIndex{2}, std::optional<Verdict>()},
          std::pair{BackendIndex{3}, std::optional(Verdict::kNoBackend)},
          std::pair{BackendIndex{0xffff}, std::optional(Verdict::kNoBackend)}}) {
        tables::Both both;
        tables::PlanContent plan = tables::small_plan();
        plan.owners[0].assign(101, owner);
        EXPECT_EQ(verdict_of(both.apply(plan)), verdict) << owner;
    }
}

TEST_F(Pick, APoolThatIsNotThereHasNoBackend) {
    tables::PlanContent plan = tables::small_plan();
    EXPECT_EQ(verdict_of(both_.apply(plan), 1), Verdict::kNoBackend);
    EXPECT_EQ(verdict_of(LiveView()), Verdict::kNoBackend);
}

TEST_F(Pick, WhoseBackendIsFoundKeepsItsPlaceThoughAnotherLeaves) {
    tables::PlanContent plan = tables::small_plan();
    plan.owners[0].assign(101, BackendIndex{2});
    const LiveView live = both_.apply(plan);
    for (int i = 0; i < 3; ++i) add(random_flow());
    burst_.packets()[1].pool = 1;
    const FlowKey last = burst_.packets()[2].parsed.key;
    pick(live, tracker_, burst_);
    ASSERT_EQ(burst_.packets().size(), 2U);
    EXPECT_EQ(burst_.packets()[0].backend, 2);
    EXPECT_EQ(burst_.packets()[1].backend, 2);
    EXPECT_EQ(burst_.packets()[1].parsed.key, last);
    ASSERT_EQ(burst_.departed().size(), 1U);
    EXPECT_EQ(burst_.departed()[0].verdict, Verdict::kNoBackend);
}

/// One slot, which changed its owner from 1 to 2.
class PickInTransition : public Pick {
  protected:
    PickInTransition() {
        plan_ = tables::small_plan();
        plan_.pools[0].slot_count = 1;
        plan_.pools[0].transition_hold_s = 60;
        plan_.owners[0] = {1};
        both_.apply(plan_);
        plan_.owners[0] = {2};
        live_ = both_.apply(plan_);
        tracker_.now = both_.now;
    }
    BackendIndex send(const FlowKey& flow, std::uint8_t tcp_flags, bool is_stateless = false) {
        burst_.reset(0);
        add(flow);
        burst_.packets()[0].parsed.tcp_flags = tcp_flags;
        burst_.packets()[0].is_stateless = is_stateless;
        pick(live_, tracker_, burst_);
        return burst_.packets()[0].backend;
    }
    BackendIndex send_datagram(FlowKey flow, bool is_quic_initial) {
        flow.protocol = protocol::kUdp;
        burst_.reset(0);
        add(flow);
        burst_.packets()[0].parsed.is_quic_initial = is_quic_initial;
        pick(live_, tracker_, burst_);
        return burst_.packets()[0].backend;
    }
    CoarseTime last_use() { return memory_.slot_use(0).last(live_.pools()[0].id, 0); }

    tables::PlanContent plan_;
    LiveView live_;
};

TEST_F(PickInTransition, OldFlowsStayNewOnesFollowTheSlotAndBothAreRemembered) {
    const FlowKey old_flow = random_flow();
    const FlowKey new_flow = random_flow();
    EXPECT_EQ(send(old_flow, tcp::kAck), 1);
    EXPECT_EQ(send(new_flow, tcp::kSyn), 2);
    EXPECT_EQ(send(new_flow, tcp::kAck), 2);
    EXPECT_EQ(send(random_flow(), tcp::kSyn | tcp::kAck), 1) << "no client opens with that";
    EXPECT_EQ(memory_.statistics(0).inserted, 3U);
    EXPECT_EQ(memory_.statistics(0).lookups, 4U);
    EXPECT_EQ(memory_.statistics(0).missed, 3U);
    EXPECT_EQ(last_use(), both_.now);
}

TEST_F(PickInTransition, AQuicConnectionThatOpensFollowsTheSlotAndAnyOtherDatagramTheOldOwner) {
    const FlowKey new_flow = random_flow();
    EXPECT_EQ(send_datagram(new_flow, true), 2);
    EXPECT_EQ(send_datagram(new_flow, false), 2) << "its flow is remembered";
    EXPECT_EQ(send_datagram(random_flow(), false), 1);
}

TEST_F(PickInTransition, OnlyTheFirstOfAFlowsPacketsInASecondIsNoted) {
    const FlowKey flow = random_flow();
    EXPECT_EQ(send(flow, tcp::kAck), 1);
    EXPECT_EQ(send(flow, tcp::kAck), 1);
    EXPECT_EQ(memory_.statistics(0).refreshed, 1U) << "it is established now";
    for (int i = 0; i < 5; ++i) EXPECT_EQ(send(flow, tcp::kAck), 1);
    EXPECT_EQ(memory_.statistics(0).refreshed, 1U);
    ++tracker_.now;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(send(flow, tcp::kAck), 1);
    EXPECT_EQ(memory_.statistics(0).refreshed, 2U);
    EXPECT_EQ(memory_.statistics(0).lookups, 12U);
    EXPECT_EQ(last_use(), both_.now + 1);
}

TEST_F(PickInTransition, PacketsOfOneFlowInOneBurstGoOneWay) {
    const FlowKey old_flow = random_flow();
    const FlowKey new_flow = random_flow();
    burst_.reset(0);
    for (int i = 0; i < 16; ++i) add(i % 2 == 0 ? new_flow : old_flow);
    for (Packet& packet : burst_.packets()) packet.parsed.tcp_flags = tcp::kAck;
    burst_.packets()[0].parsed.tcp_flags = tcp::kSyn;
    pick(live_, tracker_, burst_);
    for (std::size_t i = 0; i < 16; ++i) {
        EXPECT_EQ(burst_.packets()[i].backend, i % 2 == 0 ? 2 : 1) << i;
    }
    EXPECT_EQ(memory_.statistics(0).inserted, 2U);
}

TEST_F(PickInTransition, MemoryIsAskedEarlyAfterABurstThatNeededItAndItsAnswersAreTheSame) {
    const FlowKey old_flow = random_flow();
    const FlowKey new_flow = random_flow();
    EXPECT_EQ(send(old_flow, tcp::kAck), 1);
    EXPECT_EQ(send(new_flow, tcp::kSyn), 2);
    for (const std::size_t stateless : std::initializer_list<std::size_t>{0, 1, 2, 3, 2, 0}) {
        burst_.reset(0);
        for (const FlowKey& flow : {old_flow, new_flow, random_flow()}) add(flow);
        for (std::size_t i = 0; i < 3; ++i) {
            burst_.packets()[i].parsed.tcp_flags = tcp::kAck;
            burst_.packets()[i].is_stateless = i < stateless;
        }
        pick(live_, tracker_, burst_);
        EXPECT_EQ(burst_.packets()[0].backend, stateless > 0 ? 2 : 1);
        EXPECT_EQ(burst_.packets()[1].backend, 2);
        EXPECT_EQ(burst_.packets()[2].backend, stateless > 2 ? 2 : 1);
        EXPECT_EQ(tracker_.asks_early, stateless < 2);
    }
    EXPECT_EQ(memory_.statistics(0).lookups, 2U + 3 + 2 + 1 + 0 + 1 + 3);
}

TEST_F(PickInTransition, APacketWithoutMemoryFollowsTheSlotAndIsNotRemembered) {
    EXPECT_EQ(send(random_flow(), 0, /*is_stateless=*/true), 2);
    EXPECT_EQ(memory_.statistics(0).lookups, 0U);
}

// Why flows must not wander between workers: conf/examples/complete.toml says which ports promise
// it.
TEST_F(PickInTransition, AWorkerThatHasNotSeenAFlowsOpeningTakesItForAnOldOne) {
    const FlowKey new_flow = random_flow();
    EXPECT_EQ(send(new_flow, tcp::kSyn), 2);
    tables::FlowMemory memory =
        std::move(tables::FlowMemory::create(2, 1000, tables::Pages::kNormal).value());
    FlowTracker other(memory, 1, {});
    other.now = both_.now;
    burst_.reset(0);
    add(new_flow);
    burst_.packets()[0].parsed.tcp_flags = tcp::kAck;
    burst_.packets()[0].is_stateless = false;
    pick(live_, other, burst_);
    EXPECT_EQ(burst_.packets()[0].backend, 1);
}

TEST_F(PickInTransition, OnceItIsOverOnlyRememberedFlowsKeepTheSlotFromBeingSteady) {
    const FlowKey old_flow = random_flow();
    EXPECT_EQ(send(old_flow, tcp::kAck), 1);
    const auto last = [&](std::uint64_t, std::uint32_t) { return last_use(); };
    ASSERT_TRUE(both_.merger().slots().settle(both_.now + 61, 900, last));
    live_ = both_.apply(plan_);
    tracker_.now = both_.now + 61;
    EXPECT_EQ(send(random_flow(), tcp::kAck), 2);
    EXPECT_EQ(last_use(), both_.now) << "a stranger is no use of what is remembered";
    EXPECT_EQ(send(old_flow, tcp::kAck), 1);
    EXPECT_EQ(last_use(), both_.now + 61);
}

}  // namespace
}  // namespace tandem::pipeline
