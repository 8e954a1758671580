#include "conf/load.h"

#include <cstdio>
#include <memory>
#include <string>

#include <toml++/toml.h>

#include "conf/report.h"
#include "conf/root.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kFileBytesMax = 16UL << 20U;  // all backends there can be, five times over
constexpr std::size_t kBlockBytes = 64UL << 10U;
constexpr std::uint32_t kKeyDepthMax = 100;

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

Result<std::string> read_text(const std::string& path) {
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
    if (file == nullptr) return errno_error("cannot read " + path);
    std::string text;
    std::string block(kBlockBytes, '\0');
    while (text.size() <= kFileBytesMax) {
        const std::size_t count = std::fread(block.data(), 1, block.size(), file.get());
        if (std::ferror(file.get()) != 0) return errno_error("cannot read " + path);
        if (count == 0) return text;
        text.append(block, 0, count);
    }
    return Error{"cannot read " + path + ": it is larger than 16MiB"};
}

/// The line of a key with more parts (a.b.c…) than anybody means, or 0. The parser would make that
/// many tables inside each other, whose destruction is a recursion as deep.
std::uint32_t line_of_deep_key(std::string_view text) {
    std::uint32_t line = 1;
    std::uint32_t depth = 0;
    bool in_comment = false;
    for (const char c : text) {
        if (c == '\n') {
            ++line;
            in_comment = false;
        }
        if (c == '#') in_comment = true;
        if (c == '.' && !in_comment && ++depth > kKeyDepthMax) return line;
        if (std::string_view("\n=,[{").find(c) != std::string_view::npos) depth = 0;
    }
    return 0;
}

/// The parser's sentence, without what every one begins with.
std::string message_of(const toml::parse_error& error) {
    std::string_view text = error.description();
    constexpr std::string_view kPrefix = "Error while parsing ";
    if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
    return std::string(text);
}

}  // namespace

Loaded load_text(std::string_view text, std::string_view name) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
    Report report(name, text);
    Config config;
    if (const std::uint32_t line = line_of_deep_key(text); line != 0) {
        report.error({.line = line, .column = 1}, "a key has too many parts");
    } else {
        try {
            config = read_root(toml::parse(text, name), report);
        } catch (const toml::parse_error& error) {
            const toml::source_position& at = error.source().begin;
            report.error({.line = at.line, .column = at.column}, message_of(error));
        }
    }
    Loaded loaded{.config = std::nullopt, .diagnostics = report.take()};
    if (loaded.diagnostics.empty()) loaded.config = std::move(config);
    return loaded;
}

Loaded load_file(const std::filesystem::path& path) {
    const Result<std::string> text = read_text(path.string());
    if (text) return load_text(text.value(), path.string());
    Report report(path.string(), "");
    report.error({}, text.error().message);
    return {.config = std::nullopt, .diagnostics = report.take()};
}

}  // namespace tandem::conf
