// From a TOML file to one validated Config, or to everything that is wrong with it.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/diagnostic.h"

namespace tandem::conf {

struct Loaded {
    std::optional<Config> config;         ///< set if and only if there are no diagnostics
    std::vector<Diagnostic> diagnostics;  ///< in the order of the file
};

/// Reads the file. That it cannot be read is a diagnostic too.
Loaded load_file(const std::filesystem::path& path);

/// `name` is what diagnostics call the text.
Loaded load_text(std::string_view text, std::string_view name);

}  // namespace tandem::conf
