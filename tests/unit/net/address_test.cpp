#include "dataplane/net/address.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(IpAddress, ReadsAndPrintsBothFamilies) {
    for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fe80::1"}) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->str(), text);
    }
    EXPECT_TRUE(IpAddress::parse("192.0.2.1")->is_v4());
    EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
}

TEST(IpAddress, RefusesNamesAndNearMisses) {
    for (const char* text : {"", "web1", "192.0.2", "192.0.2.256", "1.2.3.4 ", "2001:db8::g",
                             "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(Prefix, KeepsHostBitsAndKnowsItsNetwork) {
    const auto prefix = Prefix::parse("192.0.2.10/24");
    ASSERT_TRUE(prefix);
    EXPECT_EQ(prefix->str(), "192.0.2.10/24");
    EXPECT_EQ(prefix->network().str(), "192.0.2.0");
    EXPECT_TRUE(prefix->contains(*IpAddress::parse("192.0.2.255")));
    EXPECT_FALSE(prefix->contains(*IpAddress::parse("192.0.3.0")));
    EXPECT_FALSE(prefix->contains(*IpAddress::parse("2001:db8::1")));
}

TEST(Prefix, CutsInsideAByte) {
    const auto prefix = Prefix::parse("2001:db8:0:fff0::/60");
    ASSERT_TRUE(prefix);
    EXPECT_TRUE(prefix->contains(*IpAddress::parse("2001:db8:0:ffff::1")));
    EXPECT_FALSE(prefix->contains(*IpAddress::parse("2001:db8:0:ffef::1")));
}

TEST(Prefix, RefusesBadLengths) {
    for (const char* text : {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "2001:db8::/129",
                             "192.0.2.0/-1", "192.0.2.0/24/3"}) {
        EXPECT_FALSE(Prefix::parse(text)) << text;
    }
    EXPECT_TRUE(Prefix::parse("0.0.0.0/0"));
}

}  // namespace
}  // namespace tandem
