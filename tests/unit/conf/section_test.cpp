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

TEST(Section, ABooleanIsTrueOrFalseAndNoWord) {
    const toml::table table = toml::parse("a = true\nb = false\nc = \"true\"\nd = 1");
    Report report("a", "");
    Section section("", "", table, report);
    bool a = false;
    bool b = true;
    bool c = false;
    bool d = false;
    bool absent = true;
    section.boolean("a", a);
    section.boolean("b", b);
    section.boolean("absent", absent);
    EXPECT_TRUE(a);
    EXPECT_FALSE(b);
    EXPECT_TRUE(absent);
    EXPECT_TRUE(section.is_sound());
    section.boolean("c", c);
    section.boolean("d", d);
    EXPECT_FALSE(c);
    EXPECT_FALSE(d);
    const std::vector<Diagnostic> errors = report.take();
    ASSERT_EQ(errors.size(), 2U);
    EXPECT_EQ(errors[0].message, "c must be true or false, not \"true\"");
    EXPECT_EQ(errors[1].message, "d must be true or false, not 1");
}

TEST(Section, SaysWhatHelpsWhoLeftOutARequiredKey) {
    const toml::table table = toml::parse("");
    Report report("a", "");
    Section section("x", "x", table, report);
    section.text("a", "a string");
    section.require("a", "it is \"1\" or \"2\"");
    section.finish();
    const std::vector<Diagnostic> errors = report.take();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].message, "x.a is missing");
    EXPECT_EQ(errors[0].help, "it is \"1\" or \"2\"");
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
