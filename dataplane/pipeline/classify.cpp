#include "dataplane/pipeline/classify.h"

#include <arpa/inet.h>

#include <rte_mbuf.h>

#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

bool is_group_mac(const std::uint8_t* mac) {
    return (mac[0] & 1U) != 0;  // multicast and broadcast, IEEE 802
}

std::uint64_t mac_as_number(const std::uint8_t* mac) {
    return std::uint64_t{load_raw32(mac)} << 16U | load_raw16(mac + sizeof(std::uint32_t));
}

Burst::Decision find_flow_vip(const tables::VipTable& vips, Packet& packet) {
    const FlowKey& key = packet.parsed.key;
    const tables::VipTable::Match match =
        vips.find(key.destination, key.protocol, ntohs(key.destination_port));
    if (match.vip == tables::kNoVip) {
        return match.address_is_vip ? Verdict::kNoService : Verdict::kPunted;
    }
    packet.vip = match.vip;
    packet.pool = match.pool;
    packet.is_stateless = match.udp_is_stateless;
    return Burst::stay();
}

/// Of anything but a flow's packet.
Burst::Decision find_vip(const tables::VipTable& vips, bool to_group, const Packet& packet) {
    const IpAddress& address = packet.parsed.key.destination;
    switch (packet.parsed.kind) {
        case PacketKind::kArpRequest:
        case PacketKind::kSolicitation:
            return vips.has_address(address) ? Burst::stay() : Verdict::kPunted;
        case PacketKind::kEchoRequest:
            return !to_group && vips.has_address(address) ? Burst::stay() : Verdict::kPunted;
        case PacketKind::kFragment:
            return vips.has_address(address) ? Verdict::kFragment : Verdict::kPunted;
        case PacketKind::kOtherIp:
            return vips.has_address(address) ? Verdict::kNoService : Verdict::kPunted;
        case PacketKind::kFlow:
        case PacketKind::kOther:
        case PacketKind::kMalformed:
            break;
    }
    return Verdict::kPunted;
}

}  // namespace

void classify(const tables::VipTable& vips, const Mac& port_mac, Burst& burst) {
    const std::uint64_t our_mac = mac_as_number(port_mac.data());
    burst.advance([&](Packet& packet) -> Burst::Decision {
        const auto* frame = rte_pktmbuf_mtod(packet.mbuf, const std::uint8_t*);
        const bool to_us = mac_as_number(frame) == our_mac;
        if (to_us && packet.parsed.kind == PacketKind::kFlow) [[likely]]
            return find_flow_vip(vips, packet);
        const bool to_group = is_group_mac(frame);
        return to_us || to_group ? find_vip(vips, to_group, packet) : Verdict::kOtherHost;
    });
}

}  // namespace tandem::pipeline
