#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;

/// A port and a pool come before it; line 1 of `text` is line 7.
std::string with_pool(std::string_view text) {
    return std::string(test::kPort).append(test::kPool).append(text);
}

TEST(VipSection, HasAListenAndAPool) {
    const std::vector<Vip> vips =
        load(with_pool("[vip.b]\nlisten = \"203.0.113.10:80/tcp\"\npool = \"web\"\n"
                       "[vip.a]\nlisten = \"[2001:db8::/64]:*/udp\"\npool = \"web\""))
            .vips;
    ASSERT_EQ(vips.size(), 2U);
    EXPECT_EQ(vips[0].name, "a");
    EXPECT_EQ(vips[0].prefix.str(), "2001:db8::/64");
    EXPECT_EQ(vips[0].port_first, 0);
    EXPECT_EQ(vips[0].port_last, 65'535);
    EXPECT_EQ(vips[0].protocol, Protocol::kUdp);
    EXPECT_EQ(vips[1].name, "b");
    EXPECT_EQ(vips[1].port_first, 80);
    EXPECT_EQ(vips[1].port_last, 80);
    EXPECT_EQ(vips[1].protocol, Protocol::kTcp);
    EXPECT_EQ(vips[1].pool, "web");
}

TEST(VipSection, BothAreRequired) {
    EXPECT_EQ(errors_in(with_pool("[vip.a]")),
              (Strings{"7:1 vip.a.listen is missing", "7:1 vip.a.pool is missing"}));
    EXPECT_EQ(errors_in(with_pool("[vip.a]\nlisten = 80\npool = 1")),
              (Strings{"8:10 vip.a.listen must be a string such as \"203.0.113.10:80/tcp\", not 80",
                       "9:8 vip.a.pool must be the name of a pool, not 1"}));
    EXPECT_EQ(errors_in(with_pool("[vip.a]\nlisten = \"203.0.113.10:80\"\npool = \"web\"")),
              Strings{"8:10 vip.a.listen: \"203.0.113.10:80\" does not end in its protocol, /tcp "
                      "or /udp, as in \"203.0.113.10:80/tcp\""});
}

TEST(VipSection, ThePoolIsDefinedAnywhere) {
    EXPECT_EQ(errors_in(std::string(test::kPort) +
                        "[vip.a]\nlisten = \"203.0.113.10:80/tcp\"\n"
                        "pool = \"web\"\n" +
                        std::string(test::kPool)),
              Strings{});
    const std::string vip = "[vip.a]\nlisten = \"203.0.113.10:80/tcp\"\npool = ";
    EXPECT_EQ(errors_in(with_pool(vip + "\"wep\"")),
              Strings{"9:8 vip.a.pool: there is no pool \"wep\" (did you mean 'web', in line 4?)"});
    EXPECT_EQ(errors_in(with_pool(vip + "\"mail\"")),
              Strings{"9:8 vip.a.pool: there is no pool \"mail\""});
}

TEST(VipSection, APoolThatIsBrokenIsNoSecondError) {
    EXPECT_EQ(
        errors_in(std::string(test::kPort) + "[pool.web]\n[vip.a]\n"
                                             "listen = \"203.0.113.10:80/tcp\"\npool = \"web\""),
        Strings{"4:1 pool.web.backends is missing"});
}

Strings errors_of_two(const std::string& first, const std::string& second) {
    return errors_in(with_pool("[vip.b]\nlisten = \"" + first +
                               "\"\npool = \"web\"\n"
                               "[vip.a]\nlisten = \"" +
                               second + "\"\npool = \"web\""));
}

TEST(VipSection, TwoThatMatchTheSameAreAnError) {
    const Strings expected{"11:10 vip.a.listen: the VIP in line 8 listens to the same"};
    EXPECT_EQ(errors_of_two("203.0.113.10:80/tcp", "203.0.113.10:80/tcp"), expected);
    EXPECT_EQ(errors_of_two("203.0.113.10:80/tcp", "203.0.113.10/32:80-80/tcp"), expected);
    EXPECT_EQ(errors_of_two("[2001:db8::/64]:*/udp", "[2001:db8:0::/64]:*/udp"), expected);
}

TEST(VipSection, TwoThatOnlyOverlapAreNone) {
    EXPECT_EQ(errors_of_two("203.0.113.10:80/tcp", "203.0.113.10:80/udp"), Strings{});
    EXPECT_EQ(errors_of_two("203.0.113.10:80/tcp", "203.0.113.10:80-81/tcp"), Strings{});
    EXPECT_EQ(errors_of_two("203.0.113.0/24:80/tcp", "203.0.113.0/25:80/tcp"), Strings{});
    EXPECT_EQ(errors_of_two("203.0.113.10:*/tcp", "203.0.113.10:1-65535/tcp"), Strings{});
}

TEST(VipSection, AVipIsNobodysAddress) {
    const auto errors_of = [](const std::string& listen) {
        return errors_in("[port.wan]\ndevice = \"null\"\naddress = \"192.0.2.10/24\"\n" +
                         std::string(test::kPool) + "[vip.a]\npool = \"web\"\nlisten = \"" +
                         listen + '"');
    };
    EXPECT_EQ(errors_of("10.0.0.11:8080/udp"),
              Strings{"9:10 vip.a.listen: 10.0.0.11 is a backend of pool \"web\"; a VIP is an "
                      "address of its own"});
    EXPECT_EQ(errors_of("192.0.2.10:80/tcp"),
              Strings{"9:10 vip.a.listen: 192.0.2.10 is the address of port \"wan\"; a VIP is an "
                      "address of its own"});
    EXPECT_EQ(errors_of("192.0.2.11:80/tcp"), Strings{});
    EXPECT_EQ(errors_of("10.0.0.0/24:80/tcp"), Strings{}) << "what is more specific goes its way";
}

TEST(VipSection, ThereIsRoomForAsManyAsTheTablesHave) {
    std::string text = with_pool("");
    const auto vip = [](std::size_t i) {
        return "[vip.v" + std::to_string(i) +
               "]\npool = \"web\"\nlisten = \"203.0.113.1:" + std::to_string(i + 1) + "/tcp\"\n";
    };
    for (std::size_t i = 0; i < kVipsMax; ++i) text += vip(i);
    EXPECT_EQ(load(text).vips.size(), kVipsMax);
    EXPECT_EQ(errors_in(text + vip(kVipsMax)),
              Strings{"12295:6 there are 4097 vips; the most is 4096"});
}

}  // namespace
}  // namespace tandem::conf
