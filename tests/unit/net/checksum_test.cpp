#include "dataplane/net/checksum.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::test {
namespace {

/// A value as it lies in memory, as its digits.
std::uint16_t big_endian(std::uint16_t raw) {
    Bytes bytes(2);
    std::memcpy(bytes.data(), &raw, sizeof(raw));
    return static_cast<std::uint16_t>(at16(bytes, 0));
}

// RFC 1071 section 3.
TEST(Checksum, SumsTheExampleOfItsRfc) {
    const Bytes example{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(big_endian(fold(sum_words(example))), 0xddf2);
    EXPECT_EQ(big_endian(checksum_of(sum_words(example))), 0x220d);
}

TEST(Checksum, PadsOddLengthsWithZero) {
    const Bytes odd{0x12, 0x34, 0x56};
    EXPECT_EQ(big_endian(fold(sum_words(odd))), 0x1234 + 0x5600);
    EXPECT_EQ(fold(sum_words({})), 0);
}

TEST(Checksum, AgreesWithThePlainSumForEveryLength) {
    std::mt19937 random(1);
    Bytes bytes;
    for (std::size_t length = 0; length <= 2000; ++length) {
        EXPECT_EQ(big_endian(fold(sum_words(bytes))), plain_sum(bytes)) << length;
        bytes.push_back(length % 3 == 0 ? 0xff : static_cast<std::uint8_t>(random()));
    }
}

TEST(Checksum, FoldsTheLargestSums) {
    EXPECT_EQ(fold(0xffff'ffff'ffff'ffff), 0xffff);
    EXPECT_EQ(fold(0x1'0000), 1);
    EXPECT_EQ(fold(0x1'fffe'ffff), 0xffff);
    EXPECT_EQ(fold(0xffff'ffff'0000'0001), 1);
}

// RFC 1624 section 4, with its own figures: RFC 1141 gives 0xFFFF there.
TEST(Checksum, UpdatesTheExampleOfItsRfc) {
    EXPECT_EQ(updated_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(Checksum, UpdatesToWhatASumFromScratchGives) {
    std::mt19937 random(2);
    for (int round = 0; round < 200'000; ++round) {
        Bytes header(20);
        for (std::uint8_t& byte : header) {
            const auto choice = random();
            byte = choice % 8 == 0 ? 0xff : static_cast<std::uint8_t>(choice >> 8U);
        }
        header = with_checksum(header, 10);
        std::uint16_t checksum = 0;
        std::memcpy(&checksum, header.data() + 10, sizeof(checksum));

        const std::size_t changed = 2 * (random() % 5);  // before the checksum's own field
        std::uint16_t old_word = 0;
        std::memcpy(&old_word, header.data() + changed, sizeof(old_word));
        const auto new_word = static_cast<std::uint16_t>(random());
        std::memcpy(header.data() + changed, &new_word, sizeof(new_word));
        checksum = updated_checksum(checksum, old_word, new_word);
        std::memcpy(header.data() + 10, &checksum, sizeof(checksum));
        ASSERT_EQ(plain_sum(header), 0xffff) << "round " << round;
    }
}

}  // namespace
}  // namespace tandem::test
