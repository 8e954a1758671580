// Whether lower active instances may be replaced: while this one could go on for the peer, or once
// it has tried to come so far for too long. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/base/time.h"

namespace tandem::pair {

class PreemptionGate {
  public:
    enum class State : std::uint8_t {
        kSyncing,  ///< not yet, or no more
        kInStep,
        kOverdue,  ///< it may, and flows that only the peer knows of may break
    };

    explicit PreemptionGate(Duration sync_timeout) : sync_timeout_(sync_timeout) {}

    /// True: the state is another one.
    bool judge(bool is_in_step, Instant now) {
        if (is_in_step || !syncing_since_) syncing_since_ = now;
        const State before = state_;
        if (is_in_step) {
            state_ = State::kInStep;
        } else {
            state_ = waited(now) >= sync_timeout_ ? State::kOverdue : State::kSyncing;
        }
        return state_ != before;
    }
    [[nodiscard]] bool is_open() const { return state_ != State::kSyncing; }
    [[nodiscard]] State state() const { return state_; }
    /// For so long it has not been in step.
    [[nodiscard]] Duration waited(Instant now) const {
        return syncing_since_ ? now - *syncing_since_ : Duration{};
    }

  private:
    Duration sync_timeout_;
    std::optional<Instant> syncing_since_;  ///< or in step just then
    State state_ = State::kSyncing;
};

}  // namespace tandem::pair
