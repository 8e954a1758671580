#include "dataplane/net/encap.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::test {
namespace {

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

Bytes outer_v4(const Inner& inner, const char* source = "10.0.0.1",
               const char* destination = "10.0.0.11") {
    const ExactCopy header(Bytes(20, 0xee));
    write_outer_ipv4(header.span().data(), address(source), address(destination), inner);
    return {header.span().begin(), header.span().end()};
}

Bytes outer_v6(const Inner& inner, std::uint32_t flow_label) {
    const ExactCopy header(Bytes(40, 0xee));
    write_outer_ipv6(header.span().data(), address("fd00::1"), address("fd00::11"), inner,
                     flow_label);
    return {header.span().begin(), header.span().end()};
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
    const std::uint32_t mask = htonl(0x0000'00ff);  // a /24
    std::set<std::string> seen;
    for (std::uint32_t hash = 0; hash < 100'000; ++hash) {
        seen.insert(varied_by_flow(address("10.9.8.0"), mask, hash * 0x9e37'79b9U).str());
    }
    EXPECT_EQ(seen.size(), 256U);
    for (const std::string& source : seen) EXPECT_TRUE(source.starts_with("10.9.8.")) << source;
}

TEST(OuterSource, StaysAsItIsWithoutHostBits) {
    EXPECT_EQ(varied_by_flow(address("10.9.8.7"), 0, 0xffff'ffff), address("10.9.8.7"));
    EXPECT_EQ(varied_by_flow(address("fd00::1:0"), htonl(0xffff), 0xffff'ffff),
              address("fd00::1:ffff"));
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
