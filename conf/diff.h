// What of a new configuration a running instance cannot take up.
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"

namespace tandem::conf {

/// The dotted names of what differs and is only read at start: "dataplane.workers",
/// "port.wan.device", "port.lan" (added or removed). Everything else a reload applies.
std::vector<std::string> needs_restart(const Config& running, const Config& wanted);

}  // namespace tandem::conf
