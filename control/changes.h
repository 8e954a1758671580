// What a new configuration means for traffic, a line each: for the log of a reload.
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"

namespace tandem {

/// "pool web: backend 10.0.0.14:8080 is new". Pools, backends, checks, the pair, groups and VIPs,
/// in this order.
std::vector<std::string> changes_between(const conf::Config& running, const conf::Config& wanted);

}  // namespace tandem
