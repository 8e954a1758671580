#include "dataplane/net/encap.h"

#include <algorithm>

namespace tandem {

namespace {

IpAddress without_host_bits(const IpAddress& source, std::uint8_t host_bits) {
    const auto length = static_cast<std::uint8_t>(128 - std::min<unsigned>(host_bits, 128));
    return Prefix{source, length}.network();
}

}  // namespace

OuterHeader link_header(const Mac& destination_mac, const Mac& source_mac) {
    OuterHeader header;
    std::ranges::copy(destination_mac, header.bytes.begin() + ethernet::kDestination);
    std::ranges::copy(source_mac, header.bytes.begin() + ethernet::kSource);
    return header;
}

OuterHeader ipip_header(const Mac& destination_mac, const Mac& source_mac, const IpAddress& source,
                        std::uint8_t source_host_bits, const IpAddress& destination) {
    OuterHeader header = link_header(destination_mac, source_mac);
    header.source_host_bits = std::min<std::uint8_t>(source_host_bits, 32);
    const IpAddress shared = without_host_bits(source, source_host_bits);
    std::uint8_t* at = header.bytes.data() + ethernet::kHeaderBytes;
    if (destination.is_v4()) {
        header.added = ipv4::kHeaderBytes;
        store_be16(header.bytes.data() + ethernet::kType, ethernet::kTypeIpv4);
        at[0] = 0x45;  // version 4, no options
        at[ipv4::kTtl] = kOuterTtl;
        at[ipv4::kProtocol] = protocol::kIpv4;
        store_be16(at + ipv4::kFragment, ipv4::kDontFragment);
        store_raw32(at + ipv4::kSource, shared.v4_network_order());
        store_raw32(at + ipv4::kDestination, destination.v4_network_order());
        store_raw16(at + ipv4::kChecksum, fold(sum_words({at, ipv4::kHeaderBytes})));
    } else {
        header.added = ipv6::kHeaderBytes;
        store_be16(header.bytes.data() + ethernet::kType, ethernet::kTypeIpv6);
        at[ipv6::kHopLimit] = kOuterTtl;
        std::ranges::copy(shared.bytes, at + ipv6::kSource);
        std::ranges::copy(destination.bytes, at + ipv6::kDestination);
    }
    return header;
}

}  // namespace tandem
