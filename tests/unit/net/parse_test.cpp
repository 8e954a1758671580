#include "dataplane/net/parse.h"

#include <arpa/inet.h>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem {

std::ostream& operator<<(std::ostream& out, PacketKind kind) {
    return out << "kind " << static_cast<int>(kind);
}

namespace test {
namespace {

using enum PacketKind;

IpAddress address(const Bytes& bytes) {
    if (bytes.size() == 4) return IpAddress::from_v4({bytes[0], bytes[1], bytes[2], bytes[3]});
    IpAddress result;
    std::copy(bytes.begin(), bytes.end(), result.bytes.begin());
    return result;
}

Bytes ipv6_with(std::uint8_t first, const Bytes& payload) {
    return ipv6(payload, {.next_header = first});
}

/// One valid frame of every kind and shape, by name.
const std::map<std::string, Bytes>& valid_frames() {
    static const std::map<std::string, Bytes> frames{
        {"TCP over IPv4", ipv4(tcp())},
        {"TCP over IPv4 with IP options", ipv4(tcp(), {.options = Bytes(8, 1)})},
        {"TCP over IPv4 with the longest header", ipv4(tcp(), {.options = Bytes(40, 1)})},
        {"TCP with options", ipv4(tcp(0x10, 8) + Bytes(12, 1) + Bytes{'x'})},
        {"UDP over IPv4", ipv4(udp({1, 2, 3}), {.protocol = 17})},
        {"UDP without data", ipv4(udp(), {.protocol = 17})},
        {"TCP over IPv6", ipv6(tcp())},
        {"UDP over IPv6", ipv6(udp({1, 2, 3}), {.next_header = 17})},
        {"TCP behind hop-by-hop options", ipv6_with(0, extension(6) + tcp())},
        {"TCP behind a chain of options and routing",
         ipv6_with(0,
                   extension(60) + extension(43, 16) + extension(60, 24) + extension(6) + tcp())},
        {"UDP behind an authentication header",
         ipv6_with(51, Bytes{17, 4} + Bytes(22, 0) + udp({1}))},
        {"TCP in an atomic fragment", ipv6_with(44, Bytes{6, 0, 0, 0, 1, 2, 3, 4} + tcp())},
        {"fragment of IPv4", ipv4(tcp(), {.fragment = 0x2000})},
        {"fragment of IPv6", ipv6_with(44, Bytes{6, 0, 0, 1, 1, 2, 3, 4} + tcp())},
        {"ping over IPv4", ipv4(echo(8), {.protocol = 1})},
        {"ping over IPv6", ipv6(icmpv6(echo(128)), {.next_header = 58})},
        {"neighbour solicitation", solicitation()},
        {"ARP request", arp()},
        {"GRE over IPv4", ipv4(Bytes(8, 0), {.protocol = 47})},
        {"GRE over IPv6", ipv6(Bytes(8, 0), {.next_header = 47})},
    };
    return frames;
}

TEST(Parse, ReadsTheFlowOfTcpOverIpv4) {
    const ParsedPacket packet = parsed(ipv4(tcp(0x12)));
    EXPECT_EQ(packet.kind, kFlow);
    EXPECT_TRUE(packet.is_v4);
    EXPECT_EQ(packet.key.source, address(kClient4));
    EXPECT_EQ(packet.key.destination, address(kVip4));
    EXPECT_EQ(packet.key.source_port, htons(40000));
    EXPECT_EQ(packet.key.destination_port, htons(80));
    EXPECT_EQ(packet.key.protocol, 6);
    EXPECT_EQ(packet.tcp_flags, 0x12);
    EXPECT_EQ(packet.l4_offset, 34);
    EXPECT_EQ(packet.l3_length, 40);
}

TEST(Parse, ReadsTheFlowOfUdpOverIpv6) {
    const ParsedPacket packet = parsed(ipv6(udp({1, 2, 3}), {.next_header = 17}));
    EXPECT_EQ(packet.kind, kFlow);
    EXPECT_FALSE(packet.is_v4);
    EXPECT_EQ(packet.key.source, address(kClient6));
    EXPECT_EQ(packet.key.destination, address(kVip6));
    EXPECT_EQ(packet.key.source_port, htons(40000));
    EXPECT_EQ(packet.key.destination_port, htons(53));
    EXPECT_EQ(packet.key.protocol, 17);
    EXPECT_EQ(packet.tcp_flags, 0);
    EXPECT_EQ(packet.l4_offset, 54);
    EXPECT_EQ(packet.l3_length, 51);
}

TEST(Parse, StepsOverIpv4Options) {
    for (const std::size_t bytes : {4U, 20U, 40U}) {
        const ParsedPacket packet = parsed(ipv4(tcp(), {.options = Bytes(bytes, 1)}));
        EXPECT_EQ(packet.kind, kFlow);
        EXPECT_EQ(packet.l4_offset, 34 + bytes);
        EXPECT_EQ(packet.key.destination_port, htons(80));
    }
}

TEST(Parse, StepsOverEveryExtensionHeaderOfIpv6) {
    const std::map<std::string, std::size_t> offsets{
        {"TCP behind hop-by-hop options", 54 + 8},
        {"TCP behind a chain of options and routing", 54 + 8 + 16 + 24 + 8},
        {"UDP behind an authentication header", 54 + 24},
        {"TCP in an atomic fragment", 54 + 8},
    };
    for (const auto& [name, offset] : offsets) {
        const ParsedPacket packet = parsed(valid_frames().at(name));
        EXPECT_EQ(packet.kind, kFlow) << name;
        EXPECT_EQ(packet.l4_offset, offset) << name;
        EXPECT_EQ(packet.key.source_port, htons(40000)) << name;
    }
}

// RFC 6946 section 4: offset 0 and no more to come is not a fragment, whatever the reserved bits.
TEST(Parse, TakesAnAtomicFragmentForAWholePacket) {
    const auto fragment = [](std::size_t offset_and_flags) {
        return kind_of(ipv6_with(44, Bytes{6, 0} + be16(offset_and_flags) + Bytes(4, 7) + tcp()));
    };
    EXPECT_EQ(fragment(0x0000), kFlow);
    EXPECT_EQ(fragment(0x0006), kFlow);
    EXPECT_EQ(fragment(0x0001), kFragment);
    EXPECT_EQ(fragment(0x0008), kFragment);
    EXPECT_EQ(fragment(0xfff8), kFragment);
}

TEST(Parse, KnowsFragmentsOfIpv4ByFlagAndOffset) {
    for (const std::size_t fragment : {0x2000U, 0x0001U, 0x1fffU, 0x2001U}) {
        const ParsedPacket packet = parsed(ipv4(tcp(), {.fragment = fragment}));
        EXPECT_EQ(packet.kind, kFragment);
        EXPECT_EQ(packet.key.destination, address(kVip4));
        EXPECT_EQ(packet.key.source_port, 0) << "later fragments have no ports";
        EXPECT_EQ(packet.key.destination_port, 0);
    }
    EXPECT_EQ(kind_of(ipv4(tcp(), {.fragment = 0x0000})), kFlow);
    EXPECT_EQ(kind_of(ipv4(tcp(), {.fragment = 0x4000})), kFlow);
}

TEST(Parse, KnowsQuestionsForVips) {
    EXPECT_EQ(parsed(valid_frames().at("ping over IPv4")).kind, kEchoRequest);
    EXPECT_EQ(parsed(valid_frames().at("ping over IPv6")).kind, kEchoRequest);
    EXPECT_EQ(parsed(arp()).kind, kArpRequest);
    EXPECT_EQ(parsed(arp()).key.destination, address(kVip4));
    EXPECT_EQ(parsed(solicitation()).kind, kSolicitation);
    EXPECT_EQ(parsed(solicitation()).key.destination, address(kVip6));
}

TEST(Parse, AsksForTheTargetOfASolicitationNotItsDestination) {
    Bytes group = kVip6;
    group[0] = 0xff;
    const Bytes frame = ipv6(icmpv6(solicitation_message(), kClient6, group),
                             {.next_header = 58, .hop_limit = 255, .destination = group});
    EXPECT_EQ(parsed(frame).kind, kSolicitation);
    EXPECT_EQ(parsed(frame).key.destination, address(kVip6));
}

TEST(Parse, LeavesOtherMessagesOfTheSameProtocolsAlone) {
    EXPECT_EQ(kind_of(ipv4(echo(0), {.protocol = 1})), kOtherIp);
    EXPECT_EQ(kind_of(ipv6(icmpv6(echo(129)), {.next_header = 58})), kOtherIp);
    EXPECT_EQ(kind_of(ipv6(icmpv6(echo(136, Bytes(16, 0))), {.next_header = 58})), kOtherIp);
    EXPECT_EQ(kind_of(arp(2)), kOther);
}

TEST(Parse, DoesNotMixTheFamiliesOfIcmp) {
    EXPECT_EQ(kind_of(ipv4(echo(128), {.protocol = 58})), kOtherIp);
    EXPECT_EQ(kind_of(ipv6(echo(8), {.next_header = 1})), kOtherIp);
    EXPECT_EQ(kind_of(ipv4(echo(128), {.protocol = 1})), kOtherIp);
    EXPECT_EQ(kind_of(ipv6(icmpv6(echo(8)), {.next_header = 58})), kOtherIp);
}

TEST(Parse, IgnoresAnEchoRequestWithACode) {
    Bytes message = echo(8);
    message[1] = 1;
    EXPECT_EQ(kind_of(ipv4(message, {.protocol = 1})), kOtherIp);
}

TEST(Parse, PassesFramesThatAreNotIpOn) {
    EXPECT_EQ(kind_of(ethernet(0x88cc, Bytes(46, 0))), kOther) << "LLDP";
    EXPECT_EQ(kind_of(ethernet(0x8100, Bytes(46, 0))), kOther) << "tagged";
    EXPECT_EQ(kind_of(ethernet(0x0026, Bytes(46, 0))), kOther) << "IEEE 802.3 length";
    EXPECT_EQ(kind_of(ethernet(0x88cc, {})), kOther);
}

TEST(Parse, PassesArpForOtherNetworksOn) {
    EXPECT_EQ(kind_of(arp(1, 6)), kOther) << "hardware is not Ethernet";
    EXPECT_EQ(kind_of(arp(1, 1, 0x86dd)), kOther) << "protocol is not IPv4";
    Bytes frame = arp();
    frame[18] = 8;
    EXPECT_EQ(kind_of(frame), kOther) << "hardware addresses have another length";
    frame[18] = 6;
    frame[19] = 16;
    EXPECT_EQ(kind_of(frame), kOther) << "protocol addresses have another length";
}

TEST(Parse, RefusesEveryTruncationOfEveryFrame) {
    for (const auto& [name, frame] : valid_frames()) {
        ASSERT_NE(kind_of(frame), kMalformed) << name;
        for (std::size_t length = 0; length < frame.size(); ++length) {
            EXPECT_EQ(kind_of(first_bytes(frame, length)), kMalformed)
                << name << " cut to " << length << " of " << frame.size() << " bytes";
        }
    }
}

TEST(Parse, NeverReadsBeyondTheBytesAtHand) {
    for (const auto& [name, frame] : valid_frames()) {
        for (std::size_t length = 0; length < frame.size(); ++length) {
            const ExactCopy head(first_bytes(frame, length));
            parse(head.span(), frame.size());  // the sanitizer is the judge
            parse(head.span(), 9000);
        }
    }
}

TEST(Parse, AllowsLinkPaddingAndDoesNotCountIt) {
    for (const auto& [name, frame] : valid_frames()) {
        const ParsedPacket bare = parsed(frame);
        const ParsedPacket padded = parsed(frame + Bytes(46, 0xee));
        EXPECT_EQ(padded.kind, bare.kind) << name;
        EXPECT_EQ(padded.l3_length, bare.l3_length) << name;
    }
}

TEST(Parse, JudgesALongFrameByItsFirstBytes) {
    const Bytes frame = ipv4(tcp(0x10, 5, Bytes(8000, 'x')));
    const ExactCopy head(first_bytes(frame, kHeadersMax));
    const ParsedPacket packet = parse(head.span(), frame.size());
    EXPECT_EQ(packet.kind, kFlow);
    EXPECT_EQ(packet.l3_length, 8040);
    EXPECT_EQ(parse(head.span(), frame.size() - 1).kind, kMalformed);
}

TEST(Parse, RefusesWrongVersions) {
    for (const std::uint8_t version : Bytes{0, 5, 6, 15}) {
        EXPECT_EQ(kind_of(ipv4(tcp(), {.version = version})), kMalformed);
    }
    for (const std::uint8_t version : Bytes{0, 4, 5, 7, 15}) {
        EXPECT_EQ(kind_of(ipv6(tcp(), {.version = version})), kMalformed);
    }
}

TEST(Parse, RefusesAnIpv4HeaderLengthThatCannotBe) {
    for (const std::uint8_t words : Bytes{0, 1, 4}) {
        EXPECT_EQ(kind_of(ipv4(tcp(), {.header_words = words})), kMalformed);
    }
    EXPECT_EQ(kind_of(ipv4(Bytes(8, 0), {.protocol = 47, .header_words = 15})), kMalformed);
}

TEST(Parse, RefusesATotalLengthThatCannotBe) {
    for (const std::size_t total : {0U, 1U, 19U, 41U, 1500U, 65535U}) {
        EXPECT_EQ(kind_of(ipv4(tcp(), {.total_length = total})), kMalformed) << total;
    }
    EXPECT_EQ(kind_of(ipv4(tcp(), {.options = Bytes(8, 1), .total_length = 27})), kMalformed)
        << "shorter than its own header";
    EXPECT_EQ(kind_of(ipv4(tcp(), {.total_length = 39})), kMalformed) << "cuts the TCP header";
}

TEST(Parse, RefusesAPayloadLengthThatCannotBe) {
    for (const std::size_t length : {0U, 19U, 21U, 65535U}) {
        EXPECT_EQ(kind_of(ipv6(tcp(), {.payload_length = length})), kMalformed) << length;
    }
}

TEST(Parse, RefusesAPacketTooLongForAnyLengthField) {
    const Bytes payload = tcp(0x10, 5, Bytes(65'535 - 20, 'x'));
    EXPECT_EQ(kind_of(ipv6(payload)), kMalformed);
    EXPECT_EQ(kind_of(ipv6(Bytes(payload.begin(), payload.end() - 40))), kFlow);
}

TEST(Parse, RefusesExtensionHeadersThatReachBeyondThePacket) {
    Bytes chain = extension(6);
    chain[1] = 20;
    EXPECT_EQ(kind_of(ipv6_with(0, chain + tcp())), kMalformed);
    chain[1] = 255;
    EXPECT_EQ(kind_of(ipv6_with(0, chain + Bytes(4000, 0))), kMalformed) << "beyond kHeadersMax";
    EXPECT_EQ(kind_of(ipv6_with(51, Bytes{6, 60} + Bytes(22, 0) + tcp())), kMalformed) << "AH";
    EXPECT_EQ(kind_of(ipv6_with(0, extension(6))), kMalformed) << "nothing behind it";
    EXPECT_EQ(kind_of(ipv6_with(44, Bytes{6, 0, 0, 1})), kMalformed) << "half a fragment header";
}

TEST(Parse, RefusesChainsOfExtensionHeadersWithoutEnd) {
    const auto chain_of = [](int count) {
        Bytes chain;
        for (int i = 1; i < count; ++i) chain = chain + extension(60);
        return ipv6_with(60, chain + extension(6) + tcp());
    };
    EXPECT_EQ(kind_of(chain_of(8)), kFlow);
    EXPECT_EQ(kind_of(chain_of(9)), kMalformed);
    EXPECT_EQ(kind_of(chain_of(100)), kMalformed);
}

TEST(Parse, RefusesHeadersThatReachTooFar) {
    EXPECT_EQ(kind_of(ipv6_with(60, extension(60, 96) + extension(6, 80) + tcp())), kFlow);
    EXPECT_EQ(kind_of(ipv6_with(60, extension(60, 96) + extension(6, 88) + tcp())), kMalformed);
}

// RFC 4291 section 2.5.5.2: mapped addresses are for nodes' own use. Here they would pass as IPv4.
TEST(Parse, RefusesMappedAddressesOnTheWire) {
    const Bytes mapped = Bytes(10, 0) + Bytes{0xff, 0xff} + kVip4;
    EXPECT_EQ(kind_of(ipv6(tcp(), {.source = mapped})), kMalformed);
    EXPECT_EQ(kind_of(ipv6(tcp(), {.destination = mapped})), kMalformed);
}

TEST(Parse, RefusesATcpDataOffsetThatCannotBe) {
    for (const std::uint8_t words : Bytes{0, 4, 6, 15}) {
        EXPECT_EQ(kind_of(ipv4(tcp(0x10, words))), kMalformed) << int{words};
        EXPECT_EQ(kind_of(ipv6(tcp(0x10, words))), kMalformed) << int{words};
    }
    EXPECT_EQ(kind_of(ipv4(tcp(0x10, 15, Bytes(40, 1)))), kFlow);
}

TEST(Parse, RefusesAUdpLengthThatCannotBe) {
    for (const std::size_t length : {0U, 7U, 12U, 65535U}) {
        EXPECT_EQ(kind_of(ipv4(udp({1, 2, 3}, length), {.protocol = 17})), kMalformed) << length;
        EXPECT_EQ(kind_of(ipv6(udp({1, 2, 3}, length), {.next_header = 17})), kMalformed) << length;
    }
    // Less than the IP packet holds is allowed: RFC 768 does not say that the two agree.
    EXPECT_EQ(kind_of(ipv4(udp({1, 2, 3}, 9), {.protocol = 17})), kFlow);
}

/// What a QUIC packet begins with (RFC 8999 section 5.1), and a few bytes more.
Bytes quic(std::uint8_t first, std::uint32_t version) {
    return Bytes{first} + be16(version >> 16U) + be16(version & 0xffffU) + Bytes(20, 0x5a);
}
bool opens_quic(const Bytes& datagram) {
    const bool over_ipv4 = parsed(ipv4(udp(datagram), {.protocol = 17})).is_quic_initial;
    EXPECT_EQ(parsed(ipv6(udp(datagram), {.next_header = 17})).is_quic_initial, over_ipv4);
    return over_ipv4;
}

// RFC 9000 section 17.2, RFC 9369 section 3.2: the same types have other numbers in version 2.
TEST(Parse, KnowsWhatOpensAQuicConnection) {
    constexpr std::uint32_t kVersion1 = 1;
    constexpr std::uint32_t kVersion2 = 0x6b3343cf;
    for (unsigned low = 0; low < 16; ++low) {
        const auto byte = [low](unsigned high) { return static_cast<std::uint8_t>(high | low); };
        EXPECT_TRUE(opens_quic(quic(byte(0xc0), kVersion1))) << low;
        EXPECT_TRUE(opens_quic(quic(byte(0xd0), kVersion2))) << low;
        for (const unsigned other : {0xd0U, 0xe0U, 0xf0U}) {
            EXPECT_FALSE(opens_quic(quic(byte(other), kVersion1))) << "0-RTT, handshake or retry";
        }
        for (const unsigned other : {0xc0U, 0xe0U, 0xf0U}) {
            EXPECT_FALSE(opens_quic(quic(byte(other), kVersion2))) << "retry, 0-RTT or handshake";
        }
        for (const unsigned header : {0x00U, 0x40U, 0x50U, 0x80U, 0x90U}) {
            EXPECT_FALSE(opens_quic(quic(byte(header), kVersion1))) << "short, or not fixed";
            EXPECT_FALSE(opens_quic(quic(byte(header), kVersion2))) << "short, or not fixed";
        }
    }
    for (const std::uint32_t version : {0U, 2U, 0x0100'0000U, 0xff00'001dU}) {
        EXPECT_FALSE(opens_quic(quic(0xc0, version))) << version;
        EXPECT_FALSE(opens_quic(quic(0xd0, version))) << version;
    }
}

TEST(Parse, TakesNoQuicVersionFromBehindTheDatagram) {
    const Bytes initial = quic(0xc0, 1);
    for (std::size_t size = 0; size < 5; ++size) {
        const Bytes cut(initial.begin(), initial.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(opens_quic(cut)) << size;
        EXPECT_FALSE(parsed(ipv4(udp(initial, 8 + size), {.protocol = 17})).is_quic_initial)
            << "what follows the UDP length is padding";
    }
    EXPECT_TRUE(opens_quic(Bytes(initial.begin(), initial.begin() + 5)));
}

// RFC 4861 section 7.1.1.
TEST(Parse, RefusesASolicitationThatMayComeFromAnotherLink) {
    const Bytes message = icmpv6(solicitation_message());
    for (const std::uint8_t hop_limit : Bytes{0, 1, 64, 254}) {
        EXPECT_EQ(kind_of(ipv6(message, {.next_header = 58, .hop_limit = hop_limit})), kMalformed);
    }
}

// RFC 4861 section 7.1.1.
TEST(Parse, RefusesASolicitationWithAWrongChecksumCodeOrLength) {
    const Ipv6 fields{.next_header = 58, .hop_limit = 255};
    Bytes message = icmpv6(solicitation_message());
    message[2] ^= 1;
    EXPECT_EQ(kind_of(ipv6(message, fields)), kMalformed) << "checksum";
    message = solicitation_message();
    message[1] = 1;
    EXPECT_EQ(kind_of(ipv6(icmpv6(message), fields)), kMalformed) << "code";
    message = solicitation_message({});
    message.pop_back();
    EXPECT_EQ(kind_of(ipv6(icmpv6(message), fields)), kMalformed) << "23 bytes";
    EXPECT_EQ(kind_of(solicitation({})), kSolicitation) << "no option";
}

TEST(Parse, ReadsNothingBehindASolicitationLongerThanTheHeaders) {
    const Bytes frame = solicitation(Bytes(400, 0));
    EXPECT_EQ(kind_of(frame), kMalformed) << "its checksum cannot be checked";
}

TEST(Parse, FillsTheKeyWithNothingThatTheKindDoesNotHave) {
    const FlowKey key = parsed(valid_frames().at("GRE over IPv4")).key;
    EXPECT_EQ(key.protocol, 47);
    EXPECT_EQ(key.source_port, 0);
    EXPECT_EQ(key.destination_port, 0);
    const FlowKey fragment = parsed(valid_frames().at("fragment of IPv6")).key;
    EXPECT_EQ(fragment.destination, address(kVip6));
    EXPECT_EQ(fragment.destination_port, 0);
    EXPECT_EQ(parsed(valid_frames().at("ping over IPv4")).key.source_port, 0);
}

}  // namespace
}  // namespace test
}  // namespace tandem
