#include "dataplane/pair/announce.h"

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Bytes;
using test::operator+;

constexpr Mac kMac{0, 0, 0x5e, 0, 1, 51};
constexpr Instant kBegin{std::chrono::hours(1)};

TEST(Announcement, OfIpv4IsAnArpRequestForItself) {
    const Bytes mac(kMac.begin(), kMac.end());
    const Bytes everybody(6, 0xff);
    const Bytes vip{203, 0, 113, 10};
    const Bytes expected = everybody + mac + test::be16(0x0806) + Bytes{0, 1, 8, 0, 6, 4, 0, 1} +
                           mac + vip + everybody + vip;
    EXPECT_EQ(make_announcement(IpAddress::parse("203.0.113.10").value(), kMac), expected);
}

TEST(Announcement, OfIpv6OverridesWhatAllNodesKnow) {
    const IpAddress vip = IpAddress::parse("2001:db8::10").value();
    const Bytes frame = make_announcement(vip, kMac);
    ASSERT_EQ(frame.size(), 14U + 40 + 32);
    EXPECT_EQ(Bytes(frame.begin(), frame.begin() + 6), (Bytes{0x33, 0x33, 0, 0, 0, 1}));
    EXPECT_EQ(frame[21], 255) << "hop limit, RFC 4861 section 7.1.2";
    EXPECT_EQ(Bytes(frame.begin() + 22, frame.begin() + 38),
              Bytes(vip.bytes.begin(), vip.bytes.end()));
    EXPECT_EQ(frame[54], 136);
    EXPECT_EQ(frame[58], 0xa0) << "R and O, not S";
    EXPECT_EQ(Bytes(frame.begin() + 78, frame.end()),
              (Bytes{2, 1} + Bytes(kMac.begin(), kMac.end())));
    EXPECT_TRUE(test::icmpv6_sums_up(frame));
}

TEST(AnnouncementSchedule, RepeatsSoonThenSeldom) {
    AnnouncementSchedule schedule;
    EXPECT_EQ(schedule.deadline(), Instant::max());
    schedule.begin(kBegin);
    for (const Duration after :
         {Duration{}, Duration(milliseconds(5)), Duration(milliseconds(20)),
          Duration(milliseconds(100)), Duration(milliseconds(500)), Duration(seconds(2)),
          Duration(seconds(10)), Duration(seconds(40)), Duration(seconds(70))}) {
        EXPECT_EQ(schedule.deadline(), kBegin + after);
        EXPECT_FALSE(schedule.is_due(kBegin + after - Duration(1)));
        EXPECT_TRUE(schedule.is_due(kBegin + after));
        EXPECT_FALSE(schedule.is_due(kBegin + after));
    }
    schedule.stop();
    EXPECT_EQ(schedule.deadline(), Instant::max());
}

TEST(AnnouncementSchedule, SendsOnceForAllThatWereMissed) {
    AnnouncementSchedule schedule;
    schedule.begin(kBegin);
    EXPECT_TRUE(schedule.is_due(kBegin + seconds(50)));
    EXPECT_EQ(schedule.deadline(), kBegin + seconds(70));
}

TEST(AnnouncementSchedule, BeginsAnew) {
    AnnouncementSchedule schedule;
    schedule.begin(kBegin);
    EXPECT_TRUE(schedule.is_due(kBegin + seconds(1)));
    schedule.begin(kBegin + seconds(1));
    EXPECT_EQ(schedule.deadline(), kBegin + seconds(1));
}

}  // namespace
}  // namespace tandem::pair
