#include "conf/vip.h"

#include <fmt/format.h>
#include <map>
#include <set>
#include <tuple>

#include "conf/endpoint.h"
#include "conf/spelling.h"

namespace tandem::conf {

namespace {

/// Who has an address already, as messages say it: `port "wan"`.
using Owners = std::map<IpAddress, std::string>;

Owners owners_of(const std::vector<Entry<Port>>& ports, const std::vector<Entry<Pool>>& pools) {
    Owners owners;
    for (const Entry<Port>& port : ports) {
        if (!port.value) continue;
        for (const Prefix& address : port.value->addresses) {
            owners.try_emplace(address.address, "the address of port " + in_quotes(port.name));
        }
    }
    for (const Entry<Pool>& pool : pools) {
        if (!pool.value) continue;
        for (const Backend& backend : pool.value->backends) {
            owners.try_emplace(backend.address, "a backend of pool " + in_quotes(pool.name));
        }
    }
    return owners;
}

using Match = std::tuple<Prefix, Protocol, std::uint16_t, std::uint16_t>;

/// What VIPs have claimed, and the line where.
using Matches = std::map<Match, std::uint32_t>;

void read_listen(Section& section, const Owners& owners, Matches& matches, Vip& vip) {
    section.require("listen");
    std::optional<Listen> listen;
    section.parsed("listen", "a string such as \"203.0.113.10:80/tcp\"", parse_listen, listen);
    if (!listen) return;
    vip.prefix = listen->prefix;
    vip.port_first = listen->port_first;
    vip.port_last = listen->port_last;
    vip.protocol = listen->protocol;

    const Position at = position_of(*section.find("listen"));
    const auto [same, is_new] = matches.try_emplace(
        Match{vip.prefix, vip.protocol, vip.port_first, vip.port_last}, at.line);
    if (!is_new) {
        section.reject("listen",
                       fmt::format("the VIP in line {} listens to the same", same->second));
    }
    const auto owner = owners.find(vip.prefix.address);
    if (vip.prefix.is_single() && owner != owners.end()) {
        section.reject("listen", fmt::format("{} is {}; a VIP is an address of its own",
                                             vip.prefix.address.str(), owner->second));
    }
}

void read_pool_of(Section& section, const std::vector<Entry<Pool>>& pools, Vip& vip) {
    section.require("pool");
    const auto text = section.text("pool", "the name of a pool");
    if (!text) return;
    vip.pool = text->value;
    if (find_entry(pools, text->value) != nullptr) return;
    section.reject("pool", fmt::format("there is no pool {}", in_quotes(text->value)),
                   meant_entry(pools, nearest(text->value, names_of(pools))));
}

void read_group_of(Section& section, const std::vector<Entry<Group>>& groups, Vip& vip) {
    const std::vector<std::string_view> names = names_of(groups);
    const bool knows_names = find_entry(groups, "") == nullptr;
    if (groups.size() > 1 && knows_names) section.require("group", "it is " + listed(names));
    const auto text = section.text("group", "the name of a group");
    if (!text) {
        if (!section.has("group") && groups.size() == 1) vip.group = groups.front().name;
        return;
    }
    vip.group = text->value;
    if (find_entry(groups, text->value) != nullptr || !knows_names) return;
    section.reject("group", fmt::format("there is no group {}", in_quotes(text->value)),
                   meant_entry(groups, nearest(text->value, names)));
}

/// A VIP whose group the file names.
struct Member {
    std::string vip;
    Prefix prefix;
    std::uint32_t line;  ///< of `listen`
    std::string group;
    Position group_at;
};

/// One instance has an address, with all that listens to it.
void check_overlaps(std::vector<Member> members, Report& report) {
    // Two prefixes are apart or one is inside the other: sorted, each follows those around it.
    std::ranges::stable_sort(members, {}, &Member::prefix);
    std::vector<const Member*> around;
    for (const Member& member : members) {
        while (!around.empty() && !around.back()->prefix.contains(member.prefix.address)) {
            around.pop_back();
        }
        if (around.empty() || around.back()->group == member.group) {
            around.push_back(&member);
            continue;
        }
        report.error(member.group_at,
                     fmt::format("vip.{}.group: the VIP in line {} overlaps this one and belongs "
                                 "to group {}",
                                 member.vip, around.back()->line, in_quotes(around.back()->group)),
                     "an address belongs to one group");
    }
}

void read_udp(Section& section, Vip& vip) {
    constexpr std::array<Word<UdpFlows>, 2> kUdpWords{
        {{"sticky", UdpFlows::kSticky}, {"stateless", UdpFlows::kStateless}}};
    section.choice("udp", kUdpWords, vip.udp);
    if (section.has("udp") && section.is_sound() && vip.protocol != Protocol::kUdp) {
        section.reject("udp", "only a VIP that listens to udp has this");
    }
}

}  // namespace

std::vector<Entry<Vip>> read_vips(Section& root, const std::vector<Entry<Port>>& ports,
                                  const std::vector<Entry<Pool>>& pools,
                                  const std::vector<Entry<Group>>& groups) {
    const Owners owners = owners_of(ports, pools);
    Matches matches;
    std::vector<Member> members;
    std::vector<Entry<Vip>> vips;
    for (const NamedTable& named : named_tables(root, "vip", kVipsMax)) {
        Section section("vip", fmt::format("vip.{}", named.name), *named.table, root.report());
        Vip vip;
        vip.name = named.name;
        read_listen(section, owners, matches, vip);
        read_pool_of(section, pools, vip);
        read_group_of(section, groups, vip);
        read_udp(section, vip);
        section.finish();
        vips.push_back({.name = vip.name, .at = named.at, .value = std::nullopt});
        if (!section.is_sound()) continue;
        if (section.has("group")) {
            members.push_back({.vip = vip.name,
                               .prefix = vip.prefix,
                               .line = position_of(*section.find("listen")).line,
                               .group = vip.group,
                               .group_at = position_of(*section.find("group"))});
        }
        vips.back().value = std::move(vip);
    }
    check_overlaps(std::move(members), root.report());
    return vips;
}

}  // namespace tandem::conf
