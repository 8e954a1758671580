#include "dataplane/net/hash.h"

#include <arpa/inet.h>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

namespace tandem {
namespace {

constexpr HashKey kKey{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

FlowKey flow(std::uint32_t source, std::uint16_t port, bool v4) {
    FlowKey key{};
    key.destination = *IpAddress::parse(v4 ? "203.0.113.10" : "2001:db8::10");
    key.source = *IpAddress::parse(v4 ? "10.0.0.0" : "2001:db8:1::");
    std::memcpy(key.source.bytes.data() + 12, &source, 4);
    key.source_port = port;
    key.protocol = 6;
    return key;
}

FlowKey flow_between(const char* source, const char* destination, std::uint8_t protocol) {
    FlowKey key{};
    key.source = *IpAddress::parse(source);
    key.destination = *IpAddress::parse(destination);
    key.source_port = htons(5555);
    key.destination_port = htons(443);
    key.protocol = protocol;
    return key;
}

// Two instances agree on every slot only if every build computes the same values. The figures were
// computed with a separate implementation of the rounds of FIPS 197, written from its text.
TEST(KeyedHash, IsFourRoundsOfAesInEveryBuild) {
    const KeyedHash hash(kKey);
    EXPECT_EQ(hash.of_pair(1, 2), 0xd58e7d40d85e3809U);
    EXPECT_EQ(hash.of_bytes(std::as_bytes(std::span("tandem", 6))), 0xca8561a2410c6465U);
    EXPECT_EQ(hash.of_bytes(std::as_bytes(std::span("0123456789abcdefX", 17))),
              0x976d5873a1121bcaU);
    EXPECT_EQ(hash.of_flow(flow_between("198.51.100.7", "203.0.113.10", 6)), 0x4b26bc95e6e472cfU);
    EXPECT_EQ(hash.of_flow(flow_between("2001:db8:1::7", "2001:db8::10", 17)), 0xdbaa461d308658e5U);
}

TEST(KeyedHash, TheLengthIsPartOfTheInput) {
    const KeyedHash hash(kKey);
    const std::vector<std::byte> zeros(40);
    std::unordered_set<std::uint64_t> seen;
    for (std::size_t length = 0; length <= zeros.size(); ++length) {
        seen.insert(hash.of_bytes(std::span(zeros).first(length)));
    }
    EXPECT_EQ(seen.size(), zeros.size() + 1);
}

// 64 consecutive addresses x 16384 consecutive ports into 65536 buckets: chi-square per degree of
// freedom is 1 for an ideal hash; two rounds of AES give 47.8 here.
TEST(KeyedHash, SpreadsNeighbouringFlowsEvenly) {
    const KeyedHash hash(kKey);
    constexpr std::size_t kBuckets = 65'536;
    for (const bool v4 : {true, false}) {
        for (const unsigned shift : {0U, 48U}) {
            std::vector<double> counts(kBuckets);
            for (std::uint32_t source = 0; source < 64; ++source) {
                for (std::uint32_t port = 0; port < 16'384; ++port) {
                    const FlowKey key = flow(source << 24U, static_cast<std::uint16_t>(port), v4);
                    counts[(hash.of_flow(key) >> shift) % kBuckets] += 1;
                }
            }
            const double expected = 64.0 * 16'384 / kBuckets;
            double chi2 = 0;
            for (const double count : counts) {
                chi2 += (count - expected) * (count - expected) / expected;
            }
            EXPECT_NEAR(chi2 / (kBuckets - 1), 1.0, 0.05) << "v4 " << v4 << " shift " << shift;
        }
    }
}

}  // namespace
}  // namespace tandem
