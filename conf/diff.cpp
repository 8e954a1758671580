#include "conf/diff.h"

#include <algorithm>

namespace tandem::conf {

namespace {

void compare_dataplane(const Dataplane& running, const Dataplane& wanted,
                       std::vector<std::string>& names) {
    const auto compare = [&](auto Dataplane::*key, const char* name) {
        if (running.*key != wanted.*key) names.emplace_back(name);
    };
    compare(&Dataplane::workers, "dataplane.workers");
    compare(&Dataplane::cores, "dataplane.cores");
    compare(&Dataplane::memory, "dataplane.memory");
    compare(&Dataplane::packet_memory_bytes, "dataplane.packet_memory");
    compare(&Dataplane::table_memory_bytes, "dataplane.table_memory");
    compare(&Dataplane::poll, "dataplane.poll");
    compare(&Dataplane::stall_limit, "dataplane.stall_limit");
    compare(&Dataplane::socket, "dataplane.socket");
    compare(&Dataplane::eal_args, "dataplane.eal_args");
}

void compare_flows(const Flows& running, const Flows& wanted, std::vector<std::string>& names) {
    const auto compare = [&](auto Flows::*key, const char* name) {
        if (running.*key != wanted.*key) names.emplace_back(name);
    };
    compare(&Flows::per_worker, "flows.per_worker");
    compare(&Flows::opening, "flows.opening");
    compare(&Flows::established, "flows.established");
    compare(&Flows::closing, "flows.closing");
    compare(&Flows::udp, "flows.udp");
}

/// How health is agreed upon is the affair of control, which takes up another way at once.
bool same_but_agreement(const std::optional<Pair>& running, std::optional<Pair> wanted) {
    if (running && wanted) wanted->agreement = running->agreement;
    return running == wanted;
}

const Port* find_port(const std::vector<Port>& ports, const std::string& name) {
    const auto found = std::ranges::find(ports, name, &Port::name);
    return found == ports.end() ? nullptr : &*found;
}

void compare_ports(const std::vector<Port>& running, const std::vector<Port>& wanted,
                   std::vector<std::string>& names) {
    for (const Port& port : running) {
        const Port* other = find_port(wanted, port.name);
        if (other == nullptr) {
            names.push_back("port." + port.name);
            continue;
        }
        // "eth1" and "af_packet:eth1" are the same device.
        if (port.driver != other->driver || port.device_name != other->device_name) {
            names.push_back("port." + port.name + ".device");
        }
        if (port.mtu != other->mtu) names.push_back("port." + port.name + ".mtu");
    }
    for (const Port& port : wanted) {
        if (find_port(running, port.name) == nullptr) names.push_back("port." + port.name);
    }
}

}  // namespace

std::vector<std::string> needs_restart(const Config& running, const Config& wanted) {
    std::vector<std::string> names;
    compare_dataplane(running.dataplane, wanted.dataplane, names);
    compare_flows(running.flows, wanted.flows, names);
    if (running.control.state_dir != wanted.control.state_dir)
        names.emplace_back("control.state_dir");
    if (running.control.admin_socket != wanted.control.admin_socket)
        names.emplace_back("control.admin_socket");
    if (!same_but_agreement(running.pair, wanted.pair)) names.emplace_back("pair");
    compare_ports(running.ports, wanted.ports, names);
    std::ranges::sort(names);
    return names;
}

}  // namespace tandem::conf
