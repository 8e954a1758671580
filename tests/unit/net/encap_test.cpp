#include "dataplane/net/encap.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::test {
namespace {

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

constexpr Mac kTo{2, 0, 0, 0, 0, 0x11};
constexpr Mac kFrom{6, 0, 0, 0, 0, 1};

Bytes ethernet_header(std::uint32_t type) {
    return Bytes(kTo.begin(), kTo.end()) + Bytes(kFrom.begin(), kFrom.end()) + be16(type);
}

/// The outer IP header, after an Ethernet header as it should be.
Bytes outer_v4(const Inner& inner, const char* source = "10.0.0.1",
               const char* destination = "10.0.0.11", std::uint8_t host_bits = 0,
               std::uint32_t hash = 0) {
    const ExactCopy header(Bytes(34, 0xee));
    write_outer_ipv4(header.span().data(),
                     ipip_header(kTo, kFrom, address(source), host_bits, address(destination)),
                     inner, hash);
    EXPECT_EQ(Bytes(header.span().begin(), header.span().begin() + 14), ethernet_header(0x0800));
    return {header.span().begin() + 14, header.span().end()};
}

Bytes outer_v6(const Inner& inner, std::uint32_t hash, const char* source = "fd00::1",
               std::uint8_t host_bits = 0) {
    const ExactCopy header(Bytes(54, 0xee));
    write_outer_ipv6(header.span().data(),
                     ipip_header(kTo, kFrom, address(source), host_bits, address("fd00::11")),
                     inner, hash);
    EXPECT_EQ(Bytes(header.span().begin(), header.span().begin() + 14), ethernet_header(0x86dd));
    return {header.span().begin() + 14, header.span().end()};
}

// RFC 2003 section 3.1, RFC 6040 section 4.1, RFC 6864 section 4.1.
TEST(OuterIpv4, HasEveryFieldItShould) {
    const Bytes expected = with_checksum(Bytes{0x45, 0xb9} + be16(60) + be16(0) + be16(0x4000) +
                                             Bytes{64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 11},
                                         10);
    EXPECT_EQ(outer_v4({.is_v4 = true, .traffic_class = 0xb9, .length = 40}), expected);
}

TEST(OuterIpv4, SaysIpv6IfThatIsInside) {
    EXPECT_EQ(outer_v4({.is_v4 = false, .traffic_class = 0, .length = 60})[9], 41);
}

TEST(OuterIpv4, SumsUpForEveryLengthAndTrafficClass) {
    for (std::uint32_t length = 20; length <= 0xffff - 20; ++length) {
        const Inner inner{.is_v4 = true,
                          .traffic_class = static_cast<std::uint8_t>(length),
                          .length = static_cast<std::uint16_t>(length)};
        const Bytes header = outer_v4(inner, "255.254.253.252", "10.0.0.11");
        ASSERT_EQ(plain_sum(header), 0xffff) << length;
        ASSERT_EQ(at16(header, 2), length + 20);
        ASSERT_EQ(header[1], inner.traffic_class);
    }
}

// RFC 2473 section 3.1, RFC 6438 section 3, RFC 6040 section 4.1.
TEST(OuterIpv6, HasEveryFieldItShould) {
    const Bytes expected = Bytes{0x6b, 0x9a, 0xbc, 0xde} + be16(40) + Bytes{4, 64} +
                           Bytes{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01} +
                           Bytes{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11};
    EXPECT_EQ(outer_v6({.is_v4 = true, .traffic_class = 0xb9, .length = 40}, 0x123a'bcde),
              expected);
}

TEST(OuterIpv6, SaysIpv6IfThatIsInside) {
    EXPECT_EQ(outer_v6({.is_v4 = false, .traffic_class = 0, .length = 60}, 0)[6], 41);
}

TEST(OuterSource, VariesWithinItsPrefixOnly) {
    constexpr Inner kInner{.is_v4 = true, .traffic_class = 0, .length = 40};
    std::set<Bytes> seen;
    for (std::uint32_t hash = 0; hash < 100'000; ++hash) {
        const Bytes header = outer_v4(kInner, "10.9.8.77", "10.0.0.11", 8, hash * 0x9e37'79b9U);
        ASSERT_EQ(plain_sum(header), 0xffff) << hash;
        seen.insert({header.begin() + 12, header.begin() + 16});
    }
    EXPECT_EQ(seen.size(), 256U);
    for (const Bytes& source : seen) {
        EXPECT_EQ(Bytes(source.begin(), source.begin() + 3), (Bytes{10, 9, 8}));
    }
}

TEST(OuterSource, HasItsLast32BitsAtMostFromTheFlow) {
    constexpr Inner kInner{.is_v4 = true, .traffic_class = 0, .length = 40};
    for (const auto& [host_bits, expected] : {std::pair(0, "fd00::1:2:3"),
                                              {1, "fd00::1:2:3"},
                                              {16, "fd00::1:2:ffff"},
                                              {32, "fd00::1:ffff:ffff"},
                                              {64, "fd00::ffff:ffff"},
                                              {128, "::ffff:ffff"}}) {
        const Bytes header =
            outer_v6(kInner, 0xffff'ffff, "fd00::1:2:3", static_cast<std::uint8_t>(host_bits));
        const IpAddress source = address(expected);
        EXPECT_EQ(Bytes(header.begin() + 8, header.begin() + 24),
                  Bytes(source.bytes.begin(), source.bytes.end()))
            << host_bits;
    }
    EXPECT_EQ(outer_v4(kInner, "10.9.8.7", "10.0.0.11", 32, 0x0102'0304)[15], 4);
}

TEST(LinkHeader, IsTwoAddressesAndAddsNothing) {
    const OuterHeader header = link_header(kTo, kFrom);
    EXPECT_EQ(header.added, 0);
    EXPECT_EQ(Bytes(header.bytes.begin(), header.bytes.begin() + 14), ethernet_header(0));
}

TEST(Ttl, GoesDownByOneAndTheChecksumFollows) {
    for (std::uint32_t identification = 0; identification <= 0xffff; ++identification) {
        for (const std::uint8_t ttl : Bytes{2, 64, 255}) {
            const Bytes header =
                with_checksum(Bytes{0x45, 0} + be16(40) + be16(identification) + be16(0x4000) +
                                  Bytes{ttl, 6, 0, 0} + kClient4 + kVip4,
                              10);
            const ExactCopy copy(header);
            decrement_ttl(copy.span().data());
            ASSERT_EQ(copy.span()[8], ttl - 1);
            ASSERT_EQ(plain_sum(copy.span()), 0xffff) << identification;
        }
    }
}

}  // namespace
}  // namespace tandem::test
