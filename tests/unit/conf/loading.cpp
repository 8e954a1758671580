#include "tests/unit/conf/loading.h"

#include <gtest/gtest.h>

namespace tandem::conf::test {

Config load(std::string_view text) {
    Loaded loaded = load_text(text, "test.toml");
    for (const Diagnostic& diagnostic : loaded.diagnostics) ADD_FAILURE() << diagnostic.str();
    return loaded.config.value_or(Config{});
}

std::vector<std::string> errors_in(std::string_view text) {
    const Loaded loaded = load_text(text, "test.toml");
    EXPECT_NE(loaded.config.has_value(), !loaded.diagnostics.empty());
    std::vector<std::string> errors;
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
        EXPECT_EQ(diagnostic.file, "test.toml");
        errors.push_back(std::to_string(diagnostic.at.line) + ':' +
                         std::to_string(diagnostic.at.column) + ' ' + diagnostic.message +
                         (diagnostic.help.empty() ? "" : " (" + diagnostic.help + ')'));
    }
    return errors;
}

std::string with_section(std::string_view header, std::string_view lines) {
    return std::string(kPort).append(header).append("\n").append(lines);
}

}  // namespace tandem::conf::test
