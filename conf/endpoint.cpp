#include "conf/endpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

#include "conf/diagnostic.h"
#include "conf/units.h"
#include "conf/utf8.h"

namespace tandem::conf {

namespace {

constexpr std::uint64_t kPortMax = 65'535;

/// Why no single host has this address, or nothing.
std::string_view unusable_as(const IpAddress& address) {
    const auto& bytes = address.bytes;
    if (address == IpAddress{} || address == IpAddress::from_v4({0, 0, 0, 0})) {
        return "is the unspecified address";
    }
    if (address.is_v4()) {
        if (bytes[12] == 127) return "is a loopback address";
        if (bytes[12] >= 224 && bytes[12] <= 239) return "is a multicast address";
        if (address == IpAddress::from_v4({255, 255, 255, 255})) return "is the broadcast address";
        return {};
    }
    IpAddress loopback;
    loopback.bytes.back() = 1;
    if (address == loopback) return "is a loopback address";
    return bytes[0] == 0xff ? "is a multicast address" : "";
}

/// Any address and length that is written as it should be.
Result<Prefix> parse_any(std::string_view text) {
    const std::optional<Prefix> prefix = Prefix::parse(text);
    // A zero byte ends the text for the function below that one.
    if (!prefix || std::ranges::any_of(text, is_control)) {
        return Error{in_quotes(text) +
                     " is not an IP address; addresses are literal, names are not looked up"};
    }
    if (prefix->address.is_v4() && text.find(':') != text.npos) {
        return Error{fmt::format("{} is an IPv4 address written as IPv6; write {}", in_quotes(text),
                                 prefix->address.str())};
    }
    if (const std::string_view why = unusable_as(prefix->address); !why.empty()) {
        return Error{fmt::format("{} {}", in_quotes(text), why)};
    }
    return *prefix;
}

/// Splits "HOST:PORT" at the colon before the port. IPv6 has to be in brackets, which are taken
/// off: without them nobody can tell where the address ends.
struct HostPort {
    std::string_view host;
    std::string_view port;
};
Result<HostPort> split(std::string_view text, std::string_view example) {
    const std::size_t colon = text.rfind(':');
    const bool in_brackets = text.starts_with('[');
    const Error malformed{fmt::format("{} is not an address and a port such as {}", in_quotes(text),
                                      in_quotes(example))};
    if (colon == text.npos || (in_brackets && (colon == 0 || text[colon - 1] != ']'))) {
        return malformed;
    }
    HostPort parts{text.substr(0, colon), text.substr(colon + 1)};
    if (in_brackets) {
        parts.host = parts.host.substr(1, parts.host.size() - 2);
        if (parts.host.find(':') == parts.host.npos) return malformed;
    } else if (parts.host.find(':') != parts.host.npos) {
        return Error{fmt::format("{}: an IPv6 address stands in brackets: \"[2001:db8::1]:80\"",
                                 in_quotes(text))};
    }
    return parts;
}

Error bad_port(std::string_view text) {
    return {in_quotes(text) + " is not a port from 1 to 65535"};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto port = parse_number(text, kPortMax);
    if (!port || *port == 0) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

/// Fills in the ports of `listen` from "80", "8000-8999" or "*".
Status parse_ports(std::string_view text, Listen& listen) {
    if (text == "*") return Nothing{};
    const std::size_t dash = text.find('-');
    const auto first = parse_port(text.substr(0, dash));
    const auto last = dash == text.npos ? first : parse_port(text.substr(dash + 1));
    if (!first || !last) {
        return Error{in_quotes(text) +
                     R"( is not a port from 1 to 65535, a range such as "8000-8999", or "*")"};
    }
    if (*last < *first) return Error{in_quotes(text) + " ends before it begins"};
    listen.port_first = *first;
    listen.port_last = *last;
    return Nothing{};
}

}  // namespace

Result<IpAddress> parse_host(std::string_view text) {
    if (text.find('/') != text.npos) return Error{in_quotes(text) + " is not a single address"};
    const Result<Prefix> prefix = parse_any(text);
    if (!prefix) return prefix.error();
    return prefix.value().address;
}

Result<Prefix> parse_interface(std::string_view text) {
    if (text.find('/') != text.npos) return parse_any(text);
    const Result<IpAddress> address = parse_host(text);
    if (!address) return address.error();
    return Error{fmt::format("{} lacks the length of its subnet, as in \"{}/{}\"", in_quotes(text),
                             text, address.value().is_v4() ? 24 : 64)};
}

Result<Prefix> parse_prefix(std::string_view text) {
    Result<Prefix> prefix = parse_any(text);
    if (!prefix) return prefix;
    const Prefix network{prefix.value().network(), prefix.value().length};
    if (network == prefix.value()) return prefix;
    return Error{fmt::format("{} has bits set after its length; the prefix is {}", in_quotes(text),
                             network.str())};
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const Result<HostPort> parts = split(text, "10.0.0.11:80");
    if (!parts) return parts.error();
    const Result<IpAddress> address = parse_host(parts.value().host);
    if (!address) return address.error();
    const auto port = parse_port(parts.value().port);
    if (!port) return bad_port(parts.value().port);
    return Endpoint{.address = address.value(), .port = *port};
}

std::string str(const Endpoint& endpoint) {
    const std::string address = endpoint.address.str();
    return endpoint.address.is_v4() ? fmt::format("{}:{}", address, endpoint.port)
                                    : fmt::format("[{}]:{}", address, endpoint.port);
}

Result<Listen> parse_listen(std::string_view text) {
    constexpr std::string_view kExample = "203.0.113.10:80/tcp";
    Listen listen;
    if (text.ends_with("/udp")) {
        listen.protocol = Protocol::kUdp;
    } else if (!text.ends_with("/tcp")) {
        return Error{fmt::format("{} does not end in its protocol, /tcp or /udp, as in {}",
                                 in_quotes(text), in_quotes(kExample))};
    }
    text.remove_suffix(std::string_view("/tcp").size());
    const Result<HostPort> parts = split(text, kExample);
    if (!parts) return parts.error();
    const Result<Prefix> prefix = parse_prefix(parts.value().host);
    if (!prefix) return prefix.error();
    listen.prefix = prefix.value();
    if (const Status status = parse_ports(parts.value().port, listen); !status) {
        return status.error();
    }
    return listen;
}

Result<Mac> parse_mac(std::string_view text) {
    constexpr std::size_t kTextBytes = 17;  // six pairs of digits, five colons
    const Error malformed{in_quotes(text) + " is not a MAC address such as \"02:00:00:00:00:11\""};
    if (text.size() != kTextBytes) return malformed;
    Mac mac{};
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const char* pair = text.data() + 3 * i;
        const auto [end, error] = std::from_chars(pair, pair + 2, mac[i], 16);
        if (error != std::errc{} || end != pair + 2) return malformed;
        if (i + 1 < mac.size() && *end != ':') return malformed;
    }
    const bool is_group = (mac[0] & 1U) != 0;  // IEEE 802: the first bit on the wire
    if (is_group || mac == Mac{}) return Error{in_quotes(text) + " is not the MAC of one host"};
    return mac;
}

}  // namespace tandem::conf
