// The backends of a pool: strings, inline tables and [[pool.NAME.backend]] tables, mixed freely.
#pragma once

#include <vector>

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

/// Sorted by address and port, each of which is there once.
std::vector<Backend> read_backends(Section& pool);

}  // namespace tandem::conf
