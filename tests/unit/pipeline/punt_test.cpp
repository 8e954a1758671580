#include "dataplane/pipeline/punt.h"

#include "tests/unit/pipeline/packets.h"

namespace tandem::pipeline {
namespace {

class Punt : public PacketTest {
  protected:
    /// Four packets that have left, the second as malformed and the others to the kernel.
    std::vector<rte_mbuf*> depart() {
        std::vector<rte_mbuf*> packets;
        for (int i = 0; i < 4; ++i) packets.push_back(packet(test::arp()));
        for (rte_mbuf* packet : packets) burst_.add(packet);
        burst_.advance([&](const Packet& packet) -> Burst::Decision {
            return packet.mbuf == packets[1] ? Verdict::kMalformed : Verdict::kPunted;
        });
        return packets;
    }
};

TEST_F(Punt, TheTwinGetsWhatIsPuntedAndNothingElse) {
    const Ring twin(8);
    Port port;
    port.kernel_path = KernelPath::kTwin;
    port.to_kernel = twin.get();
    const std::vector<rte_mbuf*> packets = depart();
    punt(port, burst_);
    EXPECT_EQ(rte_ring_count(twin.get()), 3U);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(burst_.departed()[i].mbuf, i == 1 ? packets[1] : nullptr) << i;
    }
    free_all();
}

TEST_F(Punt, WhatAFullTwinDoesNotTakeIsCountedAsThat) {
    const Ring twin(2);
    Port port;
    port.kernel_path = KernelPath::kTwin;
    port.to_kernel = twin.get();
    const std::vector<rte_mbuf*> packets = depart();
    punt(port, burst_);
    EXPECT_EQ(verdicts(), (std::vector{Verdict::kPunted, Verdict::kMalformed, Verdict::kPuntFull,
                                       Verdict::kPuntFull}));
    EXPECT_EQ(burst_.departed()[2].mbuf, packets[2]) << "still ours to free";
    free_all();
}

TEST_F(Punt, WhereTheKernelHasItAlreadyOrIsNoneNothingIsPassedOn) {
    for (const KernelPath path : {KernelPath::kNetdev, KernelPath::kNone}) {
        Port port;
        port.kernel_path = path;
        const std::vector<rte_mbuf*> packets = depart();
        punt(port, burst_);
        EXPECT_EQ(verdicts(), (std::vector{Verdict::kPunted, Verdict::kMalformed, Verdict::kPunted,
                                           Verdict::kPunted}));
        EXPECT_EQ(burst_.departed()[0].mbuf, packets[0]);
        free_all();
    }
}

}  // namespace
}  // namespace tandem::pipeline
