#include "dataplane/net/reply.h"

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::test {
namespace {

constexpr Mac kMac{0x02, 0, 0, 0, 0, 0x01};
const Bytes kTargetMacOption = Bytes{2, 1} + kOurMac;

Bytes to_client(std::size_t type, const Bytes& payload) {
    return kClientMac + kOurMac + be16(type) + payload;
}

/// The reply to a solicitation, in a buffer with exactly the room that is promised.
Bytes advertise(const Bytes& question) {
    const ParsedPacket packet = parsed(question);
    const ExactCopy frame(question + Bytes(kReplyGrowthMax, 0xee));
    const std::size_t length = make_advertisement(frame.span(), packet, kMac);
    EXPECT_LE(length, frame.span().size());
    const auto reply = frame.span().first(length);
    return {reply.begin(), reply.end()};
}

Bytes echo_reply(const Bytes& question) {
    const ParsedPacket packet = parsed(question);
    EXPECT_EQ(packet.kind, PacketKind::kEchoRequest);
    const ExactCopy frame(question);
    make_echo_reply(frame.span(), packet, kMac);
    return {frame.span().begin(), frame.span().end()};
}

/// The IPv6 header and message of an advertisement for the VIP.
Bytes advertisement(const Bytes& destination, std::uint8_t flags) {
    const Bytes message = Bytes{136, 0, 0, 0, flags, 0, 0, 0} + kVip6 + kTargetMacOption;
    return Bytes{0x60, 0, 0, 0, 0, 32, 58, 255} + kVip6 + destination +
           icmpv6(message, kVip6, destination);
}

TEST(ArpReply, TellsTheAskerOurMac) {
    const ExactCopy frame(arp());
    make_arp_reply(frame.span(), kMac);
    const Bytes expected = to_client(0x0806, be16(1) + be16(0x0800) + Bytes{6, 4} + be16(2) +
                                                 kOurMac + kVip4 + kClientMac + kClient4);
    EXPECT_EQ(Bytes(frame.span().begin(), frame.span().end()), expected);
}

TEST(ArpReply, AnswersAProbeWithoutAnAddress) {  // RFC 5227 section 2.1.1
    Bytes probe = arp();
    std::fill_n(probe.begin() + 28, 4, std::uint8_t{0});
    const ExactCopy frame(probe);
    make_arp_reply(frame.span(), kMac);
    const Bytes expected = to_client(0x0806, be16(1) + be16(0x0800) + Bytes{6, 4} + be16(2) +
                                                 kOurMac + kVip4 + kClientMac + Bytes(4, 0));
    EXPECT_EQ(Bytes(frame.span().begin(), frame.span().end()), expected);
}

// RFC 4861 section 7.2.4: solicited and override, with the target's link-layer address.
TEST(Advertisement, AnswersASolicitationWithOption) {
    EXPECT_EQ(advertise(solicitation()), to_client(0x86dd, advertisement(kClient6, 0x60)));
}

TEST(Advertisement, GrowsIntoItsRoomWhenTheQuestionHadNoOption) {
    EXPECT_EQ(advertise(solicitation({})), to_client(0x86dd, advertisement(kClient6, 0x60)));
}

TEST(Advertisement, DropsOptionsThatItDoesNotAnswer) {
    const Bytes options = Bytes{1, 1, 2, 0, 0, 0, 0, 0x99} + Bytes{14, 1, 1, 2, 3, 4, 5, 6};
    EXPECT_EQ(advertise(solicitation(options)), to_client(0x86dd, advertisement(kClient6, 0x60)));
}

// RFC 4861 section 7.2.4: a probe has no source, so all nodes are told and nobody solicited it.
TEST(Advertisement, AnswersADuplicateAddressProbeToAllNodes) {
    const Bytes all_nodes = Bytes{0xff, 2} + Bytes(13, 0) + Bytes{1};
    const Bytes expected =
        Bytes{0x33, 0x33, 0, 0, 0, 1} + kOurMac + be16(0x86dd) + advertisement(all_nodes, 0x20);
    EXPECT_EQ(advertise(solicitation({}, Bytes(16, 0))), expected);
}

TEST(EchoReply, IsTheQuestionTurnedRound) {
    Bytes question = ipv4(echo(8), {.protocol = 1, .tos = 0xb8, .ttl = 7});
    const Bytes header = with_checksum(Bytes{0x45, 0xb8} + be16(32) + be16(0x1234) + be16(0x4000) +
                                           Bytes{64, 1, 0, 0} + kVip4 + kClient4,
                                       10);
    EXPECT_EQ(echo_reply(question), to_client(0x0800, header + echo(0)));
}

TEST(EchoReply, KeepsIpv4Options) {
    const Bytes reply = echo_reply(ipv4(echo(8), {.protocol = 1, .options = Bytes(8, 1)}));
    EXPECT_EQ(plain_sum(std::span(reply).subspan(14, 28)), 0xffff);
    EXPECT_EQ(Bytes(reply.begin() + 42, reply.end()), echo(0));
}

TEST(EchoReply, IsTheQuestionTurnedRoundForIpv6) {
    const Bytes question = ipv6(icmpv6(echo(128)), {.next_header = 58, .hop_limit = 7});
    const Bytes expected = to_client(0x86dd, Bytes{0x60, 0, 0, 0, 0, 12, 58, 64} + kVip6 +
                                                 kClient6 + icmpv6(echo(129), kVip6, kClient6));
    EXPECT_EQ(echo_reply(question), expected);
}

TEST(EchoReply, ReachesBehindExtensionHeaders) {
    const Bytes question = ipv6(extension(58, 16) + icmpv6(echo(128)), {.next_header = 0});
    const Bytes reply = echo_reply(question);
    EXPECT_EQ(Bytes(reply.begin() + 54, reply.end()),
              extension(58, 16) + icmpv6(echo(129), kVip6, kClient6));
}

// The incremental update (RFC 1624) has to carry right for every checksum there is.
TEST(EchoReply, MendsEveryIpv4Checksum) {
    for (std::uint32_t word = 0; word <= 0xffff; ++word) {
        const Bytes reply = echo_reply(ipv4(echo(8, be16(word)), {.protocol = 1}));
        ASSERT_EQ(plain_sum(std::span(reply).subspan(34)), 0xffff) << word;
        ASSERT_EQ(plain_sum(std::span(reply).subspan(14, 20)), 0xffff) << word;
    }
}

TEST(EchoReply, MendsEveryIpv6Checksum) {
    for (std::uint32_t word = 0; word <= 0xffff; ++word) {
        const Bytes message = icmpv6(echo(128, be16(word)));
        const Bytes reply = echo_reply(ipv6(message, {.next_header = 58}));
        ASSERT_TRUE(icmpv6_sums_up(reply)) << word;
    }
}

TEST(EchoReply, LeavesAWrongChecksumWrong) {
    Bytes message = echo(8);
    message[2] ^= 0x40;
    const Bytes reply = echo_reply(ipv4(message, {.protocol = 1}));
    EXPECT_NE(plain_sum(std::span(reply).subspan(34)), 0xffff);
}

}  // namespace
}  // namespace tandem::test
