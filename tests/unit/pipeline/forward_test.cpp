#include "dataplane/pipeline/forward.h"

#include <array>
#include <optional>

#include "tests/unit/pipeline/packets.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem::pipeline {
namespace {

using tables::LiveBackend;
using test::ipv4;
using test::ipv6;
using test::tcp;

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kOuter4 = 20;
constexpr std::size_t kOuter6 = 40;
constexpr std::size_t kTtl4 = kEthernet + 8;
constexpr std::size_t kHopLimit6 = kEthernet + 7;

constexpr Mac kBackendMac{2, 0, 0, 0, 0, 0x11};
constexpr Mac kOurMac{6, 0, 0, 0, 0, 1};

LiveBackend backend(const OuterHeader& outer) {
    LiveBackend backend;
    backend.outer = outer;
    backend.mtu = 1500;
    backend.port = 1;
    backend.reachable = 1;
    return backend;
}

const LiveBackend kIpip4 =
    backend(ipip_header(kBackendMac, kOurMac, tables::ip("10.0.0.1"), 0, tables::ip("10.0.0.11")));
const LiveBackend kIpip6 =
    backend(ipip_header(kBackendMac, kOurMac, tables::ip("fd00::1"), 0, tables::ip("fd00::11")));
const LiveBackend kL2 = backend(link_header(kBackendMac, kOurMac));

/// A TCP packet whose IP packet has `bytes` bytes.
Bytes ipv4_of(std::size_t bytes) {
    return ipv4(tcp(0x10, 5, Bytes(bytes - 40, 0x77)));
}

Bytes from(const Bytes& bytes, std::size_t offset) {
    return {bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.end()};
}

class Forward : public PacketTest {
  protected:
    void TearDown() override {
        free_all();
        PacketTest::TearDown();
    }

    /// The verdict of a packet on its way to a backend; nullopt if it stays, to be sent.
    std::optional<Verdict> forwarded(const LiveBackend& to, rte_mbuf* packet) {
        free_all();
        add({packet});
        EXPECT_EQ(burst_.packets().size(), 1U) << "the packet is not what the test means";
        for (Packet& one : burst_.packets()) one.backend = 1;
        const std::array backends{LiveBackend{}, to};
        forward(backends, burst_);
        if (burst_.departed().empty()) return std::nullopt;
        return burst_.departed()[0].verdict;
    }
    Bytes result() { return bytes_of(burst_.packets()[0].mbuf); }
};

TEST_F(Forward, IpipPutsTheOuterHeaderBeforeThePacketAndLeavesThePacketButForItsTtl) {
    for (const auto& [to, outer] : {std::pair(kIpip4, kOuter4), std::pair(kIpip6, kOuter6)}) {
        EXPECT_EQ(forwarded(to, packet(ipv4(tcp(), {.ttl = 64}))), std::nullopt);
        const Bytes expected = from(ipv4(tcp(), {.ttl = 63}), kEthernet);
        EXPECT_EQ(from(result(), kEthernet + outer), expected);
        EXPECT_EQ(test::at16(result(), 12), outer == kOuter4 ? 0x0800U : 0x86ddU);
        EXPECT_EQ(burst_.packets()[0].out_port, 1);
    }
}

TEST_F(Forward, L2ChangesMacsAndTtlAndNothingElse) {
    EXPECT_EQ(forwarded(kL2, packet(ipv6(tcp(), {.hop_limit = 9}))), std::nullopt);
    const Bytes expected = Bytes{2, 0, 0, 0, 0, 0x11} + Bytes{6, 0, 0, 0, 0, 1} +
                           from(ipv6(tcp(), {.hop_limit = 8}), 12);
    EXPECT_EQ(result(), expected);
}

TEST_F(Forward, LinkPaddingDoesNotTravelInTheTunnel) {
    const Bytes frame = ipv4(tcp());
    EXPECT_EQ(forwarded(kIpip4, packet(frame + Bytes(6, 0xee))), std::nullopt);
    EXPECT_EQ(result().size(), frame.size() + kOuter4);
    EXPECT_EQ(test::at16(result(), kEthernet + 2), frame.size() - kEthernet + kOuter4);
}

TEST_F(Forward, PaddingInABufferOfItsOwnIsNotCountedAsThePacketsLength) {
    const Bytes frame = ipv4(tcp());
    rte_mbuf* padded = packet_in_pieces(frame + Bytes(300, 0xee), {frame.size() + 250});
    EXPECT_EQ(forwarded(kIpip4, padded), std::nullopt);
    EXPECT_EQ(test::at16(result(), kEthernet + 2), frame.size() - kEthernet + kOuter4);
}

TEST_F(Forward, TheMtuHoldsForThePacketWithItsOuterHeader) {
    struct Case {
        LiveBackend to;
        std::size_t longest;
    };
    for (const Case& c : {Case{kL2, 1500}, {kIpip4, 1480}, {kIpip6, 1460}}) {
        EXPECT_EQ(forwarded(c.to, packet(ipv4_of(c.longest))), std::nullopt) << c.longest;
        EXPECT_EQ(forwarded(c.to, packet(ipv4_of(c.longest + 1))), Verdict::kTooBig) << c.longest;
    }
    // Padding is not part of the packet.
    EXPECT_EQ(forwarded(kL2, packet(ipv4_of(1500) + Bytes(4, 0))), std::nullopt);
}

TEST_F(Forward, APacketWithoutRoomInFrontOfItIsTooBigForATunnel) {
    for (const auto& [to, outer] : {std::pair(kIpip4, kOuter4), std::pair(kIpip6, kOuter6)}) {
        for (const std::size_t room : {std::size_t{0}, outer - 1, outer}) {
            rte_mbuf* mbuf = packet(ipv4(tcp()));
            const std::size_t length = rte_pktmbuf_data_len(mbuf);
            char* to_front = rte_pktmbuf_prepend(
                mbuf, static_cast<std::uint16_t>(rte_pktmbuf_headroom(mbuf) - room));
            std::memmove(to_front, rte_pktmbuf_mtod(mbuf, char*) + RTE_PKTMBUF_HEADROOM - room,
                         length);
            rte_pktmbuf_trim(mbuf, static_cast<std::uint16_t>(RTE_PKTMBUF_HEADROOM - room));
            const auto verdict = forwarded(to, mbuf);
            EXPECT_EQ(verdict, room < outer ? std::optional(Verdict::kTooBig) : std::nullopt)
                << room << " of " << outer;
        }
    }
}

TEST_F(Forward, ATtlThatWouldReachZeroEndsHere) {  // RFC 1812 section 5.3.1, RFC 8200 section 3
    for (const std::uint8_t ttl : Bytes{0, 1, 2, 255}) {
        const auto expected = ttl <= 1 ? std::optional(Verdict::kTtlExpired) : std::nullopt;
        EXPECT_EQ(forwarded(kL2, packet(ipv4(tcp(), {.ttl = ttl}))), expected) << int{ttl};
        if (!expected) {
            const Bytes sent = result();
            EXPECT_EQ(sent[kTtl4], ttl - 1);
            EXPECT_EQ(test::plain_sum(std::span(sent).subspan(kEthernet, 20)), 0xffff);
        }
        EXPECT_EQ(forwarded(kL2, packet(ipv6(tcp(), {.hop_limit = ttl}))), expected) << int{ttl};
        if (!expected) {
            EXPECT_EQ(result()[kHopLimit6], ttl - 1);
        }
    }
}

TEST_F(Forward, ABackendThatCannotBeReachedGetsNothing) {
    LiveBackend to = kIpip4;
    to.reachable = 0;
    EXPECT_EQ(forwarded(to, packet(ipv4(tcp()))), Verdict::kBackendUnreachable);
}

TEST_F(Forward, APacketInPiecesGetsItsOuterHeaderInFrontOfTheFirst) {
    LiveBackend to = kIpip4;
    to.mtu = 9000;
    const Bytes frame = ipv4_of(4000);
    EXPECT_EQ(forwarded(to, packet_in_pieces(frame, {1500, 1500})), std::nullopt);
    EXPECT_EQ(result().size(), frame.size() + kOuter4);
    EXPECT_EQ(from(result(), kEthernet + kOuter4 + 20), from(frame, kEthernet + 20));
}

}  // namespace
}  // namespace tandem::pipeline
