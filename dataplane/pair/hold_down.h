// For how long an instance gets none of its groups back, by how often it has lost them lately: one
// that dies again and again is not to take its clients with it each time. Kept by the other one,
// which lives on. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "dataplane/base/time.h"

namespace tandem::pair {

class HoldDown {
  public:
    struct Settings {
        Duration first = std::chrono::seconds(1);  ///< after the second loss; twice that each time
        Duration most = std::chrono::minutes(5);   ///< 0: never
        Duration forgotten = std::chrono::minutes(10);  ///< without a loss: the next is the first
        Duration at_once = std::chrono::milliseconds(500);  ///< of several groups: one loss
    };

    explicit HoldDown(const Settings& settings) : settings_(settings) {}

    /// The peer was active, and could not go on.
    void note_loss(Instant now) {
        if (last_ && now - *last_ < settings_.at_once) return;
        if (last_ && now - *last_ > settings_.forgotten) losses_ = 0;
        last_ = now;
        ++losses_;
        if (losses_ == 1) return;
        length_ = losses_ == 2 ? settings_.first : 2 * length_;
        length_ = std::min(length_, settings_.most);
        until_ = now + length_;
    }
    [[nodiscard]] bool holds(Instant now) const { return now < until_; }
    [[nodiscard]] Duration left(Instant now) const { return std::max(until_ - now, Duration{}); }
    /// Of those that are not forgotten.
    [[nodiscard]] unsigned losses() const { return losses_; }

  private:
    Settings settings_;
    std::optional<Instant> last_;
    unsigned losses_ = 0;
    Duration length_{};
    Instant until_{};
};

}  // namespace tandem::pair
