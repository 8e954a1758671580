#include "conf/port.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include <toml++/toml.h>

#include "conf/device.h"
#include "conf/endpoint.h"

namespace tandem::conf {

namespace {

constexpr std::int64_t kMtuMin = 68;    // RFC 791 section 3.2
constexpr std::int64_t kMtuMax = 9000;  // jumbo frames, as NICs and switches have them

/// What only one port can have, and the line where it got it.
using Claims = std::map<std::string, std::uint32_t>;

/// Takes `claim` for the value at `at`; returns the line of the one that has it already, or 0.
std::uint32_t take(Claims& claims, const std::string& claim, Position at) {
    const auto [owner, is_new] = claims.try_emplace(claim, at.line);
    return is_new ? 0 : owner->second;
}

void read_device(Section& section, Claims& devices, Port& port) {
    section.require("device");
    const std::optional<Driver> wanted = read_driver(section);
    const std::optional<Text> given = section.text("device", "a string such as \"eth1\"");
    if (!given || !section.is_sound()) return;

    const Result<Device> device = parse_device(given->value, wanted);
    if (!device) return section.reject("device", device.error().message);
    port.device = given->value;
    port.driver = device.value().driver;
    port.device_name = device.value().name;

    const std::string claimed = claim(device.value());
    if (claimed.empty()) return;
    if (const std::uint32_t line = take(devices, claimed, given->at); line != 0) {
        section.reject(
            "device", fmt::format("{} is already used, in line {}", in_quotes(given->value), line));
    }
}

void read_addresses(Section& section, Claims& addresses, Port& port) {
    for (const Text& text : section.texts("address", "a string such as \"192.0.2.10/24\"")) {
        const Result<Prefix> address = parse_interface(text.value);
        if (!address) {
            section.reject("address", text.at, address.error().message);
            continue;
        }
        port.addresses.push_back(address.value());
        const std::string host = address.value().address.str();
        if (const std::uint32_t line = take(addresses, host, text.at); line != 0) {
            section.reject("address", text.at,
                           fmt::format("{} is already given, in line {}", host, line));
        }
    }
    std::ranges::sort(port.addresses);
}

void read_gateways(Section& section, Port& port) {
    for (const Text& text : section.texts("gateway", "a string such as \"192.0.2.1\"")) {
        const Result<IpAddress> gateway = parse_host(text.value);
        if (!gateway) {
            section.reject("gateway", text.at, gateway.error().message);
            continue;
        }
        const bool is_v4 = gateway.value().is_v4();
        if (std::ranges::any_of(port.gateways,
                                [&](const auto& other) { return other.is_v4() == is_v4; })) {
            section.reject("gateway", text.at,
                           fmt::format("{} is a second gateway for {}; there can be one",
                                       in_quotes(text.value), is_v4 ? "IPv4" : "IPv6"));
        }
        port.gateways.push_back(gateway.value());
    }
    std::ranges::sort(port.gateways);
}

void read_neighbours(Section& section, Port& port) {
    constexpr std::string_view kExpected =
        R"(a table of addresses and MACs such as { "10.0.0.11" = "02:00:00:00:00:11" })";
    const toml::node* node = section.find("neighbours");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return section.reject_type("neighbours", *node, kExpected);
    std::map<IpAddress, Mac> neighbours;
    for (const auto& [key, value] : *table) {
        const Result<IpAddress> address = parse_host(key.str());
        if (!address) {
            section.reject("neighbours", position_of(key), address.error().message);
            continue;
        }
        const auto* text = value.as_string();
        if (text == nullptr) {
            section.reject_type("neighbours", value, "a MAC address in quotes");
            continue;
        }
        const Result<Mac> mac = parse_mac(text->get());
        if (!mac) {
            section.reject("neighbours", position_of(value), mac.error().message);
            continue;
        }
        if (!neighbours.try_emplace(address.value(), mac.value()).second) {
            section.reject("neighbours", position_of(key),
                           address.value().str() + " is given twice");
        }
    }
    port.neighbours.assign(neighbours.begin(), neighbours.end());
}

}  // namespace

std::vector<Entry<Port>> read_ports(Section& root) {
    Claims devices;
    Claims addresses;
    std::vector<Entry<Port>> ports;
    for (const NamedTable& named : named_tables(root, "port", kPortsMax)) {
        Port port;
        port.name = named.name;
        Section section("port", fmt::format("port.{}", named.name), *named.table, root.report());
        read_device(section, devices, port);
        read_addresses(section, addresses, port);
        read_gateways(section, port);
        section.integer("mtu", {kMtuMin, kMtuMax}, port.mtu);
        read_neighbours(section, port);
        section.finish();
        ports.push_back({.name = port.name, .at = named.at, .value = std::nullopt});
        if (section.is_sound()) ports.back().value = std::move(port);
    }
    return ports;
}

}  // namespace tandem::conf
