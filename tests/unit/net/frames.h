// Builds frames byte by byte for the tests of net/. Shares no offset and no arithmetic with the
// product, so that a wrong constant there shows here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/check.h"
#include "dataplane/net/parse.h"

namespace tandem::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

inline Bytes be16(std::size_t value) {
    return {static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

inline std::size_t at16(std::span<const std::uint8_t> bytes, std::size_t offset) {
    return std::size_t{bytes[offset]} << 8U | bytes[offset + 1];
}

inline std::span<const std::uint8_t> first_bytes(const Bytes& bytes, std::size_t count) {
    return {bytes.data(), count};
}

/// RFC 1071 as it is written: big-endian words, carries added one by one.
inline std::uint16_t plain_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        sum += std::uint32_t{bytes[i]} << 8U;
        if (i + 1 < bytes.size()) sum += bytes[i + 1];
        if (sum > 0xffff) sum = (sum & 0xffffU) + 1;
    }
    return static_cast<std::uint16_t>(sum);
}

inline Bytes with_checksum(Bytes bytes, std::size_t offset, std::uint32_t start = 0) {
    bytes[offset] = bytes[offset + 1] = 0;
    const auto value = static_cast<std::uint16_t>(~plain_sum(bytes, start));
    bytes[offset] = static_cast<std::uint8_t>(value >> 8U);
    bytes[offset + 1] = static_cast<std::uint8_t>(value);
    return bytes;
}

inline const Bytes kOurMac{0x02, 0, 0, 0, 0, 0x01};
inline const Bytes kClientMac{0x02, 0, 0, 0, 0, 0x99};
inline const Bytes kClient4{198, 51, 100, 7};
inline const Bytes kVip4{203, 0, 113, 10};
inline const Bytes kClient6{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7};
inline const Bytes kVip6{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x10};

inline Bytes ethernet(std::size_t type, const Bytes& payload) {
    return kOurMac + kClientMac + be16(type) + payload;
}

struct Ipv4 {
    std::uint8_t protocol = 6;
    Bytes options{};
    std::size_t fragment = 0x4000;  ///< flags and offset
    std::uint8_t tos = 0;
    std::uint8_t ttl = 64;
    std::uint8_t version = 4;
    std::optional<std::uint8_t> header_words{};  ///< a lie, if given
    std::optional<std::size_t> total_length{};   ///< a lie, if given
};

inline Bytes ipv4(const Bytes& payload, const Ipv4& fields = {}) {
    const std::size_t header_bytes = 20 + fields.options.size();
    const auto words = fields.header_words.value_or(static_cast<std::uint8_t>(header_bytes / 4));
    const auto first = static_cast<std::uint8_t>(fields.version << 4U | words);
    const Bytes header = Bytes{first, fields.tos} +
                         be16(fields.total_length.value_or(header_bytes + payload.size())) +
                         be16(0x1234) + be16(fields.fragment) +
                         Bytes{fields.ttl, fields.protocol, 0, 0} + kClient4 + kVip4 +
                         fields.options;
    return ethernet(0x0800, with_checksum(header, 10) + payload);
}

struct Ipv6 {
    std::uint8_t next_header = 6;
    std::uint8_t hop_limit = 64;
    std::uint8_t version = 6;
    std::uint8_t traffic_class = 0;
    Bytes source = kClient6;
    Bytes destination = kVip6;
    std::optional<std::size_t> payload_length{};  ///< a lie, if given
};

inline Bytes ipv6(const Bytes& payload, const Ipv6& fields = {}) {
    const auto first = static_cast<std::uint8_t>(fields.version << 4U | fields.traffic_class >> 4U);
    const auto second = static_cast<std::uint8_t>((fields.traffic_class & 0x0fU) << 4U);
    return ethernet(0x86dd, Bytes{first, second, 0, 0} +
                                be16(fields.payload_length.value_or(payload.size())) +
                                Bytes{fields.next_header, fields.hop_limit} + fields.source +
                                fields.destination + payload);
}

/// An IPv6 extension header of the common form, `bytes` (a multiple of 8) long.
inline Bytes extension(std::uint8_t next_header, std::size_t bytes = 8) {
    Bytes header(bytes, 0);
    header[0] = next_header;
    header[1] = static_cast<std::uint8_t>(bytes / 8 - 1);
    return header;
}

inline Bytes tcp(std::uint8_t flags = 0x02, std::uint8_t data_offset_words = 5,
                 const Bytes& payload = {}) {
    return be16(40000) + be16(80) + Bytes{1, 2, 3, 4, 5, 6, 7, 8} +
           Bytes{static_cast<std::uint8_t>(data_offset_words << 4U), flags} + be16(0xffff) +
           Bytes{0xab, 0xcd, 0, 0} + payload;
}

inline Bytes udp(const Bytes& payload = {}, std::optional<std::size_t> length = {}) {
    return be16(40000) + be16(53) + be16(length.value_or(8 + payload.size())) + Bytes{0xab, 0xcd} +
           payload;
}

inline Bytes echo(std::uint8_t type, const Bytes& payload = {'p', 'i', 'n', 'g'}) {
    return with_checksum(Bytes{type, 0, 0, 0, 0x12, 0x34, 0, 1} + payload, 2);
}

/// ICMPv6's checksum covers a pseudo-header (RFC 8200 section 8.1).
inline Bytes icmpv6(const Bytes& message, const Bytes& source = kClient6,
                    const Bytes& destination = kVip6) {
    const Bytes pseudo = source + destination + be16(0) + be16(message.size()) + Bytes{0, 0, 0, 58};
    return with_checksum(message, 2, plain_sum(pseudo));
}

/// Whether the ICMPv6 message of an IPv6 frame without extension headers sums up.
inline bool icmpv6_sums_up(std::span<const std::uint8_t> frame) {
    const std::size_t length = at16(frame, 18);
    const auto addresses = frame.subspan(22, 32);
    const Bytes pseudo =
        Bytes(addresses.begin(), addresses.end()) + be16(0) + be16(length) + Bytes{0, 0, 0, 58};
    return plain_sum(frame.subspan(54, length), plain_sum(pseudo)) == 0xffff;
}

inline Bytes solicitation_message(const Bytes& options = {1, 1, 2, 0, 0, 0, 0, 0x99}) {
    return Bytes{135, 0, 0, 0, 0, 0, 0, 0} + kVip6 + options;
}

inline Bytes solicitation(const Bytes& options = {1, 1, 2, 0, 0, 0, 0, 0x99},
                          const Bytes& source = kClient6) {
    return ipv6(icmpv6(solicitation_message(options), source),
                {.next_header = 58, .hop_limit = 255, .source = source});
}

inline Bytes arp(std::size_t operation = 1, std::size_t hardware = 1, std::size_t type = 0x0800) {
    return ethernet(0x0806, be16(hardware) + be16(type) + Bytes{6, 4} + be16(operation) +
                                kClientMac + kClient4 + Bytes(6, 0) + kVip4);
}

/// A copy whose end is the end of its allocation, so that AddressSanitizer sees every byte beyond.
class ExactCopy {
  public:
    explicit ExactCopy(std::span<const std::uint8_t> bytes)
        : size_(bytes.size()), bytes_(std::make_unique<std::uint8_t[]>(bytes.size())) {
        CHECK(bytes.size() <= PTRDIFF_MAX);  // gcc thinks of more, and warns
        std::ranges::copy(bytes, bytes_.get());
    }
    [[nodiscard]] std::span<std::uint8_t> span() const { return {bytes_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<std::uint8_t[]> bytes_;
};

inline ParsedPacket parsed(std::span<const std::uint8_t> frame) {
    const ExactCopy copy(frame);
    return parse(copy.span(), frame.size());
}

inline PacketKind kind_of(std::span<const std::uint8_t> frame) {
    return parsed(frame).kind;
}

}  // namespace tandem::test
