// Does what control asks on behalf of an operator: groups are handed off and taken back, one after
// the other, and it is reported how it ended. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/pair/handoff.h"
#include "dataplane/pair/routers.h"
#include "dataplane/tables/exchange.h"
#include "dataplane/tables/live.h"

namespace tandem::pair {

class Orders {
  public:
    /// `is_own`: the instance's own order, for which nobody waits.
    using Report = std::function<void(const tables::OrderReport&, bool is_own)>;

    /// Without a `handoff` there is no peer: all orders are refused.
    Orders(Routers& routers, Handoff* handoff, tables::PeerState& state, Report report)
        : routers_(&routers), handoff_(handoff), state_(&state), report_(std::move(report)) {}

    void take(const tables::Order& order);
    /// Hands off all that is active here: this instance is about to stop. False: nothing is.
    bool leave();
    /// Asks the peer for a group that it has and that is this instance's by priority, so that it
    /// tells all before. Not again after that failed, until this instance has been out of step:
    /// then it goes by advertisements alone.
    void take_back_own(bool is_in_step, const Handoff::Peer& peer, Instant now);
    void step(const Handoff::Peer& peer, Instant now);
    [[nodiscard]] bool is_idle() const { return under_way_.empty(); }

  private:
    struct UnderWay {
        tables::Order order;
        bool is_own = false;
        std::deque<std::uint64_t> groups;
        std::size_t done = 0;
        std::optional<Duration> gap;
        std::string trouble;
    };

    void add(const tables::Order& order, bool is_own);
    void begin_next(const Handoff::Peer& peer, Instant now);
    void note(const Handoff::Result& result);
    void finish();

    Routers* routers_;
    Handoff* handoff_;
    tables::PeerState* state_;
    Report report_;
    std::deque<UnderWay> under_way_;
    bool is_own_refused_ = false;
};

}  // namespace tandem::pair
