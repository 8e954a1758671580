// The identity of a flow, as hashed and compared: who talks to which VIP, by which protocol.
#pragma once

#include <cstdint>
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

    friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 40);
static_assert(std::has_unique_object_representations_v<FlowKey>, "hashed and compared as bytes");

}  // namespace tandem
