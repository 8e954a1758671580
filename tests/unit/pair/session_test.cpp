#include "dataplane/pair/session.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/net/frames.h"

namespace tandem::pair {
namespace {

using test::Bytes;
using test::operator+;

PeerSecret secret(std::uint8_t fill) {
    PeerSecret secret;
    secret.fill(fill);
    return secret;
}

/// The life number `life` of instance `who`.
Session session(std::uint8_t who, std::uint8_t life = 0,
                std::vector<PeerSecret> secrets = {secret(7)}) {
    BootId id{};
    id[0] = who;
    id[15] = life;
    HashKey random;
    random.bytes = id;
    return {std::move(secrets), id, random};
}

const Bytes kHello{'h', 'e', 'l', 'l', 'o'};

Opened opened(Session& by, const Bytes& datagram) {
    const auto result = by.open(test::ExactCopy(datagram).span());
    EXPECT_TRUE(std::holds_alternative<Opened>(result));
    return std::holds_alternative<Opened>(result) ? std::get<Opened>(result) : Opened{};
}

std::optional<Refusal> refusal(Session& by, const Bytes& datagram) {
    const auto result = by.open(test::ExactCopy(datagram).span());
    const auto* refusal = std::get_if<Refusal>(&result);
    return refusal != nullptr ? std::optional(*refusal) : std::nullopt;
}

/// Until both know each other; as the driver does it.
void introduce(Session& a, Session& b) {
    const Opened at_b = opened(b, a.seal(kHello));
    if (at_b.is_known) return;
    const Opened at_a = opened(a, b.answer(at_b));
    if (!at_a.is_known) static_cast<void>(opened(b, a.answer(at_a)));
    static_cast<void>(opened(a, b.seal(kHello)));
    static_cast<void>(opened(b, a.seal(kHello)));
    EXPECT_TRUE(a.has_peer());
    EXPECT_TRUE(b.has_peer());
}

TEST(Session, TwoThatLiveGetToKnowEachOther) {
    Session a = session(1);
    Session b = session(2);
    const Opened first = opened(b, a.seal(kHello));
    EXPECT_FALSE(first.is_known) << "it may have been recorded long ago";
    EXPECT_EQ(first.payload, kHello);
    introduce(a, b);
    const Opened later = opened(b, a.seal(kHello));
    EXPECT_TRUE(later.is_known);
    EXPECT_FALSE(later.is_new);
    EXPECT_EQ(later.payload, kHello);
}

TEST(Session, EveryPayloadUpToTheLargestArrives) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPayloadMax}) {
        const Bytes payload(size, 0x5a);
        const Bytes datagram = a.seal(payload);
        EXPECT_LE(datagram.size(), 1452U);
        EXPECT_EQ(opened(b, datagram).payload, payload);
    }
}

TEST(Session, NothingOfAPayloadIsReadableAndNoTwoDatagramsAreAlike) {
    Session a = session(1);
    const Bytes payload(64, 'x');
    const Bytes first = a.seal(payload);
    const Bytes second = a.seal(payload);
    EXPECT_EQ(std::ranges::search(first, Bytes(4, 'x')).size(), 0U);
    EXPECT_NE(Bytes(first.begin() + 28, first.end()), Bytes(second.begin() + 28, second.end()));
}

TEST(Session, AnyChangedBitIsRefused) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    const Bytes whole = a.seal(kHello);
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        Bytes changed = whole;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        ASSERT_TRUE(refusal(b, changed)) << "bit " << bit;
    }
    EXPECT_EQ(refusal(b, whole), std::nullopt) << "and the right one still arrives";
}

TEST(Session, SaysWhyItRefuses) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    const Bytes whole = a.seal(kHello);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        ASSERT_TRUE(refusal(b, Bytes(whole.begin(), whole.begin() + static_cast<long>(length))));
    }
    EXPECT_EQ(refusal(b, {}), Refusal::kTruncated);
    Bytes other = whole;
    other[0] = 'X';
    EXPECT_EQ(refusal(b, other), Refusal::kNotOurs);
    Bytes future = whole;
    future[3] = kPeerVersion + 1;
    EXPECT_EQ(refusal(b, future), Refusal::kVersion);
    EXPECT_EQ(refusal(a, whole), Refusal::kOurOwn);
    Session stranger = session(3, 0, {secret(8)});
    EXPECT_EQ(refusal(b, stranger.seal(kHello)), Refusal::kForged);
    EXPECT_EQ(refusal(b, whole), std::nullopt);
    EXPECT_EQ(refusal(b, whole), Refusal::kReplayed);
}

TEST(Session, DatagramsMayOvertakeEachOtherButCountOnce) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    std::vector<Bytes> datagrams;
    for (std::size_t i = 0; i < 600; ++i) datagrams.push_back(a.seal(kHello));
    std::mt19937 random(1);
    std::ranges::shuffle(datagrams, random);
    for (const Bytes& datagram : datagrams) EXPECT_EQ(refusal(b, datagram), std::nullopt);
    for (const Bytes& datagram : datagrams) EXPECT_EQ(refusal(b, datagram), Refusal::kReplayed);
}

TEST(Session, WhatIsTooOldToTellIsRefused) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    const Bytes old = a.seal(kHello);
    const Bytes last_in_window = a.seal(kHello);
    for (std::size_t i = 0; i + 2 < kReplayWindow; ++i) static_cast<void>(a.seal(kHello));
    EXPECT_EQ(refusal(b, a.seal(kHello)), std::nullopt);
    EXPECT_EQ(refusal(b, last_in_window), std::nullopt);
    EXPECT_EQ(refusal(b, a.seal(kHello)), std::nullopt);
    EXPECT_EQ(refusal(b, old), Refusal::kReplayed);
}

TEST(Session, ANewLifeOfThePeerIsKnownAtOnceAndTheOldOneNeverAgain) {
    Session b = session(2);
    Session old_life = session(1, 0);
    introduce(old_life, b);
    std::vector<Bytes> recorded;
    for (int i = 0; i < 20; ++i) recorded.push_back(old_life.seal(kHello));

    Session new_life = session(1, 1);
    const Opened first = opened(b, new_life.seal(kHello));
    EXPECT_FALSE(first.is_known);
    static_cast<void>(opened(new_life, b.answer(first)));
    introduce(new_life, b);
    EXPECT_TRUE(opened(b, new_life.seal(kHello)).is_known);
    for (const Bytes& datagram : recorded) EXPECT_FALSE(opened(b, datagram).is_known);
    EXPECT_TRUE(opened(b, new_life.seal(kHello)).is_known) << "and it is not disturbed";
}

TEST(Session, ARecordedIntroductionIntroducesNobody) {
    std::vector<Bytes> recorded;  // all that a once said to b
    Session b = session(2);
    {
        Session a = session(1, 0);
        recorded.push_back(a.seal(kHello));
        const Opened first = opened(b, recorded.back());
        const Opened answer = opened(a, b.answer(first));
        recorded.push_back(a.answer(answer));
        EXPECT_TRUE(opened(b, recorded.back()).is_new);
        recorded.push_back(a.seal(kHello));
    }
    Session a = session(1, 1);
    introduce(a, b);
    for (const Bytes& datagram : recorded) EXPECT_FALSE(opened(b, datagram).is_known);
    Session b_anew = session(2, 1);
    for (const Bytes& datagram : recorded) EXPECT_FALSE(opened(b_anew, datagram).is_known);
}

TEST(Session, SecretsAreExchangedOneSideAfterTheOther) {
    for (const auto& [of_a, of_b] :
         {std::pair(std::vector{secret(1), secret(2)}, std::vector{secret(1)}),
          {std::vector{secret(2), secret(1)}, std::vector{secret(1), secret(2)}},
          {std::vector{secret(2)}, std::vector{secret(2), secret(1)}}}) {
        Session a = session(1, 0, of_a);
        Session b = session(2, 0, of_b);
        introduce(a, b);
    }
    Session a = session(1, 0, {secret(1)});
    Session b = session(2, 0, {secret(2)});
    EXPECT_EQ(refusal(b, a.seal(kHello)), Refusal::kForged);
}

TEST(Session, GarbageChangesNothing) {
    Session a = session(1);
    Session b = session(2);
    introduce(a, b);
    std::mt19937 random(1);
    for (int round = 0; round < 20'000; ++round) {
        Bytes datagram(random() % 200);
        for (std::uint8_t& byte : datagram) byte = static_cast<std::uint8_t>(random());
        if (datagram.size() > 4 && random() % 2 == 0) {
            std::ranges::copy(Bytes{'T', 'd', 'm', kPeerVersion}, datagram.begin());
        }
        ASSERT_TRUE(refusal(b, datagram));
    }
    EXPECT_TRUE(opened(b, a.seal(kHello)).is_known);
}

}  // namespace
}  // namespace tandem::pair
