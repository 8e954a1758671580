#include "conf/spelling.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace tandem::conf {
namespace {

constexpr std::array<std::string_view, 5> kKnown{"interval", "timeout", "http", "tcp", "port"};

TEST(Spelling, OneSlipOfEachKindIsForgiven) {
    EXPECT_EQ(nearest("intervall", kKnown), "interval");  // added
    EXPECT_EQ(nearest("timout", kKnown), "timeout");      // left out
    EXPECT_EQ(nearest("pprt", kKnown), "port");           // changed
    EXPECT_EQ(nearest("htpt", kKnown), "http");           // swapped
}

TEST(Spelling, LongWordsMayHaveMoreSlips) {
    EXPECT_EQ(nearest("intrvaal", kKnown), "interval");
    EXPECT_EQ(nearest("hzzp", kKnown), "");
}

TEST(Spelling, AnotherWordIsNotOffered) {
    EXPECT_EQ(nearest("backends", kKnown), "");
    EXPECT_EQ(nearest("", kKnown), "");
    EXPECT_EQ(nearest("x", {}), "");
}

TEST(Spelling, TheNearestWins) {
    constexpr std::array<std::string_view, 3> kWebs{"web11", "web12", "web1"};
    EXPECT_EQ(nearest("web", kWebs), "web1");
    EXPECT_EQ(nearest("web13", kWebs), "web11");
}

TEST(Spelling, AWordOfAMegabyteCostsNothing) {
    const std::string long_word(1'000'000, 'a');
    const std::array<std::string_view, 1> known{long_word};
    EXPECT_EQ(nearest(long_word, known), "");
    EXPECT_EQ(nearest("a", known), "");
}

}  // namespace
}  // namespace tandem::conf
