#include "conf/group.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include <toml++/toml.h>

#include "conf/endpoint.h"
#include "conf/spelling.h"

namespace tandem::conf {

namespace {

constexpr milliseconds kCentisecond{10};
/// 12 bits of centiseconds: RFC 9568 section 5.2.7.
constexpr Range<milliseconds> kAdvertIntervals{kCentisecond, 0xfff * kCentisecond};
constexpr Range<milliseconds> kPreemptDelays{milliseconds{0}, std::chrono::hours{1}};
constexpr std::size_t kPeersMax = 16;

constexpr std::array<Word<GroupMac>, 2> kMacWords{
    {{"virtual", GroupMac::kVirtual}, {"port", GroupMac::kPort}}};
constexpr std::array<Word<AdvertChecksum>, 2> kChecksumWords{
    {{"message", AdvertChecksum::kMessage}, {"pseudo-header", AdvertChecksum::kWithPseudoHeader}}};

/// What only one group can have, and the line where it got it.
struct Taken {
    std::map<std::pair<std::string, std::uint8_t>, std::uint32_t> router_ids;  ///< each of a port
    std::map<std::string, std::uint32_t> names;
};

void read_port_of(Section& section, const std::vector<Entry<Port>>& ports, Group& group) {
    if (ports.size() > 1) section.require("port", "it is " + listed(names_of(ports)));
    const auto text = section.text("port", "the name of a port");
    if (!text) {
        if (!section.has("port") && ports.size() == 1) group.port = ports.front().name;
        return;
    }
    group.port = text->value;
    if (find_entry(ports, text->value) != nullptr) return;
    section.reject("port", fmt::format("there is no port {}", in_quotes(text->value)),
                   meant_entry(ports, nearest(text->value, names_of(ports))));
}

/// Returns whether no group before this one has the same on its port.
bool read_router_id(Section& section, Taken& taken, Group& group) {
    section.require("router_id");
    section.integer("router_id", {1, 255}, group.router_id);
    if (group.router_id == 0 || group.port.empty()) return true;
    const std::uint32_t line = position_of(*section.find("router_id")).line;
    const auto [same, is_new] = taken.router_ids.try_emplace({group.port, group.router_id}, line);
    if (!is_new) {
        section.reject("router_id",
                       fmt::format("{} is already that of the group in line {}, on port {}",
                                   group.router_id, same->second, in_quotes(group.port)));
    }
    return is_new;
}

/// Returns where the name stands, or the section if it has the name of its router_id.
Position read_name(Section& section, Taken& taken, bool owns_router_id, Group& group) {
    const bool is_given = section.has("name");
    Position at = section.header();
    if (const auto text = section.text("name", "a string such as \"edge\"")) {
        at = text->at;
        group.name = text->value;
        if (!is_name(text->value)) {
            section.reject("name",
                           fmt::format("{} is not a name: {}", in_quotes(text->value), kNameRule));
        }
    }
    if (!is_given && group.router_id != 0) group.name = fmt::format("group{}", group.router_id);
    // Of a router_id that two have, one complaint is enough.
    if (!is_given && !owns_router_id) group.name.clear();
    if (group.name.empty()) return at;
    const auto [namesake, is_new] = taken.names.try_emplace(group.name, at.line);
    if (!is_new) {
        section.reject("name",
                       fmt::format("{} is already the name of the group in line {}",
                                   in_quotes(group.name), namesake->second),
                       is_given ? "" : "without a name it is called after its router_id");
        group.name.clear();
    }
    return at;
}

void read_interval(Section& section, Group& group) {
    section.duration("interval", kAdvertIntervals, group.interval);
    if (group.interval % kCentisecond == milliseconds{0}) return;
    section.reject("interval", fmt::format("{} is no multiple of {}, in which advertisements count",
                                           str(group.interval), str(kCentisecond)));
}

void read_preemption(Section& section, Group& group) {
    const std::size_t errors_before = section.report().error_count();
    section.boolean("preempt", group.preempt);
    section.duration("preempt_delay", kPreemptDelays, group.preempt_delay);
    const bool is_sound = section.report().error_count() == errors_before;
    if (section.has("preempt_delay") && is_sound && !group.preempt) {
        section.reject("preempt_delay", "only a group that preempts has this");
    }
}

bool is_on_network(const Port& port, const IpAddress& host) {
    return std::ranges::any_of(port.addresses,
                               [&](const Prefix& network) { return network.contains(host); });
}

/// What is wrong with having a port's gateways asked for; empty: nothing.
std::string wrong_with_gateways(const Port& port, const std::vector<Entry<Port>>& ports) {
    const std::string name = in_quotes(port.name);
    if (port.gateways.empty()) return fmt::format("port {} has no gateway", name);
    if (!has_kernel(port.driver)) {
        return fmt::format(
            "nobody asks for the neighbours of port {}: there is no kernel behind it", name);
    }
    if (port.addresses.empty()) return "";  // what the netdev has is not known here
    for (const IpAddress& gateway : port.gateways) {
        if (gateway.is_link_local() || is_on_network(port, gateway)) continue;
        const auto other = std::ranges::find_if(ports, [&](const Entry<Port>& each) {
            return each.value && is_on_network(*each.value, gateway);
        });
        return fmt::format(
            "the gateway {} is on no network of port {}{}", gateway.str(), name,
            other == ports.end() ? "" : fmt::format(", but of port {}", in_quotes(other->name)));
    }
    return "";
}

void read_gateway_check(Section& section, const std::vector<Entry<Port>>& ports, Group& group) {
    section.boolean("gateway_check", group.checks_gateway);
    if (!group.checks_gateway) return;
    if (!group.preempt) {
        section.reject("gateway_check",
                       "a group that does not preempt never takes over from one that gives way");
    }
    const Entry<Port>* port = find_entry(ports, group.port);
    if (port == nullptr || !port->value) return;  // which is reported
    const std::string wrong = wrong_with_gateways(*port->value, ports);
    if (!wrong.empty()) section.reject("gateway_check", wrong);
}

void read_peers(Section& section, Group& group) {
    std::map<IpAddress, std::uint32_t> lines;
    for (const Text& text : section.texts("peers", "a string such as \"192.0.2.11\"")) {
        const Result<IpAddress> peer = parse_host(text.value);
        if (!peer) {
            section.reject("peers", text.at, peer.error().message);
            continue;
        }
        const auto [same, is_new] = lines.try_emplace(peer.value(), text.at.line);
        if (!is_new) {
            section.reject(
                "peers", text.at,
                fmt::format("{} is already given, in line {}", peer.value().str(), same->second));
            continue;
        }
        group.peers.push_back(peer.value());
    }
    if (group.peers.size() > kPeersMax) {
        section.reject("peers", fmt::format("there are {} peers; the most is {}",
                                            group.peers.size(), kPeersMax));
    }
    std::ranges::sort(group.peers);
}

Entry<Group> read_group(const toml::table& table, const std::vector<Entry<Port>>& ports,
                        Taken& taken, Report& report) {
    Section section("group", "group", table, report);
    Group group;
    read_port_of(section, ports, group);
    const bool owns_router_id = read_router_id(section, taken, group);
    const Position at = read_name(section, taken, owns_router_id, group);
    section.integer("priority", {1, 255}, group.priority);
    read_interval(section, group);
    read_preemption(section, group);
    section.choice("mac", kMacWords, group.mac);
    section.choice("checksum", kChecksumWords, group.checksum);
    section.boolean("strict", group.is_strict);
    read_gateway_check(section, ports, group);
    read_peers(section, group);
    section.finish();
    Entry<Group> entry{.name = group.name, .at = at, .value = std::nullopt};
    if (section.is_sound()) entry.value = std::move(group);
    return entry;
}

}  // namespace

std::vector<Entry<Group>> read_groups(Section& root, const std::vector<Entry<Port>>& ports) {
    const toml::node* node = root.find("group");
    if (node == nullptr) return {};
    std::vector<Entry<Group>> groups;
    const auto reject = [&](const toml::node& wrong) {
        root.reject_type("group", wrong, "a section [[group]]",
                         wrong.is_table() ? "write [[group]]; its name is the key 'name'" : "");
        groups.push_back({.name = "", .at = position_of(wrong), .value = std::nullopt});
    };
    const toml::array* array = node->as_array();
    if (array == nullptr) {
        reject(*node);
        return groups;
    }
    Taken taken;
    for (const toml::node& item : *array) {
        if (const toml::table* table = item.as_table()) {
            groups.push_back(read_group(*table, ports, taken, root.report()));
        } else {
            reject(item);
        }
    }
    if (groups.size() > kGroupsMax) {
        root.report().error(
            groups[kGroupsMax].at,
            fmt::format("there are {} groups; the most is {}", groups.size(), kGroupsMax));
    }
    return groups;
}

}  // namespace tandem::conf
