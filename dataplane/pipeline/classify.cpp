#include "dataplane/pipeline/classify.h"

#include <tuple>

#include <rte_mbuf.h>

#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

bool is_group_mac(const std::uint8_t* mac) {
    return (mac[0] & 1U) != 0;  // multicast and broadcast, IEEE 802
}

Burst::Decision find_flow_vip(const tables::VipTable& vips, const tables::Roles& roles,
                              bool refuses_any, Packet& packet) {
    const FlowKey& key = packet.parsed.key;
    const tables::VipEntry* vip = vips.find(key.destination, key.service());
    if (vip == nullptr) [[unlikely]] {
        const bool is_vip = vips.find_network(key.destination) != nullptr;
        return is_vip ? Verdict::kNoService : Verdict::kPunted;
    }
    if (refuses_any && roles.refuses(vip->group, key.destination.is_v4())) [[unlikely]]
        return Verdict::kNotActive;
    // Read before anything is written, which might be what is read, for all the compiler knows.
    const auto [index, pool, is_stateless] =
        std::tuple(vip->vip, vip->pool, vip->udp_is_stateless != 0);
    packet.vip = index;
    packet.pool = pool;
    packet.is_stateless = is_stateless;
    return Burst::stay();
}

/// Of anything but a flow's packet.
Burst::Decision find_vip(const tables::VipTable& vips, bool to_group, Packet& packet) {
    const tables::VipEntry* network = vips.find_network(packet.parsed.key.destination);
    if (network == nullptr) return Verdict::kPunted;
    packet.group = network->group;
    switch (packet.parsed.kind) {
        case PacketKind::kArpRequest:
        case PacketKind::kSolicitation:
            return Burst::stay();
        case PacketKind::kEchoRequest:
            return to_group ? Verdict::kPunted : Burst::stay();
        case PacketKind::kFragment:
            return Verdict::kFragment;
        case PacketKind::kOtherIp:
            return Verdict::kNoService;
        case PacketKind::kFlow:
        case PacketKind::kOther:
        case PacketKind::kMalformed:
            break;
    }
    return Verdict::kPunted;
}

bool is_advert(const ParsedPacket& parsed) {
    return parsed.kind == PacketKind::kOtherIp && parsed.key.protocol == protocol::kVrrp;
}

/// One that was forwarded is none (RFC 9568 section 7.1), and would take the place of those that
/// are.
Burst::Decision take_advert(const ParsedPacket& parsed, const std::uint8_t* frame) {
    constexpr std::uint8_t kNeverForwarded = 255;
    const std::size_t at = parsed.is_v4 ? ipv4::kTtl : ipv6::kHopLimit;
    const bool is_one = frame[ethernet::kHeaderBytes + at] == kNeverForwarded;
    return is_one ? Verdict::kPair : Verdict::kMalformed;
}

}  // namespace

bool classify(const tables::VipTable& vips, const tables::Roles& roles, const Mac& port_mac,
              Burst& burst) {
    using tables::Roles;
    const std::uint64_t our_mac = Roles::mac_number(port_mac.data());
    const bool refuses_any = roles.refuses_any();
    bool any_question = false;
    burst.advance([&](Packet& packet) -> Burst::Decision {
        const auto* frame = rte_pktmbuf_mtod(packet.mbuf, const std::uint8_t*);
        const std::uint64_t mac = Roles::mac_number(frame);
        const bool to_us = mac == our_mac || roles.has_virtual_mac(burst.in_port(), mac);
        if (to_us && packet.parsed.kind == PacketKind::kFlow) [[likely]]
            return find_flow_vip(vips, roles, refuses_any, packet);
        const bool to_group = is_group_mac(frame);
        if (!to_us && !to_group) return Verdict::kOtherHost;
        if (is_advert(packet.parsed) && roles.has_groups()) {
            return take_advert(packet.parsed, frame);
        }
        any_question = true;
        return find_vip(vips, to_group, packet);
    });
    return any_question;
}

}  // namespace tandem::pipeline
