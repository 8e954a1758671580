#include "dataplane/pair/advert.h"

#include <algorithm>
#include <array>

#include "dataplane/base/check.h"
#include "dataplane/net/checksum.h"

namespace tandem::pair {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t kTtl = 255;
constexpr std::uint8_t kTos = 0xc0;  // internetwork control, RFC 791 section 3.1
constexpr std::uint8_t kVersionAndType = 0x31;

// Of the message, RFC 9568 section 5.1.
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kRouterId = 1;
constexpr std::size_t kPriority = 2;
constexpr std::size_t kCount = 3;
constexpr std::size_t kInterval = 4;
constexpr std::size_t kChecksum = 6;
constexpr std::uint16_t kIntervalMask = 0x0fff;

constexpr auto kCentisecond = std::chrono::milliseconds{10};

/// An IP packet without its header.
struct Packet {
    IpAddress source;
    IpAddress destination;
    std::uint8_t ttl;
    Bytes message;
    [[nodiscard]] std::size_t address_bytes() const { return source.is_v4() ? 4 : 16; }
};

IpAddress address_at(const std::uint8_t* at, std::size_t bytes) {
    if (bytes == 4) return IpAddress::from_v4({at[0], at[1], at[2], at[3]});
    IpAddress address;
    std::copy_n(at, bytes, address.bytes.begin());
    return address;
}

std::uint64_t pseudo_header(const IpAddress& source, const IpAddress& destination,
                            std::size_t length) {
    const std::size_t bytes = source.is_v4() ? 4 : sizeof(IpAddress);
    const std::uint64_t addresses = sum_words(Bytes(source.bytes).last(bytes)) +
                                    sum_words(Bytes(destination.bytes).last(bytes));
    return pseudo_header_sum(addresses, length, protocol::kVrrp);
}

bool sums_up(const Packet& packet) {
    const std::uint64_t message = sum_words(packet.message);
    const std::uint64_t all =
        message + pseudo_header(packet.source, packet.destination, packet.message.size());
    return fold(all) == 0xffff || (packet.source.is_v4() && fold(message) == 0xffff);
}

std::variant<Packet, AdvertFault> read_ip(Bytes ip) {
    if (ip.empty()) return AdvertFault::kTruncated;
    if (ip[0] >> 4U == 4) {
        if (ip.size() < ipv4::kHeaderBytes || ip[0] != 0x45) return AdvertFault::kTruncated;
        const std::size_t total = load_be16(ip.data() + ipv4::kTotalLength);
        if (total < ipv4::kHeaderBytes || total > ip.size()) return AdvertFault::kTruncated;
        if (ip[ipv4::kProtocol] != protocol::kVrrp) return AdvertFault::kVersion;
        return Packet{address_at(ip.data() + ipv4::kSource, 4),
                      address_at(ip.data() + ipv4::kDestination, 4), ip[ipv4::kTtl],
                      ip.first(total).subspan(ipv4::kHeaderBytes)};
    }
    if (ip.size() < ipv6::kHeaderBytes || ip[0] >> 4U != 6) return AdvertFault::kTruncated;
    const std::size_t length = load_be16(ip.data() + ipv6::kPayloadLength);
    if (ipv6::kHeaderBytes + length > ip.size()) return AdvertFault::kTruncated;
    if (ip[ipv6::kNextHeader] != protocol::kVrrp) return AdvertFault::kVersion;
    const Packet packet{address_at(ip.data() + ipv6::kSource, 16),
                        address_at(ip.data() + ipv6::kDestination, 16), ip[ipv6::kHopLimit],
                        ip.subspan(ipv6::kHeaderBytes, length)};
    // A mapped source would pass for IPv4 from here on; it does not belong on the wire.
    if (packet.source.is_v4()) return AdvertFault::kTruncated;
    return packet;
}

void append(std::vector<std::uint8_t>& bytes, const IpAddress& address) {
    const Bytes all(address.bytes);
    const Bytes part = address.is_v4() ? all.last(4) : all;
    bytes.insert(bytes.end(), part.begin(), part.end());
}

std::vector<std::uint8_t> make_message(const Advert& advert, AdvertChecksum checksum) {
    std::vector<std::uint8_t> message(kHeaderBytes);
    message[0] = kVersionAndType;
    message[kRouterId] = advert.router_id;
    message[kPriority] = advert.priority;
    message[kCount] = static_cast<std::uint8_t>(advert.addresses.size());
    store_be16(message.data() + kInterval,
               static_cast<std::uint16_t>(advert.interval / kCentisecond));
    for (const IpAddress& address : advert.addresses) append(message, address);
    std::uint64_t sum = sum_words(message);
    if (!advert.source.is_v4() || checksum == AdvertChecksum::kWithPseudoHeader) {
        sum += pseudo_header(advert.source, advert.destination, message.size());
    }
    store_raw16(message.data() + kChecksum, checksum_of(sum));
    return message;
}

std::vector<std::uint8_t> make_ip_header(const Advert& advert, std::size_t message_bytes) {
    if (advert.source.is_v4()) {
        std::vector<std::uint8_t> ip(ipv4::kSource);
        ip[0] = 0x45;
        ip[ipv4::kTos] = kTos;
        store_be16(ip.data() + ipv4::kTotalLength,
                   static_cast<std::uint16_t>(ipv4::kHeaderBytes + message_bytes));
        ip[ipv4::kTtl] = kTtl;
        ip[ipv4::kProtocol] = protocol::kVrrp;
        append(ip, advert.source);
        append(ip, advert.destination);
        store_raw16(ip.data() + ipv4::kChecksum, checksum_of(sum_words(ip)));
        return ip;
    }
    std::vector<std::uint8_t> ip(ipv6::kSource);
    store_be16(ip.data(), 6U << 12U | std::uint16_t{kTos} << 4U);
    store_be16(ip.data() + ipv6::kPayloadLength, static_cast<std::uint16_t>(message_bytes));
    ip[ipv6::kNextHeader] = protocol::kVrrp;
    ip[ipv6::kHopLimit] = kTtl;
    append(ip, advert.source);
    append(ip, advert.destination);
    return ip;
}

}  // namespace

std::string_view name_of(AdvertFault fault) {
    constexpr std::array<std::string_view, kAdvertFaultCount> kNames{
        "truncated", "ttl",        "version",  "type",
        "checksum",  "no_address", "interval", "not_link_local"};
    return kNames[static_cast<std::size_t>(fault)];
}

std::variant<Advert, AdvertFault> read_advert(std::span<const std::uint8_t> ip_packet) {
    const auto read = read_ip(ip_packet);
    if (const auto* fault = std::get_if<AdvertFault>(&read)) return *fault;
    const auto& packet = std::get<Packet>(read);
    const Bytes message = packet.message;
    // In the order of RFC 9568 section 7.1.
    if (packet.ttl != kTtl) return AdvertFault::kTtl;
    if (message.size() < kHeaderBytes) return AdvertFault::kTruncated;
    if (message[0] >> 4U != kVersionAndType >> 4U) return AdvertFault::kVersion;
    if (message[0] != kVersionAndType) return AdvertFault::kType;
    if (message.size() < kHeaderBytes + message[kCount] * packet.address_bytes()) {
        return AdvertFault::kTruncated;
    }
    if (!sums_up(packet)) return AdvertFault::kChecksum;
    if (message[kCount] == 0) return AdvertFault::kNoAddress;
    const auto centiseconds =
        static_cast<std::uint16_t>(load_be16(message.data() + kInterval) & kIntervalMask);
    if (centiseconds == 0) return AdvertFault::kInterval;

    Advert advert{.router_id = message[kRouterId],
                  .priority = message[kPriority],
                  .interval = centiseconds * kCentisecond,
                  .source = packet.source,
                  .destination = packet.destination,
                  .addresses = {}};
    for (std::size_t i = 0; i < message[kCount]; ++i) {
        advert.addresses.push_back(address_at(
            message.data() + kHeaderBytes + i * packet.address_bytes(), packet.address_bytes()));
    }
    if (!packet.source.is_v4() && !advert.addresses[0].is_link_local()) {
        return AdvertFault::kNotLinkLocal;
    }
    return advert;
}

std::vector<std::uint8_t> make_advert(const Advert& advert, AdvertChecksum checksum) {
    CHECK(!advert.addresses.empty() && advert.addresses.size() <= kAdvertAddressesMax);
    CHECK(advert.interval >= kAdvertIntervalMin && advert.interval <= kAdvertIntervalMax);
    const std::vector<std::uint8_t> message = make_message(advert, checksum);
    std::vector<std::uint8_t> packet = make_ip_header(advert, message.size());
    packet.insert(packet.end(), message.begin(), message.end());
    return packet;
}

}  // namespace tandem::pair
