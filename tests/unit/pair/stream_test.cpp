// A stream over a network that loses, repeats and reorders, drawn from seeds.
#include "dataplane/pair/stream.h"

#include <random>

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Instant kDawn{std::chrono::hours(1)};
constexpr std::size_t kRoom = 100;

Record record(std::uint32_t number, std::size_t bytes = 4) {
    Record record(std::max<std::size_t>(bytes, 4));
    for (std::size_t i = 0; i < 4; ++i) {
        record[i] = static_cast<std::uint8_t>(number >> (8 * i));
    }
    return record;
}

std::uint32_t number_of(const Record& record) {
    return record[0] | std::uint32_t{record[1]} << 8U | std::uint32_t{record[2]} << 16U |
           std::uint32_t{record[3]} << 24U;
}

TEST(Stream, RecordsArriveInOrderAndAreForgottenOnceAcknowledged) {
    StreamSender sender({});
    StreamReceiver receiver;
    for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(sender.push(record(i)));
    std::uint32_t expected = 0;
    while (const std::optional<Batch> batch = sender.next(kDawn, kRoom)) {
        EXPECT_LE(batch->records.size() * (4 + kRecordOverhead), kRoom);
        for (const Record& each : receiver.take(*batch).records) {
            EXPECT_EQ(number_of(each), expected++);
        }
    }
    EXPECT_EQ(expected, 100U);
    EXPECT_FALSE(sender.is_empty());
    sender.acknowledged(*receiver.epoch(), receiver.next(), kDawn);
    EXPECT_TRUE(sender.is_empty());
    EXPECT_EQ(sender.resent(), 0U);
}

TEST(Stream, WhatIsNotAcknowledgedIsSentAgainAfterAWhileFromWhereItIsMissing) {
    StreamSender sender({.resend_after = milliseconds(5)});
    StreamReceiver receiver;
    for (std::uint32_t i = 0; i < 3; ++i) sender.push(record(i, 80));
    const Batch first = *sender.next(kDawn, kRoom);
    const Batch lost = *sender.next(kDawn, kRoom);
    const Batch third = *sender.next(kDawn, kRoom);
    EXPECT_FALSE(sender.next(kDawn, kRoom));
    EXPECT_EQ(receiver.take(first).records.size(), 1U);
    EXPECT_EQ(receiver.take(third).records.size(), 0U) << "something is missing before it";
    sender.acknowledged(1, receiver.next(), kDawn + milliseconds(3));
    EXPECT_FALSE(sender.next(kDawn + milliseconds(7), kRoom)) << "there was progress";
    EXPECT_EQ(*sender.next(kDawn + milliseconds(8), kRoom), lost);
    EXPECT_EQ(*sender.next(kDawn + milliseconds(8), kRoom), third);
    EXPECT_EQ(sender.resent(), 2U);
}

TEST(Stream, AFullQueueBreaksItAndItBeginsAnewWithAnotherEpoch) {
    StreamSender sender({.queue_bytes = 20});
    StreamReceiver receiver;
    for (std::uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(sender.push(record(i)));
    const Batch old = *sender.next(kDawn, kRoom);
    EXPECT_TRUE(receiver.take(old).is_new_epoch);
    EXPECT_FALSE(sender.push(record(4)));
    EXPECT_TRUE(sender.is_broken());
    sender.acknowledged(1, 4, kDawn);
    EXPECT_FALSE(sender.push(record(5))) << "one that was lost is lost: only a restart helps";
    sender.restart();
    ASSERT_TRUE(sender.push(record(7)));
    const StreamReceiver::Taken taken = receiver.take(*sender.next(kDawn, kRoom));
    EXPECT_TRUE(taken.is_new_epoch);
    ASSERT_EQ(taken.records.size(), 1U);
    EXPECT_EQ(number_of(taken.records[0]), 7U);
    EXPECT_TRUE(receiver.take(old).records.empty()) << "late, of an epoch that is over";
    EXPECT_EQ(receiver.next(), 1U);
    sender.acknowledged(1, 1, kDawn);
    EXPECT_FALSE(sender.is_empty()) << "an acknowledgement of the old epoch";
}

TEST(Stream, AcknowledgementsOfWhatWasNeverSaidAreIgnored) {
    StreamSender sender({});
    sender.push(record(0));
    sender.acknowledged(1, 2, kDawn);
    EXPECT_FALSE(sender.is_empty());
    sender.acknowledged(2, 1, kDawn);
    EXPECT_FALSE(sender.is_empty());
    sender.acknowledged(1, 1, kDawn);
    EXPECT_TRUE(sender.is_empty()) << "the peer may have it from before we went back";
}

TEST(Stream, SendsNoFasterThanItsRate) {
    constexpr std::uint64_t kRate = 100'000;
    StreamSender sender({.bytes_per_second = kRate, .resend_after = std::chrono::hours(1)});
    for (std::uint32_t i = 0; i < 40'000; ++i) ASSERT_TRUE(sender.push(record(i, 9)));
    std::uint64_t sent = 0;
    for (Instant now = kDawn; now < kDawn + std::chrono::seconds(2); now += microseconds(500)) {
        while (const std::optional<Batch> batch = sender.next(now, kRoom)) {
            sent += batch->records.size() * 10;
        }
    }
    EXPECT_GT(sent, 2 * kRate * 95 / 100);
    EXPECT_LE(sent, 2 * kRate + kRate / 100 + kRoom);
}

TEST(StreamProperty, WhateverTheNetworkDoesEachRecordComesOnceAndInOrder) {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        std::mt19937 random(seed);
        const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
        StreamSender sender({.queue_bytes = 4000});
        StreamReceiver receiver;
        std::vector<std::pair<Instant, Batch>> under_way;
        std::uint32_t pushed = 0;    // of this epoch
        std::uint32_t received = 0;  // of the receiver's epoch
        Instant now = kDawn;
        const auto step = [&](unsigned loss, bool pushes) {
            now += milliseconds(1);
            if (pushes && chance(70)) {
                for (auto i = random() % 10; i > 0; --i) {
                    if (sender.push(record(pushed, 4 + random() % 60))) ++pushed;
                }
            }
            if (sender.is_broken()) {
                sender.restart();
                pushed = sender.push(record(0)) ? 1 : 0;  // else nobody hears of the new epoch
            }
            while (const std::optional<Batch> batch = sender.next(now, 200)) {
                for (unsigned copies = chance(10) ? 2 : 1; copies > 0; --copies) {
                    if (chance(loss)) continue;
                    under_way.emplace_back(now + milliseconds(random() % 4), *batch);
                }
            }
            std::shuffle(under_way.begin(), under_way.end(), random);
            std::erase_if(under_way, [&](const auto& each) {
                if (each.first > now) return false;
                const StreamReceiver::Taken taken = receiver.take(each.second);
                if (taken.is_new_epoch) received = 0;
                for (const Record& one : taken.records) EXPECT_EQ(number_of(one), received++);
                return true;
            });
            if (receiver.epoch() && !chance(loss)) {
                sender.acknowledged(*receiver.epoch(), receiver.next(), now);
            }
        };
        const auto loss = static_cast<unsigned>(random() % 60);
        for (int i = 0; i < 300; ++i) step(loss, true);
        for (int i = 0; i < 2000; ++i) step(0, false);
        ASSERT_TRUE(sender.is_empty());
        ASSERT_EQ(received, pushed);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace tandem::pair
