// Messages as bytes: what is written is read, what is broken is refused, whatever it is.
#include "dataplane/pair/message.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "dataplane/pair/session.h"

namespace tandem::pair {
namespace {

Heartbeat drawn_heartbeat(std::mt19937_64& random) {
    Heartbeat heartbeat{.plan_generation = random(),
                        .config_revision = random(),
                        .hash_key_id = random(),
                        .digest = random(),
                        .interval_us = static_cast<std::uint32_t>(random()),
                        .is_fit = random() % 2 == 0,
                        .is_caught_up = random() % 2 == 0,
                        .answers = random() % 2 == 0,
                        .has_told_all = random() % 2 == 0,
                        .wants_telling = random() % 2 == 0,
                        .features = {},
                        .pools = {}};
    if (random() % 2 == 0) {
        heartbeat.features = {static_cast<std::uint32_t>(random()),
                              static_cast<std::uint32_t>(random())};
    }
    return heartbeat;
}

Message drawn(std::mt19937_64& random) {
    Message message;
    message.acknowledgement = {static_cast<std::uint32_t>(random()), random()};
    if (random() % 2 == 0) {
        message.heartbeat = drawn_heartbeat(random);
        if (random() % 2 == 0) message.acknowledgement.reset();
    }
    if (random() % 2 == 0) {
        message.hash_key.emplace();
        message.hash_key->born_ms = random();
        for (std::uint8_t& byte : message.hash_key->key.bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
    }
    if (random() % 2 == 0) {
        message.ask = {static_cast<Ask::Verb>(1 + random() % 3),
                       static_cast<std::uint32_t>(random()),
                       random(),
                       {static_cast<std::uint32_t>(random()), random()}};
    }
    if (random() % 2 == 0) {
        message.answer = {static_cast<std::uint32_t>(random()),
                          static_cast<Answer::Outcome>(1 + random() % 4)};
    }
    if (message.heartbeat && random() % 2 == 0) {
        message.heartbeat->pools.resize(random() % (kPoolDigestsMax + 1));
        for (PoolDigest& pool : message.heartbeat->pools) pool = {random(), random()};
        message.heartbeat->claims.resize(random() % (kGroupClaimsMax + 1));
        for (GroupClaim& claim : message.heartbeat->claims) {
            claim = {random(), static_cast<std::uint32_t>(random()), random() % 2 == 0};
        }
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
        const bool is_short = !read || !read->heartbeat ||
                              (read->heartbeat->pools.empty() && read->heartbeat->claims.empty());
        if (read && (!read->batch || is_short)) {
            ASSERT_EQ(decode(encode(*read)), read) << "draw " << i;
        }
    }
}

Message heartbeat_only() {
    Message message;
    message.heartbeat.emplace();
    return message;
}

TEST(Message, EveryTruncationIsRefusedOrLacksWholeFields) {
    Message message = heartbeat_only();
    message.acknowledgement = {1, 2};
    const std::vector<std::uint8_t> bytes = encode(message);
    const std::size_t heartbeat_bytes = encode(heartbeat_only()).size();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const std::optional<Message> read = decode(std::span(bytes).first(length));
        EXPECT_EQ(read.has_value(), length == heartbeat_bytes) << length;
    }
}

TEST(Message, OfEachFieldEveryTruncationIsRefused) {
    std::vector<Message> messages(5, heartbeat_only());
    messages[0].hash_key = {{.bytes = {1, 2, 3}}, 4};
    messages[1].ask = {Ask::Verb::kTake, 1, 2, {3, 4}};
    messages[2].answer = {1, Answer::Outcome::kActive};
    messages[3].batch = {1, 2, {{1, 2, 3}}};
    messages[4].heartbeat->features = {5, 4};
    const std::size_t heartbeat_bytes = encode(heartbeat_only()).size();
    constexpr std::size_t kHeader = 3;
    constexpr std::size_t kAskBytesBefore = 13;  // it did not say what had been told
    for (const Message& message : messages) {
        const std::vector<std::uint8_t> whole = encode(message);
        const std::size_t field_bytes = whole.size() - heartbeat_bytes - kHeader;
        for (std::size_t left = 0; left < field_bytes; ++left) {
            std::vector<std::uint8_t> cut(whole.begin(), whole.end());
            cut.resize(heartbeat_bytes + kHeader + left);
            EXPECT_EQ(decode(cut), std::nullopt) << "the length says more";
            cut[heartbeat_bytes + 2] = static_cast<std::uint8_t>(left);
            const std::optional<Message> read = decode(cut);
            EXPECT_FALSE(read && *read == message) << "the field is shorter than what it says";
            const bool is_of_an_earlier_release = message.ask && left == kAskBytesBefore;
            if (!message.batch && !is_of_an_earlier_release) {
                EXPECT_EQ(read, std::nullopt);
            }
        }
        std::vector<std::uint8_t> longer(whole);
        longer.insert(longer.end(), {9, 9});
        longer[heartbeat_bytes + 2] = static_cast<std::uint8_t>(field_bytes + 2);
        if (!message.batch) {
            EXPECT_EQ(decode(longer), message) << "of a later release";
        }
    }
}

TEST(Message, WhatALaterReleaseAsksAndAnswersIsReadForTheReaderToRefuse) {
    Message message;
    message.ask = {static_cast<Ask::Verb>(77), 1, 2};
    message.answer = {1, static_cast<Answer::Outcome>(78)};
    EXPECT_EQ(decode(encode(message)), message);
}

TEST(Message, TheLargestOfAllFieldsTogetherFitsOneDatagram) {
    Message message = heartbeat_only();
    message.heartbeat->features.emplace();
    message.hash_key.emplace();
    message.ask.emplace();
    message.answer.emplace();
    message.acknowledgement.emplace();
    message.batch.emplace();
    std::size_t left = kBatchRoom;
    while (left > kRecordOverhead) {
        const std::size_t bytes = std::min(left - kRecordOverhead, kRecordMax);
        message.batch->records.emplace_back(bytes, std::uint8_t{7});
        left -= bytes + kRecordOverhead;
    }
    EXPECT_LE(encode(message).size(), kPayloadMax);
    message.batch.reset();
    message.heartbeat->pools.resize(kPoolDigestsMax);
    message.heartbeat->claims.resize(kGroupClaimsMax);
    EXPECT_LE(encode(message).size(), kPayloadMax);
}

TEST(Message, FieldsOfALaterReleaseAreSteppedOver) {
    Message message = heartbeat_only();
    message.heartbeat->digest = 7;
    std::vector<std::uint8_t> bytes{200, 0, 2, 0xaa, 0xbb};
    const std::vector<std::uint8_t> known = encode(message);
    bytes.insert(bytes.end(), known.begin(), known.end());
    EXPECT_EQ(decode(bytes), message);
    bytes[2] = 255;
    EXPECT_EQ(decode(bytes), std::nullopt) << "a length that lies";
    EXPECT_EQ(decode(std::vector<std::uint8_t>{200, 0, 0}), std::nullopt) << "nothing else";
}

TEST(Message, NothingAndWhatBelongsToAHeartbeatThatIsNotThereSayNothing) {
    EXPECT_EQ(decode({}), std::nullopt);
    Message message = heartbeat_only();
    message.heartbeat->features = {5, 4};
    const std::vector<std::uint8_t> whole = encode(message);
    const auto heartbeat_bytes = static_cast<std::ptrdiff_t>(encode(heartbeat_only()).size());
    const std::vector<std::uint8_t> features(whole.begin() + heartbeat_bytes, whole.end());
    EXPECT_EQ(decode(features), std::nullopt);
}

TEST(Message, RecordsTakeNoMoreThanTheyHaveToAreOnTheirWay) {
    Message message;
    message.acknowledgement = {1, 2};
    message.batch = {1, 2, {Record(12)}};
    EXPECT_LE(encode(message).size(), 45U);
}

}  // namespace
}  // namespace tandem::pair
