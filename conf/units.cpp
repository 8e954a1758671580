#include "conf/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace tandem::conf {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 4> kDurationUnits{{
    // in milliseconds
    {"ms", 1},
    {"s", 1000},
    {"m", 60'000},
    {"h", 3'600'000},
}};
constexpr std::array<Unit, 5> kSizeUnits{{
    // in bytes
    {"", 1},
    {"KiB", 1ULL << 10U},
    {"MiB", 1ULL << 20U},
    {"GiB", 1ULL << 30U},
    {"TiB", 1ULL << 40U},
}};
constexpr std::uint64_t kSizeMax = 1ULL << 63U;

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                             std::uint64_t max) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    for (const Unit& unit : units) {
        if (text.substr(digits) != unit.name) continue;
        const auto count = parse_number(text.substr(0, digits), max / unit.factor);
        if (!count) return std::nullopt;
        return *count * unit.factor;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stopped != end || number > max) return std::nullopt;
    return number;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    using Count = std::chrono::milliseconds::rep;
    const auto count = parse_with_unit(text, kDurationUnits, std::numeric_limits<Count>::max());
    if (!count) return std::nullopt;
    return std::chrono::milliseconds{static_cast<Count>(*count)};
}

std::string str(std::chrono::milliseconds duration) {
    const auto count = static_cast<std::uint64_t>(duration.count());
    const Unit* best = kDurationUnits.data();
    for (const Unit& unit : kDurationUnits) {
        if (count != 0 && count % unit.factor == 0) best = &unit;
    }
    return std::to_string(count / best->factor).append(best->name);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_with_unit(text, kSizeUnits, kSizeMax);
}

std::optional<int> parse_percent(std::string_view text) {
    if (!text.ends_with('%')) return std::nullopt;
    const auto percent = parse_number(text.substr(0, text.size() - 1), 100);
    if (!percent) return std::nullopt;
    return static_cast<int>(*percent);
}

}  // namespace tandem::conf
