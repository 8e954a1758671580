#include "dataplane/tables/agreement.h"

#include <array>
#include <random>

#include <gtest/gtest.h>

namespace tandem::tables {
namespace {

constexpr HealthState kUnused = HealthState::kUnused;
constexpr HealthState kChecking = HealthState::kChecking;
constexpr HealthState kUp = HealthState::kUp;
constexpr HealthState kDown = HealthState::kDown;
constexpr Agreed kDisputed{kUp, true};

using Pool = std::vector<Opinions>;

/// The backend in question, first, and others that both find up or about which they differ.
Pool pool_of(const Opinions& first, std::size_t equal, std::size_t different = 0) {
    Pool pool{first};
    pool.insert(pool.end(), equal, {kUp, kUp});
    pool.insert(pool.end(), different, {kUp, kDown});
    return pool;
}

Agreed first_of(Agreement policy, const Pool& pool) {
    return agree(policy, pool).front();
}

TEST(Agreement, LocalIsOursAlone) {
    for (const HealthState ours : {kChecking, kUp, kDown}) {
        EXPECT_EQ(first_of(Agreement::kLocal, pool_of({ours, kDown}, 9)), Agreed{ours});
        EXPECT_EQ(first_of(Agreement::kLocal, pool_of({ours, kUp}, 9)), Agreed{ours});
    }
}

TEST(Agreement, AnyIsDownIfEitherSaysSo) {
    EXPECT_EQ(first_of(Agreement::kAny, {{kUp, kDown}}), Agreed{kDown});
    EXPECT_EQ(first_of(Agreement::kAny, {{kDown, kUp}}), Agreed{kDown});
    EXPECT_EQ(first_of(Agreement::kAny, {{kUp, kUp}}), Agreed{kUp});
}

TEST(Agreement, BothIsDownOnlyIfBothSaySo) {
    EXPECT_EQ(first_of(Agreement::kBoth, {{kUp, kDown}}), Agreed{kUp});
    EXPECT_EQ(first_of(Agreement::kBoth, {{kDown, kUp}}), Agreed{kUp});
    EXPECT_EQ(first_of(Agreement::kBoth, {{kDown, kDown}}), Agreed{kDown});
}

TEST(Agreement, WhoIsRightAboutTheRestIsBelieved) {
    for (const Opinions& split : {Opinions{kUp, kDown}, Opinions{kDown, kUp}}) {
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 1)), Agreed{kDown});
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 9, 1)), Agreed{kDown});
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 18, 2)), Agreed{kDown});
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 8, 1)), kDisputed);
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 17, 2)), kDisputed);
        EXPECT_EQ(first_of(Agreement::kCredible, pool_of(split, 0, 9)), kDisputed);
    }
    EXPECT_EQ(first_of(Agreement::kCredible, pool_of({kDown, kDown}, 0, 9)), Agreed{kDown});
}

TEST(Agreement, OfTheOnlyBackendNobodyIsKnownToBeRight) {
    EXPECT_EQ(first_of(Agreement::kCredible, {{kDown, kUp}}), kDisputed);
    EXPECT_EQ(first_of(Agreement::kCredible, {{kDown, kUp}, {kChecking, kUp}, {kUp, kUnused}}),
              kDisputed)
        << "others count only if both have a verdict";
}

TEST(Agreement, WhatBothFindDownIsAgreedUponToo) {
    EXPECT_EQ(first_of(Agreement::kCredible, {{kDown, kUp}, {kDown, kDown}}), Agreed{kDown});
}

TEST(Agreement, WhoHasNoVerdictHasNoSay) {
    for (const Agreement policy : {Agreement::kCredible, Agreement::kAny, Agreement::kBoth}) {
        for (const HealthState none : {kUnused, kChecking}) {
            EXPECT_EQ(first_of(policy, {{none, kUp}}), Agreed{kUp});
            EXPECT_EQ(first_of(policy, {{none, kDown}}), Agreed{kDown});
            EXPECT_EQ(first_of(policy, {{kUp, none}}), Agreed{kUp});
            EXPECT_EQ(first_of(policy, {{kDown, none}}), Agreed{kDown});
            EXPECT_EQ(first_of(policy, {{none, kUnused}}), Agreed{kChecking});
            EXPECT_EQ(first_of(policy, {{none, kChecking}}), Agreed{kChecking});
        }
    }
}

TEST(Agreement, IsTheSameWhicheverInstanceAsks) {
    constexpr std::array kStates{kUnused, kChecking, kUp, kDown};
    std::mt19937 random(4);
    for (int round = 0; round < 20'000; ++round) {
        // Views that differ seldom, as well as views that have nothing to do with each other.
        const unsigned differs_of_256 = random() % 256;
        Pool here(random() % 30);
        for (Opinions& backend : here) {
            backend.ours = kStates[random() % 4];
            backend.peers = random() % 256 < differs_of_256 ? kStates[random() % 4] : backend.ours;
        }
        Pool there = here;
        for (Opinions& backend : there) std::swap(backend.ours, backend.peers);
        for (const Agreement policy : {Agreement::kCredible, Agreement::kAny, Agreement::kBoth}) {
            ASSERT_EQ(agree(policy, here), agree(policy, there)) << "round " << round;
        }
    }
}

}  // namespace
}  // namespace tandem::tables
