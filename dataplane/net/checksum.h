// The Internet checksum (RFC 1071) and its update in place (RFC 1624, equation 3).
#pragma once

#include <arpa/inet.h>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tandem {

/// The sum of 16-bit words as they lie in memory, not yet folded; odd lengths are padded with 0.
inline std::uint64_t sum_words(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0) {
    std::size_t i = 0;
    for (; i + 2 <= bytes.size(); i += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, bytes.data() + i, sizeof(word));
        sum += word;
    }
    if (i < bytes.size()) sum += bytes[i];  // little-endian: the low byte is the first
    return sum;
}

/// What the pseudo-header adds (RFC 8200 section 8.1; RFC 768 for IPv4): `addresses` is the sum of
/// both, `length` that of what follows the IP header.
inline std::uint64_t pseudo_header_sum(std::uint64_t addresses, std::size_t length,
                                       std::uint8_t protocol) {
    return addresses + htons(static_cast<std::uint16_t>(length)) + htons(protocol);
}

constexpr std::uint16_t fold(std::uint64_t sum) {
    // A number and its rotated self: the upper half of what they add up to is the sum of both
    // halves, the carry out of the lower one included.
    sum += std::rotl(sum, 32);
    auto half = static_cast<std::uint32_t>(sum >> 32U);
    half += std::rotl(half, 16);
    return static_cast<std::uint16_t>(half >> 16U);
}

/// The field's value, as it lies in memory, for a header whose own field was 0 when summed.
constexpr std::uint16_t checksum_of(std::uint64_t sum) {
    return static_cast<std::uint16_t>(~fold(sum));
}

/// `checksum` after one 16-bit word it covers changed; all three as they lie in memory.
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t old_word,
                                         std::uint16_t new_word) {
    return checksum_of(std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                       static_cast<std::uint16_t>(~old_word) + new_word);
}

}  // namespace tandem
