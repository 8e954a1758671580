// The sections that have names, [port.NAME] and its like, and what other sections can refer to.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/section.h"

namespace tandem::conf {

/// 1 to 63 letters, digits, '-', '_' and '.': safe in file names, metrics and DPDK arguments.
bool is_name(std::string_view text);
inline constexpr std::string_view kNameRule = "1 to 63 letters, digits, '-', '_' and '.'";

/// A named section that is still to be read.
struct NamedTable {
    std::string_view name;
    Position at;  ///< of the name
    const toml::table* table;
};

/// All [KIND.NAME] sections in the order of the file; reports what is no section, bad names,
/// and more than `max` of them.
std::vector<NamedTable> named_tables(Section& root, std::string_view kind, std::size_t max);

/// A named section that has been read.
template <class Value>
struct Entry {
    std::string name;
    Position at;                 ///< of the name
    std::optional<Value> value;  ///< nullopt: it is there, but has errors, which are reported
};

template <class Value>
const Entry<Value>* find_entry(const std::vector<Entry<Value>>& entries, std::string_view name) {
    const auto found = std::ranges::find(entries, name, &Entry<Value>::name);
    return found == entries.end() ? nullptr : &*found;
}

template <class Value>
std::vector<std::string_view> names_of(const std::vector<Entry<Value>>& entries) {
    std::vector<std::string_view> names;
    for (const Entry<Value>& entry : entries) names.push_back(entry.name);
    return names;
}

/// "did you mean 'NAME', in line 7?" for the name of an entry, or for another word.
template <class Value>
std::string meant_entry(const std::vector<Entry<Value>>& entries, std::string_view name) {
    const Entry<Value>* entry = find_entry(entries, name);
    return did_you_mean(name, entry == nullptr ? 0 : entry->at.line);
}

}  // namespace tandem::conf
