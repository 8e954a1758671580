// Names of sections, and sections and keys that there are not.
#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;

TEST(Names, AreLettersDigitsAndThreeSigns) {
    const std::string longest(63, 'x');
    EXPECT_EQ(load("[port.\"a.b\"]\ndevice = \"null\"").ports.at(0).name, "a.b");
    EXPECT_EQ(load("[port." + longest + "]\ndevice = \"null\"").ports.at(0).name, longest);
    const std::string rule =
        "\" is not a name for a port: 1 to 63 letters, digits, '-', '_' and '.'";
    for (const std::string& name :
         {std::string(), std::string("a b"), std::string("ä"), std::string("a/b"), longest + 'x'}) {
        EXPECT_EQ(errors_in("[port.\"" + name + "\"]\ndevice = \"null\""),
                  Strings{"1:7 \"" + name + rule});
    }
    EXPECT_EQ(errors_in("[port.\"a\\u001b\"]\ndevice = \"null\""), Strings{"1:7 \"a\\x1b" + rule});
}

TEST(Names, OfAMegabyteAreCutInMessages) {
    const std::string name(1'000'000, 'x');
    const Strings errors = errors_in("[port." + name + "]\nmtu = 1\n" + name + " = 2");
    ASSERT_EQ(errors.size(), 4U);
    for (const std::string& error : errors) EXPECT_LT(error.size(), 1'100U);
}

TEST(Names, ABadOneCanStillBeReferredTo) {
    EXPECT_EQ(errors_in(std::string(test::kPort) +
                        "[pool.\"a b\"]\nbackends = [\"10.0.0.1:80\"]\n[vip.a]\n"
                        "listen = \"203.0.113.1:80/tcp\"\npool = \"a b\"")
                  .size(),
              1U);
}

TEST(Names, WithoutASectionThereIsNone) {
    EXPECT_EQ(errors_in("[port]\ndevice = \"eth1\""),
              Strings{"2:10 port.device must be a section [port.NAME], not \"eth1\""});
    EXPECT_EQ(errors_in("pool = \"web\"\n" + std::string(test::kPort)),
              Strings{"1:8 pool must be a section [pool.NAME], not \"web\""});
    EXPECT_EQ(errors_in(std::string(test::kPort) + "[[vip]]\nlisten = \"\""),
              Strings{"4:1 vip must be a section [vip.NAME], not an array"});
}

TEST(Names, WithDotsStandInQuotes) {
    EXPECT_EQ(errors_in("[port.eth1.20]\ndevice = \"null\""),
              (Strings{"1:1 port.eth1.device is missing",
                       "1:12 unknown key port.eth1.20 (a name with dots stands in quotes)"}));
}

TEST(Names, OfSectionsWithoutOneHaveNoDots) {
    EXPECT_EQ(errors_in(std::string(test::kPort) + "[control.a]\n"),
              Strings{"4:10 unknown key control.a"});
}

TEST(Names, ThatNobodyKnowsAreErrorsEverywhere) {
    EXPECT_EQ(
        errors_in("workers = 3\n"
                  "[dataplane]\nworker = 3\n"
                  "[control]\nloglevel = 3\n"
                  "[port.wan]\ndevice = \"null\"\nadress = 3\n"
                  "[check.web]\ntype = \"tcp\"\nfal = 3\n"
                  "[pool.web]\nbackends = [\"10.0.0.1:80\"]\nmod = 3\n"
                  "[vip.web]\nlisten = \"203.0.113.1:80/tcp\"\npool = \"web\"\nx = 3\n"
                  "[peer]\n"
                  "[[group]]\nrouter_id = 1\nprio = 3\nprioritty = 3\n"),
        (Strings{
            "1:1 unknown key workers", "3:1 unknown key dataplane.worker (did you mean 'workers'?)",
            "5:1 unknown key control.loglevel (did you mean 'log_level'?)",
            "8:1 unknown key port.wan.adress (did you mean 'address'?)",
            "11:1 unknown key check.web.fal (did you mean 'fall'?)",
            "14:1 unknown key pool.web.mod (did you mean 'mode'?)", "18:1 unknown key vip.web.x",
            "19:2 unknown section [peer]", "22:1 unknown key group.prio",
            "23:1 unknown key group.prioritty (did you mean 'priority'?)"}));
}

}  // namespace
}  // namespace tandem::conf
