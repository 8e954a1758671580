#include "dataplane/pipeline/forward.h"

#include <rte_mbuf.h>

#include "dataplane/net/encap.h"
#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

using tables::LiveBackend;

/// Cuts what follows the IP packet: link padding must not become payload of an outer packet.
void trim_padding(rte_mbuf* mbuf, std::uint16_t l3_length) {
    const std::uint32_t wanted = std::uint32_t{l3_length} + ethernet::kHeaderBytes;
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
    if (std::uint32_t{parsed.l3_length} + outer.added > backend.mtu) return Verdict::kTooBig;

    // It gets older as at any router, and before anything else (RFC 1812 section 5.3.1).
    auto* frame = rte_pktmbuf_mtod(packet.mbuf, std::uint8_t*);
    std::uint8_t* ip = frame + ethernet::kHeaderBytes;
    Inner inner{.is_v4 = parsed.is_v4, .traffic_class = 0, .length = parsed.l3_length};
    if (parsed.is_v4) {
        if (ip[ipv4::kTtl] <= 1) return Verdict::kTtlExpired;
        decrement_ttl(ip);
        inner.traffic_class = ip[ipv4::kTos];
    } else {
        if (ip[ipv6::kHopLimit] <= 1) return Verdict::kTtlExpired;
        --ip[ipv6::kHopLimit];
        inner.traffic_class = load_be16(ip) >> 4U & 0xffU;
    }
    packet.out_port = backend.port;
    if (outer.added == 0) {
        std::memcpy(frame, outer.bytes.data(), ethernet::kType);
        return Burst::stay();
    }
    trim_padding(packet.mbuf, parsed.l3_length);
    char* front = rte_pktmbuf_prepend(packet.mbuf, outer.added);
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
    burst.advance([&](Packet& packet) { return forward_one(backends[packet.backend], packet); });
}

}  // namespace tandem::pipeline
