// [pair]: the other instance.
#pragma once

#include <optional>

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

/// nullopt: there is no such section.
std::optional<Pair> read_pair(Section& root);

}  // namespace tandem::conf
