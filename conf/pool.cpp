#include "conf/pool.h"

#include <algorithm>
#include <fmt/format.h>

#include "conf/backend.h"
#include "conf/endpoint.h"
#include "conf/spelling.h"

namespace tandem::conf {

namespace {

constexpr std::array<Word<Mode>, 2> kModeWords{{{"ipip", Mode::kIpip}, {"l2", Mode::kL2}}};

/// Primes: a backend's walk over the slots reaches every one of them.
constexpr std::array<std::uint32_t, 5> kSlotCounts{65'537, 131'101, 262'147, 524'309, 655'373};

void read_slots(Section& section, Pool& pool) {
    const std::size_t errors_before = section.report().error_count();
    section.integer_or_auto("slots", {kSlotCounts.front(), kSlotCounts.back()}, pool.slots);
    if (pool.slots == 0 || section.report().error_count() != errors_before) return;
    if (std::ranges::find(kSlotCounts, pool.slots) != kSlotCounts.end()) return;
    section.reject("slots",
                   fmt::format("{} is none of {}", pool.slots, fmt::join(kSlotCounts, ", ")));
}

/// The check that a pool names, or says itself.
void read_check_of(Section& section, const std::vector<Entry<Check>>& checks, Pool& pool) {
    const auto text = section.text("check", "a string such as \"http /healthz\"");
    if (!text) return;
    if (const Entry<Check>* entry = find_entry(checks, text->value)) {
        pool.check_name = entry->name;
        if (entry->value) pool.check = *entry->value;
        return;
    }
    if (const auto check = parse_short_check(text->value)) {
        if (!*check) return section.reject("check", check->error().message);
        pool.check = check->value();
        return;
    }
    std::vector<std::string_view> known = names_of(checks);
    std::ranges::copy(check_types(), std::back_inserter(known));
    section.reject("check",
                   fmt::format("{} is not a section [check.NAME], nor \"tcp\", \"none\" or "
                               "\"http /path\"",
                               in_quotes(text->value)),
                   meant_entry(checks, nearest(text->value, known)));
}

void read_tunnel_source(Section& section, Pool& pool) {
    section.parsed("tunnel_source", "a string such as \"192.0.2.0/24\"", parse_prefix,
                   pool.tunnel_source);
    if (pool.tunnel_source && section.is_sound() && pool.mode != Mode::kIpip) {
        section.reject("tunnel_source", "only a pool with mode = \"ipip\" has this");
    }
}

void read_flow_rules(Section& section, const Flows& flows, Pool& pool) {
    constexpr std::array<Word<OnDown>, 2> kOnDownWords{
        {{"rehash", OnDown::kRehash}, {"keep", OnDown::kKeep}}};
    section.choice("on_down", kOnDownWords, pool.on_down);
    section.duration("slow_start", {milliseconds{0}, std::chrono::hours{1}}, pool.slow_start);
    section.percent("flow_budget", {1, 100}, pool.flow_budget_percent);
    milliseconds hold = flows.established;
    section.duration("transition_hold", {std::chrono::seconds{1}, std::chrono::hours{24}}, hold);
    if (hold < flows.established) {
        section.reject("transition_hold",
                       "a flow that is silent for longer would be lost, so it is no shorter than "
                       "flows.established");
    }
    pool.transition_hold = hold;
}

Pool read_pool(Section& section, const std::vector<Entry<Check>>& checks, const Flows& flows) {
    Pool pool;
    section.choice("mode", kModeWords, pool.mode);
    read_tunnel_source(section, pool);
    read_check_of(section, checks, pool);
    read_slots(section, pool);
    read_flow_rules(section, flows, pool);
    pool.backends = read_backends(section);
    section.finish();
    if (section.is_sound() && pool.slots != 0 && pool.slots < pool.backends.size()) {
        section.reject("slots", fmt::format("{} are too few for {} backends", pool.slots,
                                            pool.backends.size()));
    }
    return pool;
}

}  // namespace

std::vector<Entry<Pool>> read_pools(Section& root, const std::vector<Entry<Check>>& checks,
                                    const Flows& flows) {
    std::vector<Entry<Pool>> pools;
    std::size_t backends = 0;
    for (const NamedTable& named : named_tables(root, "pool", kPoolsMax)) {
        Section section("pool", fmt::format("pool.{}", named.name), *named.table, root.report());
        Pool pool = read_pool(section, checks, flows);
        pool.name = named.name;
        const bool had_room = backends <= kBackendsMax;
        backends += pool.backends.size();
        if (had_room && backends > kBackendsMax) {
            root.report().error(named.at, fmt::format("the pools up to this one have {} backends; "
                                                      "the most is {} for all of them",
                                                      backends, kBackendsMax));
        }
        pools.push_back({.name = pool.name, .at = named.at, .value = std::nullopt});
        if (section.is_sound()) pools.back().value = std::move(pool);
    }
    return pools;
}

}  // namespace tandem::conf
