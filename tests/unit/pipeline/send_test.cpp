#include "dataplane/pipeline/send.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

constexpr std::uint64_t kNoPatience = 0;
constexpr unsigned kSmall = 8;  // of which a ring uses all but one

class Send : public PacketTest {
  protected:
    /// Packets of different lengths, all for port 0.
    std::vector<rte_mbuf*> add_packets(std::size_t count) {
        std::vector<rte_mbuf*> packets;
        for (std::size_t i = 0; i < count; ++i) {
            packets.push_back(packet(test::ipv4(test::tcp(0x10, 5, Bytes(i, 0)))));
        }
        add(packets);
        return packets;
    }
    static void free(const std::vector<rte_mbuf*>& packets) {
        for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
    }
};

TEST_F(Send, WhatThePortTakesIsOursNoMore) {
    RingPort wire;
    const std::vector<rte_mbuf*> packets = add_packets(3);
    send(std::span(&wire.port(), 1), {0}, kNoPatience, burst_);
    EXPECT_TRUE(burst_.empty());
    EXPECT_EQ(burst_.forwarded_count(), 3);
    EXPECT_TRUE(burst_.departed().empty());
    EXPECT_EQ(wire.take(), packets);
    free(packets);
}

TEST_F(Send, WhatAFullPortDoesNotTakeStaysOurs) {
    RingPort wire(kSmall);
    const std::vector<rte_mbuf*> packets = add_packets(10);
    send(std::span(&wire.port(), 1), {0}, kNoPatience, burst_);
    EXPECT_TRUE(burst_.empty());
    std::vector<Verdict> expected(7, Verdict::kForwarded);
    expected.insert(expected.end(), 3, Verdict::kTxFull);
    EXPECT_EQ(verdicts(), expected);
    for (std::size_t i = 7; i < 10; ++i) EXPECT_EQ(burst_.departed()[i].mbuf, packets[i]);
    free(wire.take());
    free_all();
}

TEST_F(Send, APortThatIsFullForAMomentGetsEverything) {
    RingPort wire(kSmall);
    const std::vector<rte_mbuf*> packets = add_packets(32);
    std::vector<rte_mbuf*> taken;
    std::jthread drain([&] {
        while (taken.size() < packets.size()) {
            const std::vector<rte_mbuf*> some = wire.take();
            taken.insert(taken.end(), some.begin(), some.end());
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    });
    send(std::span(&wire.port(), 1), {0}, std::numeric_limits<std::uint32_t>::max(), burst_);
    drain.join();
    EXPECT_EQ(burst_.forwarded_count(), 32);
    EXPECT_EQ(taken, packets);
    free(packets);
}

TEST_F(Send, EachPacketLeavesByItsOwnPortAndAFullOneHoldsUpNoOther) {
    RingPort wide;
    RingPort narrow(kSmall);
    const std::vector<Port> ports{wide.port(), narrow.port()};
    const std::vector<rte_mbuf*> packets = add_packets(20);
    for (std::size_t i = 0; i < 20; ++i) {
        burst_.packets()[i].out_port = static_cast<std::uint8_t>(i % 2);
    }
    send(ports, {0}, kNoPatience, burst_);
    EXPECT_TRUE(burst_.empty());
    const std::vector<Verdict> all = verdicts();
    EXPECT_EQ(std::ranges::count(all, Verdict::kForwarded), 17);
    EXPECT_EQ(std::ranges::count(all, Verdict::kTxFull), 3);
    const std::vector<rte_mbuf*> by_wide = wide.take();
    const std::vector<rte_mbuf*> by_narrow = narrow.take();
    ASSERT_EQ(by_wide.size(), 10U);
    ASSERT_EQ(by_narrow.size(), 7U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(by_wide[i], packets[2 * i]);
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(by_narrow[i], packets[2 * i + 1]);
    free(by_wide);
    free(by_narrow);
    free_all();
}

TEST_F(Send, AnswersGoOutWhereTheQuestionsCameInAndAreOursIfThatIsFull) {
    RingPort other;
    RingPort wire(kSmall);
    const std::vector<Port> ports{other.port(), wire.port()};
    burst_.reset(1);
    const std::vector<rte_mbuf*> packets = add_packets(11);
    std::size_t next = 0;
    burst_.advance([&](Packet&) -> Burst::Decision {
        const std::size_t i = next++;
        if (i == 0) return Burst::stay();
        return i == 1 ? Verdict::kMalformed : Verdict::kAnswered;
    });
    send(ports, {0}, kNoPatience, burst_);
    EXPECT_EQ(burst_.forwarded_count(), 1);
    EXPECT_EQ(other.take(), std::vector{packets[0]});
    const std::vector<rte_mbuf*> answers = wire.take();
    EXPECT_EQ(answers, std::vector(packets.begin() + 2, packets.begin() + 9));
    ASSERT_EQ(burst_.departed().size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) {
        const bool is_taken = i >= 1 && i < 8;
        EXPECT_EQ(burst_.departed()[i].mbuf, is_taken ? nullptr : packets[i + 1]) << i;
        const Verdict expected = i == 0     ? Verdict::kMalformed
                                 : is_taken ? Verdict::kAnswered
                                            : Verdict::kTxFull;
        EXPECT_EQ(burst_.departed()[i].verdict, expected) << i;
    }
    rte_pktmbuf_free(packets[0]);
    free(answers);
    free_all();
}

}  // namespace
}  // namespace tandem::pipeline
