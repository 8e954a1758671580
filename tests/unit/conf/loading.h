// Loads pieces of configuration and says what came of them in a form that is easily compared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/load.h"

namespace tandem::conf::test {

/// The configuration that the text gives; fails the test, with all errors, if it gives none.
Config load(std::string_view text);

/// "LINE:COLUMN message", and " (help)" if there is any, of every error.
std::vector<std::string> errors_in(std::string_view text);

using Strings = std::vector<std::string>;

/// What a pool is complete with.
inline constexpr std::string_view kBackends = "backends = [\"10.0.0.11:80\"]\n";

/// Sections that a file is complete with. Line 1 of what follows them is line 4.
inline constexpr std::string_view kPort = "[port.wan]\ndevice = \"null:\"\n\n";
inline constexpr std::string_view kPool = "[pool.web]\nbackends = [\"10.0.0.11:80\"]\n\n";

/// kPort, and a section with this header in which these lines follow: line 1 of them is line 5.
std::string with_section(std::string_view header, std::string_view lines);

}  // namespace tandem::conf::test
