// The sections [vip.NAME].
#pragma once

#include <vector>

#include "conf/config.h"
#include "conf/entry.h"

namespace tandem::conf {

/// In the order of the file. A VIP refers to a pool and to a group, and must be the address of no
/// port and no backend: packets to it would never leave the machine, or come back to it for ever.
std::vector<Entry<Vip>> read_vips(Section& root, const std::vector<Entry<Port>>& ports,
                                  const std::vector<Entry<Pool>>& pools,
                                  const std::vector<Entry<Group>>& groups);

}  // namespace tandem::conf
