// What a reply says is tested with net/reply.h; here, what becomes of the buffer it is made in.
#include "dataplane/pipeline/answer.h"

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

class Answer : public PacketTest {
  protected:
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }
    void answered(rte_mbuf* packet) {
        add({packet});
        answer(mac_, roles_, burst_);
    }
    Bytes reply_to_only_question() {
        CHECK(burst_.departed().size() == 1 && burst_.departed()[0].is_unsent_answer());
        return bytes_of(burst_.departed()[0].mbuf);
    }
    Mac mac_{2, 0, 0, 0, 0, 1};
    tables::Roles roles_;
};

TEST_F(Answer, AFlowsPacketPassesUntouched) {
    const Bytes frame = test::ipv4(test::tcp());
    answered(packet(frame));
    ASSERT_EQ(burst_.packets().size(), 1U);
    EXPECT_EQ(bytes_of(burst_.packets()[0].mbuf), frame);
}

TEST_F(Answer, AQuestionLeavesAsItsReply) {
    for (const Bytes& question :
         {test::arp(), test::solicitation(), test::ipv4(test::echo(8), {.protocol = 1})}) {
        free_all();
        burst_.reset(0);
        answered(packet(question));
        EXPECT_EQ(verdicts(), std::vector{Verdict::kAnswered});
    }
}

TEST_F(Answer, AnAdvertisementIsAsLongAsItIsWhateverTheQuestionsLength) {
    for (const std::size_t padding : {0U, 8U, 100U}) {
        for (const Bytes& options : {Bytes{}, Bytes{1, 1, 2, 0, 0, 0, 0, 0x99}}) {
            free_all();
            answered(packet(test::solicitation(options) + Bytes(padding, 0xee)));
            const Bytes reply = reply_to_only_question();
            EXPECT_EQ(reply.size(), 14U + 40 + 32);
            EXPECT_TRUE(test::icmpv6_sums_up(reply));
        }
    }
}

TEST_F(Answer, AQuestionWhoseBufferHasNoRoomForTheReplyIsMalformed) {
    rte_mbuf* question = packet(test::solicitation({}));
    rte_pktmbuf_append(question, static_cast<std::uint16_t>(rte_pktmbuf_tailroom(question) - 7));
    answered(question);
    EXPECT_EQ(verdicts(), std::vector{Verdict::kMalformed});
}

TEST_F(Answer, APingInPiecesIsAnsweredWithAllOfItsBytes) {
    const Bytes ping = test::ipv4(test::echo(8, Bytes(4000, 7)), {.protocol = 1});
    answered(packet_in_pieces(ping, {1000, 2000}));
    const Bytes pong = reply_to_only_question();
    EXPECT_EQ(pong.size(), ping.size());
    EXPECT_EQ(test::plain_sum(std::span(pong).subspan(34)), 0xffff) << "its checksum holds";
}

TEST_F(Answer, OnlyWhoIsActiveAnswersAndWithTheGroupsMac) {
    constexpr std::uint8_t kGroup = 5;
    const auto ask = [&](const Bytes& question) {
        free_all();
        add({packet(question)});
        burst_.packets()[0].group = kGroup;
        answer(mac_, roles_, burst_);
    };
    roles_.set_mac(kGroup, 51);
    roles_.set_silent(kGroup, true, true);
    ask(test::arp());
    EXPECT_EQ(verdicts(), std::vector{Verdict::kNotActive});
    ask(test::solicitation());
    EXPECT_EQ(reply_to_only_question()[11], 51) << "IPv6 is apart";
    roles_.set_silent(kGroup, true, false);
    ask(test::arp());
    const Bytes reply = reply_to_only_question();
    const Bytes virtual_four{0, 0, 0x5e, 0, 1, 51};
    EXPECT_TRUE(std::equal(virtual_four.begin(), virtual_four.end(), reply.begin() + 6));
    EXPECT_TRUE(std::equal(virtual_four.begin(), virtual_four.end(), reply.begin() + 22))
        << "the sender's hardware address";
}

}  // namespace
}  // namespace tandem::pipeline
