#include "conf/units.h"

#include <gtest/gtest.h>

namespace tandem::conf {
namespace {

using std::chrono::milliseconds;

TEST(Units, DurationsHaveOneOfFourUnits) {
    EXPECT_EQ(parse_duration("200ms"), milliseconds{200});
    EXPECT_EQ(parse_duration("2s"), milliseconds{2'000});
    EXPECT_EQ(parse_duration("5m"), milliseconds{300'000});
    EXPECT_EQ(parse_duration("1h"), milliseconds{3'600'000});
    EXPECT_EQ(parse_duration("0s"), milliseconds{0});
}

TEST(Units, AnythingElseIsNoDuration) {
    for (const char* text :
         {"", "5", "s", "-1s", "+1s", "1.5s", "2 s", " 2s", "2s ", "2S", "2sec", "2min", "0x2s"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(Units, ADurationThatDoesNotFitIsNone) {
    EXPECT_TRUE(parse_duration("9223372036854775807ms"));
    EXPECT_FALSE(parse_duration("9223372036854775808ms"));
    EXPECT_FALSE(parse_duration("9223372036854775807s"));
    EXPECT_FALSE(parse_duration("99999999999999999999999ms"));
}

TEST(Units, DurationsAreShownInTheLargestUnitThatIsExact) {
    for (const char* text : {"0ms", "1ms", "1500ms", "2s", "90s", "5m", "1h"}) {
        EXPECT_EQ(str(*parse_duration(text)), text);
    }
    EXPECT_EQ(str(milliseconds{60'000}), "1m");
}

TEST(Units, SizesAreBytesOrPowersOf1024) {
    EXPECT_EQ(parse_size("4096"), 4096U);
    EXPECT_EQ(parse_size("1KiB"), 1024U);
    EXPECT_EQ(parse_size("64MiB"), 64U << 20U);
    EXPECT_EQ(parse_size("1GiB"), 1U << 30U);
    EXPECT_EQ(parse_size("2TiB"), 2ULL << 40U);
}

TEST(Units, SizesReachTwoToThe63) {
    EXPECT_EQ(parse_size("67108864MiB"), 1ULL << 46U);
    EXPECT_EQ(parse_size("8388608TiB"), 1ULL << 63U);
    EXPECT_EQ(parse_size("9223372036854775808"), 1ULL << 63U);
    EXPECT_FALSE(parse_size("8388609TiB"));
    EXPECT_FALSE(parse_size("9223372036854775809"));
}

TEST(Units, AnythingElseIsNoSize) {
    for (const char* text : {"", "MiB", "64MB", "64M", "64 MiB", "-1", "1.5GiB", "64mib"}) {
        EXPECT_FALSE(parse_size(text)) << text;
    }
}

TEST(Units, PercentsAreWholeAndAtMostAHundred) {
    EXPECT_EQ(parse_percent("0%"), 0);
    EXPECT_EQ(parse_percent("10%"), 10);
    EXPECT_EQ(parse_percent("100%"), 100);
    for (const char* text : {"", "%", "10", "101%", "-1%", "1.5%", "10 %", "10%%"}) {
        EXPECT_FALSE(parse_percent(text)) << text;
    }
}

}  // namespace
}  // namespace tandem::conf
