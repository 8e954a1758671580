#include "dataplane/pipeline/spare_room.h"

#include "tests/unit/pipeline/packets.h"

/// There under AddressSanitizer, else nullptr. Tests themselves are not built with it.
extern "C" int __asan_address_is_poisoned(const volatile void* address) __attribute__((weak));

namespace tandem::pipeline {
namespace {

class SpareRoom : public PacketTest {
  protected:
    void SetUp() override {
        PacketTest::SetUp();
        if (__asan_address_is_poisoned == nullptr) {
            GTEST_SKIP() << "only AddressSanitizer watches it";
        }
        add({packet(test::ipv4(test::tcp())), packet_in_pieces(Bytes(161), {61, 13})});
    }
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }

    /// Expects the packet's own bytes and what is in front of them free, and what is behind not.
    static void expect_watched(const rte_mbuf* packet, bool is_watched) {
        for (const rte_mbuf* piece = packet; piece != nullptr; piece = piece->next) {
            const char* begin = rte_pktmbuf_mtod(piece, const char*);
            const char* end = begin + rte_pktmbuf_data_len(piece);
            const char* last = static_cast<const char*>(piece->buf_addr) + piece->buf_len - 1;
            EXPECT_FALSE(__asan_address_is_poisoned(begin - 1)) << "a header may come there";
            EXPECT_FALSE(__asan_address_is_poisoned(end - 1));
            EXPECT_EQ(__asan_address_is_poisoned(end) != 0, is_watched);
            EXPECT_EQ(__asan_address_is_poisoned(last) != 0, is_watched);
        }
    }
};

TEST_F(SpareRoom, IsWatchedBehindEveryPieceUntilThePacketsLeave) {
    forbid_spare_room(burst_);
    for (const Packet& packet : burst_.packets()) expect_watched(packet.mbuf, true);
    burst_.depart_all(Verdict::kMalformed);
    allow_spare_room(burst_);
    for (const Departed& departed : burst_.departed()) expect_watched(departed.mbuf, false);
}

TEST_F(SpareRoom, OfOnePacketIsFreeOnceThatIsToBeLengthened) {
    forbid_spare_room(burst_);
    allow_spare_room(burst_.packets()[0].mbuf);
    expect_watched(burst_.packets()[0].mbuf, false);
    expect_watched(burst_.packets()[1].mbuf, true);
    allow_spare_room(burst_);
    for (const Packet& packet : burst_.packets()) expect_watched(packet.mbuf, false);
}

}  // namespace
}  // namespace tandem::pipeline
