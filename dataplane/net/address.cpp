#include "dataplane/net/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace tandem {

namespace {
constexpr std::uint8_t kMappedBits = 96;
constexpr std::uint8_t kAddressBits = 128;
}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    const std::string terminated(text);
    std::array<std::uint8_t, 4> v4{};
    if (inet_pton(AF_INET, terminated.c_str(), v4.data()) == 1) return from_v4(v4);
    IpAddress address;
    if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
    return std::nullopt;
}

std::string IpAddress::str() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (is_v4()) {
        inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
    } else {
        inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
    }
    return text.data();
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return Prefix{*address, kAddressBits};

    const std::string_view digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    const unsigned offset = address->is_v4() ? kMappedBits : 0;
    if (length > kAddressBits - offset) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(length + offset)};
}

IpAddress Prefix::network() const {
    IpAddress masked = address;
    for (unsigned i = 0; i < masked.bytes.size(); ++i) {
        const unsigned kept = length > 8 * i ? std::min(length - 8 * i, 8U) : 0;
        masked.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
    }
    return masked;
}

bool Prefix::contains(const IpAddress& other) const {
    return Prefix{other, length}.network() == network();
}

std::string Prefix::str() const {
    const unsigned shown = address.is_v4() && length >= kMappedBits ? length - kMappedBits : length;
    return address.str() + '/' + std::to_string(shown);
}

}  // namespace tandem
