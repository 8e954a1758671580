#include "dataplane/pipeline/release.h"

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

class Release : public PacketTest {};

TEST_F(Release, CountsEveryPacketOnceAndFreesThoseThatNobodyTook) {
    std::vector<rte_mbuf*> packets;
    for (std::size_t i = 0; i < kVerdictCount; ++i) packets.push_back(packet(test::ipv4({})));
    packets.push_back(packet_in_pieces(test::ipv4(Bytes(600, 1)), {300}));
    for (rte_mbuf* packet : packets) burst_.add(packet);
    std::size_t next = 0;
    burst_.advance([&](Packet& packet) -> Burst::Decision {
        const auto verdict = static_cast<Verdict>(next++ % kVerdictCount);
        if (verdict == Verdict::kAnswered) packet.mbuf = nullptr;  // a port has it
        return verdict;
    });
    tables::WorkerCounters counters;
    tables::add(counters.verdicts[0], 100);
    release(burst_, counters);
    EXPECT_EQ(counters.verdicts[0], 102U);
    for (std::size_t i = 1; i < kVerdictCount; ++i) EXPECT_EQ(counters.verdicts[i], 1U) << i;
    rte_pktmbuf_free(packets[static_cast<std::size_t>(Verdict::kAnswered)]);
}

TEST_F(Release, CountsWhatAPortTook) {
    for (int i = 0; i < 3; ++i) burst_.add(nullptr);
    burst_.depart_forwarded();
    tables::WorkerCounters counters;
    release(burst_, counters);
    EXPECT_EQ(counters.verdicts[static_cast<std::size_t>(Verdict::kForwarded)], 3U);
}

TEST_F(Release, AnEmptyBurstChangesNothing) {
    tables::WorkerCounters counters;
    release(burst_, counters);
    for (const auto& count : counters.verdicts) EXPECT_EQ(count, 0U);
}

}  // namespace
}  // namespace tandem::pipeline
