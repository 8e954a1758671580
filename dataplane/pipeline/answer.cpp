#include "dataplane/pipeline/answer.h"

#include <rte_mbuf.h>

#include "dataplane/net/reply.h"
#include "dataplane/pipeline/spare_room.h"

namespace tandem::pipeline {

namespace {

std::span<std::uint8_t> first_segment(rte_mbuf* mbuf) {
    return {rte_pktmbuf_mtod(mbuf, std::uint8_t*), rte_pktmbuf_data_len(mbuf)};
}

bool advertise(Packet& packet, const Mac& mac) {
    rte_mbuf* mbuf = packet.mbuf;
    if (rte_pktmbuf_append(mbuf, kReplyGrowthMax) == nullptr) return false;
    const std::size_t length = make_advertisement(first_segment(mbuf), packet.parsed, mac);
    return rte_pktmbuf_trim(mbuf, static_cast<std::uint16_t>(rte_pktmbuf_pkt_len(mbuf) - length)) ==
           0;
}

bool make_reply(Packet& packet, const Mac& mac) {
    if (packet.parsed.kind == PacketKind::kArpRequest) {
        make_arp_reply(first_segment(packet.mbuf), mac);
        return true;
    }
    if (packet.parsed.kind == PacketKind::kSolicitation) return advertise(packet, mac);
    make_echo_reply(first_segment(packet.mbuf), packet.parsed, mac);
    return true;
}

}  // namespace

void answer(const Mac& port_mac, const tables::Roles& roles, Burst& burst) {
    burst.advance([&](Packet& packet) -> Burst::Decision {
        if (packet.parsed.kind == PacketKind::kFlow) return Burst::stay();
        const bool is_v4 = packet.parsed.key.destination.is_v4();
        if (roles.is_silent(packet.group, is_v4)) return Verdict::kNotActive;
        allow_spare_room(packet.mbuf);
        if (!make_reply(packet, roles.mac(packet.group, is_v4, port_mac))) {
            return Verdict::kMalformed;
        }
        return Verdict::kAnswered;
    });
}

}  // namespace tandem::pipeline
