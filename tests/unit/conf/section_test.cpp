// What reading a whole file cannot show of Section.
#include "conf/section.h"

#include <gtest/gtest.h>
#include <toml++/toml.h>

namespace tandem::conf {
namespace {

TEST(Section, ATableWithoutAPlaceStandsWhereItsFirstKeyDoes) {
    const toml::table file = toml::parse("[a]\nx = 1\n[b]\ny = 2");
    toml::table made;
    EXPECT_EQ(position_of(made), (Position{1, 1}));
    made.insert(toml::key("k", file.begin()->first.source()), 1);
    EXPECT_EQ(position_of(made), (Position{1, 2}));

    toml::array array;
    array.push_back(1);
    EXPECT_EQ(position_of(array), (Position{1, 1}));
    array.push_back(*file["b"].as_table());
    EXPECT_EQ(position_of(array), (Position{1, 1}));
}

TEST(Section, NotesEveryKeyThatItIsAskedFor) {
    const toml::table table = toml::parse("x = 1");
    Report report("a", "");
    Section section("port", "port.wan", table, report);
    int x = 0;
    section.integer("x", {0, 9}, x);
    section.percent("y", {0, 9}, x);
    EXPECT_EQ(report.keys(), (std::set<std::string>{"port.x", "port.y"}));
    EXPECT_EQ(x, 1);
}

TEST(Section, IsSoundUntilAnErrorInIt) {
    const toml::table table = toml::parse("x = 10\nz = 1");
    Report report("a", "");
    report.error({1, 1}, "of another section");
    Section section("", "", table, report);
    EXPECT_TRUE(section.is_sound());
    int x = 5;
    section.integer("x", {0, 9}, x);
    EXPECT_FALSE(section.is_sound());
    EXPECT_EQ(x, 5) << "what is wrong changes nothing";
}

}  // namespace
}  // namespace tandem::conf
