#include "conf/diagnostic.h"

#include <gtest/gtest.h>

#include "conf/report.h"

namespace tandem::conf {
namespace {

std::string reported(std::string_view text, Position at, std::string_view help = "") {
    Report report("dir/a.toml", text);
    report.error(at, "it is wrong", help);
    return report.take().at(0).str();
}

TEST(Diagnostic, IsPrintedAsCompilersDo) {
    EXPECT_EQ(reported("a = 1\nbee = 2\n", {2, 7}, "did you mean 'b'?"),
              "dir/a.toml:2:7: error: it is wrong\n"
              "    2 | bee = 2\n"
              "      |       ^\n"
              "help: did you mean 'b'?");
}

TEST(Diagnostic, WithoutAPlaceNamesNone) {
    EXPECT_EQ(reported("a", {}), "error: it is wrong");
}

TEST(Diagnostic, TheCaretStandsBelowItsCharacter) {
    EXPECT_EQ(reported("\tä€𝄞 = x\r\n", {1, 8}),
              "dir/a.toml:1:8: error: it is wrong\n"
              "    1 | \tä€𝄞 = x\n"
              "      | \t      ^");
}

TEST(Diagnostic, APlaceAfterTheEndIsShownToo) {
    EXPECT_EQ(reported("ab", {1, 4}),
              "dir/a.toml:1:4: error: it is wrong\n"
              "    1 | ab\n"
              "      |    ^");
    EXPECT_EQ(reported("ab", {7, 1}), "dir/a.toml:7:1: error: it is wrong");
}

TEST(Diagnostic, OfALongLineOnlyAPieceIsShown) {
    const std::string line = std::string(500, 'a') + 'X' + std::string(1'000'000, 'b');
    EXPECT_EQ(reported(line, {1, 501}),
              "dir/a.toml:1:501: error: it is wrong\n"
              "    1 | " +
                  std::string(60, 'a') + 'X' + std::string(59, 'b') +
                  "\n"
                  "      | " +
                  std::string(60, ' ') + '^');
    EXPECT_EQ(reported(line, {1, 1}), "dir/a.toml:1:1: error: it is wrong\n    1 | " +
                                          std::string(120, 'a') + "\n      | ^");
}

TEST(Diagnostic, NothingThatATerminalObeysIsShown) {
    EXPECT_EQ(reported("a\x1b[2J\x7f\xff\xc3", {1, 2}),
              "dir/a.toml:1:2: error: it is wrong\n"
              "    1 | a?[2J???\n"
              "      |  ^");
    Report report("a.toml", "");
    report.error({1, 1}, "a\x1b\nb", "\r");
    EXPECT_EQ(report.take().at(0).str(), "a.toml:1:1: error: a??b\nhelp: ?");
}

TEST(Diagnostic, QuotesAreShortAndPrintable) {
    EXPECT_EQ(in_quotes(""), "\"\"");
    EXPECT_EQ(in_quotes("a\tb\x1b\xff"), R"("a\x09b\x1b\xff")");
    EXPECT_EQ(in_quotes(std::string(1'000, 'a')), '"' + std::string(100, 'a') + "…\"");
    EXPECT_EQ(in_quotes(std::string(100, 'a')), '"' + std::string(100, 'a') + '"');
    std::string umlauts;
    for (int i = 0; i < 100; ++i) umlauts += "ä";
    EXPECT_EQ(in_quotes(umlauts), '"' + umlauts.substr(0, 100) + "…\"");
}

TEST(Report, SortsByPlace) {
    Report report("a.toml", "\n\n\n");
    report.error({3, 1}, "third");
    report.error({1, 9}, "second");
    report.error({1, 2}, "first");
    std::vector<std::string> messages;
    for (const Diagnostic& diagnostic : report.take()) messages.push_back(diagnostic.message);
    EXPECT_EQ(messages, (std::vector<std::string>{"first", "second", "third"}));
    EXPECT_TRUE(report.take().empty());
}

TEST(Report, CountsWhatItDoesNotShow) {
    Report report("a.toml", "");
    for (std::uint32_t line = 1; line <= 103; ++line) report.error({line, 1}, "x");
    const std::vector<Diagnostic> taken = report.take();
    ASSERT_EQ(taken.size(), 101U);
    EXPECT_EQ(taken[99].at.line, 100U);
    EXPECT_EQ(taken[100].str(), "error: a.toml: 3 more errors");
}

}  // namespace
}  // namespace tandem::conf
