// What is no TOML is one error, that of the parser, and everything else is reported at once.
#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::Strings;

TEST(Syntax, AnErrorStandsAloneWithItsPlace) {
    EXPECT_EQ(errors_in("[port.wan\n"), Strings{"1:10 table header: expected ']', saw '\\n'"});
    EXPECT_EQ(errors_in("[dataplane]\nworkers = -1\n[pool.web"),
              Strings{"3:10 table header: encountered end-of-file"});
    EXPECT_EQ(errors_in("[port.wan]\nmtu = 1\nmtu = 2"),
              Strings{"3:7 key-value pair: cannot redefine existing integer 'mtu'"});
    EXPECT_EQ(errors_in("[port.wan]\r\nmtu = zz\r\n"),
              Strings{"2:7 value: could not determine value type"});
}

TEST(Syntax, BadUtf8AndZeroBytesAreErrors) {
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"\xff\""),
              Strings{"2:10 Encountered invalid utf-8 sequence"});
    EXPECT_EQ(errors_in("# \xc3").size(), 1U);
    EXPECT_EQ(errors_in(std::string_view("a = 1\0", 6)).size(), 1U);
    EXPECT_EQ(load_text("x = \"\xff\"", "a").diagnostics.at(0).str(),
              "a:1:5: error: Encountered invalid utf-8 sequence\n"
              "    1 | x = \"?\"\n"
              "      |     ^");
}

TEST(Syntax, AByteOrderMarkAndCarriageReturnsAreNotSeen) {
    EXPECT_EQ(errors_in("\xef\xbb\xbf[port.wan]\r\ndevice = \"null\"\r\n"), Strings{});
    EXPECT_EQ(load_text("\xef\xbb\xbfmtu = 1\r\n", "a").diagnostics.at(0).str(),
              "a:1:1: error: unknown key mtu\n"
              "    1 | mtu = 1\n"
              "      | ^");
}

TEST(Syntax, ColumnsAreCharacters) {
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"null\"\nneighbours = { \"äöü\" = \"x\" }"),
              Strings{"3:16 port.wan.neighbours: \"äöü\" is not an IP address; addresses are "
                      "literal, names are not looked up"});
    EXPECT_EQ(errors_in("[port.wan]\ndevice = \"null\"\n\"ä\" = 1"),
              Strings{"3:1 unknown key port.wan.ä"});
}

TEST(Syntax, WhatIsNestedTooDeepIsAnErrorAndNoCrash) {
    std::string dots = "a";
    for (int i = 0; i < 300'000; ++i) dots += ".a";
    EXPECT_EQ(errors_in("\n[" + dots + "]"), Strings{"2:1 a key has too many parts"});
    EXPECT_EQ(errors_in(dots + " = 1"), Strings{"1:1 a key has too many parts"});
    EXPECT_EQ(errors_in("a = " + std::string(300'000, '[')).size(), 1U);
    std::string inline_tables;
    for (int i = 0; i < 100'000; ++i) inline_tables += "{a=";
    EXPECT_EQ(errors_in("a = " + inline_tables).size(), 1U);
}

TEST(Syntax, DotsInCommentsAndListsAreNotDeep) {
    const std::string dots(1'000, '.');
    std::string addresses;
    for (int i = 0; i < 100; ++i) {
        addresses += "\"10.0.0." + std::to_string(i) + ":80\", ";
    }
    EXPECT_EQ(errors_in("# " + dots + "\n[port.wan] # " + dots + "\ndevice = \"null\"\n" +
                        "[pool.web]\nbackends = [" + addresses + "]"),
              Strings{});
}

TEST(Syntax, SectionsMayBeWrittenInline) {
    EXPECT_EQ(errors_in("port.wan.device = \"null\"\npool = { web = { backends = "
                        "[\"10.0.0.1:80\"] } }\nvip.a = { pool = \"web\", listen = 5 }"),
              Strings{"3:34 vip.a.listen must be a string such as \"203.0.113.10:80/tcp\", not 5"});
    EXPECT_EQ(errors_in("port.wan.mtu = 1500"), Strings{"1:6 port.wan.device is missing"});
}

TEST(Syntax, AllErrorsAreReportedInTheOrderOfTheFile) {
    EXPECT_EQ(errors_in("[vip.a]\nlisten = 1\npool = \"x\"\n[pool.a]\nbackends = 1\n"
                        "[port.b]\nmtu = 0\ndevice = 1\n[port.a]\n[control]\nlog_level = 1\n"
                        "[dataplane]\nworkers = 0\nx = 1\n")
                  .size(),
              9U);
}

}  // namespace
}  // namespace tandem::conf
