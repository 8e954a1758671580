#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;
using test::with_section;

std::vector<Backend> backends_of(std::string_view lines) {
    return load(with_section("[pool.web]", lines)).pools.at(0).backends;
}

Strings errors_of_backend(std::string_view lines) {
    return errors_in(with_section("[pool.web]", lines));
}

Backend backend(std::string name, std::string_view address, std::uint16_t port,
                std::uint16_t weight = 1) {
    return {.name = std::move(name),
            .address = *IpAddress::parse(address),
            .port = port,
            .weight = weight};
}

TEST(Backends, AreStringsAndTablesInAnyMixtureAndSorted) {
    const std::vector<Backend> expected{
        backend("10.0.0.9:80", "10.0.0.9", 80),
        backend("10.0.0.99", "10.0.0.10", 80),
        backend("10.0.0.11:80", "10.0.0.11", 80),
        backend("b", "10.0.0.11", 81, 100),
        backend("10.0.0.12:80", "10.0.0.12", 80),
        backend("[2001:db8::1]:79", "2001:db8::1", 79, 2),
        backend("[2001:db8::1]:80", "2001:db8::1", 80),
    };
    EXPECT_EQ(backends_of(R"(
        backends = ["10.0.0.12:80", { address = "10.0.0.11:81", name = "b", weight = 100 },
                    "10.0.0.11:80", "[2001:db8::1]:80", { address = "10.0.0.9:80" }]
        [[pool.web.backend]]
        address = "10.0.0.10:80"
        name = "10.0.0.99"
        [[pool.web.backend]]
        weight = 2
        address = "[2001:db8::1]:79")"),
              expected);
}

TEST(Backends, MayAllHaveSectionsOfTheirOwn) {
    EXPECT_EQ(backends_of("[[pool.web.backend]]\naddress = \"10.0.0.11:80\""),
              std::vector{backend("10.0.0.11:80", "10.0.0.11", 80)});
}

TEST(Backends, AreRequired) {
    EXPECT_EQ(errors_of_backend(""), Strings{"4:1 pool.web.backends is missing"});
    EXPECT_EQ(errors_of_backend("backends = []"),
              Strings{"5:12 pool.web.backends must be an array of at least one backend such as "
                      "[\"10.0.0.11:80\"], not an empty array"});
    EXPECT_EQ(errors_of_backend("backends = \"10.0.0.11:80\""),
              Strings{"5:12 pool.web.backends must be an array of at least one backend such as "
                      "[\"10.0.0.11:80\"], not \"10.0.0.11:80\""});
    EXPECT_EQ(errors_of_backend("backends = []\n[[pool.web.backend]]\naddress = \"10.0.0.11:80\""),
              Strings{});
}

TEST(Backends, InTheSingularAreAMisspeltKey) {
    EXPECT_EQ(errors_in("[pool.web]\nbackend = []\n"),
              Strings{"2:1 unknown key pool.web.backend (did you mean 'backends'?)"});
    EXPECT_EQ(errors_of_backend("backend = [\"10.0.0.11:80\"]"),
              Strings{"5:1 unknown key pool.web.backend (did you mean 'backends'?)"});
    EXPECT_EQ(errors_of_backend("backend = 5"),
              Strings{"5:1 unknown key pool.web.backend (did you mean 'backends'?)"});
    EXPECT_EQ(errors_of_backend("bakcend = 5"),
              Strings{"5:1 unknown key pool.web.bakcend (did you mean 'backends'?)"});
    EXPECT_EQ(errors_of_backend("[pool.web.backend]\naddress = \"10.0.0.11:80\""),
              Strings{"5:11 unknown key pool.web.backend (did you mean 'backends'?)"});
}

TEST(Backends, AreReportedEachAtItsPlace) {
    EXPECT_EQ(errors_of_backend("backends = [\n  \"web1:80\", 5,\n  \"10.0.0.11\",\n"
                                "  { address = \"224.0.0.1:80\" }, \"127.0.0.1:80\", [] ]"),
              (Strings{"6:3 pool.web.backends: \"web1\" is not an IP address; addresses are "
                       "literal, names are not looked up",
                       "6:14 pool.web.backends must be strings such as \"10.0.0.11:80\" or tables "
                       "such as { address = \"10.0.0.11:80\", weight = 10 }, not 5",
                       "7:3 pool.web.backends: \"10.0.0.11\" is not an address and a port such as "
                       "\"10.0.0.11:80\"",
                       "8:15 pool.web.backends.address: \"224.0.0.1\" is a multicast address",
                       "8:33 pool.web.backends: \"127.0.0.1\" is a loopback address",
                       "8:49 pool.web.backends must be strings such as \"10.0.0.11:80\" or tables "
                       "such as { address = \"10.0.0.11:80\", weight = 10 }, not an empty array"}));
}

TEST(Backends, HaveKeysOfTheirOwn) {
    EXPECT_EQ(
        errors_of_backend("backends = [{ weight = 1 }, { address = \"10.0.0.1:80\", wieght = 2 }]\n"
                          "[[pool.web.backend]]\naddress = 1\nname = \"a b\"\nweight = 0\n"
                          "[[pool.web.backend]]"),
        (Strings{"5:13 pool.web.backends.address is missing",
                 "5:56 unknown key pool.web.backends.wieght (did you mean 'weight'?)",
                 "7:11 pool.web.backend.address must be a string such as \"10.0.0.11:80\", not 1",
                 "8:8 pool.web.backend.name: \"a b\" is not a name: 1 to 63 letters, digits, '-', "
                 "'_' and '.'",
                 "9:10 pool.web.backend.weight must be an integer from 1 to 100, not 0",
                 "10:1 pool.web.backend.address is missing"}));
}

TEST(Backends, AreThereOnce) {
    EXPECT_EQ(errors_of_backend("backends = [\"[2001:db8::1]:80\", \"10.0.0.1:80\",\n"
                                "\"10.0.0.1:81\", \"[2001:db8:0::1]:80\"]\n"
                                "[[pool.web.backend]]\naddress = \"10.0.0.1:81\""),
              (Strings{"6:16 pool.web.backends: [2001:db8::1]:80 is already in line 5",
                       "8:11 pool.web.backends: 10.0.0.1:81 is already in line 6"}));
    EXPECT_EQ(errors_of_backend("backends = [{ address = \"10.0.0.1:80\", name = \"a\" },\n"
                                "{ address = \"10.0.0.2:80\", name = \"a\" }]"),
              Strings{"6:35 pool.web.backends: the name \"a\" is already in line 5"});
}

TEST(Backends, MayBeInTwoPools) {
    EXPECT_EQ(
        errors_of_backend("backends = [\"10.0.0.1:80\"]\n[pool.b]\nbackends = [\"10.0.0.1:80\"]"),
        Strings{});
}

std::string many(std::size_t count, std::size_t first = 0) {
    std::string text = "backends = [";
    for (std::size_t i = first; i < first + count; ++i) {
        text += "\"10." + std::to_string(i >> 16U) + '.' + std::to_string(i >> 8U & 255U) + '.' +
                std::to_string(i & 255U) + ":80\", ";
    }
    return text + "]\n";
}

TEST(Backends, OfAllPoolsHaveALimit) {
    EXPECT_EQ(backends_of(many(kBackendsMax)).size(), kBackendsMax);
    EXPECT_EQ(
        errors_of_backend(many(kBackendsMax) + "[pool.b]\n" + many(2) + "[pool.a]\n" + many(2)),
        Strings{"6:7 the pools up to this one have 65534 backends; the most is 65532 for all "
                "of them"});
}

}  // namespace
}  // namespace tandem::conf
