#include "control/changes.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <tuple>

namespace tandem {

namespace {

template <class T>
const T* named(const std::vector<T>& list, const std::string& name) {
    const auto found = std::ranges::find(list, name, &T::name);
    return found == list.end() ? nullptr : &*found;
}

const conf::Backend* same_backend(const conf::Pool& pool, const conf::Backend& wanted) {
    const auto found = std::ranges::find_if(pool.backends, [&](const conf::Backend& backend) {
        return backend.address == wanted.address && backend.port == wanted.port;
    });
    return found == pool.backends.end() ? nullptr : &*found;
}

bool same_way(const conf::Pool& a, const conf::Pool& b) {
    return std::tie(a.mode, a.slots, a.tunnel_source) == std::tie(b.mode, b.slots, b.tunnel_source);
}

bool same_service(const conf::Vip& a, const conf::Vip& b) {
    return std::tie(a.prefix, a.port_first, a.port_last, a.protocol, a.pool, a.group) ==
           std::tie(b.prefix, b.port_first, b.port_last, b.protocol, b.pool, b.group);
}

void compare_pools(const conf::Pool& running, const conf::Pool& wanted,
                   std::vector<std::string>& lines) {
    if (!same_way(running, wanted)) {
        lines.push_back(fmt::format("pool {}: mode, slots or tunnel_source differ", wanted.name));
    }
    if (running.check != wanted.check) {
        lines.push_back(fmt::format("pool {}: is checked in another way", wanted.name));
    }
    for (const conf::Backend& backend : wanted.backends) {
        const conf::Backend* before = same_backend(running, backend);
        if (before == nullptr) {
            lines.push_back(fmt::format("pool {}: backend {} is new", wanted.name, backend.name));
        } else if (before->weight != backend.weight) {
            lines.push_back(fmt::format("pool {}: backend {}: weight {} -> {}", wanted.name,
                                        backend.name, before->weight, backend.weight));
        }
        if (before != nullptr && before->is_draining != backend.is_draining) {
            lines.push_back(fmt::format("pool {}: backend {} {}", wanted.name, backend.name,
                                        backend.is_draining ? "drains" : "drains no more"));
        }
    }
    for (const conf::Backend& backend : running.backends) {
        if (same_backend(wanted, backend) == nullptr) {
            lines.push_back(
                fmt::format("pool {}: backend {} is removed", wanted.name, backend.name));
        }
    }
}

std::string_view word_of(conf::Agreement agreement) {
    switch (agreement) {
        case conf::Agreement::kCredible:
            return "credible";
        case conf::Agreement::kAny:
            return "any";
        case conf::Agreement::kBoth:
            return "both";
        case conf::Agreement::kLocal:
            return "local";
    }
    return "local";
}

/// How the keys of a group that differ are called.
std::vector<std::string_view> keys_between(const conf::Group& running, const conf::Group& wanted) {
    using conf::Group;
    std::vector<std::string_view> keys;
    const auto compare = [&](auto Group::*key, std::string_view name) {
        if (running.*key != wanted.*key) keys.push_back(name);
    };
    compare(&Group::port, "port");
    compare(&Group::router_id, "router_id");
    compare(&Group::priority, "priority");
    compare(&Group::interval, "interval");
    compare(&Group::preempt, "preempt");
    compare(&Group::preempt_delay, "preempt_delay");
    compare(&Group::mac, "mac");
    compare(&Group::checksum, "checksum");
    compare(&Group::is_strict, "strict");
    compare(&Group::checks_gateway, "gateway_check");
    compare(&Group::peers, "peers");
    return keys;
}

void compare_groups(const conf::Config& running, const conf::Config& wanted,
                    std::vector<std::string>& lines) {
    for (const conf::Group& group : wanted.groups) {
        const conf::Group* before = named(running.groups, group.name);
        if (before == nullptr) {
            lines.push_back(fmt::format("group {} is new", group.name));
        } else if (*before != group) {
            lines.push_back(fmt::format("group {} differs in {}", group.name,
                                        fmt::join(keys_between(*before, group), ", ")));
        }
    }
    for (const conf::Group& group : running.groups) {
        if (named(wanted.groups, group.name) == nullptr) {
            lines.push_back(fmt::format("group {} is removed", group.name));
        }
    }
}

}  // namespace

std::vector<std::string> changes_between(const conf::Config& running, const conf::Config& wanted) {
    std::vector<std::string> lines;
    for (const conf::Pool& pool : wanted.pools) {
        const conf::Pool* before = named(running.pools, pool.name);
        if (before == nullptr) {
            lines.push_back(
                fmt::format("pool {} is new, with {} backends", pool.name, pool.backends.size()));
        } else {
            compare_pools(*before, pool, lines);
        }
    }
    for (const conf::Pool& pool : running.pools) {
        if (named(wanted.pools, pool.name) == nullptr) {
            lines.push_back(fmt::format("pool {} is removed", pool.name));
        }
    }
    if (running.pair && wanted.pair && running.pair->agreement != wanted.pair->agreement) {
        lines.push_back(fmt::format("pair: agreement {} -> {}", word_of(running.pair->agreement),
                                    word_of(wanted.pair->agreement)));
    }
    compare_groups(running, wanted, lines);
    for (const conf::Vip& vip : wanted.vips) {
        const conf::Vip* before = named(running.vips, vip.name);
        if (before == nullptr) {
            lines.push_back(fmt::format("vip {} is new", vip.name));
        } else if (!same_service(*before, vip)) {
            lines.push_back(fmt::format("vip {}: listen, pool or group differ", vip.name));
        }
    }
    for (const conf::Vip& vip : running.vips) {
        if (named(wanted.vips, vip.name) == nullptr) {
            lines.push_back(fmt::format("vip {} is removed", vip.name));
        }
    }
    return lines;
}

}  // namespace tandem
