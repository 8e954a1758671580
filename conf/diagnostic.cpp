#include "conf/diagnostic.h"

#include <algorithm>
#include <fmt/format.h>

#include "conf/utf8.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kQuotedBytesMax = 100;

/// What moves the caret under its column: tabs stay tabs, as wide as above them.
std::string indent_below(std::string_view line, std::uint32_t column) {
    std::string indent;
    while (!line.empty() && indent.size() + 1 < column) {
        indent += line.front() == '\t' ? '\t' : ' ';
        line.remove_prefix(std::max<std::size_t>(character_bytes(line), 1));
    }
    indent.resize(std::max<std::size_t>(column, 1) - 1, ' ');
    return indent;
}

}  // namespace

std::string Diagnostic::str() const {
    if (at.line == 0) return "error: " + message;
    std::string text = fmt::format("{}:{}:{}: error: {}", file, at.line, at.column, message);
    if (!source_line.empty()) {
        text += fmt::format("\n{:>5} | {}\n      | {}^", at.line, source_line,
                            indent_below(source_line, caret));
    }
    if (!help.empty()) text += "\nhelp: " + help;
    return text;
}

std::string in_quotes(std::string_view text) {
    std::string result = "\"";
    while (!text.empty()) {
        if (result.size() > kQuotedBytesMax) {
            result += "…";
            break;
        }
        const std::size_t bytes = character_bytes(text);
        if (bytes == 0 || is_control(text.front())) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
        } else {
            result += text.substr(0, bytes);
        }
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return result + '"';
}

}  // namespace tandem::conf
