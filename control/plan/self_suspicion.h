// When many backends of a pool go down at once here, and at the other instance they do not, then it
// is not they that have failed, but this instance or its way to them.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>

#include "dataplane/base/time.h"
#include "dataplane/tables/plan.h"
#include "healthcheck/identity.h"

namespace tandem::plan {

class SelfSuspicion {
  public:
    /// Backends that fall within this time fall at once.
    static constexpr Duration kAtOnce = std::chrono::seconds(1);
    static constexpr std::size_t kBackendsMin = 2;

    /// What the two instances say of one backend.
    struct Subject {
        health::Identity backend;
        tables::HealthState ours = tables::HealthState::kUnused;
        tables::HealthState peers = tables::HealthState::kUnused;
    };
    enum class Outcome : std::uint8_t {
        kNothingNew,
        kSuspicious,  ///< more than half fell at once, here alone. Not said again before kOver
        kOver,        ///< no more than half are down here alone
    };

    /// A backend that was up here is down. What the peer says of it counts after `patience`: by
    /// then it has noticed the same, if it is so.
    void on_fall(const health::Identity& backend, Duration patience, Instant now);
    /// Of all backends of one pool. Often, for what nobody has said yet may have come of age.
    Outcome judge(const std::string& pool, std::span<const Subject> backends, Instant now);
    /// Whether judge() could have anything to say.
    [[nodiscard]] bool is_idle() const { return falls_.empty() && suspicious_.empty(); }

  private:
    std::map<health::Identity, Instant> falls_;  ///< from when on they count
    std::set<std::string> suspicious_;           ///< pools
};

}  // namespace tandem::plan
