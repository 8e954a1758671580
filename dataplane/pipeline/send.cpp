#include "dataplane/pipeline/send.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

namespace tandem::pipeline {

namespace {

/// Returns how many of `count` the port took.
std::uint16_t send_some(std::uint16_t dpdk_port, QueueId queue, rte_mbuf** mbufs,
                        std::uint16_t count, std::uint64_t patience_cycles) {
    std::uint16_t sent = rte_eth_tx_burst(dpdk_port, queue.value, mbufs, count);
    if (sent == count) [[likely]]
        return sent;
    const std::uint64_t deadline = rte_rdtsc() + patience_cycles;
    do {
        rte_pause();
        sent = static_cast<std::uint16_t>(
            sent + rte_eth_tx_burst(dpdk_port, queue.value, mbufs + sent,
                                    static_cast<std::uint16_t>(count - sent)));
    } while (sent < count && rte_rdtsc() < deadline);
    return sent;
}

/// Sends the packets that leave by the first packet's port: nearly always all of them.
void send_by_one_port(Ports ports, QueueId queue, std::uint64_t patience_cycles, Burst& burst) {
    const std::uint8_t out_port = burst.packets()[0].out_port;
    std::array<rte_mbuf*, Burst::kCapacity> mbufs;
    std::uint16_t count = 0;
    for (const Packet& packet : burst.packets()) {
        mbufs[count] = packet.mbuf;  // without a branch: overwritten if it goes elsewhere
        count = static_cast<std::uint16_t>(count + (packet.out_port == out_port ? 1 : 0));
    }
    const std::uint16_t sent =
        send_some(ports[out_port].dpdk_port, queue, mbufs.data(), count, patience_cycles);
    if (sent == burst.packets().size()) [[likely]] {
        burst.depart_forwarded();
        return;
    }
    std::uint16_t seen = 0;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        if (packet.out_port != out_port) return Burst::stay();
        if (seen++ >= sent) return Verdict::kTxFull;
        packet.mbuf = nullptr;
        return Verdict::kForwarded;
    });
}

/// Where the questions came in.
void send_answers(const Port& port, QueueId queue, std::uint64_t patience_cycles, Burst& burst) {
    std::array<rte_mbuf*, Burst::kCapacity> mbufs;
    std::array<Departed*, Burst::kCapacity> answers;
    std::uint16_t count = 0;
    for (Departed& departed : burst.departed()) {
        if (!departed.is_unsent_answer()) continue;
        answers[count] = &departed;
        mbufs[count++] = departed.mbuf;
    }
    if (count == 0) return;
    const std::uint16_t sent =
        send_some(port.dpdk_port, queue, mbufs.data(), count, patience_cycles);
    for (std::uint16_t i = 0; i < count; ++i) {
        if (i < sent) {
            answers[i]->mbuf = nullptr;
        } else {
            answers[i]->verdict = Verdict::kTxFull;
        }
    }
}

}  // namespace

void send(Ports ports, QueueId queue, std::uint64_t patience_cycles, Burst& burst) {
    if (!burst.departed().empty()) [[unlikely]]
        send_answers(ports[burst.in_port()], queue, patience_cycles, burst);
    while (!burst.empty()) send_by_one_port(ports, queue, patience_cycles, burst);
}

}  // namespace tandem::pipeline
