// A burst moves pointers and never looks behind them, so these packets are only numbers.
#include "dataplane/pipeline/burst.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::pipeline {
namespace {

rte_mbuf* numbered(std::uintptr_t number) {
    return reinterpret_cast<rte_mbuf*>(number);
}

void fill(Burst& burst, std::uint16_t count) {
    burst.reset(3);
    for (std::uint16_t i = 0; i < count; ++i) {
        burst.add(numbered(1U + i));
        burst.packets()[i].hash = 100U + i;
    }
}

std::vector<std::uint64_t> hashes_of(Burst& burst) {
    std::vector<std::uint64_t> hashes;
    for (const Packet& packet : burst.packets()) hashes.push_back(packet.hash);
    return hashes;
}

TEST(Burst, WhatStaysKeepsItsOrderAndWhatIsKnownOfIt) {
    Burst burst;
    fill(burst, 6);
    burst.advance([](const Packet& packet) -> Burst::Decision {
        if (packet.hash % 2 == 0) return Verdict::kFragment;
        return Burst::stay();
    });
    EXPECT_EQ(hashes_of(burst), (std::vector<std::uint64_t>{101, 103, 105}));
    EXPECT_EQ(burst.packets()[2].mbuf, numbered(6));
    EXPECT_EQ(burst.in_port(), 3);
}

TEST(Burst, WhatLeavesIsKeptWithItsVerdictInTheOrderOfLeaving) {
    Burst burst;
    fill(burst, 4);
    burst.advance([](const Packet& packet) -> Burst::Decision {
        if (packet.hash == 102) return Verdict::kTooBig;
        return Burst::stay();
    });
    burst.advance([](const Packet& packet) -> Burst::Decision {
        return packet.hash == 100 ? Verdict::kNoBackend : Verdict::kTxFull;
    });
    EXPECT_TRUE(burst.empty());
    ASSERT_EQ(burst.departed().size(), 4U);
    const std::vector<std::pair<std::uintptr_t, Verdict>> expected{{3, Verdict::kTooBig},
                                                                   {1, Verdict::kNoBackend},
                                                                   {2, Verdict::kTxFull},
                                                                   {4, Verdict::kTxFull}};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(burst.departed()[i].mbuf, numbered(expected[i].first)) << i;
        EXPECT_EQ(burst.departed()[i].verdict, expected[i].second) << i;
    }
}

TEST(Burst, EveryPacketLeavesExactlyOnceWhateverTheStagesDecide) {
    std::mt19937 random(1);
    Burst burst;
    for (int round = 0; round < 1000; ++round) {
        const auto count = static_cast<std::uint16_t>(random() % (Burst::kCapacity + 1));
        fill(burst, count);
        while (!burst.empty()) {
            if (random() % 5 == 0) {
                burst.depart_all(Verdict::kStaleTables);
                continue;
            }
            burst.advance([&](const Packet&) -> Burst::Decision {
                if (random() % 3 != 0) return Burst::stay();
                return static_cast<Verdict>(random() % kVerdictCount);
            });
            EXPECT_TRUE(std::ranges::is_sorted(hashes_of(burst)));
            ASSERT_EQ(burst.packets().size() + burst.departed().size(), count);
        }
        std::map<rte_mbuf*, int> times;
        for (const Departed& departed : burst.departed()) ++times[departed.mbuf];
        EXPECT_EQ(times.size(), count);
    }
}

TEST(Burst, AnswersThatNoPortHasLeaveWithTheRest) {
    Burst burst;
    fill(burst, 4);
    std::size_t next = 0;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        const std::size_t i = next++;
        if (i == 1) packet.mbuf = nullptr;  // a port has it
        if (i == 3) return Burst::stay();
        return i == 2 ? Verdict::kPunted : Verdict::kAnswered;
    });
    burst.depart_all(Verdict::kStaleTables);
    std::vector<Verdict> verdicts;
    for (const Departed& departed : burst.departed()) verdicts.push_back(departed.verdict);
    EXPECT_EQ(verdicts, (std::vector{Verdict::kStaleTables, Verdict::kAnswered, Verdict::kPunted,
                                     Verdict::kStaleTables}));
}

TEST(Burst, ANewOneKnowsNothingOfTheLast) {
    Burst burst;
    fill(burst, Burst::kCapacity);
    burst.depart_all(Verdict::kPunted);
    fill(burst, 1);
    EXPECT_EQ(burst.packets().size(), 1U);
    EXPECT_TRUE(burst.departed().empty());
}

TEST(Burst, EveryVerdictHasANameOfItsOwn) {
    std::vector<std::string_view> names(kVerdictNames.begin(), kVerdictNames.end());
    std::ranges::sort(names);
    EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
    EXPECT_FALSE(names[0].empty());
}

}  // namespace
}  // namespace tandem::pipeline
