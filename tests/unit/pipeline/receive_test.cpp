#include "dataplane/pipeline/receive.h"

#include <numeric>

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

Bytes counting(std::size_t bytes) {
    Bytes frame(bytes);
    std::iota(frame.begin(), frame.end(), std::uint8_t{0});
    return frame;
}

class Receive : public PacketTest {
  protected:
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }
    std::uint64_t receive_all() { return receive(wire_.port(), {0}, burst_); }

    RingPort wire_;
};

TEST_F(Receive, TakesABurstInOrderAndLeavesTheRestForTheNext) {
    for (std::size_t i = 0; i < 40; ++i) wire_.put(packet(counting(60 + i)));
    EXPECT_EQ(receive_all(), 32 * 60U + 31 * 32 / 2);
    ASSERT_EQ(burst_.packets().size(), 32U);
    for (std::size_t i = 0; i < 32; ++i) {
        EXPECT_EQ(rte_pktmbuf_pkt_len(burst_.packets()[i].mbuf), 60 + i);
    }
    free_all();
    receive_all();
    EXPECT_EQ(burst_.packets().size(), 8U);
    free_all();
    EXPECT_EQ(receive_all(), 0U);
    EXPECT_TRUE(burst_.empty());
}

TEST_F(Receive, HeadersInManyPiecesAreBroughtTogether) {
    const Bytes frame = counting(900);
    wire_.put(packet_in_pieces(frame, {1, 13, 20, 100, 120}));
    wire_.put(packet(frame));
    EXPECT_EQ(receive_all(), 1800U);
    ASSERT_EQ(burst_.packets().size(), 2U);
    EXPECT_TRUE(rte_pktmbuf_is_contiguous(burst_.packets()[0].mbuf));
    EXPECT_EQ(bytes_of(burst_.packets()[0].mbuf), frame);
    EXPECT_EQ(bytes_of(burst_.packets()[1].mbuf), frame);
}

TEST_F(Receive, WhatHasAllItsHeadersInFrontStaysInPieces) {
    const Bytes frame = counting(6000);
    wire_.put(packet_in_pieces(frame, {kHeadersMax, 2000, 2000}));
    EXPECT_EQ(receive_all(), 6000U);
    ASSERT_EQ(burst_.packets().size(), 1U);
    EXPECT_EQ(burst_.packets()[0].mbuf->nb_segs, 4);
    EXPECT_EQ(bytes_of(burst_.packets()[0].mbuf), frame);
}

TEST_F(Receive, HeadersThatNoBufferHoldsAreMalformedAndTheOthersGoOn) {
    wire_.put(packet(counting(60)));
    wire_.put(packet_in_pieces(counting(4000), {kHeadersMax - 1, 2000}));
    wire_.put(packet(counting(61)));
    EXPECT_EQ(receive_all(), 4121U) << "what arrived is counted, whatever becomes of it";
    EXPECT_EQ(burst_.packets().size(), 2U);
    EXPECT_EQ(verdicts(), std::vector{Verdict::kMalformed});
}

}  // namespace
}  // namespace tandem::pipeline
