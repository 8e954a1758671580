#include "tests/fuzz/one_frame.h"

#include <algorithm>

#include "dataplane/base/check.h"
#include "dataplane/net/encap.h"
#include "dataplane/net/parse.h"
#include "dataplane/net/reply.h"
#include "tests/unit/net/frames.h"

namespace tandem::fuzz {

namespace {

using test::Bytes;
using test::ExactCopy;
using test::plain_sum;
using test::operator+;

constexpr std::size_t kL3 = 14;
constexpr Mac kMac{0x02, 0, 0, 0, 0, 0x01};
constexpr IpAddress kOuter4{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
constexpr IpAddress kOuter6{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

bool has_upper_layer(PacketKind kind) {
    return kind == PacketKind::kFlow || kind == PacketKind::kEchoRequest ||
           kind == PacketKind::kSolicitation;
}

void check_lengths(std::span<const std::uint8_t> frame, const ParsedPacket& packet) {
    CHECK(kL3 + packet.l3_length <= frame.size() || packet.kind == PacketKind::kMalformed);
    if (!has_upper_layer(packet.kind)) return;
    const std::size_t header_bytes = packet.is_v4 ? 20 : 40;
    CHECK(packet.l4_offset >= kL3 + header_bytes);
    CHECK(std::size_t{packet.l4_offset} + 8 <= std::min(frame.size(), kHeadersMax));
    CHECK(std::size_t{packet.l4_offset} + 8 <= kL3 + packet.l3_length);
    if (packet.kind != PacketKind::kFlow) return;
    CHECK(packet.key.protocol == 6 || packet.key.protocol == 17);
    const auto* ports = frame.data() + packet.l4_offset;
    CHECK(std::memcmp(&packet.key.source_port, ports, 2) == 0);
    CHECK(std::memcmp(&packet.key.destination_port, ports + 2, 2) == 0);
}

/// What the frame says must not depend on bytes that are not part of the packet.
void check_padding(std::span<const std::uint8_t> frame, const ParsedPacket& packet) {
    if (packet.kind == PacketKind::kMalformed) return;
    const ParsedPacket padded = test::parsed(Bytes(frame.begin(), frame.end()) + Bytes(9, 0xa5));
    CHECK(padded.kind == packet.kind && padded.key == packet.key);
    CHECK(padded.l3_length == packet.l3_length && padded.l4_offset == packet.l4_offset);
}

void check_echo(std::span<const std::uint8_t> question, const ParsedPacket& packet) {
    const ExactCopy reply(question);
    make_echo_reply(reply.span(), packet, kMac);
    const ParsedPacket turned = parse(reply.span(), reply.span().size());
    CHECK(turned.kind == PacketKind::kOtherIp);
    CHECK(turned.key.source == packet.key.destination);
    CHECK(turned.key.destination == packet.key.source);
    if (!packet.is_v4) return;
    const auto sum = [&](std::span<const std::uint8_t> frame) {
        return plain_sum(
            frame.subspan(packet.l4_offset, packet.l3_length + kL3 - packet.l4_offset));
    };
    CHECK((sum(question) == 0xffff) == (sum(reply.span()) == 0xffff));
}

void check_advertisement(std::span<const std::uint8_t> question, const ParsedPacket& packet) {
    const ExactCopy frame(Bytes(question.begin(), question.end()) + Bytes(kReplyGrowthMax, 0));
    const std::size_t length = make_advertisement(frame.span(), packet, kMac);
    CHECK(length <= frame.span().size());
    const auto reply = frame.span().first(length);
    CHECK(test::kind_of(reply) == PacketKind::kOtherIp);
    CHECK(test::icmpv6_sums_up(reply));
}

void check_arp(std::span<const std::uint8_t> question) {
    const ExactCopy reply(question);
    make_arp_reply(reply.span(), kMac);
    CHECK(test::kind_of(reply.span()) == PacketKind::kOther);
}

/// The packet in an outer one: an IP packet of the right length with the same packet inside.
void check_tunnel(std::span<const std::uint8_t> frame, const ParsedPacket& packet, bool outer_v4) {
    const auto ip = frame.subspan(kL3, packet.l3_length);
    const std::size_t added = outer_v4 ? 20 : 40;
    if (ip.size() + added > 0xffff) return;  // forward() sees to that: too_big
    const Inner inner{.is_v4 = packet.is_v4,
                      .traffic_class = ip[1],
                      .length = static_cast<std::uint16_t>(ip.size())};
    const IpAddress& end = outer_v4 ? kOuter4 : kOuter6;
    const OuterHeader header = ipip_header(kMac, kMac, end, 0, end);
    const ExactCopy outer(Bytes(kL3 + header.added, 0));
    if (outer_v4) {
        write_outer_ipv4(outer.span().data(), header, inner, 0xffff'ffff);
        CHECK(plain_sum(outer.span().subspan(kL3)) == 0xffff);
    } else {
        write_outer_ipv6(outer.span().data(), header, inner, 0xf'ffff);
    }
    const Bytes tunnelled =
        Bytes(outer.span().begin(), outer.span().end()) + Bytes(ip.begin(), ip.end());
    const ParsedPacket again = test::parsed(tunnelled);
    CHECK(again.kind == PacketKind::kOtherIp && again.l3_length == ip.size() + added);
    CHECK(again.key.protocol == (packet.is_v4 ? 4 : 41));
}

void check_ageing(std::span<const std::uint8_t> frame, const ParsedPacket& packet) {
    const std::size_t header_bytes = std::size_t{frame[kL3] & 0x0fU} * 4;
    if (!packet.is_v4 || frame[kL3 + 8] < 2) return;
    const ExactCopy copy(frame);
    const bool summed_up = plain_sum(frame.subspan(kL3, header_bytes)) == 0xffff;
    decrement_ttl(copy.span().data() + kL3);
    CHECK(copy.span()[kL3 + 8] == frame[kL3 + 8] - 1);
    CHECK((plain_sum(copy.span().subspan(kL3, header_bytes)) == 0xffff) == summed_up);
}

}  // namespace

void check_frame(std::span<const std::uint8_t> frame) {
    const ExactCopy copy(frame);
    const ParsedPacket packet = parse(copy.span(), frame.size());
    check_lengths(frame, packet);
    check_padding(frame, packet);
    switch (packet.kind) {
        case PacketKind::kEchoRequest:
            return check_echo(frame, packet);
        case PacketKind::kSolicitation:
            return check_advertisement(frame, packet);
        case PacketKind::kArpRequest:
            return check_arp(frame);
        case PacketKind::kFlow:
            check_tunnel(frame, packet, true);
            check_tunnel(frame, packet, false);
            return check_ageing(frame, packet);
        case PacketKind::kFragment:
        case PacketKind::kOtherIp:
        case PacketKind::kOther:
        case PacketKind::kMalformed:
            return;
    }
}

}  // namespace tandem::fuzz
