// An IP address of either family as one 16-byte value, and a prefix of such addresses.
//
// IPv4 is held as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so there is one key type, not two.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};  ///< network order

    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
    /// Two words: the comparison of std::array is a call of memcmp.
    friend bool operator==(const IpAddress& a, const IpAddress& b) {
        const auto x = std::bit_cast<std::array<std::uint64_t, 2>>(a);
        const auto y = std::bit_cast<std::array<std::uint64_t, 2>>(b);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
    }

    static constexpr IpAddress from_v4(std::array<std::uint8_t, 4> v4) {
        // Whole words, so that nobody waits for 16 small stores to read them as one.
        const std::uint64_t last = std::uint64_t{std::bit_cast<std::uint32_t>(v4)} << 32U;
        return std::bit_cast<IpAddress>(std::array<std::uint64_t, 2>{0, last | kMappedWord});
    }
    /// "192.0.2.1" or "2001:db8::1"; nullopt for anything else, names included.
    static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const {
        std::uint64_t zeros = 0;
        std::uint32_t mapped = 0;
        std::memcpy(&zeros, bytes.data(), sizeof(zeros));
        std::memcpy(&mapped, bytes.data() + sizeof(zeros), sizeof(mapped));
        return zeros == 0 && mapped == kMappedWord;
    }
    /// fe80::/10, RFC 4291 section 2.5.6: an address of one link.
    [[nodiscard]] bool is_link_local() const {
        return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
    }
    /// The last four bytes as they stand in a packet; meaningful if is_v4().
    [[nodiscard]] std::uint32_t v4_network_order() const {
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data() + 12, sizeof(value));
        return value;
    }
    [[nodiscard]] std::string str() const;

  private:
    static constexpr std::uint32_t kMappedWord =
        0xffff'0000;  ///< 00 00 ff ff, as it lies in memory
};
static_assert(sizeof(IpAddress) == 16);

/// A network: `length` counts bits of the 16-byte form, so an IPv4 /24 has length 120.
struct Prefix {
    IpAddress address{};  ///< as written: host bits are kept ("192.0.2.10/24" names an interface)
    std::uint8_t length = 128;

    friend auto operator<=>(const Prefix&, const Prefix&) = default;

    /// "192.0.2.0/24", "2001:db8::/32", or a bare address (the whole of it).
    static std::optional<Prefix> parse(std::string_view text);

    [[nodiscard]] bool contains(const IpAddress& other) const;
    [[nodiscard]] bool is_single() const { return length == 128; }
    /// The address with its host bits cleared.
    [[nodiscard]] IpAddress network() const;
    [[nodiscard]] std::string str() const;
};

}  // namespace tandem
