// The order of a file's sections, keys and lists means nothing.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::Strings;

struct Piece {
    std::string header;
    Strings lines;
};

std::string list(Strings items, std::mt19937& random) {
    std::ranges::shuffle(items, random);
    std::string text = "[";
    for (const std::string& item : items) text += item + ", ";
    return text + ']';
}

/// The same file every time, with all that can be in one order or another in a new order.
std::string shuffled(std::mt19937& random) {
    const std::string more_backends =
        list({R"("10.0.0.12:80")", R"({ address = "10.0.0.11:80", weight = 2 })",
              R"({ name = "x", address = "[fd00::1]:80" })"},
             random);
    std::vector<Piece> pieces{
        {"[dataplane]", {"workers = 2", "poll = \"busy\"", "eal_args = \"-d x\""}},
        {"[control]", {"log_level = \"debug\"", "state_dir = \"/tmp\""}},
        {"[port.wan]",
         {"device = \"eth1\"", "driver = \"af_xdp\"", "mtu = 9000",
          "address = " + list({R"("10.0.0.1/24")", R"("10.0.1.1/24")", R"("fd00::2/64")"}, random),
          "gateway = " + list({R"("10.0.0.2")", R"("fd00::3")"}, random)}},
        {"[port.lan]", {"device = \"null\""}},
        {"[port.lan.neighbours]",
         {R"("10.1.0.1" = "02:00:00:00:00:01")", R"("10.1.0.2" = "02:00:00:00:00:02")"}},
        {"[check.a]",
         {"type = \"http\"", "path = \"/a\"", "interval = \"1s\"", "timeout = \"1s\""}},
        {"[pool.b]", {"check = \"a\"", "mode = \"l2\"", "backends = " + more_backends}},
        {"[[pool.a.backend]]", {"address = \"10.0.0.21:80\"", "weight = 3"}},
        {"[[group]]",
         {"router_id = 51", "port = \"wan\"",
          "peers = " + list({R"("10.0.0.3")", R"("fe80::3")", R"("10.0.0.2")"}, random)}},
        {"[[group]]", {"router_id = 51", "port = \"lan\"", "name = \"second\""}},
        {"[[group]]", {"router_id = 50", "port = \"wan\""}},
        {"[vip.b]", {"listen = \"203.0.113.1:80/tcp\"", "pool = \"b\"", "group = \"group51\""}},
        {"[vip.a]", {"listen = \"203.0.113.1:1-9/udp\"", "pool = \"a\"", "group = \"group51\""}},
        {"[vip.c]", {"listen = \"203.0.113.2:*/udp\"", "pool = \"a\"", "group = \"second\""}},
        {"[vip.d]", {"listen = \"203.0.113.3:*/udp\"", "pool = \"a\"", "group = \"group50\""}},
    };
    std::ranges::shuffle(pieces, random);
    std::string text;
    for (Piece& piece : pieces) {
        std::ranges::shuffle(piece.lines, random);
        text += piece.header + '\n';
        for (const std::string& line : piece.lines) text += line + '\n';
    }
    return text;
}

TEST(Order, MeansNothing) {
    std::mt19937 random(1);
    const Config expected = test::load(shuffled(random));
    ASSERT_EQ(expected.ports.size(), 2U);
    EXPECT_EQ(expected.ports[0].name, "lan");
    EXPECT_EQ(expected.pools.at(0).name, "a");
    ASSERT_EQ(expected.groups.size(), 3U);
    EXPECT_EQ(expected.groups[0].name, "group50");
    for (int round = 0; round < 200; ++round) {
        const std::string text = shuffled(random);
        ASSERT_EQ(test::load(text), expected) << text;
    }
}

}  // namespace
}  // namespace tandem::conf
