#include "dataplane/pipeline/dissect.h"

#include <new>

#include <rte_mbuf.h>

namespace tandem::pipeline {

void dissect(Burst& burst) {
    burst.advance([](Packet& packet) {
        const std::span<const std::uint8_t> head{rte_pktmbuf_mtod(packet.mbuf, const std::uint8_t*),
                                                 rte_pktmbuf_data_len(packet.mbuf)};
        // Made where it stays: to copy it would be to wait for its many small stores.
        ::new (&packet.parsed) ParsedPacket(parse(head, rte_pktmbuf_pkt_len(packet.mbuf)));
        // Drivers over the kernel's sockets take tags off. Tagged frames are not ours.
        if ((packet.mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) [[unlikely]]
            packet.parsed.kind = PacketKind::kOther;
        return packet.parsed.kind == PacketKind::kMalformed ? Verdict::kMalformed : Burst::stay();
    });
}

}  // namespace tandem::pipeline
