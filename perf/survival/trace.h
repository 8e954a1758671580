// One trace under a simulated clock: connections come and go while backends do, and every way of
// balancing forwards the same packets with the same tables. All of it follows from one seed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "perf/survival/balancer.h"
#include "perf/survival/churn.h"
#include "perf/survival/fleet.h"
#include "perf/survival/judge.h"
#include "perf/survival/workload.h"

namespace tandem::survival {

struct TraceShape {
    std::uint64_t seed = 1;
    WorkloadShape workload;
    std::uint32_t backends = 1000;
    std::uint32_t slots = 0;  ///< 0: by the number of backends
    ChurnRates churn;
    std::uint32_t churn_until_s = 600;    ///< no outage, drain or other change begins later
    std::uint32_t opening_until_s = 600;  ///< no connection opens later
};

class Trace {
  public:
    explicit Trace(const TraceShape& shape);
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;

    /// All are to be there before the first run().
    void add(std::unique_ptr<Balancer> balancer);
    void run(std::uint32_t until_s);

    [[nodiscard]] const Outcome& outcome(std::size_t balancer) const {
        return lanes_[balancer].judge.outcome();
    }
    [[nodiscard]] const Churn::Counts& churn() const { return churn_.counts(); }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    [[nodiscard]] std::size_t open_peak() const { return open_peak_; }
    /// A key of its own for everything that needs one.
    [[nodiscard]] HashKey key();

  private:
    struct Lane {
        std::unique_ptr<Balancer> balancer;
        Judge judge;
    };

    void deliver(const Packet& packet);
    [[nodiscard]] CoarseTime now() const;

    TraceShape shape_;
    Random keys_;
    KeyedHash hash_;
    Fleet fleet_;
    Churn churn_;
    Workload workload_;
    std::vector<Lane> lanes_;
    std::uint32_t now_ms_ = 0;
    std::uint64_t packets_ = 0;
    std::size_t open_peak_ = 0;
};

}  // namespace tandem::survival
