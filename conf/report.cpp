#include "conf/report.h"

#include <algorithm>
#include <utility>

#include "conf/utf8.h"

namespace tandem::conf {

namespace {

constexpr std::uint32_t kMessageColumnsMax = 1000;
constexpr std::uint32_t kColumnsShown = 120;
constexpr std::uint32_t kColumnsBefore = 60;  ///< of the caret, when the line is cut

/// Where each line of the text begins.
std::vector<std::size_t> line_starts(std::string_view text) {
    std::vector<std::size_t> starts{0};
    for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
        starts.push_back(at + 1);
    }
    return starts;
}

/// Columns first..first+count-1, with '?' for what a terminal should not get.
std::string columns(std::string_view line, std::uint32_t first, std::uint32_t count) {
    std::string shown;
    for (std::uint32_t column = 1; !line.empty() && column < first + count; ++column) {
        const std::size_t bytes = character_bytes(line);
        const bool is_safe = bytes != 0 && (!is_control(line.front()) || line.front() == '\t');
        if (column >= first) shown += is_safe ? line.substr(0, bytes) : "?";
        line.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return shown;
}

void add_source(Diagnostic& diagnostic, std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::uint32_t column = diagnostic.at.column;
    const std::uint32_t first = column > kColumnsShown ? column - kColumnsBefore : 1;
    diagnostic.source_line = columns(line, first, kColumnsShown);
    diagnostic.caret = column - first + 1;
}

}  // namespace

void Report::error(Position at, std::string_view message, std::string_view help) {
    diagnostics_.push_back({.file = file_,
                            .at = at,
                            .message = columns(message, 1, kMessageColumnsMax),
                            .help = columns(help, 1, kMessageColumnsMax),
                            .source_line = {},
                            .caret = 0});
}

std::vector<Diagnostic> Report::take() {
    std::vector<Diagnostic> taken = std::exchange(diagnostics_, {});
    std::ranges::stable_sort(taken, {}, &Diagnostic::at);
    const std::size_t count = taken.size();
    if (count > kDiagnosticsMax) taken.resize(kDiagnosticsMax);

    const std::vector<std::size_t> starts = line_starts(text_);
    for (Diagnostic& diagnostic : taken) {
        if (diagnostic.at.line == 0 || diagnostic.at.line > starts.size()) continue;
        const std::size_t start = starts[diagnostic.at.line - 1];
        const std::string_view line = text_.substr(start, text_.find('\n', start) - start);
        add_source(diagnostic, line);
    }
    if (count > kDiagnosticsMax) {
        error({}, file_ + ": " + std::to_string(count - kDiagnosticsMax) + " more errors");
        taken.push_back(std::move(diagnostics_.back()));
        diagnostics_.clear();
    }
    return taken;
}

}  // namespace tandem::conf
