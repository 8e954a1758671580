// Messages as bytes: what is written is read, what is broken is refused, whatever it is.
#include "dataplane/pair/message.h"

#include <random>

#include <gtest/gtest.h>

#include "dataplane/pair/session.h"

namespace tandem::pair {
namespace {

Message drawn(std::mt19937_64& random) {
    Message message{.plan_generation = random(),
                    .config_revision = random(),
                    .hash_key_id = random(),
                    .digest = random(),
                    .interval_us = static_cast<std::uint32_t>(random()),
                    .is_fit = random() % 2 == 0,
                    .pools = {},
                    .acknowledgement = {},
                    .batch = {}};
    if (random() % 2 == 0) {
        message.acknowledgement = {static_cast<std::uint32_t>(random()), random()};
    }
    if (random() % 2 == 0) {
        message.pools.resize(random() % (kPoolDigestsMax + 1));
        for (PoolDigest& pool : message.pools) pool = {random(), random()};
    } else {
        Batch batch{
            .epoch = static_cast<std::uint32_t>(random()), .first = random(), .records = {}};
        std::size_t left = kBatchRoom;
        for (std::size_t bytes = random() % (kRecordMax + 1); bytes + kRecordOverhead <= left;
             bytes = random() % (kRecordMax + 1)) {
            batch.records.emplace_back(bytes, static_cast<std::uint8_t>(random()));
            left -= bytes + kRecordOverhead;
        }
        message.batch = std::move(batch);
    }
    return message;
}

TEST(MessageProperty, WhatIsWrittenIsRead) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 5000; ++i) {
        const Message message = drawn(random);
        const std::vector<std::uint8_t> bytes = encode(message);
        ASSERT_LE(bytes.size(), kPayloadMax);
        ASSERT_EQ(decode(bytes), message) << "draw " << i;
    }
}

TEST(MessageProperty, WhateverComesIsReadOrRefusedAndNeverReadPastItsEnd) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::uint8_t> bytes = encode(drawn(random));
        for (auto changes = random() % 4; changes > 0; --changes) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        }
        bytes.resize(random() % (bytes.size() + 1));
        bytes.shrink_to_fit();  // for AddressSanitizer to see where it ends
        const std::optional<Message> read = decode(bytes);
        if (read && (read->pools.empty() || !read->batch)) {
            ASSERT_EQ(decode(encode(*read)), read) << "draw " << i;
        }
    }
}

TEST(Message, EveryTruncationIsRefusedOrLacksWholeFields) {
    Message message;
    message.acknowledgement = {1, 2};
    const std::vector<std::uint8_t> bytes = encode(message);
    const std::size_t heartbeat_bytes = encode(Message{}).size();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const std::optional<Message> read = decode(std::span(bytes).first(length));
        EXPECT_EQ(read.has_value(), length == heartbeat_bytes) << length;
    }
}

TEST(Message, FieldsOfALaterReleaseAreSteppedOver) {
    Message message;
    message.digest = 7;
    std::vector<std::uint8_t> bytes{200, 0, 2, 0xaa, 0xbb};
    const std::vector<std::uint8_t> known = encode(message);
    bytes.insert(bytes.end(), known.begin(), known.end());
    EXPECT_EQ(decode(bytes), message);
    bytes[2] = 255;
    EXPECT_EQ(decode(bytes), std::nullopt) << "a length that lies";
    EXPECT_EQ(decode(std::vector<std::uint8_t>{200, 0, 0}), std::nullopt) << "no heartbeat";
}

}  // namespace
}  // namespace tandem::pair
