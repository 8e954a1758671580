// What the file says of the other instance: [pair].
#include <gtest/gtest.h>

#include "conf/diff.h"
#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;
using test::with_section;

Pair pair_of(std::string_view lines) {
    return load(with_section("[pair]", lines)).pair.value_or(Pair{});
}

Strings pair_errors(std::string_view lines) {
    return errors_in(with_section("[pair]", lines));
}

TEST(PairSection, IsAbsentByDefaultAndNeedsOneKey) {
    EXPECT_FALSE(load(std::string(test::kPort)).pair);
    const Pair pair = pair_of("peer = \"10.9.0.2\"\n");
    EXPECT_EQ(pair.peers, std::vector{*IpAddress::parse("10.9.0.2")});
    EXPECT_TRUE(pair.locals.empty());
    EXPECT_EQ(pair.port, 7117);
    EXPECT_EQ(pair.key_file, "/etc/tandem/pair.key");
    EXPECT_EQ(pair.interval, milliseconds{10});
    EXPECT_EQ(pair.dead_after, milliseconds{50});
    EXPECT_EQ(pair.agreement, Agreement::kCredible);
    EXPECT_EQ(pair.sync_timeout, milliseconds{30'000});
    EXPECT_EQ(pair.hold_down_max, std::chrono::minutes{5});
}

TEST(PairSection, TakesEveryKey) {
    const Pair pair = pair_of(
        "peer = [\"10.9.0.2\", \"fd00::2\"]\nlocal = [\"10.9.0.1\", \"fd00::1\"]\nport = 1\n"
        "key_file = \"/k\"\ninterval = \"100ms\"\ndead_after = \"1s\"\nagreement = \"any\"\n"
        "sync_timeout = \"10m\"\nhold_down_max = \"0s\"\nphi = 8\n");
    EXPECT_EQ(pair.peers[1], *IpAddress::parse("fd00::2"));
    EXPECT_EQ(pair.locals[0], *IpAddress::parse("10.9.0.1"));
    EXPECT_EQ(pair.port, 1);
    EXPECT_EQ(pair.key_file, "/k");
    EXPECT_EQ(pair.interval, milliseconds{100});
    EXPECT_EQ(pair.dead_after, milliseconds{1000});
    EXPECT_EQ(pair.phi, 8);
    EXPECT_EQ(pair.agreement, Agreement::kAny);
    EXPECT_EQ(pair.sync_timeout, std::chrono::minutes{10});
    EXPECT_EQ(pair.hold_down_max, milliseconds{0});
}

TEST(PairSection, KnowsFourWaysToAgree) {
    const auto agreement = [](const std::string& word) {
        return pair_of("peer = \"10.9.0.2\"\nagreement = \"" + word + "\"\n").agreement;
    };
    EXPECT_EQ(agreement("credible"), Agreement::kCredible);
    EXPECT_EQ(agreement("any"), Agreement::kAny);
    EXPECT_EQ(agreement("both"), Agreement::kBoth);
    EXPECT_EQ(agreement("local"), Agreement::kLocal);
    EXPECT_EQ(pair_errors("peer = \"10.9.0.2\"\nagreement = \"credibel\"\n"),
              Strings{R"(6:13 pair.agreement must be "credible", "any", "both" or "local", not )"
                      R"("credibel" (did you mean 'credible'?))"});
}

TEST(PairSection, SaysWhatIsWrong) {
    const auto has = [](const Strings& errors, std::string_view text) {
        return errors.size() == 1 && errors[0].find(text) != std::string::npos;
    };
    const std::string peer = "peer = \"10.9.0.2\"\n";
    EXPECT_TRUE(has(pair_errors("port = 7\n"), "pair.peer"));
    EXPECT_TRUE(has(pair_errors("peer = \"lb2\"\n"), "pair.peer"));
    EXPECT_TRUE(has(pair_errors("peer = [\"10.9.0.2\", \"10.9.0.3\", \"10.9.0.4\"]\n"),
                    "there are 3 addresses; the most is 2"));
    EXPECT_TRUE(has(pair_errors("peer = [\"10.9.0.2\", \"10.9.0.2\"]\n"), "the same address"));
    EXPECT_TRUE(has(pair_errors(peer + "local = [\"10.9.0.1\", \"10.8.0.1\"]\n"),
                    "there are 2 addresses, and 1 of the peer"));
    EXPECT_TRUE(has(pair_errors(peer + "local = \"10.9.0.2\"\n"), "is the peer's address"));
    EXPECT_TRUE(has(pair_errors(peer + "local = \"fd00::1\"\n"), "of another family"));
    EXPECT_TRUE(has(pair_errors("peer = \"fe80::2\"\n"), "fe80::2 is link-local"));
    EXPECT_TRUE(has(pair_errors(peer + "interval = \"20ms\"\n"), "less than 3 intervals of 20ms"));
    EXPECT_TRUE(has(pair_errors(peer + "key_file = \"relative\"\n"), "pair.key_file"));
    EXPECT_TRUE(has(pair_errors(peer + "sync_timeout = \"999ms\"\n"),
                    "pair.sync_timeout must be a duration from 1s to 10m"));
    EXPECT_TRUE(has(pair_errors(peer + "sync_timeout = \"601s\"\n"), "pair.sync_timeout"));
    EXPECT_TRUE(has(pair_errors(peer + "hold_down_max = \"61m\"\n"),
                    "pair.hold_down_max must be a duration from 0ms to 1h"));
    EXPECT_TRUE(has(pair_errors(peer + "pear = 1\n"), "pair.pear"));
}

TEST(PairSection, NeedsARestart) {
    const Config without = load(std::string(test::kPort));
    const Config with = load(with_section("[pair]", "peer = \"10.9.0.2\"\n"));
    EXPECT_EQ(needs_restart(without, with), Strings{"pair"});
    EXPECT_EQ(needs_restart(with, with), Strings{});
    const auto with_key = [](const std::string& line) {
        return load(with_section("[pair]", "peer = \"10.9.0.2\"\n" + line));
    };
    EXPECT_EQ(needs_restart(with, with_key("sync_timeout = \"9s\"")), Strings{"pair"});
    EXPECT_EQ(needs_restart(with, with_key("agreement = \"any\"")), Strings{})
        << "a reload applies it";
}

}  // namespace
}  // namespace tandem::conf
