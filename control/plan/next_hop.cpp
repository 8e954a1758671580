#include "control/plan/next_hop.h"

namespace tandem::plan {

namespace {

/// Our address on that port that is nearest to the neighbour.
std::optional<IpAddress> source_towards(const IpAddress& neighbour, const PortAddresses& port) {
    const Prefix* best = nullptr;
    for (const Prefix& ours : port.addresses) {
        if (ours.address.is_v4() != neighbour.is_v4()) continue;
        if (best == nullptr || (ours.contains(neighbour) && !best->contains(neighbour))) {
            best = &ours;
        }
    }
    if (best == nullptr) return std::nullopt;
    return best->address;
}

}  // namespace

std::optional<NextHop> next_hop_to(const IpAddress& destination,
                                   std::span<const PortAddresses> ports) {
    std::optional<NextHop> found;
    std::uint8_t length = 0;
    for (const PortAddresses& port : ports) {
        for (const Prefix& subnet : port.addresses) {
            if (!subnet.contains(destination) || (found && subnet.length <= length)) continue;
            found = {.port = port.port, .neighbour = destination, .source = subnet.address};
            length = subnet.length;
        }
    }
    if (found) return found;
    for (const PortAddresses& port : ports) {
        for (const IpAddress& gateway : port.gateways) {
            if (gateway.is_v4() != destination.is_v4()) continue;
            const std::optional<IpAddress> source = source_towards(gateway, port);
            if (source) {
                return NextHop{.port = port.port, .neighbour = gateway, .source = *source};
            }
        }
    }
    return std::nullopt;
}

}  // namespace tandem::plan
