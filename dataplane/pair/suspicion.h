// How sure we are that the peer is dead, from the gaps between its heartbeats: phi accrual
// (Hayashibara et al., SRDS 2004), and a fixed bound that always holds. Pure.
//
// phi is a measure, not a probability to build on: 1 means that a gap like this comes once in ten,
// 8 once in 10^8, if gaps were normally distributed, which they are not. Gaps of a quiet machine
// vary so little that the first hiccup would seem a death; so half an interval is the least
// deviation assumed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/base/time.h"

namespace tandem::pair {

struct SuspicionSettings {
    Duration interval = std::chrono::milliseconds{10};  ///< at which the peer sends
    Duration bound = std::chrono::milliseconds{50};  ///< silence that is death, whatever phi says
    double phi_max = 0;  ///< more is death, too, even before the bound; 0: phi is shown only
};

class Suspicion {
  public:
    explicit Suspicion(const SuspicionSettings& settings);

    /// A heartbeat, by the time at which it was received, not read.
    void heard(Instant at);
    /// Called before what has come is handed in. Of the time since the last look no more than an
    /// interval is silence, if there is any: the loop was late itself.
    void looked(Instant now);

    /// 0 before the first heartbeat: who was never there has not died.
    [[nodiscard]] double phi(Instant now) const;
    [[nodiscard]] bool is_dead(Instant now) const;
    /// When is_dead() will be true if nothing is heard; by the bound alone.
    [[nodiscard]] Instant deadline() const;

  private:
    static constexpr std::size_t kGaps = 256;

    [[nodiscard]] double mean_ns() const;
    [[nodiscard]] double deviation_ns() const;

    SuspicionSettings settings_;
    std::optional<Instant> last_;  ///< heard, or as good as heard
    std::optional<Instant> looked_at_;
    bool is_excused_ = false;  ///< in the gap that is open the loop was late
    std::array<double, kGaps> gaps_ns_{};
    std::size_t count_ = 0;  ///< gaps seen, those that have been replaced included
    double sum_ = 0;
    double sum_of_squares_ = 0;
};

}  // namespace tandem::pair
