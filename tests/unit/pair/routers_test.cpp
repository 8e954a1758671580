// What the virtual routers of an instance say and let workers do. Who becomes active when is tested
// with vrrp.h; here, what follows.
#include "dataplane/pair/routers.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/pair/virtual_routers.h"

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;

std::uint16_t type_of(const Routers::Frame& frame) {
    return load_be16(frame.bytes.data() + ethernet::kType);
}

Mac source_of(const Routers::Frame& frame) {
    Mac mac{};
    std::copy_n(frame.bytes.begin() + ethernet::kSource, mac.size(), mac.begin());
    return mac;
}

Mac destination_of(const Routers::Frame& frame) {
    Mac mac{};
    std::copy_n(frame.bytes.begin() + ethernet::kDestination, mac.size(), mac.begin());
    return mac;
}

bool takes_virtual_mac(const tables::Roles& roles, bool is_v4 = true) {
    return roles.has_virtual_mac(0,
                                 tables::Roles::mac_number(virtual_mac(kRouterId, is_v4).data()));
}

TEST(Routers, WhoTakesLongToStartListensBeforeItTakesOver) {
    Instance instance;
    instance.follow(kNoon);
    const Instant begun = kNoon + std::chrono::seconds(1);
    instance.step(begun);
    EXPECT_TRUE(instance.roles.is_silent(0, true));
    instance.run(begun, 3 * kEvery);
    EXPECT_TRUE(instance.roles.is_silent(0, true));
    instance.run(begun + 3 * kEvery, 2 * kEvery);
    EXPECT_FALSE(instance.roles.is_silent(0, true));
}

TEST(Routers, ANewGroupIsSilentUntilItsRouterIsActive) {
    Instance one;
    const std::uint8_t number = one.follow(kNoon)[0];
    ASSERT_LT(number, tables::kGroupsMax);
    EXPECT_TRUE(one.roles.has_groups());
    EXPECT_TRUE(one.roles.is_silent(number, true));
    EXPECT_FALSE(one.roles.refuses(number, true)) << "both forward, unless strict";
    EXPECT_FALSE(takes_virtual_mac(one.roles));
    one.run(kNoon, 3 * kEvery);
    EXPECT_TRUE(one.routers.take_frames().empty()) << "a backup says nothing";

    one.run(kNoon + 3 * kEvery, kEvery);
    EXPECT_FALSE(one.roles.is_silent(number, true));
    EXPECT_TRUE(takes_virtual_mac(one.roles));
    EXPECT_FALSE(takes_virtual_mac(one.roles, false)) << "it has no IPv6 VIP";
    EXPECT_EQ(one.roles.mac(number, true, kPortMac), virtual_mac(kRouterId, true));
    const std::vector<Routers::Frame> frames = one.routers.take_frames();
    ASSERT_GE(frames.size(), 2U);
    EXPECT_EQ(type_of(frames[0]), ethernet::kTypeIpv4);
    EXPECT_EQ(type_of(frames[1]), ethernet::kTypeArp);
    for (const Routers::Frame& frame : frames) {
        EXPECT_EQ(source_of(frame), virtual_mac(kRouterId, true));
        EXPECT_EQ(frame.good_for, kEvery) << "then the next one is due";
    }
    EXPECT_EQ(destination_of(frames[0]), (Mac{1, 0, 0x5e, 0, 0, 0x12}));
    EXPECT_EQ(adverts_in(frames)[0].addresses, std::vector{address("192.0.2.80")});
}

TEST(Routers, OfTwoOneIsActiveAndTheOtherTakesOverAtOnceWhenItStops) {
    Instance high;
    Instance low(kOtherMac);
    high.groups[0].priority = 200;
    low.groups[0].source_v4 = address("192.0.2.21");
    high.follow(kNoon);
    low.follow(kNoon);
    const auto exchange = [](Instance& from, Instance& to, Instant now) {
        for (const Routers::Frame& frame : from.routers.take_frames()) {
            to.routers.on_frame(0, frame.bytes, now);
        }
    };
    Instant now = kNoon;
    for (; now < kNoon + 20 * kEvery; now += milliseconds(1)) {
        exchange(high, low, now);
        exchange(low, high, now);
        high.step(now);
        low.step(now);
    }
    EXPECT_FALSE(high.roles.is_silent(0, true));
    EXPECT_TRUE(low.roles.is_silent(0, true));

    EXPECT_GT(high.routers.stop(now), kLate);
    EXPECT_TRUE(high.roles.is_silent(0, true)) << "silent before the other one speaks";
    EXPECT_TRUE(takes_virtual_mac(high.roles)) << "frames may still be under way";
    exchange(high, low, now);
    low.run(now, kEvery);
    EXPECT_FALSE(low.roles.is_silent(0, true)) << "after its skew, not after three intervals";
    EXPECT_EQ(low.routers.counts().mismatch, 0U);
    EXPECT_FALSE(low.routers.take_changes().empty());
}

TEST(Routers, FramesToTheVirtualMacAreTakenForAWhileAfterTheRoleIsGone) {
    Instance one;
    one.follow(kNoon);
    Instant now = one.run(kNoon, 5 * kEvery);
    ASSERT_TRUE(takes_virtual_mac(one.roles));
    one.routers.set_workers_run(false, now);
    EXPECT_TRUE(one.roles.is_silent(0, true));
    now = one.run(now, kLate);
    EXPECT_TRUE(takes_virtual_mac(one.roles));
    one.step(now);
    EXPECT_FALSE(takes_virtual_mac(one.roles));
}

TEST(Routers, AGroupKeepsItsNumberAndItsRoleWhateverBecomesOfOthers) {
    Instance one;
    one.groups = {group("b")};
    const std::uint8_t number = one.follow(kNoon)[0];
    Instant now = one.run(kNoon, 5 * kEvery);
    one.groups = {group("a"), group("b"), group("c")};
    one.groups[0].router_id = 1;
    one.groups[2].router_id = 3;
    one.vips = {vip("192.0.2.70", 0), vip("192.0.2.80", 1), vip("192.0.2.90", 2)};
    Routers::Numbers numbers = one.follow(now);
    EXPECT_EQ(numbers[1], number);
    EXPECT_FALSE(one.roles.is_silent(numbers[1], true));
    EXPECT_TRUE(one.roles.is_silent(numbers[0], true));
    EXPECT_TRUE(one.roles.is_silent(numbers[2], true));
    EXPECT_EQ(std::set(numbers.begin(), numbers.begin() + 3).size(), 3U);

    now = one.run(now, 5 * kEvery);
    static_cast<void>(one.routers.take_frames());
    const std::uint8_t gone = numbers[0];
    one.groups.erase(one.groups.begin());
    one.vips = {vip("192.0.2.80", 0), vip("192.0.2.90", 1)};
    EXPECT_EQ(one.follow(now)[0], number);
    const std::vector<Advert> last = adverts_in(one.routers.take_frames());
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].router_id, 1);
    EXPECT_EQ(last[0].priority, kPriorityReleased);
    EXPECT_FALSE(one.roles.is_silent(gone, true)) << "the number is free again";
    one.groups.clear();
    one.vips.clear();
    one.follow(now);
    EXPECT_FALSE(one.roles.has_groups());
    EXPECT_FALSE(takes_virtual_mac(one.roles));
}

TEST(Routers, AsManyNewGroupsAsThereMayBeCanReplaceAsManyOldOnes) {
    Instance one;
    for (const char* generation : {"a", "b", "c"}) {
        one.groups.clear();
        one.vips.clear();
        for (std::uint8_t i = 0; i < tables::kGroupsMax; ++i) {
            one.groups.push_back(group((generation + std::to_string(i)).c_str()));
            one.groups.back().router_id = static_cast<std::uint8_t>(i + 1);
            one.vips.push_back(vip("192.0.2.80", i));
        }
        const Routers::Numbers numbers = one.follow(kNoon);
        EXPECT_EQ(std::set(numbers.begin(), numbers.end()).size(), tables::kGroupsMax);
        EXPECT_LT(*std::ranges::max_element(numbers), tables::kGroupsMax);
    }
}

TEST(Routers, WhatAnEarlierProcessWasIsForgotten) {
    tables::Roles roles;
    roles.set_virtual_mac(0, kRouterId, true, true);
    roles.set_silent(3, true, true);
    roles.set_refused(3, false, true);
    roles.set_mac(3, 9);
    roles.set_has_groups(true);
    const std::vector<tables::PortInfo> ports(1);
    const Routers routers(roles, ports);
    EXPECT_FALSE(takes_virtual_mac(roles));
    EXPECT_FALSE(roles.is_silent(3, true));
    EXPECT_FALSE(roles.refuses_any());
    EXPECT_FALSE(roles.has_groups());
    EXPECT_EQ(roles.mac(3, true, kPortMac), kPortMac);
}

TEST(Routers, ANewVipIsAnnouncedAndAReloadKeepsTheRole) {
    Instance one;
    one.follow(kNoon);
    Instant now = one.run(kNoon, 30 * kEvery);
    static_cast<void>(one.routers.take_frames());
    one.vips.push_back(vip("192.0.2.81", 0));
    one.groups[0].priority = 90;
    one.groups[0].interval_ms = 20;
    one.follow(now);
    now = one.run(now, 4 * kEvery);
    const std::vector<Routers::Frame> frames = one.routers.take_frames();
    EXPECT_TRUE(std::ranges::any_of(frames, [](const Routers::Frame& frame) {
        return type_of(frame) == ethernet::kTypeArp && frame.bytes[14 + 17] == 81;
    }));
    const std::vector<Advert> adverts = adverts_in(frames);
    ASSERT_FALSE(adverts.empty());
    EXPECT_EQ(adverts.back().addresses.size(), 2U);
    EXPECT_EQ(adverts.back().priority, 90);
    EXPECT_EQ(adverts.back().interval, milliseconds(20));
    EXPECT_FALSE(one.roles.is_silent(0, true));
}

TEST(Routers, WithoutAnAddressToSpeakFromItIsSilent) {
    Instance one;
    one.groups[0].source_v4 = {};
    one.follow(kNoon);
    one.run(kNoon, 100 * kEvery);
    EXPECT_TRUE(one.roles.is_silent(0, true));
    EXPECT_TRUE(one.routers.take_frames().empty());
    one.groups[0].source_v4 = address("192.0.2.20");
    one.groups[0].port = 7;  // nor on a port that is not there
    one.follow(kNoon);
    one.run(kNoon, 100 * kEvery);
    EXPECT_TRUE(one.roles.is_silent(0, true));
}

TEST(Routers, WhoseLastVipOfAFamilyGoesGivesUpThatFamilyAsWhatItWas) {
    for (const bool is_v4 : {true, false}) {
        Instance one;
        one.vips.push_back(vip("2001:db8::80", 0));
        one.follow(kNoon);
        Instant now = one.run(kNoon, 30 * kEvery);
        static_cast<void>(one.routers.take_frames());
        one.vips.erase(one.vips.begin() + (is_v4 ? 0 : 1));
        one.follow(now);
        const std::vector<Advert> adverts = adverts_in(one.routers.take_frames());
        ASSERT_EQ(adverts.size(), 1U);
        EXPECT_EQ(adverts[0].priority, kPriorityReleased);
        EXPECT_EQ(adverts[0].source, address(is_v4 ? "192.0.2.20" : "fe80::20"));
        EXPECT_EQ(adverts[0].addresses.back(), address(is_v4 ? "192.0.2.80" : "2001:db8::80"));
        EXPECT_TRUE(one.roles.is_silent(0, is_v4));
        EXPECT_FALSE(one.roles.is_silent(0, !is_v4)) << "the other one goes on";
        EXPECT_TRUE(takes_virtual_mac(one.roles, is_v4)) << "frames may still be under way";
        EXPECT_TRUE(one.roles.is_moving(0, is_v4));
        now = one.run(now, kLate + kEvery);
        EXPECT_FALSE(takes_virtual_mac(one.roles, is_v4));
        EXPECT_FALSE(one.roles.is_moving(0, is_v4));
        EXPECT_TRUE(takes_virtual_mac(one.roles, !is_v4));
    }
}

TEST(Routers, WhoLosesTheAddressThatItSpeaksFromGivesUpByIt) {
    Instance one;
    one.follow(kNoon);
    const Instant now = one.run(kNoon, 30 * kEvery);
    static_cast<void>(one.routers.take_frames());
    one.groups[0].source_v4 = {};
    one.follow(now);
    const std::vector<Advert> adverts = adverts_in(one.routers.take_frames());
    ASSERT_EQ(adverts.size(), 1U);
    EXPECT_EQ(adverts[0].priority, kPriorityReleased);
    EXPECT_EQ(adverts[0].source, address("192.0.2.20"));
    EXPECT_TRUE(one.roles.is_silent(0, true));
    one.run(now, kLate + kEvery);
    EXPECT_FALSE(takes_virtual_mac(one.roles));
}

// A group whose port the dataplane does not have yet is planned as if it were on the first one.
TEST(Routers, AnotherGroupWithTheSameMacDoesNotTakeItAway) {
    for (const bool is_renumbered : {false, true}) {
        Instance one;
        one.groups.push_back(group("lan"));
        one.groups[1].source_v4 = one.groups[1].source_v6 = {};
        one.vips.push_back(vip("198.51.100.80", 1));
        one.follow(kNoon);
        const Instant now = one.run(kNoon, 30 * kEvery);
        ASSERT_TRUE(takes_virtual_mac(one.roles));
        if (is_renumbered) {
            one.groups[1].router_id = 52;
        } else {
            one.groups.pop_back();
            one.vips.pop_back();
        }
        one.follow(now);
        one.run(now, kLate + kEvery);
        EXPECT_TRUE(takes_virtual_mac(one.roles));
        EXPECT_FALSE(one.roles.is_silent(0, true));
    }
}

TEST(Routers, TwoGroupsMayChangeTheirMacs) {
    Instance one;
    one.groups = {group("a", kPriorityOwner), group("b", kPriorityOwner)};
    one.groups[1].router_id = 52;
    one.vips = {vip("192.0.2.70", 0), vip("192.0.2.80", 1)};
    one.follow(kNoon);
    const Instant now = one.run(kNoon, 30 * kEvery);
    std::swap(one.groups[0].router_id, one.groups[1].router_id);
    one.follow(now);
    one.run(now, kLate + kEvery);
    for (const std::uint8_t router_id : std::array<std::uint8_t, 2>{51, 52}) {
        EXPECT_TRUE(one.roles.has_virtual_mac(
            0, tables::Roles::mac_number(virtual_mac(router_id, true).data())));
    }
}

TEST(Routers, MoreVipsThanAnAdvertisementHoldsAreNoMismatch) {
    Instance one;
    one.ports[0].mtu = 9000;  // the other one's is 1500
    one.vips.clear();
    for (unsigned i = 1; i <= 400; ++i) {
        tables::PlanVip each = vip("2001:db8::", 0);
        each.address.bytes[14] = static_cast<std::uint8_t>(i >> 8U);
        each.address.bytes[15] = static_cast<std::uint8_t>(i);
        one.vips.push_back(each);
    }
    Instance other(kOtherMac);
    other.groups[0].source_v6 = address("fe80::21");
    other.vips = one.vips;
    one.follow(kNoon);
    other.follow(kNoon);
    const Instant now = one.run(kNoon, 5 * kEvery);
    const std::vector<Routers::Frame> frames = one.routers.take_frames();
    ASSERT_FALSE(frames.empty());
    EXPECT_LE(frames[0].bytes.size(), ethernet::kHeaderBytes + 1500U);
    other.routers.on_frame(0, frames[0].bytes, now);
    EXPECT_EQ(other.routers.counts().taken, 1U);
    EXPECT_EQ(other.routers.counts().mismatch, 0U);
}

TEST(Routers, AStrictGroupRefusesPacketsWhileItIsNotActive) {
    Instance one;
    one.groups[0].is_strict = 1;
    one.follow(kNoon);
    EXPECT_TRUE(one.roles.refuses(0, true));
    one.run(kNoon, 5 * kEvery);
    EXPECT_FALSE(one.roles.refuses(0, true));
}

TEST(Routers, Ipv6HasARouterOfItsOwn) {
    Instance one;
    one.vips.push_back(vip("2001:db8::80", 0));
    one.groups[0].has_virtual_mac = 0;
    one.follow(kNoon);
    one.run(kNoon, 5 * kEvery);
    const std::vector<Routers::Frame> frames = one.routers.take_frames();
    const std::vector<Advert> adverts = adverts_in(frames);
    const auto six =
        std::ranges::find_if(adverts, [](const Advert& advert) { return !advert.source.is_v4(); });
    ASSERT_NE(six, adverts.end());
    EXPECT_EQ(six->source, address("fe80::20"));
    EXPECT_EQ(six->addresses,
              (std::vector{address("fe80::200:5eff:fe00:233"), address("2001:db8::80")}));
    for (const Routers::Frame& frame : frames) EXPECT_EQ(source_of(frame), kPortMac);
    EXPECT_FALSE(takes_virtual_mac(one.roles, false));
    EXPECT_EQ(one.roles.mac(0, false, kPortMac), kPortMac);
}

TEST(Routers, PeersGetAdvertisementsOfTheirOwn) {
    Instance one;
    one.groups[0].peer_count = 3;
    one.groups[0].peers[0] = {address("192.0.2.21"), kOtherMac, 1};
    one.groups[0].peers[1] = {address("192.0.2.22"), {}, 0};
    one.groups[0].peers[2] = {address("2001:db8::21"), kOtherMac, 1};
    one.follow(kNoon);
    one.run(kNoon, 4 * kEvery);
    std::vector<Routers::Frame> frames = one.routers.take_frames();
    std::erase_if(
        frames, [](const Routers::Frame& frame) { return type_of(frame) != ethernet::kTypeIpv4; });
    ASSERT_FALSE(frames.empty());
    for (const Routers::Frame& frame : frames) EXPECT_EQ(destination_of(frame), kOtherMac);
    for (const Advert& advert : adverts_in(frames)) {
        EXPECT_EQ(advert.destination, address("192.0.2.21"));
    }
}

TEST(Routers, WhatIsNotForItIsCounted) {
    Instance one;
    one.follow(kNoon);
    Instance other(kOtherMac);
    other.groups[0].router_id = 52;
    other.follow(kNoon);
    other.run(kNoon, 4 * kEvery);
    const std::vector<Routers::Frame> foreign = other.routers.take_frames();
    one.routers.on_frame(0, foreign[0].bytes, kNoon);
    EXPECT_EQ(one.routers.counts().unknown, 1U);

    Instance twin;
    twin.vips.push_back(vip("192.0.2.99", 0));
    twin.follow(kNoon);
    twin.run(kNoon, 4 * kEvery);
    std::vector<Routers::Frame> frames = twin.routers.take_frames();
    one.routers.on_frame(0, frames[0].bytes, kNoon);
    EXPECT_EQ(one.routers.counts().own, 1U) << "the same address";
    one.routers.on_frame(1, frames[0].bytes, kNoon);
    EXPECT_EQ(one.routers.counts().unknown, 2U) << "another port";
    frames[0].bytes[14 + 8] = 254;
    one.routers.on_frame(0, frames[0].bytes, kNoon);
    EXPECT_EQ(one.routers.counts().faults[static_cast<std::size_t>(AdvertFault::kTtl)], 1U);
    one.routers.on_frame(0, std::span(frames[0].bytes).first(13), kNoon);
    EXPECT_EQ(one.routers.counts().faults[static_cast<std::size_t>(AdvertFault::kTruncated)], 1U);
    EXPECT_EQ(one.routers.counts().taken, 0U);

    one.groups[0].source_v4 = address("192.0.2.1");
    one.follow(kNoon);
    frames[0].bytes[14 + 8] = 255;
    one.routers.on_frame(0, frames[0].bytes, kNoon);
    EXPECT_EQ(one.routers.counts().taken, 1U);
    EXPECT_EQ(one.routers.counts().mismatch, 1U) << "it has another list of VIPs";
}

}  // namespace
}  // namespace tandem::pair
