// Which VIP a packet is for is tested with tables/vip_table.h; here, what of it a packet takes
// along.
#include "dataplane/pipeline/classify.h"

#include "tests/unit/pipeline/packets.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::pipeline {
namespace {

constexpr Mac kOwnMac{0x02, 0, 0, 0, 0, 0x01};
constexpr std::uint8_t kFinAck = 0x11;

class Classify : public PacketTest {
  protected:
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }

    /// What becomes of a TCP packet for port 80 of the only VIP, whose ports and pool are given.
    const Packet& classified(std::uint16_t port_first, std::uint16_t port_last, bool is_stateless) {
        tables::PlanVip vip = tables::small_plan().vips[0];
        vip.port_first = port_first;
        vip.port_last = port_last;
        vip.pool = 3;
        vip.udp_is_stateless = is_stateless ? 1 : 0;
        const tables::BuiltVipTable built = tables::build_vip_table(std::vector{vip});
        add({packet(test::ipv4(test::tcp(kFinAck)))});
        classify(tables::VipTable(built.shape, built.entries), roles_, kOwnMac, burst_);
        EXPECT_EQ(burst_.packets().size(), 1U);
        return burst_.packets()[0];
    }

    tables::Roles roles_;
};

TEST_F(Classify, APacketKnowsVipPoolAndWhetherItsFlowIsRemembered) {
    for (const bool is_stateless : {false, true}) {
        for (const std::uint16_t port_last : std::initializer_list<std::uint16_t>{80, 90}) {
            const Packet& seen = classified(80, port_last, is_stateless);
            EXPECT_EQ(seen.vip, 0);
            EXPECT_EQ(seen.pool, 3);
            EXPECT_EQ(seen.is_stateless, is_stateless) << "last port " << port_last;
            free_all();
        }
    }
}

TEST_F(Classify, FramesForOthersAndPortsWithoutServiceLeave) {
    const tables::BuiltVipTable built = tables::build_vip_table(tables::small_plan().vips);
    const tables::VipTable vips(built.shape, built.entries);
    add({packet(test::ipv4(test::tcp()))});
    classify(vips, roles_, Mac{0x02, 0, 0, 0, 0, 0x02}, burst_);
    EXPECT_EQ(verdicts(), std::vector{Verdict::kOtherHost});
    free_all();
    add({packet(test::ipv4(test::udp(), {.protocol = 17}))});
    classify(vips, roles_, kOwnMac, burst_);
    EXPECT_EQ(verdicts(), std::vector{Verdict::kNoService});
}

}  // namespace
}  // namespace tandem::pipeline
