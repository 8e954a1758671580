// Whether a backend is up: rise and fall over the results of its probes. Pure, with no clock.
//
//   checking ── 1 pass ─────> up    a fresh Tandem or backend shall not stay dark for rise ×
//                                   interval, and nothing speaks against what has not failed yet
//   checking ── fall fails ─> down  as many as from up: a backend that starts when we start is
//                                   not sent on the longer way, through down
//   up       ── fall fails ─> down
//   down     ── rise passes ─> up
//
// Passes and fails count in a row. Only up gets traffic. An inconclusive result changes nothing and
// breaks no row.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "healthcheck/result.h"

namespace tandem::health {

enum class Health : std::uint8_t { kChecking, kUp, kDown };

/// "checking", "up", "down".
std::string_view name(Health health);

/// How many results in a row change the state. Both at least 1.
struct Thresholds {
    int rise = 2;
    int fall = 3;
};

/// Results in a row that speak against the present state: "2 of 3 failures".
struct Progress {
    int count = 0;
    int needed = 0;

    friend bool operator==(const Progress&, const Progress&) = default;
};

/// A change of state and what led to it.
struct Transition {
    Health from;
    Health to;
    Progress progress;  ///< of passes if `to` is up, of fails if it is down; 0 of 0: not by results
    Duration held;      ///< how long `from` lasted

    friend bool operator==(const Transition&, const Transition&) = default;
};

/// The state of one backend. Each call says what changed, if anything did.
class BackendState {
  public:
    /// `health` is what an earlier process knew of the backend, and goes on from there.
    BackendState(Thresholds thresholds, Instant now, Health health = Health::kChecking);

    std::optional<Transition> on_result(const ProbeResult& result, Instant now);

    /// Up, whatever the probes said: the operator wants this backend not checked (any more).
    std::optional<Transition> on_unchecked(Instant now);

    /// The check is another one from now on: the state stays, the row of results begins anew.
    void on_check_changed(Thresholds thresholds);

    [[nodiscard]] Health health() const { return health_; }
    [[nodiscard]] Instant since() const { return since_; }
    /// Towards up if the state is down, else towards down.
    [[nodiscard]] Progress progress() const;
    /// The last result, conclusive or not; nullopt before the first.
    [[nodiscard]] const std::optional<ProbeResult>& last_result() const { return last_result_; }

  private:
    Transition change_to(Health health, Progress progress, Instant now);

    Thresholds thresholds_;
    Health health_;
    Instant since_;
    int count_ = 0;  ///< conclusive results in a row that speak against health_
    std::optional<ProbeResult> last_result_;
};

}  // namespace tandem::health
