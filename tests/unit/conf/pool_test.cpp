#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::kBackends;
using test::load;
using test::Strings;
using test::with_section;

Pool pool_of(std::string_view lines) {
    return load(with_section("[pool.web]", std::string(kBackends).append(lines))).pools.at(0);
}

/// Line 1 of `lines` is line 6.
Strings errors_of_pool(std::string_view lines) {
    return errors_in(with_section("[pool.web]", std::string(kBackends).append(lines)));
}

TEST(PoolSection, NeedsOnlyBackends) {
    const Pool pool = pool_of("");
    EXPECT_EQ(pool.name, "web");
    EXPECT_EQ(pool.mode, Mode::kIpip);
    EXPECT_EQ(pool.check_name, "");
    EXPECT_EQ(pool.check, Check{});
    EXPECT_EQ(pool.check.type, CheckType::kTcp);
    EXPECT_EQ(pool.slots, 0U);
    EXPECT_FALSE(pool.tunnel_source);
    ASSERT_EQ(pool.backends.size(), 1U);
}

TEST(PoolSection, TakesEveryKey) {
    const Pool pool = pool_of(
        "mode = \"ipip\"\ncheck = \"none\"\nslots = 131101\n"
        "tunnel_source = \"198.51.100.0/28\"");
    EXPECT_EQ(pool.check.type, CheckType::kNone);
    EXPECT_EQ(pool.slots, 131'101U);
    EXPECT_EQ(pool.tunnel_source->str(), "198.51.100.0/28");
    EXPECT_EQ(pool_of("mode = \"l2\"").mode, Mode::kL2);
    EXPECT_EQ(pool_of("slots = \"auto\"").slots, 0U);
}

TEST(PoolSection, ACheckIsNamedOrShort) {
    const Pool named = pool_of("check = \"slow\"\n[check.slow]\ntype = \"tcp\"\nrise = 7");
    EXPECT_EQ(named.check_name, "slow");
    EXPECT_EQ(named.check.rise, 7);
    const Pool http = pool_of("check = \"http /healthz\"");
    EXPECT_EQ(http.check_name, "");
    EXPECT_EQ(http.check.type, CheckType::kHttp);
    EXPECT_EQ(http.check.path, "/healthz");
    EXPECT_EQ(pool_of("check = \"http\"").check.path, "/");
    EXPECT_EQ(pool_of("check = \"tcp\"").check, Check{});
}

TEST(PoolSection, ACheckThatIsNoneIsAnError) {
    const std::string rest =
        "\" is not a section [check.NAME], nor \"tcp\", \"none\" or "
        "\"http /path\"";
    EXPECT_EQ(errors_of_pool("check = \"wbe\"\n[check.web]\ntype = \"tcp\""),
              Strings{"6:9 pool.web.check: \"wbe" + rest + " (did you mean 'web', in line 7?)"});
    EXPECT_EQ(errors_of_pool("check = \"htp\""),
              Strings{"6:9 pool.web.check: \"htp" + rest + " (did you mean 'http'?)"});
    EXPECT_EQ(errors_of_pool("check = \"\""), Strings{"6:9 pool.web.check: \"" + rest});
    EXPECT_EQ(errors_of_pool("check = \"http healthz\""),
              Strings{"6:9 pool.web.check: \"healthz\" is not a path: it begins with / and has no "
                      "spaces, \"%20\" stands for one"});
    EXPECT_EQ(errors_of_pool("check = \"tcp 80\""),
              Strings{"6:9 pool.web.check: \"tcp 80\": nothing follows \"tcp\""});
    EXPECT_EQ(
        errors_of_pool("check = { type = \"tcp\" }"),
        Strings{"6:9 pool.web.check must be a string such as \"http /healthz\", not a table"});
}

TEST(PoolSection, ACheckThatIsBrokenIsNoSecondError) {
    EXPECT_EQ(errors_of_pool("check = \"web\"\n[check.web]\nrise = 2"),
              Strings{"7:1 check.web.type is missing"});
}

TEST(PoolSection, SlotsAreOneOfFivePrimes) {
    for (const std::uint32_t slots : {65'537U, 131'101U, 262'147U, 524'309U, 655'373U}) {
        EXPECT_EQ(pool_of("slots = " + std::to_string(slots)).slots, slots);
    }
    EXPECT_EQ(errors_of_pool("slots = 65536"),
              Strings{"6:9 pool.web.slots must be an integer from 65537 to 655373 or \"auto\", not "
                      "65536"});
    EXPECT_EQ(errors_of_pool("slots = 100000"),
              Strings{"6:9 pool.web.slots: 100000 is none of 65537, 131101, 262147, 524309, "
                      "655373"});
}

TEST(PoolSection, ATunnelSourceIsAPrefixForIpip) {
    EXPECT_EQ(pool_of("tunnel_source = \"2001:db8::/64\"").tunnel_source->str(), "2001:db8::/64");
    EXPECT_EQ(errors_of_pool("tunnel_source = \"10.0.0.0/8\"\nmode = \"l2\""),
              Strings{"6:17 pool.web.tunnel_source: only a pool with mode = \"ipip\" has this"});
    EXPECT_EQ(errors_of_pool("tunnel_source = \"10.0.0.1/8\""),
              Strings{"6:17 pool.web.tunnel_source: \"10.0.0.1/8\" has bits set after its length; "
                      "the prefix is 10.0.0.0/8"});
}

TEST(PoolSection, ThereIsRoomForAsManyPoolsAsTheTablesHave) {
    std::string text(test::kPort);
    for (std::size_t i = 0; i < kPoolsMax; ++i) {
        text += "[pool.p" + std::to_string(i) + "]\n" + std::string(kBackends);
    }
    EXPECT_EQ(load(text).pools.size(), kPoolsMax);
    EXPECT_EQ(errors_in(text + "[pool.last]\n" + std::string(kBackends)),
              Strings{"2052:7 there are 1025 pools; the most is 1024"});
}

}  // namespace
}  // namespace tandem::conf
