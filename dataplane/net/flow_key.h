// The identity of a flow, as hashed and compared: who talks to which VIP, by which protocol.
#pragma once

#include <arpa/inet.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/net/address.h"

namespace tandem {

/// For an ICMP error this is the key of the flow it quotes, not of the ICMP packet.
struct FlowKey {
    IpAddress source;
    IpAddress destination;
    std::uint16_t source_port;       ///< network order
    std::uint16_t destination_port;  ///< network order
    std::uint8_t protocol;           ///< IANA number
    std::array<std::uint8_t, 3> zero;

    /// Both ports, as they stand at the beginning of a TCP or UDP header.
    void set_ports(const std::uint8_t* at) {
        std::memcpy(reinterpret_cast<char*>(this) + offsetof(FlowKey, source_port), at,
                    2 * sizeof(std::uint16_t));
    }
    /// Which service of the destination: see service_of().
    [[nodiscard]] std::uint32_t service() const {
        std::uint32_t service = 0;
        std::memcpy(&service,
                    reinterpret_cast<const char*>(this) + offsetof(FlowKey, destination_port),
                    sizeof(service));
        return service;
    }

    friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 40);
static_assert(std::has_unique_object_representations_v<FlowKey>, "hashed and compared as bytes");

/// A port, in host order, and a protocol as one number: as they lie in a FlowKey.
inline std::uint32_t service_of(std::uint16_t port, std::uint8_t protocol) {
    return htons(port) | std::uint32_t{protocol} << 16U;
}

}  // namespace tandem
