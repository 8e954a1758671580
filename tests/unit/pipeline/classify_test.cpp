// Which VIP a packet is for is tested with tables/vip_table.h; here, what of it a packet takes
// along.
#include "dataplane/pipeline/classify.h"

#include <algorithm>

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

class ClassifyGroups : public Classify {
  protected:
    static constexpr std::uint8_t kGroup = 3;
    static constexpr std::uint8_t kRouterId = 51;

    ClassifyGroups() {
        tables::PlanVip vip = tables::small_plan().vips[0];
        vip.group = kGroup;
        built_ = tables::build_vip_table(std::vector{vip});
        roles_.set_has_groups(true);
    }
    /// What becomes of a frame: its verdict, or kForwarded if it stays.
    Verdict verdict_of(Bytes frame, const Mac& to = kOwnMac) {
        std::ranges::copy(to, frame.begin());
        free_all();
        add({packet(frame)});
        classify(tables::VipTable(built_.shape, built_.entries), roles_, kOwnMac, burst_);
        return burst_.empty() ? verdicts()[0] : Verdict::kForwarded;
    }
    tables::BuiltVipTable built_;
};

TEST_F(ClassifyGroups, FramesToAVirtualMacAreForUsWhileItIsOurs) {
    const Bytes frame = test::ipv4(test::tcp());
    EXPECT_EQ(verdict_of(frame, virtual_mac(kRouterId, true)), Verdict::kOtherHost);
    roles_.set_virtual_mac(burst_.in_port(), kRouterId, true, true);
    EXPECT_EQ(verdict_of(frame, virtual_mac(kRouterId, true)), Verdict::kForwarded);
    EXPECT_EQ(verdict_of(frame, virtual_mac(kRouterId, false)), Verdict::kOtherHost);
    EXPECT_EQ(verdict_of(frame, virtual_mac(kRouterId + 1, true)), Verdict::kOtherHost);
    EXPECT_EQ(verdict_of(frame, {0, 0, 0x5e, 0, 3, kRouterId}), Verdict::kOtherHost);
    EXPECT_EQ(verdict_of(frame, {0, 0, 0x5e, 0, 0, kRouterId}), Verdict::kOtherHost);
    roles_.set_virtual_mac(burst_.in_port(), kRouterId, true, false);
    EXPECT_EQ(verdict_of(frame, virtual_mac(kRouterId, true)), Verdict::kOtherHost);
}

TEST_F(ClassifyGroups, WhoIsNotActiveForwardsUnlessTheGroupIsStrict) {
    const Bytes frame = test::ipv4(test::tcp());
    roles_.set_silent(kGroup, true, true);
    EXPECT_EQ(verdict_of(frame), Verdict::kForwarded);
    roles_.set_refused(kGroup, false, true);
    EXPECT_EQ(verdict_of(frame), Verdict::kForwarded) << "the other family's";
    roles_.set_refused(kGroup + 1, true, true);
    EXPECT_EQ(verdict_of(frame), Verdict::kForwarded) << "another group's";
    roles_.set_refused(kGroup, true, true);
    EXPECT_EQ(verdict_of(frame), Verdict::kNotActive);
}

TEST_F(ClassifyGroups, AdvertisementsAreTheMainCoresAsLongAsThereAreGroups) {
    const Bytes frame = test::ipv4(Bytes(12, 0), {.protocol = 112, .ttl = 255});
    const Bytes six = test::ipv6(Bytes(24, 0), {.next_header = 112, .hop_limit = 255});
    const Mac to_all{0x01, 0, 0x5e, 0, 0, 0x12};
    EXPECT_EQ(verdict_of(frame, to_all), Verdict::kPair);
    EXPECT_EQ(verdict_of(frame), Verdict::kPair);
    EXPECT_EQ(verdict_of(six), Verdict::kPair);
    for (const std::uint8_t forwarded : std::initializer_list<std::uint8_t>{254, 1}) {
        EXPECT_EQ(verdict_of(test::ipv4(Bytes(12, 0), {.protocol = 112, .ttl = forwarded})),
                  Verdict::kMalformed);
        EXPECT_EQ(
            verdict_of(test::ipv6(Bytes(24, 0), {.next_header = 112, .hop_limit = forwarded})),
            Verdict::kMalformed);
    }
    EXPECT_EQ(verdict_of(frame, {2, 0, 0, 0, 0, 9}), Verdict::kOtherHost);
    roles_.set_has_groups(false);
    EXPECT_EQ(verdict_of(frame, to_all), Verdict::kNoService);
}

}  // namespace
}  // namespace tandem::pipeline
