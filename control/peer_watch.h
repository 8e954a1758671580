// What the other instance says, as the dataplane has it in shared memory: looked at often, for
// nothing tells control when it changes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/plan/table_key.h"
#include "dataplane/tables/live.h"

namespace tandem {

class PeerWatch {
  public:
    /// True if anything has changed since the last look. The first one always is news.
    bool look(const tables::PeerViews& views);
    /// The views are those of another dataplane from now on.
    void forget() { *this = PeerWatch(); }

    [[nodiscard]] std::uint64_t serial() const { return serial_.value_or(0); }
    /// It is heard, and has said all there is to say.
    [[nodiscard]] bool is_known() const { return is_known_; }
    /// By BackendIndex; empty if it is not known.
    [[nodiscard]] std::span<const tables::HealthState> verdicts() const { return verdicts_; }
    /// As of the last look.
    [[nodiscard]] tables::KeyHolds key_holds() const { return key_holds_; }
    /// Whether or not it is known. nullopt: never heard.
    [[nodiscard]] const std::optional<plan::TableKey>& key() const { return key_; }

  private:
    std::optional<std::uint64_t> serial_;
    bool is_known_ = false;
    tables::KeyHolds key_holds_ = tables::KeyHolds::kOlder;
    std::vector<tables::HealthState> verdicts_;
    plan::TableKey seen_key_;
    std::optional<plan::TableKey> key_;
};

}  // namespace tandem
