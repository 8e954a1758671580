// A whole worker on ports of rings, under tables that control and the main core would have made.
#include "dataplane/pipeline/worker.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <numeric>
#include <thread>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/unit/pipeline/packets.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::pipeline {
namespace {

using tables::BackendIndex;

/// To take all that lies in a ring. (ThreadSanitizer does not understand DPDK's rings on x86, which
/// rely on compiler barriers: nobody here looks into one while a worker uses it.)
constexpr std::uint64_t kEnoughLoops = 10;

/// The plan's VIP is IPv4 and TCP port 80; its backends are reached by ports 0 and 1.
tables::PlanContent plan_for_both_ports() {
    tables::PlanContent plan = tables::small_plan();
    for (std::size_t slot = 0; slot < plan.owners[0].size(); ++slot) {
        plan.owners[0][slot] = static_cast<BackendIndex>(1 + slot % 2);
    }
    return plan;
}

class WorkerTest : public PacketTest {
  protected:
    void TearDown() override {
        free(wan_.take());
        free(lan_.take());
        PacketTest::TearDown();
    }
    static void free(const std::vector<rte_mbuf*>& packets) {
        for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
    }

    /// Lets a worker run until it has received `count` packets more.
    void run_until_received(std::uint64_t count) {
        const std::uint64_t goal = counters().received + count;
        run_until([&] { return counters().received == goal; });
    }
    template <class Condition>
    void run_until(Condition condition, const Rest& rest = {256, 1'000, 50'000}) {
        std::atomic<bool> stop = false;
        Worker worker({.queue = {0}, .rest = rest, .tx_patience_cycles = 0, .timeouts = {}}, ports_,
                      both_.live_region(), memory_);
        std::jthread thread([&] { worker.run(stop); });
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition() && std::chrono::steady_clock::now() < limit) {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        EXPECT_TRUE(condition());
        stop = true;
        thread.join();
        EXPECT_EQ(reader().adopted, 0U) << "nobody is to wait for a worker that has ended";
    }

    tables::WorkerCounters& counters() { return both_.fixed().counters[0]; }
    tables::ReaderCell& reader() { return both_.fixed().worker_readers[0]; }
    std::map<std::string_view, std::uint64_t> verdicts_that_occurred() {
        std::map<std::string_view, std::uint64_t> occurred;
        for (std::size_t i = 0; i < kVerdictCount; ++i) {
            if (counters().verdicts[i] != 0) occurred[kVerdictNames[i]] = counters().verdicts[i];
        }
        return occurred;
    }
    std::uint64_t sum_of_verdicts() {
        return std::accumulate(counters().verdicts.begin(), counters().verdicts.end(),
                               std::uint64_t{0});
    }

    tables::Both both_;
    tables::FlowMemory memory_ =
        std::move(tables::FlowMemory::create(1, 1000, tables::Pages::kNormal).value());
    RingPort wan_;
    RingPort lan_;
    std::vector<Port> ports_{wan_.port(), lan_.port()};
};

/// A TCP packet of one of many flows to the VIP.
Bytes flow(std::size_t number) {
    Bytes segment = test::tcp();
    segment[0] = static_cast<std::uint8_t>(number >> 8U);
    segment[1] = static_cast<std::uint8_t>(number);
    return test::ipv4(segment);
}

Bytes to_another_host() {
    Bytes frame = flow(1);
    frame[5] ^= 1U;
    return frame;
}

TEST_F(WorkerTest, EveryPacketLeavesByOneVerdict) {
    tables::PlanContent plan = tables::small_plan();
    plan.owners[0].assign(101, BackendIndex{1});
    both_.apply(plan);
    const std::vector<std::pair<std::string_view, Bytes>> kinds{
        {"forwarded", flow(1)},
        {"answered", test::arp()},
        {"punted", test::ipv6(test::tcp())},
        {"other_host", to_another_host()},
        {"malformed", test::ethernet(0x0800, {0x45})},
        {"fragment", test::ipv4(test::tcp(), {.fragment = 0x2000})},
        {"no_service", test::ipv4(test::udp(), {.protocol = 17})},
        {"ttl_expired", test::ipv4(test::tcp(), {.ttl = 1})},
        {"too_big", test::ipv4(test::tcp(0x10, 5, Bytes(1450, 0)))}};
    std::map<std::string_view, std::uint64_t> expected;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < 300; ++i) {
        const auto& [verdict, frame] = kinds[i % kinds.size()];
        wan_.put(packet(frame));
        ++expected[verdict];
        bytes += frame.size();
    }
    run_until_received(300);
    EXPECT_EQ(verdicts_that_occurred(), expected);
    EXPECT_EQ(sum_of_verdicts(), counters().received);
    EXPECT_EQ(counters().received_bytes, bytes);
    EXPECT_LE(counters().busy_loops, counters().loops);
}

TEST_F(WorkerTest, PacketsOfOneFlowTakeOneWayInOrderAndAllWaysAreTaken) {
    tables::PlanContent plan = plan_for_both_ports();
    plan.pools[0].mode = tables::ForwardMode::kL2;
    both_.apply(plan);
    constexpr std::size_t kFlows = 20;
    constexpr std::size_t kRounds = 10;
    for (std::size_t i = 0; i < kFlows * kRounds; ++i) {
        Bytes frame = flow(i % kFlows);
        frame.push_back(static_cast<std::uint8_t>(i / kFlows));  // padding: which round it is of
        wan_.put(packet(frame));
    }
    run_until_received(kFlows * kRounds);
    EXPECT_EQ(verdicts_that_occurred(),
              (std::map<std::string_view, std::uint64_t>{{"forwarded", kFlows * kRounds}}));
    std::size_t rounds_of_all = 0;
    for (RingPort* port : {&wan_, &lan_}) {
        std::map<std::size_t, std::vector<std::uint8_t>> rounds;
        for (rte_mbuf* mbuf : port->take()) {
            const Bytes frame = bytes_of(mbuf);
            rounds[test::at16(frame, 34)].push_back(frame.back());
            rte_pktmbuf_free(mbuf);
        }
        EXPECT_FALSE(rounds.empty());
        for (const auto& [source_port, of_flow] : rounds) {
            EXPECT_EQ(of_flow.size(), kRounds) << source_port;
            EXPECT_TRUE(std::ranges::is_sorted(of_flow)) << source_port;
        }
        rounds_of_all += rounds.size();
    }
    EXPECT_EQ(rounds_of_all, kFlows);
}

TEST_F(WorkerTest, WithoutTablesThereAreNoVips) {
    for (std::size_t i = 0; i < 50; ++i) wan_.put(packet(flow(i)));
    run_until_received(50);
    EXPECT_EQ(verdicts_that_occurred(),
              (std::map<std::string_view, std::uint64_t>{{"punted", 50}}));
}

TEST_F(WorkerTest, ACaptureFileWaitsForTables) {
    ports_[0].is_replay = true;
    wan_.put(packet(flow(1)));
    run_until([&] { return counters().loops > kEnoughLoops; });
    EXPECT_EQ(counters().received, 0U);
    tables::PlanContent plan = plan_for_both_ports();
    both_.apply(plan);
    run_until_received(1);
    EXPECT_EQ(counters().verdicts[0], 1U);
}

TEST_F(WorkerTest, NewTablesAreTakenUpWhileItRuns) {
    tables::PlanContent plan = plan_for_both_ports();
    both_.apply(plan);
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        plan.owners[0][3] = static_cast<BackendIndex>(generation % 2);
        run_until([&] { return reader().adopted == generation; });
        both_.apply(plan);
    }
}

TEST_F(WorkerTest, WhatWasReadFromReusedTablesIsNotActedOn) {
    tables::PlanContent plan = plan_for_both_ports();
    both_.apply(plan);
    // As if it had slept for seconds between adopting and reading.
    both_.live_region().header().generations.raise_oldest_intact(2);
    for (std::size_t i = 0; i < 40; ++i) wan_.put(packet(flow(i)));
    run_until_received(40);
    EXPECT_EQ(verdicts_that_occurred(),
              (std::map<std::string_view, std::uint64_t>{{"stale_tables", 40}}));
}

TEST_F(WorkerTest, WhatTheKernelSendsGoesOutAsItIsAndWasNotReceived) {
    const Ring from_kernel(64);
    const Ring to_kernel(64);
    ports_[1].kernel_path = KernelPath::kTwin;
    ports_[1].from_kernel = from_kernel.get();
    ports_[1].to_kernel = to_kernel.get();
    const Bytes frame = test::arp(2);
    for (int i = 0; i < 40; ++i) rte_ring_enqueue(from_kernel.get(), packet(frame));
    lan_.put(packet(frame));  // and one the other way
    run_until([&] { return counters().received == 1 && counters().loops > kEnoughLoops; });
    const std::vector<rte_mbuf*> sent = lan_.take();
    EXPECT_EQ(sent.size(), 40U);
    for (const rte_mbuf* mbuf : sent) EXPECT_EQ(bytes_of(mbuf), frame);
    free(sent);
    EXPECT_EQ(rte_ring_count(to_kernel.get()), 1U);
    EXPECT_TRUE(wan_.take().empty());
}

TEST_F(WorkerTest, OfWhatTheMainCoreSaysNothingGoesOutThatHasWaitedForTooLong) {
    rte_ring* ring = rte_ring_create_elem("from_pair", sizeof(PairFrame), 64, SOCKET_ID_ANY, 0);
    ASSERT_NE(ring, nullptr);
    ports_[1].from_pair = ring;
    const auto say = [&](const Bytes& frame, std::uint64_t good_until) {
        PairFrame said{packet(frame), good_until};
        ASSERT_EQ(rte_ring_enqueue_elem(ring, &said, sizeof(said)), 0);
    };
    const std::uint64_t now = rte_rdtsc();
    for (int i = 0; i < 20; ++i) say(test::arp(1), now - 1);
    for (int i = 0; i < 20; ++i) say(test::arp(2), now + 3600 * rte_get_tsc_hz());
    run_until([&] { return counters().loops > kEnoughLoops; });
    rte_ring_free(ring);
    const std::vector<rte_mbuf*> sent = lan_.take();
    EXPECT_EQ(sent.size(), 20U);
    for (const rte_mbuf* mbuf : sent) EXPECT_EQ(bytes_of(mbuf), test::arp(2));
    free(sent);
}

/// Where a frame is sent that says whose packets these are, and what comes of it at once.
class DrawsPackets {
  public:
    DrawsPackets(std::uint16_t port, std::function<void()> draw)
        : port_(port), draw_(std::move(draw)) {
        callback_ = rte_eth_add_tx_callback(
            port_, 0,
            [](std::uint16_t, std::uint16_t, rte_mbuf**, std::uint16_t count, void* self) {
                if (count != 0) static_cast<DrawsPackets*>(self)->draw_();
                return count;
            },
            this);
    }
    ~DrawsPackets() { rte_eth_remove_tx_callback(port_, 0, callback_); }
    DrawsPackets(const DrawsPackets&) = delete;
    DrawsPackets& operator=(const DrawsPackets&) = delete;

  private:
    std::uint16_t port_;
    std::function<void()> draw_;
    const rte_eth_rxtx_callback* callback_;
};

TEST_F(WorkerTest, WhatAnAdvertisementDrawsHereMeetsTheTablesThatWereMadeBeforeIt) {
    tables::PlanContent plan = tables::small_plan();
    plan.owners[0].assign(101, BackendIndex{1});
    both_.apply(plan);
    rte_ring* ring = rte_ring_create_elem("from_pair", sizeof(PairFrame), 64, SOCKET_ID_ANY, 0);
    ASSERT_NE(ring, nullptr);
    ports_[0].from_pair = ring;
    PairFrame said{packet(test::arp(1)), rte_rdtsc() + 3600 * rte_get_tsc_hz()};
    ASSERT_EQ(rte_ring_enqueue_elem(ring, &said, sizeof(said)), 0);
    {
        const DrawsPackets draws(ports_[0].dpdk_port, [&] {
            if (counters().received != 0) return;
            plan.owners[0].assign(101, BackendIndex{2});
            both_.apply(plan);
            wan_.put(packet(flow(1)));
        });
        run_until_received(1);
    }
    rte_ring_free(ring);
    EXPECT_EQ(verdicts_that_occurred(),
              (std::map<std::string_view, std::uint64_t>{{"forwarded", 1}}));
    const std::vector<rte_mbuf*> sent = lan_.take();
    EXPECT_EQ(sent.size(), 1U) << "to the backend of the table before";
    free(sent);
}

TEST_F(WorkerTest, WithoutPacketsItSleepsLongerAndLongerUpToItsLimit) {
    constexpr std::uint64_t kUntilItSleepsSoLong = 256 + 18;  // pauses, then 1 us, half more each
    constexpr std::uint64_t kSleeps = 50;
    const auto start = std::chrono::steady_clock::now();
    run_until([&] { return counters().loops > kUntilItSleepsSoLong + kSleeps; },
              {256, 1'000, 1'000'000});
    const auto passed = std::chrono::steady_clock::now() - start;
    EXPECT_GE(passed, kSleeps * std::chrono::milliseconds(1));
    EXPECT_LT(passed, std::chrono::milliseconds(2500)) << "as long as if there were no limit";
}

TEST_F(WorkerTest, WhatAFullPortDoesNotTakeFromTheKernelIsFreed) {
    const Ring from_kernel(64);
    RingPort narrow(8);
    ports_ = {narrow.port()};
    ports_[0].from_kernel = from_kernel.get();
    for (int i = 0; i < 20; ++i) rte_ring_enqueue(from_kernel.get(), packet(test::arp(2)));
    run_until([&] { return counters().loops > kEnoughLoops; });
    const std::vector<rte_mbuf*> sent = narrow.take();
    EXPECT_EQ(sent.size(), 7U);
    free(sent);
}

}  // namespace
}  // namespace tandem::pipeline
