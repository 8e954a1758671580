// The sections [check.NAME], and the short form of a check in a pool.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/entry.h"

namespace tandem::conf {

/// In the order of the file.
std::vector<Entry<Check>> read_checks(Section& root);

/// "tcp", "none", "http" or "http /path"; nullopt for anything else, with names of checks in it.
std::optional<Result<Check>> parse_short_check(std::string_view text);

/// The words of `type`, which are no names for checks.
std::array<std::string_view, 3> check_types();

}  // namespace tandem::conf
