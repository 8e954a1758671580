// What is known of the gateways that groups follow, by what the kernel finds when it asks for them.
// Pure.
//
// When a gateway itself is gone, both instances of a pair notice it, but not at once. So a state
// that is new counts after a while only: meanwhile the gateway is in doubt, and whoever is in doubt
// takes nothing from the other instance, which gives way no sooner than this one has had time to
// notice.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/net/address.h"
#include "dataplane/tables/plan.h"

namespace tandem::plan {

class Gateways {
  public:
    /// Gateways are asked every second, so instances notice the same within one, and a margin.
    static constexpr Duration kSettling = std::chrono::milliseconds(1500);

    using Gateway = std::pair<int, IpAddress>;  ///< netdev index and address

    struct Change {
        Gateway gateway;
        tables::GatewayState before;
        tables::GatewayState state;

        friend bool operator==(const Change&, const Change&) = default;
    };

    /// From now on exactly these. New ones are in doubt until something is heard of them.
    void follow(const std::set<Gateway>& gateways);
    /// Of others nothing is noted.
    void heard(const Gateway& gateway, bool answers, Instant now);
    /// Those whose state is not what it was when this was asked last; a new one is one of them.
    std::vector<Change> changes(Instant now);

  private:
    struct Known {
        std::optional<bool> answers;
        Instant settled_at{};
        std::optional<tables::GatewayState> said;
    };
    static tables::GatewayState state_of(const Known& known, Instant now);

    std::map<Gateway, Known> gateways_;
};

}  // namespace tandem::plan
