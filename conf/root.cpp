#include "conf/root.h"

#include <algorithm>
#include <fmt/format.h>

#include <toml++/toml.h>

#include "conf/check.h"
#include "conf/control.h"
#include "conf/dataplane.h"
#include "conf/flows.h"
#include "conf/group.h"
#include "conf/pair.h"
#include "conf/pool.h"
#include "conf/port.h"
#include "conf/vip.h"

namespace tandem::conf {

namespace {

/// The sound ones, sorted by name: the order in the file means nothing.
template <class Value>
std::vector<Value> values_of(std::vector<Entry<Value>> entries) {
    std::vector<Value> values;
    for (Entry<Value>& entry : entries) {
        if (entry.value) values.push_back(std::move(*entry.value));
    }
    std::ranges::sort(values, {}, &Value::name);
    return values;
}

void report_empty_groups(const std::vector<Entry<Group>>& groups, const std::vector<Vip>& vips,
                         Report& report) {
    for (const Entry<Group>& group : groups) {
        if (std::ranges::find(vips, group.name, &Vip::group) != vips.end()) continue;
        report.error(group.at, fmt::format("no VIP belongs to group {}; one is needed",
                                           in_quotes(group.name)));
    }
}

}  // namespace

Config read_root(const toml::table& table, Report& report) {
    Section root("", "", table, report);
    Config config;
    config.dataplane = read_dataplane(root);
    config.control = read_control(root, config.dataplane);
    std::vector<Entry<Port>> ports = read_ports(root);
    config.flows = read_flows(root);
    std::vector<Entry<Pool>> pools = read_pools(root, read_checks(root), config.flows);
    const std::vector<Entry<Group>> groups = read_groups(root, ports);
    config.pair = read_pair(root);
    std::vector<Entry<Vip>> vips = read_vips(root, ports, pools, groups);
    root.finish();
    config.ports = values_of(std::move(ports));
    config.pools = values_of(std::move(pools));
    config.groups = values_of(groups);
    config.vips = values_of(std::move(vips));

    // Only said of a file that is otherwise right: another error may be the reason.
    if (root.is_sound() && config.ports.empty()) {
        report.error({.line = 1, .column = 1}, "there is no section [port.NAME]; one is needed");
    }
    if (root.is_sound()) report_empty_groups(groups, config.vips, report);
    return config;
}

}  // namespace tandem::conf
