// Values that carry their unit: "200ms", "64MiB", "10%". Whole numbers only, and never a bare one
// where a unit could be guessed wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem::conf {

/// "200ms", "2s", "5m" or "1h"; nullopt for anything else, more than 2^63-1 ms included.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// In the largest unit that says it exactly: what parse_duration reads.
std::string str(std::chrono::milliseconds duration);

/// Bytes: "4096", or with KiB, MiB, GiB or TiB. At most 2^63.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "10%": from 0% to 100%.
std::optional<int> parse_percent(std::string_view text);

/// Decimal digits and nothing else, at most `max`: no sign, no spaces.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);

}  // namespace tandem::conf
