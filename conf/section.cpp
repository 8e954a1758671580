#include "conf/section.h"

#include <algorithm>
#include <fmt/format.h>

#include <toml++/toml.h>

#include "conf/spelling.h"
#include "conf/utf8.h"

namespace tandem::conf {

namespace {

Position from_toml(const toml::source_position& position) {
    return {.line = position.line, .column = position.column};
}

/// A value as messages show it.
std::string shown(const toml::node& node) {
    if (const auto* value = node.as_string()) return in_quotes(value->get());
    if (const auto* value = node.as_integer()) return std::to_string(value->get());
    if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
    if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
    if (const auto* array = node.as_array()) return array->empty() ? "an empty array" : "an array";
    return node.is_table() ? "a table" : "a date or a time";
}

bool is_word(const toml::node& node, std::string_view word) {
    const auto* value = node.as_string();
    return value != nullptr && value->get() == word;
}

}  // namespace

Position position_of(const toml::node& node) {
    if (node.source().begin) return from_toml(node.source().begin);
    Position first;
    const auto consider = [&first](Position position) {
        if (first.line == 0 || position < first) first = position;
    };
    if (const toml::table* table = node.as_table()) {
        for (const auto& [key, value] : *table) consider(position_of(key));
    } else if (const toml::array* array = node.as_array()) {
        for (const toml::node& value : *array) consider(position_of(value));
    }
    return {.line = std::max(first.line, 1U), .column = std::max(first.column, 1U)};
}

Position position_of(const toml::key& key) {
    return from_toml(key.source().begin);
}

std::string listed(std::span<const std::string_view> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += in_quotes(words[i]);
    }
    return text;
}

std::string did_you_mean(std::string_view word, std::uint32_t line) {
    if (word.empty()) return "";
    if (line == 0) return fmt::format("did you mean '{}'?", word);
    return fmt::format("did you mean '{}', in line {}?", word, line);
}

Section::Section(std::string_view kind, std::string path, const toml::table& table, Report& report)
    : kind_(kind),
      path_(std::move(path)),
      table_(table),
      report_(report),
      errors_before_(report.error_count()) {}

std::string Section::path(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

bool Section::has(std::string_view key) const {
    return table_.contains(key);
}

Position Section::header() const {
    return position_of(table_);
}

const toml::node* Section::find(std::string_view key) {
    if (std::ranges::find(known_, key) == known_.end()) {
        known_.push_back(key);
        report_.note_key(kind_.empty() ? std::string(key) : fmt::format("{}.{}", kind_, key));
    }
    return table_.get(key);
}

const toml::array* Section::find_tables(std::string_view key) {
    const toml::array* array = table_.get_as<toml::array>(key);
    if (array == nullptr || !array->is_array_of_tables()) return nullptr;
    find(key);
    return array;
}

Section Section::subsection(std::string_view kind) {
    static const toml::table empty;
    const toml::node* node = find(kind);
    const toml::table* table = node == nullptr ? &empty : node->as_table();
    if (table == nullptr) {
        reject_type(kind, *node, fmt::format("a section [{}]", kind));
        table = &empty;
    }
    return {kind, std::string(kind), *table, report_};
}

void Section::require(std::string_view key, std::string help) {
    required_.push_back({.key = key, .help = std::move(help)});
}

void Section::reject(std::string_view key, Position at, std::string_view reason,
                     std::string_view help) {
    report_.error(at, fmt::format("{}: {}", path(key), reason), help);
}

void Section::reject(std::string_view key, std::string_view reason, std::string_view help) {
    const toml::node* node = table_.get(key);
    reject(key, node == nullptr ? header() : position_of(*node), reason, help);
}

void Section::reject_type(std::string_view key, const toml::node& value, std::string_view expected,
                          std::string_view help) {
    report_.error(position_of(value),
                  fmt::format("{} must be {}, not {}", path(key), expected, shown(value)), help);
}

std::optional<std::int64_t> Section::integer(std::string_view key, Range<std::int64_t> range,
                                             bool or_auto) {
    const toml::node* node = find(key);
    if (node == nullptr || (or_auto && is_word(*node, "auto"))) return std::nullopt;
    const auto* value = node->as_integer();
    if (value != nullptr && value->get() >= range.min && value->get() <= range.max) {
        return value->get();
    }
    reject_type(key, *node,
                fmt::format("an integer from {} to {}{}", range.min, range.max,
                            or_auto ? " or \"auto\"" : ""));
    return std::nullopt;
}

std::optional<std::size_t> Section::choice(std::string_view key,
                                           std::span<const std::string_view> words) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto* value = node->as_string();
    const std::string_view word = value == nullptr ? std::string_view{} : value->get();
    const auto found = std::ranges::find(words, word);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    reject_type(key, *node, listed(words), did_you_mean(nearest(word, words)));
    return std::nullopt;
}

void Section::duration(std::string_view key, Range<std::chrono::milliseconds> range,
                       std::chrono::milliseconds& target) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    const auto duration = value == nullptr ? std::nullopt : parse_duration(value->get());
    if (duration && *duration >= range.min && *duration <= range.max) {
        target = *duration;
        return;
    }
    reject_type(key, *node,
                fmt::format(R"(a duration from {} to {} such as "200ms", "2s" or "5m")",
                            str(range.min), str(range.max)));
}

void Section::percent(std::string_view key, Range<int> range, int& target) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    const auto percent = value == nullptr ? std::nullopt : parse_percent(value->get());
    if (percent && *percent >= range.min && *percent <= range.max) {
        target = *percent;
        return;
    }
    reject_type(key, *node, fmt::format(R"(a share from "{}%" to "{}%")", range.min, range.max));
}

void Section::boolean(std::string_view key, bool& target) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (const auto* value = node->as_boolean()) {
        target = value->get();
        return;
    }
    reject_type(key, *node, "true or false");
}

void Section::size_or_auto(std::string_view key, std::uint64_t& target) {
    const toml::node* node = find(key);
    if (node == nullptr || is_word(*node, "auto")) return;
    std::optional<std::uint64_t> size;
    if (const auto* text = node->as_string()) size = parse_size(text->get());
    if (const auto* count = node->as_integer(); count != nullptr && count->get() > 0) {
        size = static_cast<std::uint64_t>(count->get());
    }
    if (size && *size > 0) {
        target = *size;
        return;
    }
    reject_type(key, *node, R"(a size such as "64MiB", "1GiB" or "4096" (bytes), or "auto")");
}

void Section::file_path(std::string_view key, std::size_t max, std::string& target) {
    const std::string expected = fmt::format("an absolute path of at most {} characters", max);
    const std::optional<Text> given = text(key, expected);
    if (!given) return;
    if (given->value.starts_with('/') && given->value.size() <= max) {
        target = given->value;
        return;
    }
    reject_type(key, *table_.get(key), expected);
}

bool Section::is_clean(std::string_view key, const toml::node& node, std::string_view expected) {
    const auto* value = node.as_string();
    if (value == nullptr) {
        reject_type(key, node, expected);
        return false;
    }
    // Files are passed on as arguments, paths and requests, where these have meanings of their own.
    if (std::ranges::none_of(value->get(), is_control)) return true;
    reject(key, position_of(node), in_quotes(value->get()) + " contains control characters");
    return false;
}

std::optional<Text> Section::text(std::string_view key, std::string_view expected) {
    const toml::node* node = find(key);
    if (node == nullptr || !is_clean(key, *node, expected)) return std::nullopt;
    return Text{.value = node->as_string()->get(), .at = position_of(*node)};
}

std::vector<Text> Section::texts(std::string_view key, std::string_view expected) {
    const toml::node* node = find(key);
    if (node == nullptr) return {};
    const toml::array* array = node->as_array();
    std::vector<Text> texts;
    const auto add = [&](const toml::node& item) {
        if (!is_clean(key, item, expected)) return;
        texts.push_back({.value = item.as_string()->get(), .at = position_of(item)});
    };
    if (array == nullptr) add(*node);
    if (array != nullptr) {
        for (const toml::node& item : *array) add(item);
    }
    return texts;
}

void Section::finish() {
    std::vector<std::string_view> meant;
    for (const auto& [key, value] : table_) {
        if (std::ranges::find(known_, key.str()) != known_.end()) continue;
        meant.push_back(nearest(key.str(), known_));
        const bool is_section = path_.empty() && value.is_table();
        std::string help = did_you_mean(meant.back());
        if (help.empty() && path_ != kind_ && value.is_table()) {
            help = "a name with dots stands in quotes";  // [port.eth1.20] is port eth1's table 20
        }
        report_.error(position_of(key),
                      is_section ? fmt::format("unknown section [{}]", key.str())
                                 : "unknown key " + path(key.str()),
                      help);
    }
    for (const auto& [key, help] : required_) {
        // A required key that is there under a wrong name has been complained about.
        if (table_.contains(key) || std::ranges::find(meant, key) != meant.end()) continue;
        report_.error(header(), path(key) + " is missing", help);
    }
}

}  // namespace tandem::conf
