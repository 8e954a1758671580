#include "dataplane/pipeline/forward.h"

#include <rte_mbuf.h>

#include "dataplane/net/encap.h"
#include "dataplane/net/headers.h"

namespace tandem::pipeline {

namespace {

using tables::ForwardMode;
using tables::LiveBackend;

constexpr std::uint16_t kHeader = ethernet::kHeaderBytes;

void write_ethernet(std::uint8_t* frame, const LiveBackend& backend, std::uint16_t type) {
    std::memcpy(frame + ethernet::kDestination, backend.destination_mac.data(), sizeof(Mac));
    std::memcpy(frame + ethernet::kSource, backend.source_mac.data(), sizeof(Mac));
    store_be16(frame + ethernet::kType, type);
}

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

/// Bytes that the way to a backend adds to a packet.
std::uint16_t overhead(const LiveBackend& backend) {
    if (backend.mode == ForwardMode::kL2) return 0;
    return backend.address.is_v4() ? ipv4::kHeaderBytes : ipv6::kHeaderBytes;
}

void encapsulate(const Packet& packet, const LiveBackend& backend, std::uint8_t* frame,
                 const Inner& inner) {
    // Bits that neither the slot's index nor, later, the flow table looks at first.
    const auto entropy = static_cast<std::uint32_t>(packet.hash);
    const IpAddress source =
        varied_by_flow(backend.outer_source, backend.outer_source_mask, entropy);
    if (backend.address.is_v4()) {
        write_ethernet(frame, backend, ethernet::kTypeIpv4);
        write_outer_ipv4(frame + kHeader, source, backend.address, inner);
    } else {
        write_ethernet(frame, backend, ethernet::kTypeIpv6);
        write_outer_ipv6(frame + kHeader, source, backend.address, inner, entropy);
    }
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
    if (backend.reachable == 0) return Verdict::kBackendUnreachable;
    const std::uint16_t added = overhead(backend);
    if (std::uint32_t{parsed.l3_length} + added > backend.mtu) return Verdict::kTooBig;

    auto* frame = rte_pktmbuf_mtod(packet.mbuf, std::uint8_t*);
    if (!age(frame + kHeader, parsed.is_v4)) return Verdict::kTtlExpired;
    if (backend.mode == ForwardMode::kL2) {
        write_ethernet(frame, backend, parsed.is_v4 ? ethernet::kTypeIpv4 : ethernet::kTypeIpv6);
    } else {
        const Inner inner{.is_v4 = parsed.is_v4,
                          .traffic_class = traffic_class(frame + kHeader, parsed.is_v4),
                          .length = parsed.l3_length};
        trim_padding(packet.mbuf, parsed.l3_length);
        const char* outer = rte_pktmbuf_prepend(packet.mbuf, added);
        if (outer == nullptr) return Verdict::kTooBig;
        encapsulate(packet, backend, rte_pktmbuf_mtod(packet.mbuf, std::uint8_t*), inner);
    }
    packet.out_port = backend.port;
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
