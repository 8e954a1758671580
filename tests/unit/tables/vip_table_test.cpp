#include "dataplane/tables/vip_table.h"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "dataplane/tables/plan.h"

namespace tandem::tables {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

/// Pool n + 100 belongs to VIP n, so that a mix-up of the two shows.
PlanVip vip(const char* prefix, std::uint8_t protocol, std::uint16_t first, std::uint16_t last) {
    PlanVip vip;
    const Prefix parsed = *Prefix::parse(prefix);
    vip.address = parsed.network();
    vip.prefix_length = parsed.length;
    vip.protocol = protocol;
    vip.port_first = first;
    vip.port_last = last;
    return vip;
}

class Table {
  public:
    explicit Table(std::vector<PlanVip> vips) : vips_(std::move(vips)) {
        for (std::size_t i = 0; i < vips_.size(); ++i) {
            vips_[i].pool = static_cast<std::uint16_t>(i + 100);
        }
        built_ = build_vip_table(vips_);
        table_ = VipTable(built_.shape, built_.entries);
    }

    [[nodiscard]] const VipTable& operator*() const { return table_; }
    [[nodiscard]] const BuiltVipTable& built() const { return built_; }

    /// The VIP's index, or -1.
    [[nodiscard]] int find(const char* address, std::uint8_t protocol, std::uint16_t port) const {
        return find(*IpAddress::parse(address), protocol, port);
    }
    [[nodiscard]] int find(const IpAddress& address, std::uint8_t protocol,
                           std::uint16_t port) const {
        const VipEntry* found = table_.find(address, service_of(port, protocol));
        if (found == nullptr) return -1;
        EXPECT_EQ(found->pool, found->vip + 100);
        EXPECT_NE(table_.find_network(address), nullptr);
        return found->vip;
    }

    /// What find() must say, by looking at every VIP.
    [[nodiscard]] int expected(const IpAddress& address, std::uint8_t protocol,
                               std::uint16_t port) const {
        int best = -1;
        const auto rank = [&](int index) {  // the smallest wins; of equals the first
            const PlanVip& v = vips_[static_cast<std::size_t>(index)];
            return std::pair(128 - v.prefix_length, v.port_last - v.port_first);
        };
        for (int i = 0; i < static_cast<int>(vips_.size()); ++i) {
            const PlanVip& v = vips_[static_cast<std::size_t>(i)];
            if (!Prefix{v.address, v.prefix_length}.contains(address) || v.protocol != protocol ||
                port < v.port_first || port > v.port_last) {
                continue;
            }
            if (best < 0 || rank(i) < rank(best)) best = i;
        }
        return best;
    }
    [[nodiscard]] bool has_address(const IpAddress& address) const {
        return std::ranges::any_of(vips_, [&](const PlanVip& v) {
            return Prefix{v.address, v.prefix_length}.contains(address);
        });
    }

  private:
    std::vector<PlanVip> vips_;
    BuiltVipTable built_;
    VipTable table_;
};

TEST(VipTable, EmptyOneKnowsNobody) {
    const Table table({});
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 80), -1);
    EXPECT_EQ(table.find("2001:db8::1", kUdp, 0), -1);
    EXPECT_EQ((*table).find_network(*IpAddress::parse("::")), nullptr);
    EXPECT_TRUE(table.built().entries.empty());
}

TEST(VipTable, FindsSinglePortsOfBothFamiliesAndProtocols) {
    const Table table({vip("203.0.113.1", kTcp, 80, 80), vip("203.0.113.1", kTcp, 443, 443),
                       vip("203.0.113.1", kUdp, 443, 443), vip("2001:db8::1", kTcp, 80, 80),
                       vip("203.0.113.2", kTcp, 80, 80)});
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 80), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 443), 1);
    EXPECT_EQ(table.find("203.0.113.1", kUdp, 443), 2);
    EXPECT_EQ(table.find("2001:db8::1", kTcp, 80), 3);
    EXPECT_EQ(table.find("203.0.113.2", kTcp, 80), 4);
    EXPECT_EQ(table.find("203.0.113.1", kUdp, 80), -1);
    EXPECT_EQ(table.find("203.0.113.3", kTcp, 80), -1);
    EXPECT_EQ(table.find("2001:db8::1", kTcp, 443), -1);
}

TEST(VipTable, TellsAVipAddressWithoutThisPortFromAForeignAddress) {
    const Table table({vip("203.0.113.1", kTcp, 80, 80), vip("198.51.100.0/24", kUdp, 53, 53)});
    const auto address_is_vip = [&](const char* address) {
        EXPECT_EQ(table.find(address, kTcp, 8080), -1);
        return (*table).find_network(*IpAddress::parse(address)) != nullptr;
    };
    EXPECT_TRUE(address_is_vip("203.0.113.1"));
    EXPECT_TRUE(address_is_vip("198.51.100.200"));
    EXPECT_FALSE(address_is_vip("203.0.113.2"));
    EXPECT_FALSE(address_is_vip("198.51.101.1"));
    EXPECT_FALSE(address_is_vip("2001:db8::1"));
}

TEST(VipTable, OfPortRangesTheNarrowestWins) {
    const Table table({vip("203.0.113.1", kTcp, 0, 65'535), vip("203.0.113.1", kTcp, 8000, 8999),
                       vip("203.0.113.1", kTcp, 8080, 8090), vip("203.0.113.1", kTcp, 8080, 8080)});
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 0), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 65'535), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 7999), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 8000), 1);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 8999), 1);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 9000), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 8090), 2);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 8080), 3);
    EXPECT_EQ(table.find("203.0.113.1", kUdp, 8080), -1);
}

TEST(VipTable, OfPrefixesTheLongestWinsBeforeAnyRange) {
    const Table table({vip("0.0.0.0/0", kTcp, 80, 80), vip("203.0.113.0/24", kTcp, 80, 80),
                       vip("203.0.113.128/25", kTcp, 0, 65'535), vip("2001:db8::/32", kTcp, 80, 80),
                       vip("2001:db8:1::/64", kTcp, 80, 80)});
    EXPECT_EQ(table.find("192.0.2.1", kTcp, 80), 0);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 80), 1);
    EXPECT_EQ(table.find("203.0.113.129", kTcp, 80), 2);
    EXPECT_EQ(table.find("203.0.113.129", kTcp, 81), 2);
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 81), -1);
    EXPECT_EQ(table.find("2001:db8:2::1", kTcp, 80), 3);
    EXPECT_EQ(table.find("2001:db8:1::1", kTcp, 80), 4);
    EXPECT_EQ(table.find("2001:db9::1", kTcp, 80), -1) << "0.0.0.0/0 is no IPv6 network";
}

TEST(VipTable, OfTwoThatSayTheSameTheFirstWins) {
    const Table table({vip("203.0.113.1", kTcp, 80, 80), vip("203.0.113.1", kTcp, 80, 80),
                       vip("198.51.100.0/24", kTcp, 1, 9), vip("198.51.100.0/24", kTcp, 1, 9)});
    EXPECT_EQ(table.find("203.0.113.1", kTcp, 80), 0);
    EXPECT_EQ(table.find("198.51.100.7", kTcp, 5), 2);
}

TEST(VipTable, HoldsAsManyVipsAsThereMayBe) {
    std::vector<PlanVip> vips;
    for (std::size_t i = 0; i < kVipsMax; ++i) {
        const std::string address =
            "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
        // Every third one a range: 2731 single ports and 1365 entries among the ranges.
        vips.push_back(vip(address.c_str(), kTcp, 80, i % 3 == 0 ? 90 : 80));
    }
    const Table table(std::move(vips));
    for (std::size_t i = 0; i < kVipsMax; ++i) {
        const IpAddress address = IpAddress::from_v4(
            {10, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)});
        ASSERT_EQ(table.find(address, kTcp, 80), static_cast<int>(i));
        ASSERT_EQ(table.find(address, kTcp, 90), i % 3 == 0 ? static_cast<int>(i) : -1);
    }
}

TEST(VipTable, HoldsAsManyVipsInOneNetworkAsThereMayBe) {
    std::vector<PlanVip> vips;
    for (std::size_t i = 0; i < kVipsMax; ++i) {
        const auto port = static_cast<std::uint16_t>(i * 2);
        vips.push_back(vip("10.0.0.0/8", kUdp, port, port + 1));
    }
    const Table table(std::move(vips));
    EXPECT_EQ(table.find("10.9.8.7", kUdp, 0), 0);
    EXPECT_EQ(table.find("10.9.8.7", kUdp, 8191), static_cast<int>(kVipsMax - 1));
    EXPECT_EQ(table.find("10.9.8.7", kUdp, 8192), -1);
}

class RandomVips {
  public:
    explicit RandomVips(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return random_() % bound; }
    std::uint8_t protocol() { return below(2) == 0 ? kTcp : kUdp; }
    std::uint16_t port() { return static_cast<std::uint16_t>(below(12)); }

    /// Few enough that VIPs overlap in every way.
    IpAddress address() {
        IpAddress address = *IpAddress::parse(below(3) == 0 ? "2001:db8::" : "10.0.0.0");
        address.bytes[13] = static_cast<std::uint8_t>(below(2));
        address.bytes[14] = static_cast<std::uint8_t>(below(2) * 128);
        address.bytes[15] = static_cast<std::uint8_t>(below(6));
        return address;
    }

    PlanVip vip() {
        constexpr std::array<std::uint8_t, 8> kLengths{128, 128, 128, 127, 126, 120, 111, 104};
        PlanVip vip;
        vip.prefix_length = kLengths[below(kLengths.size())];
        vip.address = Prefix{address(), vip.prefix_length}.network();
        vip.protocol = protocol();
        vip.port_first = port();
        vip.port_last = vip.port_first;
        if (below(2) == 0) vip.port_last = static_cast<std::uint16_t>(vip.port_first + below(6));
        if (below(8) == 0) vip.port_first = 0, vip.port_last = 65'535;
        return vip;
    }

  private:
    std::mt19937_64 random_;
};

TEST(VipTable, SaysWhatLookingAtEveryVipSays) {
    std::size_t found = 0;
    std::size_t missed = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        RandomVips random(seed);
        std::vector<PlanVip> vips(random.below(60));
        for (PlanVip& vip : vips) vip = random.vip();
        const Table table(vips);
        for (int i = 0; i < 500; ++i) {
            const IpAddress address = random.address();
            const std::uint8_t protocol = random.protocol();
            const std::uint16_t port = random.port();
            const int expected = table.expected(address, protocol, port);
            ASSERT_EQ(table.find(address, protocol, port), expected)
                << "seed " << seed << ": " << address.str() << ' ' << port;
            ASSERT_EQ((*table).find_network(address) != nullptr, table.has_address(address));
            ++(expected < 0 ? missed : found);
        }
    }
    EXPECT_GT(found, 50'000U);
    EXPECT_GT(missed, 20'000U);
}

// Memory that is being written over while it is read, or that another release wrote.
TEST(VipTable, NeverReadsOutsideItsEntriesWhateverTheySay) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::vector<PlanVip> vips(20);
        for (PlanVip& vip : vips) {
            for (std::byte& byte : std::as_writable_bytes(std::span(&vip, 1))) {
                byte = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
            }
        }
        BuiltVipTable built = build_vip_table(vips);
        for (std::byte& byte : std::as_writable_bytes(std::span(built.entries))) {
            if (random() % 8 == 0) byte = static_cast<std::byte>(random());
        }
        if (random() % 2 == 0) built.shape.exact_size = static_cast<std::uint32_t>(random() % 64);
        if (random() % 2 == 0) built.shape.network_size = static_cast<std::uint32_t>(random() % 64);
        if (random() % 4 == 0) built.shape.wide_size = static_cast<std::uint32_t>(random());
        if (random() % 4 == 0) {
            built.shape.length_count = static_cast<std::uint32_t>(random() % 140);
        }
        const std::vector<VipEntry> exactly_sized(built.entries);
        const VipTable table(built.shape, exactly_sized);
        for (int i = 0; i < 20; ++i) {
            const IpAddress address = i == 0 ? IpAddress{} : vips[random() % vips.size()].address;
            const auto port = static_cast<std::uint16_t>(random());
            static_cast<void>(table.find(address, service_of(port, kTcp)));
        }
    }
}

}  // namespace
}  // namespace tandem::tables
