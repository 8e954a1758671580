// What control does about ports, the addresses that they have, and who is behind them: neighbours
// and gateways.
#include <algorithm>
#include <net/if.h>
#include <spdlog/spdlog.h>

#include "control/control.h"
#include "control/rulings.h"

namespace tandem {

void Control::read_ports() {
    const tables::LiveFixed& dataplane = link_.region()->dataplane();
    std::vector<plan::PortAddresses> ports;
    std::map<plan::Neighbour, Mac> macs;
    port_of_netdev_.clear();
    const std::size_t count = std::min<std::size_t>(dataplane.port_count, dataplane.ports.size());
    for (std::size_t i = 0; i < count; ++i) {
        const tables::PortInfo& info = dataplane.ports[i];
        const conf::Port& port = running_port(info);
        const auto number = static_cast<std::uint8_t>(i);
        plan::PortAddresses addresses{number, port.addresses, port.gateways, port.name, info.mac};
        const auto ifindex = static_cast<int>(::if_nametoindex(info.netdev.data()));
        if (ifindex != 0) {
            port_of_netdev_[ifindex] = number;
            if (info.netdev_is_twin) add_to_twin(info, ifindex, port);
            if (addresses.addresses.empty()) {
                Result<std::vector<Prefix>> found = neighbours_->netlink().addresses(ifindex);
                if (found) {
                    kernel_addresses_[ifindex] = std::move(found.value());
                } else {
                    spdlog::warn("port {}: {} is taken to have the addresses it had: {}", port.name,
                                 info.netdev.data(), found.error().message);
                }
                addresses.addresses = kernel_addresses_[ifindex];
            }
        }
        ports.push_back(std::move(addresses));
        for (const auto& [address, mac] : port.neighbours) macs[{number, address}] = mac;
    }
    if (planner_.set_ports(std::move(ports))) neighbours_->forget();
    for (const auto& [neighbour, mac] : macs) planner_.set_mac(neighbour, mac);
    watch_neighbours();
    request_publish();
}

/// As it is configured, or was until a reload took it away: it runs until the dataplane is
/// restarted. Of one that is older than this process, the kernel knows the addresses.
const conf::Port& Control::running_port(const tables::PortInfo& info) {
    const std::string name(info.name.view());
    const auto port = std::ranges::find(config_.ports, name, &conf::Port::name);
    conf::Port& running = running_ports_[name];
    if (port != config_.ports.end()) running = *port;
    running.name = name;
    return running;
}

/// The kernel lost the NIC, and with it the addresses; its side of the port gets them back.
void Control::add_to_twin(const tables::PortInfo& info, int ifindex, const conf::Port& port) {
    Status status = Nothing{};
    for (const Prefix& address : port.addresses) {
        if (status) status = neighbours_->netlink().add_address(ifindex, address);
    }
    for (const IpAddress& gateway : port.gateways) {
        if (status) status = neighbours_->netlink().add_gateway(ifindex, gateway);
    }
    if (status) return;
    spdlog::error("port {}: {} does not get its addresses: {}", port.name, info.netdev.data(),
                  status.error().message);
}

void Control::watch_neighbours() {
    const auto at_netdevs = [&](const std::vector<plan::Neighbour>& neighbours) {
        std::set<NeighbourWatch::Wanted> found;
        for (const auto& [port, address] : neighbours) {
            const auto netdev = std::ranges::find(port_of_netdev_, port,
                                                  [](const auto& entry) { return entry.second; });
            if (netdev != port_of_netdev_.end()) found.emplace(netdev->first, address);
        }
        return found;
    };
    const std::set<NeighbourWatch::Wanted> asked = at_netdevs(planner_.gateways());
    const Instant now = Instant::clock::now();
    gateways_.follow(asked);
    for (const NeighbourWatch::Wanted& gateway : asked) {
        if (!silent_ports_.contains(port_of_netdev_.at(gateway.first))) continue;
        gateways_.heard(gateway, false, now - plan::Gateways::kSettling);
    }
    silent_ports_.clear();
    neighbours_->watch(at_netdevs(planner_.neighbours()), asked);
    look_at_gateways(now);
    for (const health::Identity& backend : planner_.unreachable()) {
        spdlog::warn("{} is on no port's network, and there is no gateway", name_of(backend));
    }
    for (const std::string& group : planner_.speechless()) {
        spdlog::error(
            "group {}: its port has no IPv4 address to advertise from, so this instance does "
            "not answer for its IPv4 VIPs",
            group);
    }
}

void Control::on_neighbour(const KernelNeighbour& neighbour) {
    const auto port = port_of_netdev_.find(neighbour.ifindex);
    if (port == port_of_netdev_.end()) return;
    if (neighbour.reach != KernelNeighbour::Reach::kUnknown) {
        gateways_.heard({neighbour.ifindex, neighbour.address},
                        neighbour.reach == KernelNeighbour::Reach::kAnswers, Instant::clock::now());
    }
    if (!neighbour.mac) return;
    if (!planner_.set_mac({port->second, neighbour.address}, *neighbour.mac)) return;
    spdlog::info("neighbour {} has MAC {:02x}", neighbour.address.str(),
                 fmt::join(*neighbour.mac, ":"));
    request_publish();
}

void Control::look_at_gateways(Instant now) {
    using tables::GatewayState;
    for (const plan::Gateways::Change& change : gateways_.changes(now)) {
        const auto& [netdev, address] = change.gateway;
        const auto port = port_of_netdev_.find(netdev);
        if (port == port_of_netdev_.end()) continue;
        const plan::Neighbour gateway{port->second, address};
        if (!planner_.set_gateway(gateway, change.state)) continue;
        request_publish();
        if (change.state == GatewayState::kSilent) {
            spdlog::error("gateway {} does not answer: group {} gives way to who reaches its own",
                          address.str(), fmt::join(planner_.followers(gateway), ", group "));
        } else if (change.before == GatewayState::kSilent) {
            spdlog::info("gateway {} answers again", address.str());
        }
    }
}

}  // namespace tandem
