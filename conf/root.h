// The whole file as a table: which sections there are, and what holds between them.
#pragma once

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

/// Valid only if nothing was reported.
Config read_root(const toml::table& table, Report& report);

}  // namespace tandem::conf
