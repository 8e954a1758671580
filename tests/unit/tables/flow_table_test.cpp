#include "dataplane/tables/flow_table.h"

#include <random>
#include <unordered_map>

#include <gtest/gtest.h>

#include "tests/unit/tables/table_for_test.h"

namespace tandem::tables {
namespace {

constexpr CoarseTime kStart = 100'000;

TEST(FlowTable, RemembersTheBackendOfEachFlow) {
    TableForTest flows(1024);
    std::mt19937_64 random(1);
    std::unordered_map<std::uint64_t, BackendIndex> expected;
    while (expected.size() < flows.places() / 2) {
        const std::uint64_t hash = random();
        const auto backend = static_cast<BackendIndex>(1 + random() % 1000);
        if (!expected.emplace(hash, backend).second) continue;
        ASSERT_TRUE(flows->insert(hash, backend, FlowState::kEstablished, kStart));
    }
    for (const auto& [hash, backend] : expected) {
        const auto place = flows->find(hash, kStart);
        ASSERT_TRUE(place);
        EXPECT_EQ(place.backend(), backend);
    }
    EXPECT_EQ(flows.entries(FlowState::kEstablished), expected.size());
    for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(flows->find(random(), kStart));
}

TEST(FlowTable, ForgetsAFlowThatIsIdleForLongerThanItsStateAllows) {
    const FlowTimeouts timeouts;
    for (std::size_t i = 0; i < kFlowStateCount; ++i) {
        TableForTest flows(2);
        const auto state = static_cast<FlowState>(i);
        const CoarseTime idle = timeouts.idle_s[i];
        ASSERT_TRUE(flows->insert(7, 1, state, kStart));
        const auto place = flows->find(7, kStart + idle);
        ASSERT_TRUE(place) << i;
        flows->touch(place, state, kStart + idle);
        EXPECT_TRUE(flows->find(7, kStart + 2 * idle)) << i;
        EXPECT_FALSE(flows->find(7, kStart + 2 * idle + 1)) << i;
        EXPECT_EQ(flows.entries(), 0U);
        EXPECT_EQ(flows->flows_of(1), 0U);
    }
}

TEST(FlowTable, AGlimpseThatIsOutOfDateDoesNotMislead) {
    TableForTest flows(64);
    std::mt19937_64 random(4);
    const auto a_hash = [&] { return (random() % 1000) * 0x9e3779b97f4a7c15; };
    std::size_t moved = 0;
    for (int i = 0; i < 50'000; ++i) {
        const CoarseTime now = kStart + static_cast<CoarseTime>(i) / 100;
        const std::uint64_t hash = a_hash();
        const FlowTable::Place glimpsed = flows->glimpse(hash);
        for (int other = 0; other < 5; ++other) {
            const std::uint64_t inserted = a_hash();
            const auto backend = static_cast<BackendIndex>(1 + random() % 5);
            if (flows->find(inserted, now)) continue;
            static_cast<void>(flows->insert(inserted, backend, FlowState::kUdpNew, now));
        }
        const FlowTable::Place found = flows->find(hash, now, glimpsed);
        const FlowTable::Place expected = flows->find(hash, now);
        ASSERT_EQ(found.bucket, expected.bucket) << i;
        ASSERT_EQ(found.index, expected.index) << i;
        moved += static_cast<std::size_t>(found.bucket != glimpsed.bucket ||
                                          found.index != glimpsed.index);
    }
    EXPECT_GT(moved, 100U);
}

TEST(FlowTable, CountsFlowsByStateAndBackendThroughAllThatBecomesOfThem) {
    TableForTest flows(64);
    std::mt19937_64 random(3);
    CoarseTime now = kStart;
    for (int i = 0; i < 200'000; ++i) {
        now += static_cast<CoarseTime>(random() % 100 == 0);
        const std::uint64_t hash = (random() % 2000) * 0x9e3779b97f4a7c15;
        const auto state = static_cast<FlowState>(random() % kFlowStateCount);
        const auto backend = static_cast<BackendIndex>(1 + random() % 5);
        if (const auto place = flows->find(hash, now)) {
            if (random() % 4 == 0) flows->rewrite(place, backend);
            flows->touch(place, state, now);
        } else {
            static_cast<void>(flows->insert(hash, backend, state, now));
        }
        if (random() % 50 == 0) flows->sweep(now, 3);
    }
    std::array<std::uint64_t, kFlowStateCount> states{};
    std::array<std::uint64_t, 6> backends{};
    for (std::uint64_t i = 0; i < 2000; ++i) {
        const auto place = flows->find(i * 0x9e3779b97f4a7c15, now);
        if (!place) continue;
        ++states[static_cast<std::size_t>(place.state())];
        ++backends[place.backend()];
    }
    flows->sweep(now, flows->bucket_count());  // of what was found expired just now
    for (std::size_t i = 0; i < kFlowStateCount; ++i) {
        EXPECT_EQ(flows.statistics().entries[i], states[i]) << i;
    }
    for (BackendIndex i = 1; i <= 5; ++i) EXPECT_EQ(flows->flows_of(i), backends[i]) << i;
    EXPECT_GT(flows.statistics().relocated, 0U);
    EXPECT_GT(flows.statistics().evicted_full, 0U);
}

// Tables are made for fewer: see flow_memory.cpp.
TEST(FlowTable, FillsMostOfItsPlacesBeforeItRefusesOne) {
    TableForTest flows(4096);
    std::mt19937_64 random(5);
    std::size_t stored = 0;
    while (flows->insert(random(), 1, FlowState::kEstablished, kStart)) ++stored;
    EXPECT_GT(stored, flows.places() * 85 / 100);
    EXPECT_EQ(flows.statistics().refused_full, 1U);
}

TEST(FlowTable, AnEstablishedFlowIsNeverEvicted) {
    TableForTest flows(256);
    std::mt19937_64 random(7);
    std::vector<std::uint64_t> established;
    for (std::size_t i = 0; i < flows.places() / 2; ++i) {
        established.push_back(random());
        ASSERT_TRUE(flows->insert(established.back(), 1, FlowState::kEstablished, kStart));
    }
    std::uint32_t inserted = 0;
    const auto now = [&] { return kStart + inserted / 400; };
    for (const FlowState state : {FlowState::kOpening, FlowState::kDoubtful, FlowState::kUdpNew}) {
        for (int i = 0; i < 100'000; ++i, ++inserted) {
            static_cast<void>(flows->insert(random(), 2, state, now()));
        }
    }
    for (const std::uint64_t hash : established) ASSERT_TRUE(flows->find(hash, now()));
    EXPECT_GT(flows.statistics().evicted_full, 100'000U);
}

TEST(FlowTable, RoomIsMadeByTheFlowOnProbationThatWasSilentLongest) {
    TableForTest flows(2);
    std::mt19937_64 random(9);
    std::vector<std::uint64_t> hashes;
    for (CoarseTime i = 0; i < 16; ++i) {
        hashes.push_back(random());
        const FlowState state = i == 5 ? FlowState::kOpening : FlowState::kDoubtful;
        ASSERT_TRUE(flows->insert(hashes.back(), 1, state, kStart + (i + 3) / 4));
    }
    ASSERT_TRUE(flows->insert(random(), 1, FlowState::kEstablished, kStart + 7));
    EXPECT_FALSE(flows->find(hashes[5], kStart + 7)) << "opening ones first";
    ASSERT_TRUE(flows->insert(random(), 1, FlowState::kEstablished, kStart + 7));
    EXPECT_FALSE(flows->find(hashes[0], kStart + 7)) << "then the one of the earliest second";
}

// Its next packet is on the way: it would go elsewhere.
TEST(FlowTable, AFlowThatHasJustOpenedIsNotEvicted) {
    TableForTest flows(2);
    std::mt19937_64 random(17);
    std::vector<std::uint64_t> opening;
    for (std::size_t i = 0; i < flows.places(); ++i) {
        opening.push_back(random());
        const FlowState state = i % 2 == 0 ? FlowState::kOpening : FlowState::kUdpNew;
        ASSERT_TRUE(flows->insert(opening.back(), 1, state, kStart));
    }
    for (const FlowState state : {FlowState::kOpening, FlowState::kDoubtful, FlowState::kUdpNew}) {
        EXPECT_FALSE(flows->insert(random(), 2, state, kStart + 1));
    }
    for (const std::uint64_t hash : opening) EXPECT_TRUE(flows->find(hash, kStart + 1));
    EXPECT_EQ(flows.statistics().refused_full, 3U);
    EXPECT_TRUE(flows->insert(random(), 2, FlowState::kOpening, kStart + 2));
}

TEST(FlowTable, APoolThatHasUsedUpItsShareTakesRoomFromItselfOnly) {
    TableForTest flows(256);
    std::mt19937_64 random(11);
    const auto places = static_cast<std::uint32_t>(flows.places());
    flows->set_pools({0xffff, 0, 1}, {places / 4, places});
    std::vector<std::uint64_t> of_other;
    for (std::uint32_t i = 0; i < places / 4; ++i) {
        of_other.push_back(random());
        ASSERT_TRUE(flows->insert(of_other.back(), 2, FlowState::kDoubtful, kStart));
    }
    for (int i = 0; i < 100'000; ++i) {
        static_cast<void>(flows->insert(random(), 1, FlowState::kDoubtful, kStart));
        ASSERT_LE(flows->flows_of(1), places / 4);
    }
    EXPECT_EQ(flows->flows_of(1), places / 4);
    for (const std::uint64_t hash : of_other) ASSERT_TRUE(flows->find(hash, kStart));
    EXPECT_GT(flows.statistics().evicted_budget + flows.statistics().refused_budget, 90'000U);
}

TEST(FlowTable, CountsThePoolsAnewWhenTheyChange) {
    TableForTest flows(64);
    ASSERT_TRUE(flows->insert(1, 1, FlowState::kEstablished, kStart));
    flows->set_pools({0xffff, 0}, {1});
    EXPECT_FALSE(flows->insert(2, 1, FlowState::kEstablished, kStart));
    EXPECT_EQ(flows.statistics().refused_budget, 1U);
    flows->set_pools({0xffff, 0}, {2});
    EXPECT_TRUE(flows->insert(2, 1, FlowState::kEstablished, kStart));
}

TEST(FlowTable, ASweepForgetsWhatIsIdleAndNothingElse) {
    TableForTest flows(64);
    std::mt19937_64 random(13);
    for (int i = 0; i < 100; ++i) {
        const bool is_young = i % 2 == 0;
        ASSERT_TRUE(flows->insert(random(), is_young ? 1 : 2, FlowState::kEstablished,
                                  is_young ? kStart + 900 : kStart));
    }
    flows->sweep(kStart + 901, 64);
    EXPECT_EQ(flows->flows_of(1), 50U);
    EXPECT_EQ(flows->flows_of(2), 0U);
    EXPECT_EQ(flows.statistics().expired, 50U);
}

TEST(FlowTable, AWholeSweepTellsOfEachBackendHowLongItsQuietestFlowIsSilent) {
    TableForTest flows(64);
    flows->set_pools({0xffff, 0, 0, 0}, {1000});
    std::mt19937_64 random(19);
    for (CoarseTime i = 0; i < 40; ++i) {
        const BackendIndex backend = i % 2 == 0 ? 1 : 2;
        ASSERT_TRUE(flows->insert(random(), backend, FlowState::kEstablished, kStart + i));
    }
    flows->sweep(kStart + 100, 63);
    EXPECT_EQ(flows.silence_s(1), 0) << "one bucket is still to come";
    flows->sweep(kStart + 100, 1);
    EXPECT_EQ(flows.silence_s(1), 100);
    EXPECT_EQ(flows.silence_s(2), 99);
    EXPECT_EQ(flows.silence_s(3), 0);
    flows->sweep(kStart + 930, 64);  // they are idle for too long, but for the last ten
    EXPECT_EQ(flows.silence_s(1), 900);
    EXPECT_EQ(flows.silence_s(2), 899);
    flows->sweep(kStart + 2000, 64);
    EXPECT_EQ(flows.silence_s(1), 0);
}

// 100 SYNs of strangers for each packet of an established flow, while the table is far too small
// for all of them.
TEST(FlowTable, AFloodOfOpeningFlowsDoesNotWashOutEstablishedOnes) {
    TableForTest flows(8192);
    std::mt19937_64 random(15);
    std::vector<std::uint64_t> established(flows.places() * 60 / 100);
    for (std::uint64_t& hash : established) {
        hash = random();
        static_cast<void>(flows->insert(hash, 1, FlowState::kEstablished, kStart));
    }
    std::size_t hits = 0;
    constexpr std::size_t kPackets = 8'000;
    for (std::size_t i = 0; i < kPackets; ++i) {
        const CoarseTime now = kStart + static_cast<CoarseTime>(i / 200);
        for (int syn = 0; syn < 100; ++syn) {
            static_cast<void>(flows->insert(random(), 1, FlowState::kOpening, now));
        }
        const auto place = flows->find(established[random() % established.size()], now);
        hits += static_cast<std::size_t>(bool(place));
    }
    EXPECT_GE(static_cast<double>(hits) / kPackets, 0.98);
}

}  // namespace
}  // namespace tandem::tables
