#include "conf/backend.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

#include <toml++/toml.h>

#include "conf/endpoint.h"
#include "conf/entry.h"

namespace tandem::conf {

namespace {

constexpr std::int64_t kWeightMax = 100;
constexpr std::array<Word<bool>, 2> kStateWords{{{"active", false}, {"drain", true}}};

struct ReadBackend {
    Backend backend;
    Position at;       ///< of its address
    Position name_at;  ///< of its name, or of its address if it has none of its own
};

void set_endpoint(Backend& backend, const Endpoint& endpoint) {
    backend.address = endpoint.address;
    backend.port = endpoint.port;
    if (backend.name.empty()) backend.name = str(endpoint);
}

/// `{ address = "10.0.0.11:80", name = "web1", weight = 10 }`
std::optional<ReadBackend> read_table(const std::string& path, const toml::table& table,
                                      Report& report) {
    Section section("pool.backends", path, table, report);
    ReadBackend read;
    if (const auto name = section.text("name", "a string such as \"web1\"")) {
        read.name_at = name->at;
        read.backend.name = name->value;
        if (!is_name(name->value)) {
            section.reject("name",
                           fmt::format("{} is not a name: {}", in_quotes(name->value), kNameRule));
        }
    }
    section.require("address");
    std::optional<Endpoint> endpoint;
    section.parsed("address", "a string such as \"10.0.0.11:80\"", parse_endpoint, endpoint);
    section.integer("weight", {1, kWeightMax}, read.backend.weight);
    section.choice("state", kStateWords, read.backend.is_draining);
    section.finish();
    if (!section.is_sound()) return std::nullopt;
    read.at = position_of(*section.find("address"));
    if (read.name_at.line == 0) read.name_at = read.at;
    set_endpoint(read.backend, *endpoint);
    return read;
}

std::optional<ReadBackend> read_item(Section& pool, std::string_view key, const toml::node& item) {
    if (const toml::table* table = item.as_table()) {
        return read_table(pool.path(key), *table, pool.report());
    }
    const auto* text = item.as_string();
    if (text == nullptr) {
        pool.reject_type(key, item,
                         "strings such as \"10.0.0.11:80\" or tables such as "
                         "{ address = \"10.0.0.11:80\", weight = 10 }");
        return std::nullopt;
    }
    const Position at = position_of(item);
    const Result<Endpoint> endpoint = parse_endpoint(text->get());
    if (!endpoint) {
        pool.reject(key, at, endpoint.error().message);
        return std::nullopt;
    }
    ReadBackend read{.backend = {}, .at = at, .name_at = at};
    set_endpoint(read.backend, endpoint.value());
    return read;
}

/// All that are sound, in the order of the file.
std::vector<ReadBackend> read_items(Section& pool) {
    std::vector<ReadBackend> all;
    const auto read_array = [&](std::string_view key, const toml::array& array) {
        for (const toml::node& item : array) {
            if (auto read = read_item(pool, key, item)) all.push_back(std::move(*read));
        }
    };
    const toml::node* backends = pool.find("backends");
    const toml::array* array = backends == nullptr ? nullptr : backends->as_array();
    if (array != nullptr) read_array("backends", *array);

    // `backend = […]` that is no array of tables is `backends` misspelt: finish() will say so.
    const toml::array* tables = pool.find_tables("backend");
    if (tables != nullptr) read_array("backend", *tables);

    if (backends == nullptr && tables == nullptr) pool.require("backends");
    if (backends != nullptr && (array == nullptr || (array->empty() && tables == nullptr))) {
        pool.reject_type("backends", *backends,
                         "an array of at least one backend such as [\"10.0.0.11:80\"]");
    }
    std::ranges::sort(all, {}, &ReadBackend::at);
    return all;
}

}  // namespace

std::vector<Backend> read_backends(Section& pool) {
    std::map<std::pair<IpAddress, std::uint16_t>, std::uint32_t> endpoints;  // to their lines
    std::map<std::string, std::uint32_t> names;
    std::vector<Backend> backends;
    for (ReadBackend& read : read_items(pool)) {
        Backend& backend = read.backend;
        const auto [same, is_new] =
            endpoints.try_emplace({backend.address, backend.port}, read.at.line);
        if (!is_new) {
            pool.reject("backends", read.at,
                        fmt::format("{} is already in line {}",
                                    str(Endpoint{backend.address, backend.port}), same->second));
            continue;
        }
        const auto [namesake, is_new_name] = names.try_emplace(backend.name, read.name_at.line);
        if (!is_new_name) {
            pool.reject("backends", read.name_at,
                        fmt::format("the name {} is already in line {}", in_quotes(backend.name),
                                    namesake->second));
        }
        backends.push_back(std::move(backend));
    }
    std::ranges::sort(backends, {}, [](const Backend& backend) {
        return std::tuple(backend.address, backend.port);
    });
    return backends;
}

}  // namespace tandem::conf
