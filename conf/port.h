// The sections [port.NAME].
#pragma once

#include <vector>

#include "conf/config.h"
#include "conf/entry.h"

namespace tandem::conf {

/// In the order of the file.
std::vector<Entry<Port>> read_ports(Section& root);

}  // namespace tandem::conf
