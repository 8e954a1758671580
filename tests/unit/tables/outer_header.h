// What a backend's outer header says, for tests to compare.
#pragma once

#include <algorithm>

#include "dataplane/tables/live.h"

namespace tandem::tables {

inline Mac mac_at(const LiveBackend& backend, std::size_t offset) {
    Mac mac{};
    std::copy_n(backend.outer.bytes.begin() + static_cast<std::ptrdiff_t>(offset), mac.size(),
                mac.begin());
    return mac;
}
inline Mac destination_mac(const LiveBackend& backend) {
    return mac_at(backend, ethernet::kDestination);
}
inline Mac source_mac(const LiveBackend& backend) {
    return mac_at(backend, ethernet::kSource);
}

/// Of a tunnel.
inline IpAddress outer_address(const LiveBackend& backend, std::size_t v4, std::size_t v6) {
    const std::uint8_t* ip = backend.outer.bytes.data() + ethernet::kHeaderBytes;
    if (backend.outer.is_v4()) {
        return IpAddress::from_v4({ip[v4], ip[v4 + 1], ip[v4 + 2], ip[v4 + 3]});
    }
    IpAddress address;
    std::copy_n(ip + v6, address.bytes.size(), address.bytes.begin());
    return address;
}
inline IpAddress outer_source(const LiveBackend& backend) {
    return outer_address(backend, ipv4::kSource, ipv6::kSource);
}
inline IpAddress outer_destination(const LiveBackend& backend) {
    return outer_address(backend, ipv4::kDestination, ipv6::kDestination);
}

}  // namespace tandem::tables
