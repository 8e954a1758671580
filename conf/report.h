// Collects what is wrong with one file, in whatever order it is found, and adds the source lines.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conf/diagnostic.h"

namespace tandem::conf {

class Report {
  public:
    /// More errors than this are counted, not shown.
    static constexpr std::size_t kDiagnosticsMax = 100;

    /// `text` is the whole file and must outlive the report.
    Report(std::string_view file, std::string_view text) : file_(file), text_(text) {}

    /// What the texts quote of the file is made safe to print, and cut if it is very long.
    void error(Position at, std::string_view message, std::string_view help = "");

    /// How many errors so far: a part of the file is sound if its reading added none.
    [[nodiscard]] std::size_t error_count() const { return diagnostics_.size(); }

    /// Everything reported, in the order of the file. Leaves the report empty.
    std::vector<Diagnostic> take();

    /// For every key that a section was asked for, "port.mtu", whether the file has it or not.
    void note_key(std::string key) { keys_.insert(std::move(key)); }
    [[nodiscard]] const std::set<std::string>& keys() const { return keys_; }

  private:
    std::string file_;
    std::string_view text_;
    std::vector<Diagnostic> diagnostics_;
    std::set<std::string> keys_;
};

}  // namespace tandem::conf
