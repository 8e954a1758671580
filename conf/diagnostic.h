// One complaint about a configuration file, printed the way compilers do: editors jump to it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::conf {

/// A place in the file, both from 1. Line 0: the file as a whole.
struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;  ///< in characters (code points), not bytes

    friend auto operator<=>(const Position&, const Position&) = default;
};

struct Diagnostic {
    std::string file;
    Position at;
    std::string message;
    std::string help;         ///< what to write instead; may be empty
    std::string source_line;  ///< the line at fault, safe to print; empty: not shown
    std::uint32_t caret = 0;  ///< column in source_line, which may be a piece of the whole line

    /// Several lines without a newline at the end:
    ///     tandem.toml:7:12: error: check.web.interval must be …
    ///         7 | interval = "2q"
    ///           |            ^
    ///     help: …
    [[nodiscard]] std::string str() const;
};

/// The text in double quotes for a message: control characters escaped, cut if it is long.
std::string in_quotes(std::string_view text);

}  // namespace tandem::conf
