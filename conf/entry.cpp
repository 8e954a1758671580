#include "conf/entry.h"

#include <fmt/format.h>

#include <toml++/toml.h>

namespace tandem::conf {

bool is_name(std::string_view text) {
    constexpr std::size_t kNameMax = 63;
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return !text.empty() && text.size() <= kNameMax &&
           text.find_first_not_of(kAllowed) == text.npos;
}

std::vector<NamedTable> named_tables(Section& root, std::string_view kind, std::size_t max) {
    const toml::node* node = root.find(kind);
    if (node == nullptr) return {};
    const std::string expected = fmt::format("a section [{}.NAME]", kind);
    const toml::table* all = node->as_table();
    if (all == nullptr) {
        root.reject_type(kind, *node, expected);
        return {};
    }
    std::vector<NamedTable> tables;
    for (const auto& [key, value] : *all) {
        Section section(kind, std::string(kind), *all, root.report());
        if (!value.is_table()) {
            section.reject_type(key.str(), value, expected);
            continue;
        }
        if (!is_name(key.str())) {
            root.report().error(position_of(key),
                                fmt::format("{} is not a name for a {}: {}", in_quotes(key.str()),
                                            kind, kNameRule));
        }
        tables.push_back({.name = key.str(), .at = position_of(key), .table = value.as_table()});
    }
    std::ranges::sort(tables, {}, &NamedTable::at);
    if (tables.size() > max) {
        root.report().error(tables[max].at, fmt::format("there are {} {}s; the most is {}",
                                                        tables.size(), kind, max));
    }
    return tables;
}

}  // namespace tandem::conf
