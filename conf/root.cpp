#include "conf/root.h"

#include <algorithm>

#include <toml++/toml.h>

#include "conf/check.h"
#include "conf/control.h"
#include "conf/dataplane.h"
#include "conf/flows.h"
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

}  // namespace

Config read_root(const toml::table& table, Report& report) {
    Section root("", "", table, report);
    Config config;
    config.dataplane = read_dataplane(root);
    config.control = read_control(root);
    std::vector<Entry<Port>> ports = read_ports(root);
    config.flows = read_flows(root);
    std::vector<Entry<Pool>> pools = read_pools(root, read_checks(root), config.flows);
    std::vector<Entry<Vip>> vips = read_vips(root, ports, pools);
    root.finish();
    config.ports = values_of(std::move(ports));
    config.pools = values_of(std::move(pools));
    config.vips = values_of(std::move(vips));

    // Only said of a file that is otherwise right: another error may be the reason.
    if (root.is_sound() && config.ports.empty()) {
        report.error({.line = 1, .column = 1}, "there is no section [port.NAME]; one is needed");
    }
    return config;
}

}  // namespace tandem::conf
