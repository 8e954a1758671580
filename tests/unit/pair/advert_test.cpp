#include "dataplane/pair/advert.h"

#include <random>

#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "tests/unit/net/frames.h"

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;
using test::Bytes;
using test::operator+;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

Advert advert_v4() {
    return {.router_id = 51,
            .priority = 150,
            .interval = milliseconds(100),
            .source = ip("10.77.0.11"),
            .destination = kVrrpGroupV4,
            .addresses = {ip("10.77.0.100")}};
}

Advert advert_v6() {
    return {.router_id = 7,
            .priority = 255,
            .interval = milliseconds(40'950),
            .source = ip("fe80::11"),
            .destination = kVrrpGroupV6,
            .addresses = {ip("fe80::100"), ip("2001:db8::100")}};
}

std::variant<Advert, AdvertFault> read(const Bytes& packet) {
    return read_advert(test::ExactCopy(packet).span());
}

/// What is wrong with a packet; nullopt: nothing.
std::optional<AdvertFault> fault_of(const Bytes& packet) {
    const auto result = read(packet);
    const auto* fault = std::get_if<AdvertFault>(&result);
    return fault != nullptr ? std::optional(*fault) : std::nullopt;
}

/// With the message's checksum mended, as a sender of such a thing would have it.
Bytes summed_up(Bytes packet) {
    const std::size_t message = packet[0] >> 4U == 4 ? 20 : 40;
    packet[message + 6] = packet[message + 7] = 0;
    std::uint64_t sum = sum_words(std::span(packet).subspan(message));
    if (message == 40) {
        sum += sum_words(std::span(packet).subspan(8, 32));
        for (const Bytes& words : {test::be16(packet.size() - 40), test::be16(112)}) {
            sum += sum_words(words);
        }
    }
    const std::uint16_t checksum = checksum_of(sum);
    std::memcpy(packet.data() + message + 6, &checksum, sizeof(checksum));
    return packet;
}

TEST(Advert, IsReadAsItWasMade) {
    for (const Advert& advert : {advert_v4(), advert_v6()}) {
        for (const auto checksum : {AdvertChecksum::kMessage, AdvertChecksum::kWithPseudoHeader}) {
            const auto result = read(make_advert(advert, checksum));
            ASSERT_TRUE(std::holds_alternative<Advert>(result));
            EXPECT_EQ(std::get<Advert>(result), advert);
        }
    }
}

// Captured from keepalived 2.2.7, which sums up a pseudo-header, too.
TEST(Advert, OfKeepalivedIsReadAndCanBeMade) {
    const Bytes message{0x31, 0x33, 0x96, 0x01, 0x00, 0x0a, 0x43, 0x29, 0x0a, 0x4d, 0x00, 0x64};
    const Bytes ours = make_advert(advert_v4(), AdvertChecksum::kWithPseudoHeader);
    EXPECT_EQ(Bytes(ours.begin() + 20, ours.end()), message);
    const Bytes plain = make_advert(advert_v4(), AdvertChecksum::kMessage);
    EXPECT_EQ(test::at16(plain, 26), 0x2e10U) << "RFC 9568 section 5.2.8: no pseudo-header";
}

TEST(Advert, TravelsAsItsRfcSays) {
    const Bytes v4 = make_advert(advert_v4(), AdvertChecksum::kMessage);
    EXPECT_EQ(v4[8], 255) << "TTL, section 5.1.1.3";
    EXPECT_EQ(v4[9], 112);
    EXPECT_EQ(test::plain_sum(std::span(v4).first(20)), 0xffff);
    EXPECT_EQ(Bytes(v4.begin() + 16, v4.begin() + 20), (Bytes{224, 0, 0, 18}));
    const Bytes v6 = make_advert(advert_v6(), AdvertChecksum::kMessage);
    EXPECT_EQ(v6[6], 112);
    EXPECT_EQ(v6[7], 255);
    EXPECT_EQ(summed_up(v6), v6) << "with IPv6 always with its pseudo-header";
}

TEST(Advert, OfSomebodyElseOrBrokenIsNamed) {
    const auto changed = [](const Advert& advert, std::size_t at, std::uint8_t value) {
        Bytes packet = make_advert(advert, AdvertChecksum::kMessage);
        packet[at] = value;
        return summed_up(packet);
    };
    for (const auto& [advert, ttl, message] :
         {std::tuple(advert_v4(), 8U, 20U), std::tuple(advert_v6(), 7U, 40U)}) {
        EXPECT_EQ(fault_of(changed(advert, ttl, 254)), AdvertFault::kTtl);
        EXPECT_EQ(fault_of(changed(advert, message, 0x21)), AdvertFault::kVersion);
        EXPECT_EQ(fault_of(changed(advert, message, 0x32)), AdvertFault::kType);
        EXPECT_EQ(fault_of(changed(advert, message + 3, 0)), AdvertFault::kNoAddress);
        EXPECT_EQ(fault_of(changed(advert, message + 3, 200)), AdvertFault::kTruncated);
        Bytes no_interval = changed(advert, message + 4, 0xf0);  // the upper 4 bits mean nothing
        no_interval[message + 5] = 0;
        EXPECT_EQ(fault_of(summed_up(no_interval)), AdvertFault::kInterval);
        Bytes broken = make_advert(advert, AdvertChecksum::kMessage);
        broken.back() ^= 1U;
        EXPECT_EQ(fault_of(broken), AdvertFault::kChecksum);
    }
    Advert global = advert_v6();
    global.addresses = {ip("2001:db8::100")};
    EXPECT_EQ(fault_of(make_advert(global, AdvertChecksum::kMessage)), AdvertFault::kNotLinkLocal);
    EXPECT_EQ(fault_of({}), AdvertFault::kTruncated);
}

TEST(Advert, CutAnywhereIsTruncatedAndLinkPaddingIsNot) {
    for (const Advert& advert : {advert_v4(), advert_v6()}) {
        const Bytes whole = make_advert(advert, AdvertChecksum::kMessage);
        for (std::size_t length = 0; length < whole.size(); ++length) {
            EXPECT_EQ(fault_of(Bytes(whole.begin(), whole.begin() + static_cast<long>(length))),
                      AdvertFault::kTruncated)
                << length;
        }
        EXPECT_EQ(fault_of(whole + Bytes(14, 0xee)), std::nullopt);
    }
}

TEST(Advert, ReadsNothingOutsideWhateverTheBytesSay) {
    std::mt19937 random(1);
    std::size_t read_well = 0;
    for (int round = 0; round < 200'000; ++round) {
        Bytes packet =
            make_advert(round % 2 == 0 ? advert_v4() : advert_v6(), AdvertChecksum::kMessage);
        const int changes = static_cast<int>(random() % 4);
        for (int i = 0; i < changes; ++i) {
            packet[random() % packet.size()] = static_cast<std::uint8_t>(random());
        }
        if (random() % 4 == 0) packet.resize(random() % (packet.size() + 1));
        read_well += static_cast<std::size_t>(!fault_of(packet).has_value());
    }
    EXPECT_GT(read_well, 1000U);
}

TEST(Advert, HasAsManyAddressesAsFit) {
    Advert advert = advert_v4();
    advert.addresses.assign(kAdvertAddressesMax, ip("10.0.0.9"));
    const auto result = read(make_advert(advert, AdvertChecksum::kMessage));
    ASSERT_TRUE(std::holds_alternative<Advert>(result));
    EXPECT_EQ(std::get<Advert>(result).addresses.size(), kAdvertAddressesMax);
}

TEST(VirtualMac, IsThatOfTheRouterAndItsFamily) {
    EXPECT_EQ(virtual_mac(51, true), (Mac{0, 0, 0x5e, 0, 1, 51}));
    EXPECT_EQ(virtual_mac(255, false), (Mac{0, 0, 0x5e, 0, 2, 255}));
}

}  // namespace
}  // namespace tandem::pair
