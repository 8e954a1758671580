// Reads one TOML table into a struct: every key is named once, with its type and its bounds.
//
// What is wrong is reported where it stands and reading goes on; a target whose key is absent or
// wrong keeps its default. Keys that nobody asked for are errors, because a misspelt key would
// otherwise be a silent default.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/impl/forward_declarations.h>  // the whole of it costs seconds for every file

#include "conf/diagnostic.h"
#include "conf/report.h"
#include "conf/units.h"
#include "dataplane/base/result.h"

namespace tandem::conf {

/// Where a value stands; tables without a header of their own stand where their first key does.
Position position_of(const toml::node& node);
Position position_of(const toml::key& key);

/// A string of the file.
struct Text {
    std::string_view value;
    Position at;
};

template <class Value>
struct Range {  ///< both ends included
    Value min;
    Value max;
};

/// One of the words that a key can have, and what it stands for.
template <class Enum>
struct Word {
    std::string_view text;
    Enum value;
};

inline constexpr std::size_t kSocketPathMax = 107;  ///< sun_path, less the terminating zero

class Section {
  public:
    /// `kind` is what sections of this sort have in common ("check"), `path` what messages call
    /// this one ("check.web"). Both are empty for the file itself.
    Section(std::string_view kind, std::string path, const toml::table& table, Report& report);

    /// The table [KIND]; an empty one if there is none or it is no table, which is reported.
    Section subsection(std::string_view kind);

    template <class Integer>
    void integer(std::string_view key, Range<std::int64_t> range, Integer& target) {
        if (const auto value = integer(key, range, false)) target = static_cast<Integer>(*value);
    }
    /// "auto" leaves the target as it is.
    template <class Integer>
    void integer_or_auto(std::string_view key, Range<std::int64_t> range, Integer& target) {
        if (const auto value = integer(key, range, true)) target = static_cast<Integer>(*value);
    }
    template <class Enum, std::size_t kCount>
    void choice(std::string_view key, const std::array<Word<Enum>, kCount>& words, Enum& target) {
        std::array<std::string_view, kCount> texts;
        for (std::size_t i = 0; i < kCount; ++i) texts[i] = words[i].text;
        if (const auto index = choice(key, texts)) target = words[*index].value;
    }
    void duration(std::string_view key, Range<std::chrono::milliseconds> range,
                  std::chrono::milliseconds& target);
    void percent(std::string_view key, Range<int> range, int& target);
    void boolean(std::string_view key, bool& target);
    /// In bytes, from 1; "auto" leaves the target as it is.
    void size_or_auto(std::string_view key, std::uint64_t& target);

    /// An absolute path of at most `max` bytes.
    void file_path(std::string_view key, std::size_t max, std::string& target);

    /// A string, or nullopt if there is none. `expected` completes "KEY must be …".
    std::optional<Text> text(std::string_view key, std::string_view expected);
    /// A string or an array of strings; those of them that are strings.
    std::vector<Text> texts(std::string_view key, std::string_view expected);
    /// A string that `parse` understands or says what is wrong with.
    template <class Value, class Target>
    void parsed(std::string_view key, std::string_view expected,
                Result<Value> (*parse)(std::string_view), Target& target) {
        const std::optional<Text> given = text(key, expected);
        if (!given) return;
        Result<Value> value = parse(given->value);
        if (!value) return reject(key, given->at, value.error().message);
        target = std::move(value.value());
    }

    /// The value, whatever it is; nullptr if there is none. From now on the key is a known one.
    const toml::node* find(std::string_view key);
    /// The same, but if the value is no array of tables the key stays unknown.
    const toml::array* find_tables(std::string_view key);
    /// finish() reports this key if it is absent.
    void require(std::string_view key, std::string help = "");

    /// "PATH.KEY: REASON" at `at`, or where the key's value stands, or else the section's header.
    void reject(std::string_view key, Position at, std::string_view reason,
                std::string_view help = "");
    void reject(std::string_view key, std::string_view reason, std::string_view help = "");
    /// "PATH.KEY must be EXPECTED, not VALUE".
    void reject_type(std::string_view key, const toml::node& value, std::string_view expected,
                     std::string_view help = "");

    /// Call it last: reports unknown keys and those that are required and absent.
    void finish();

    /// Whether nothing in here has been wrong so far.
    [[nodiscard]] bool is_sound() const { return report_.error_count() == errors_before_; }
    [[nodiscard]] bool has(std::string_view key) const;
    [[nodiscard]] Position header() const;
    [[nodiscard]] std::string path(std::string_view key) const;
    [[nodiscard]] Report& report() const { return report_; }

  private:
    struct Required {
        std::string_view key;
        std::string help;  ///< for who left it out
    };

    std::optional<std::int64_t> integer(std::string_view key, Range<std::int64_t> range,
                                        bool or_auto);
    std::optional<std::size_t> choice(std::string_view key,
                                      std::span<const std::string_view> words);
    bool is_clean(std::string_view key, const toml::node& node, std::string_view expected);

    std::string_view kind_;
    std::string path_;
    const toml::table& table_;
    Report& report_;
    std::size_t errors_before_;
    std::vector<std::string_view> known_;  ///< keys asked for: literals of the program
    std::vector<Required> required_;       ///< those of them that have to be there
};

/// All of them in quotes, with commas and an "or" before the last.
std::string listed(std::span<const std::string_view> words);

/// "did you mean 'WORD'?", with "in line N" if that is not 0; nothing if there is no such word.
std::string did_you_mean(std::string_view word, std::uint32_t line = 0);

}  // namespace tandem::conf
