// The part of the planner that is about VRRP groups.
#include <algorithm>
#include <set>
#include <utility>

#include "control/plan/planner.h"

namespace tandem::plan {

namespace {

/// RFC 4291 appendix A.
IpAddress link_local_of(const Mac& mac) {
    return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(mac[0] ^ 2U), mac[1], mac[2],
             0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

}  // namespace

// Probes begin up to an interval apart, and each interval is shorter by a share of its own; of one
// the last probe is refused, and of the other one it times out.
std::chrono::milliseconds apart_max(const conf::Check& check) {
    constexpr std::chrono::milliseconds kUnderWay{100};
    const std::chrono::milliseconds drift =
        check.interval * check.jitter_percent * std::max(check.fall, check.rise) / 100;
    return check.interval + drift + check.timeout + kUnderWay;
}

/// Where it is, or has been so far: a port that is new is there after a restart. nullptr: nowhere.
const PortAddresses* Planner::port_of(const conf::Group& group) const {
    auto port = std::ranges::find(ports_, group.port, &PortAddresses::name);
    const auto before = former_ports_.find(group.name);
    if (port == ports_.end() && before != former_ports_.end()) {
        port = std::ranges::find(ports_, before->second, &PortAddresses::name);
    }
    return port == ports_.end() ? nullptr : &*port;
}

void Planner::note_ports_of_groups() {
    std::map<std::string, std::string> found;
    for (const conf::Group& group : config_.groups) {
        if (const PortAddresses* port = port_of(group)) found[group.name] = port->name;
    }
    former_ports_ = std::move(found);
}

std::vector<std::string> Planner::speechless() const {
    std::vector<std::string> found;
    for (const conf::Group& group : config_.groups) {
        const PortAddresses* port = port_of(group);
        const bool has_v4 =
            port != nullptr &&
            std::ranges::any_of(port->addresses, &IpAddress::is_v4, &Prefix::address);
        const bool needs_v4 = std::ranges::any_of(config_.vips, [&](const conf::Vip& vip) {
            return vip.group == group.name && vip.prefix.address.is_v4();
        });
        if (needs_v4 && !has_v4) found.push_back(group.name);
    }
    return found;
}

/// A link-local address is one of the group's link; others may be behind a gateway.
std::optional<Neighbour> Planner::way_to_peer(const conf::Group& group,
                                              const IpAddress& peer) const {
    if (peer.is_link_local()) {
        const PortAddresses* port = port_of(group);
        if (port == nullptr) return std::nullopt;
        return Neighbour{port->port, peer};
    }
    const std::optional<NextHop> hop = next_hop_to(peer, ports_);
    if (!hop) return std::nullopt;
    return Neighbour{hop->port, hop->neighbour};
}

std::vector<Neighbour> Planner::gateways_of(const conf::Group& group) const {
    std::vector<Neighbour> found;
    const PortAddresses* port = port_of(group);
    if (!group.checks_gateway || port == nullptr) return found;
    for (const IpAddress& gateway : port->gateways) found.emplace_back(port->port, gateway);
    return found;
}

std::vector<Neighbour> Planner::gateways() const {
    std::set<Neighbour> found;
    for (const conf::Group& group : config_.groups) {
        for (const Neighbour& gateway : gateways_of(group)) found.insert(gateway);
    }
    return {found.begin(), found.end()};
}

std::vector<std::string> Planner::followers(const Neighbour& gateway) const {
    std::vector<std::string> found;
    for (const conf::Group& group : config_.groups) {
        const std::vector<Neighbour> followed = gateways_of(group);
        if (std::ranges::find(followed, gateway) != followed.end()) found.push_back(group.name);
    }
    return found;
}

bool Planner::set_gateway(const Neighbour& gateway, tables::GatewayState state) {
    return std::exchange(gateways_[gateway], state) != state;
}

/// A group whose port the dataplane does not have is there all the same, without an address to
/// speak from: its VIPs must not be answered for.
void Planner::add_groups(PlanContent& content) const {
    for (const conf::Group& group : config_.groups) {
        tables::PlanGroup record;
        record.name = tables::Name(group.name);
        record.router_id = group.router_id;
        record.priority = group.priority;
        record.interval_ms = static_cast<std::uint32_t>(group.interval.count());
        record.preempts = group.preempt;
        record.preempt_delay_ms = static_cast<std::uint32_t>(group.preempt_delay.count());
        record.has_virtual_mac = group.mac == conf::GroupMac::kVirtual;
        record.sums_pseudo_header = group.checksum == conf::AdvertChecksum::kWithPseudoHeader;
        record.is_strict = group.is_strict;
        const PortAddresses* port = port_of(group);
        if (port != nullptr) {
            record.port = port->port;
            record.source_v6 = link_local_of(port->mac);
            const auto ours = std::ranges::find_if(
                port->addresses, [](const Prefix& address) { return address.address.is_v4(); });
            if (ours != port->addresses.end()) record.source_v4 = ours->address;
        }
        std::chrono::milliseconds apart{0};
        for (const conf::Vip& vip : config_.vips) {
            if (vip.group != group.name) continue;
            const auto pool = std::ranges::find(config_.pools, vip.pool, &conf::Pool::name);
            apart = std::max(apart, apart_max(pool->check));
        }
        record.checks_apart_ms = static_cast<std::uint32_t>(apart.count());
        for (const Neighbour& gateway : gateways_of(group)) {
            const auto known = gateways_.find(gateway);
            if (known != gateways_.end()) record.gateway = std::max(record.gateway, known->second);
        }
        for (const IpAddress& peer : group.peers) {
            if (record.peer_count == record.peers.size()) break;
            tables::PlanPeer& planned = record.peers[record.peer_count++];
            planned.address = peer;
            const std::optional<Neighbour> way = way_to_peer(group, peer);
            const auto mac = way ? macs_.find(*way) : macs_.end();
            // Groups speak on their own port only.
            if (mac == macs_.end() || way->first != record.port) continue;
            planned.mac = mac->second;
            planned.resolved = 1;
        }
        content.groups.push_back(record);
    }
}

}  // namespace tandem::plan
