#include "dataplane/pipeline/receive.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/net/parse.h"

namespace tandem::pipeline {

namespace {

bool headers_at_hand(rte_mbuf* mbuf) {
    return rte_pktmbuf_is_contiguous(mbuf) || rte_pktmbuf_data_len(mbuf) >= kHeadersMax ||
           rte_pktmbuf_linearize(mbuf) == 0;
}

}  // namespace

std::uint64_t receive(const Port& port, QueueId queue, Burst& burst) {
    std::array<rte_mbuf*, Burst::kCapacity> mbufs;
    const std::uint16_t count =
        rte_eth_rx_burst(port.dpdk_port, queue.value, mbufs.data(), mbufs.size());
    std::uint64_t bytes = 0;
    bool in_pieces = false;
    for (std::uint16_t i = 0; i < count; ++i) {
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], const void*));
        bytes += rte_pktmbuf_pkt_len(mbufs[i]);
        in_pieces |= !rte_pktmbuf_is_contiguous(mbufs[i]);
    }
    burst.add({mbufs.data(), count});
    if (in_pieces) [[unlikely]] {
        burst.advance([](Packet& packet) {
            return headers_at_hand(packet.mbuf) ? Burst::stay() : Verdict::kMalformed;
        });
    }
    return bytes;
}

}  // namespace tandem::pipeline
