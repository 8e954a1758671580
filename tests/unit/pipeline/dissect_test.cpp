// What headers mean is tested with net/parse.h; here, what the buffer around them says.
#include "dataplane/pipeline/dissect.h"

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

class Dissect : public PacketTest {
  protected:
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }
};

TEST_F(Dissect, MalformedPacketsLeaveAndTheOthersAreRead) {
    burst_.add(packet(test::ipv4(test::tcp())));
    burst_.add(packet(Bytes(13, 0)));
    burst_.add(packet(test::arp()));
    dissect(burst_);
    ASSERT_EQ(burst_.packets().size(), 2U);
    EXPECT_EQ(burst_.packets()[0].parsed.kind, PacketKind::kFlow);
    EXPECT_EQ(burst_.packets()[1].parsed.kind, PacketKind::kArpRequest);
    EXPECT_EQ(verdicts(), std::vector{Verdict::kMalformed});
}

TEST_F(Dissect, TheIpPacketMayReachIntoLaterBuffers) {
    burst_.add(packet_in_pieces(test::ipv4(test::tcp(0x10, 5, Bytes(3000, 0))), {300, 1500}));
    dissect(burst_);
    ASSERT_EQ(burst_.packets().size(), 1U);
    EXPECT_EQ(burst_.packets()[0].parsed.l3_length, 3040);
}

TEST_F(Dissect, AFrameWhoseTagTheDriverTookOffIsAsTaggedAsBefore) {
    burst_.add(packet(test::ipv4(test::tcp())));
    burst_.packets()[0].mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    burst_.packets()[0].mbuf->vlan_tci = 100;
    dissect(burst_);
    ASSERT_EQ(burst_.packets().size(), 1U);
    EXPECT_EQ(burst_.packets()[0].parsed.kind, PacketKind::kOther);
}

}  // namespace
}  // namespace tandem::pipeline
