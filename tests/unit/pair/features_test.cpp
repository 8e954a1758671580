// What instances of different releases do with each other.
#include "dataplane/pair/features.h"

#include <gtest/gtest.h>

#include "dataplane/pair/message.h"

namespace tandem::pair {
namespace {

constexpr std::uint32_t kLater = std::uint32_t{1} << 7U;
constexpr std::uint32_t kLatest = std::uint32_t{1} << 31U;
constexpr std::uint32_t kAll = kStreams | kHandsOff;

TEST(Features, OfTwoAlikeAllIsUsed) {
    const Common both = common(kOurFeatures, kOurFeatures);
    EXPECT_TRUE(both.suits());
    EXPECT_EQ(both.usable, kAll);
    EXPECT_EQ(trouble_of(both), "");
}

TEST(Features, AReleaseFromBeforeThereWereNamesCanDoWhatItCould) {
    Message older;
    older.heartbeat.emplace();
    const std::optional<Message> read = decode(encode(older));
    ASSERT_TRUE(read && read->heartbeat);
    EXPECT_EQ(read->heartbeat->features, std::nullopt);
    EXPECT_EQ(common(kOurFeatures, kFeaturesBefore).usable, kAll);
}

TEST(Features, WhatAPeerHasAndThisReleaseDoesNotKnowIsNotUsed) {
    Message newer;
    newer.heartbeat.emplace().features = {.has = kAll | kLater | kLatest, .needs = kStreams};
    const std::optional<Message> read = decode(encode(newer));
    ASSERT_TRUE(read && read->heartbeat && read->heartbeat->features);
    const Common both = common(kOurFeatures, *read->heartbeat->features);
    EXPECT_TRUE(both.suits());
    EXPECT_EQ(both.usable, kAll);
}

TEST(Features, WhatAPeerLacksIsNotUsedEither) {
    const Common both = common(kOurFeatures, {.has = kHandsOff, .needs = 0});
    EXPECT_TRUE(both.suits());
    EXPECT_EQ(both.usable, kHandsOff);
}

TEST(Features, WhoNeedsWhatTheOtherOneLacksIsRefusedAndTheReasonSaysWhoIsToBeUpgraded) {
    const Common newer = common(kOurFeatures, {.has = kAll | kLater, .needs = kStreams | kLater});
    EXPECT_FALSE(newer.suits());
    EXPECT_EQ(newer.usable, 0U);
    EXPECT_EQ(trouble_of(newer),
              "it needs what this instance lacks (feature 7): upgrade this instance");

    const Common older =
        common({.has = kAll | kLater | kLatest, .needs = kAll | kLatest}, {.has = 0, .needs = 0});
    EXPECT_EQ(older.usable, 0U);
    EXPECT_EQ(trouble_of(older),
              "it lacks what this instance needs (the stream of flows, handoffs, feature 31): "
              "upgrade the peer");
    EXPECT_EQ(trouble_of(common({.has = kAll, .needs = kAll}, {.has = kLater, .needs = kLater})),
              "it needs what this instance lacks (feature 7): upgrade this instance; it lacks what "
              "this instance needs (the stream of flows, handoffs): upgrade the peer");
}

// Otherwise every release would refuse itself, and the one before it.
TEST(Features, NothingIsNeededThatThisReleaseLacks) {
    EXPECT_EQ(kOurFeatures.needs & ~kOurFeatures.has, 0U);
    EXPECT_TRUE(common(kOurFeatures, kFeaturesBefore).suits());
}

}  // namespace
}  // namespace tandem::pair
