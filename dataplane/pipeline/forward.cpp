#include "dataplane/pipeline/forward.h"

#include <rte_mbuf.h>

#include "dataplane/net/encap.h"
#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

using tables::LiveBackend;

constexpr std::uint16_t kHeader = ethernet::kHeaderBytes;

/// False if the packet may not live on. As any router, before anything else (RFC 1812, 5.3.1).
bool age(std::uint8_t* ip, bool is_v4) {
    std::uint8_t& hops = ip[is_v4 ? ipv4::kTtl : ipv6::kHopLimit];
    if (hops <= 1) return false;
    if (is_v4) {
        decrement_ttl(ip);
    } else {
        --hops;
    }
    return true;
}

std::uint32_t traffic_class(const std::uint8_t* ip, bool is_v4) {
    return is_v4 ? ip[ipv4::kTos] : (load_be16(ip) >> 4U) & 0xffU;
}

/// Cuts what follows the IP packet: link padding must not become payload of an outer packet.
void trim_padding(rte_mbuf* mbuf, std::uint16_t l3_length) {
    const std::uint32_t wanted = std::uint32_t{l3_length} + kHeader;
    const std::uint32_t surplus = rte_pktmbuf_pkt_len(mbuf) - wanted;
    if (surplus == 0) return;
    if (mbuf->nb_segs == 1) [[likely]] {
        // As rte_pktmbuf_trim, which reads a second cache line of the buffer to find its last
        // segment.
        mbuf->pkt_len = wanted;
        mbuf->data_len = static_cast<std::uint16_t>(wanted);
    } else {
        rte_pktmbuf_trim(mbuf, static_cast<std::uint16_t>(surplus));
    }
}

Burst::Decision forward_one(const LiveBackend& backend, Packet& packet) {
    const ParsedPacket& parsed = packet.parsed;
    const OuterHeader& outer = backend.outer;
    if (backend.reachable == 0) return Verdict::kBackendUnreachable;
    if (std::uint32_t{parsed.l3_length} + outer.added() > backend.mtu) return Verdict::kTooBig;

    auto* frame = rte_pktmbuf_mtod(packet.mbuf, std::uint8_t*);
    if (!age(frame + kHeader, parsed.is_v4)) return Verdict::kTtlExpired;
    packet.out_port = backend.port;
    if (outer.added() == 0) {
        std::memcpy(frame, outer.bytes.data(), ethernet::kType);
        return Burst::stay();
    }
    const Inner inner{.is_v4 = parsed.is_v4,
                      .traffic_class = traffic_class(frame + kHeader, parsed.is_v4),
                      .length = parsed.l3_length};
    trim_padding(packet.mbuf, parsed.l3_length);
    char* front = rte_pktmbuf_prepend(packet.mbuf, outer.added());
    if (front == nullptr) return Verdict::kTooBig;
    // Bits that neither the slot's index nor the flow table looks at first.
    const auto entropy = static_cast<std::uint32_t>(packet.hash);
    if (outer.is_v4()) {
        write_outer_ipv4(reinterpret_cast<std::uint8_t*>(front), outer, inner, entropy);
    } else {
        write_outer_ipv6(reinterpret_cast<std::uint8_t*>(front), outer, inner, entropy);
    }
    return Burst::stay();
}

}  // namespace

void forward(std::span<const LiveBackend> backends, Burst& burst) {
    burst.advance([&](Packet& packet) -> Burst::Decision {
        if (packet.sent_as != Verdict::kForwarded) return Burst::stay();
        return forward_one(backends[packet.backend], packet);
    });
}

}  // namespace tandem::pipeline
