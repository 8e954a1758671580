#include "conf/check.h"

#include <algorithm>
#include <fmt/format.h>

namespace tandem::conf {

namespace {

constexpr std::array<Word<CheckType>, 3> kTypeWords{
    {{"none", CheckType::kNone}, {"tcp", CheckType::kTcp}, {"http", CheckType::kHttp}}};

constexpr Range<milliseconds> kIntervals{milliseconds{10}, std::chrono::hours{1}};
constexpr Range<milliseconds> kTimeouts{milliseconds{1}, std::chrono::hours{1}};
constexpr std::size_t kRequestPartMax = 1024;
constexpr std::int64_t kInARowMax = 100;

/// Printable ASCII without spaces: what can stand in the lines of a request (RFC 9112 section 3).
bool fits_request(std::string_view text) {
    return !text.empty() && text.size() <= kRequestPartMax &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<std::string> parse_path(std::string_view text) {
    if (text.starts_with('/') && fits_request(text)) return std::string(text);
    return Error{in_quotes(text) +
                 " is not a path: it begins with / and has no spaces, \"%20\" stands for one"};
}

Result<std::string> parse_request_host(std::string_view text) {
    if (fits_request(text) && text.find('/') == text.npos) return std::string(text);
    return Error{in_quotes(text) + " is not what a Host header can say"};
}

struct StatusRange {
    std::uint16_t min;
    std::uint16_t max;
};

/// "200" or "200-399".
Result<StatusRange> parse_status(std::string_view text) {
    constexpr std::uint64_t kStatusMin = 100;  // RFC 9110 section 15
    constexpr std::uint64_t kStatusMax = 599;
    const std::size_t dash = text.find('-');
    const auto min = parse_number(text.substr(0, dash), kStatusMax);
    const auto max = dash == text.npos ? min : parse_number(text.substr(dash + 1), kStatusMax);
    if (min && max && *min >= kStatusMin && *min <= *max) {
        return StatusRange{static_cast<std::uint16_t>(*min), static_cast<std::uint16_t>(*max)};
    }
    return Error{
        fmt::format("{} is not a status from {} to {} such as \"200\", or a range of them "
                    "such as \"200-399\"",
                    in_quotes(text), kStatusMin, kStatusMax)};
}

void read_http(Section& section, Check& check) {
    section.parsed("path", "a string such as \"/healthz\"", parse_path, check.path);
    section.parsed("host", "a string", parse_request_host, check.host);
    std::optional<StatusRange> status;
    section.parsed("status", "a string such as \"200-399\"", parse_status, status);
    if (status) {
        check.status_min = status->min;
        check.status_max = status->max;
    }
}

/// One key of another type's checks, or of two that do not fit; each is right on its own.
void check_rules(Section& section, bool knows_type, Check& check) {
    for (const std::string_view key : {"path", "host", "status"}) {
        if (knows_type && check.type != CheckType::kHttp && section.has(key)) {
            section.reject(key, "only a check of type \"http\" has this");
        }
    }
    if (!section.has("timeout")) check.timeout = std::min(check.timeout, check.interval);
    if (section.is_sound() && check.timeout > check.interval) {
        section.reject("timeout", fmt::format("{} is longer than the interval, {}",
                                              str(check.timeout), str(check.interval)));
    }
}

Check read_check(Section& section) {
    Check check;
    section.require("type");
    section.choice("type", kTypeWords, check.type);
    const bool knows_type = section.has("type") && section.is_sound();
    read_http(section, check);
    section.duration("interval", kIntervals, check.interval);
    section.duration("timeout", kTimeouts, check.timeout);
    section.integer("port", {1, 65'535}, check.port);
    section.integer("rise", {1, kInARowMax}, check.rise);
    section.integer("fall", {1, kInARowMax}, check.fall);
    section.percent("jitter", {0, 50}, check.jitter_percent);
    section.finish();
    check_rules(section, knows_type, check);
    return check;
}

}  // namespace

std::vector<Entry<Check>> read_checks(Section& root) {
    constexpr std::size_t kChecksMax = kPoolsMax;  // a pool has one
    std::vector<Entry<Check>> checks;
    for (const NamedTable& named : named_tables(root, "check", kChecksMax)) {
        Section section("check", fmt::format("check.{}", named.name), *named.table, root.report());
        const auto types = check_types();
        if (std::ranges::find(types, named.name) != types.end()) {
            root.report().error(named.at,
                                fmt::format("{} is a type of check and cannot be the name of one: "
                                            "pools could not tell them apart",
                                            in_quotes(named.name)));
        }
        Check check = read_check(section);
        checks.push_back({.name = std::string(named.name), .at = named.at, .value = std::nullopt});
        if (section.is_sound()) checks.back().value = std::move(check);
    }
    return checks;
}

std::optional<Result<Check>> parse_short_check(std::string_view text) {
    Check check;
    const std::size_t space = text.find(' ');
    const auto word = std::ranges::find(kTypeWords, text.substr(0, space), &Word<CheckType>::text);
    if (word == kTypeWords.end()) return std::nullopt;
    check.type = word->value;
    if (space == text.npos) return check;
    if (check.type != CheckType::kHttp) {
        return Error{fmt::format("{}: nothing follows {}", in_quotes(text), in_quotes(word->text))};
    }
    Result<std::string> path = parse_path(text.substr(space + 1));
    if (!path) return path.error();
    check.path = path.value();
    return check;
}

std::array<std::string_view, 3> check_types() {
    std::array<std::string_view, 3> types;
    std::ranges::transform(kTypeWords, types.begin(), &Word<CheckType>::text);
    return types;
}

}  // namespace tandem::conf
