// The sections [pool.NAME].
#pragma once

#include <vector>

#include "conf/check.h"
#include "conf/config.h"
#include "conf/entry.h"

namespace tandem::conf {

/// In the order of the file. `checks` is what pools can refer to.
std::vector<Entry<Pool>> read_pools(Section& root, const std::vector<Entry<Check>>& checks,
                                    const Flows& flows);

}  // namespace tandem::conf
