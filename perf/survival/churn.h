// What happens to the backends: outages, restarts, drains, additions, removals and new weights, at
// random, independent of each other and overlapping.
//
//   outage    a backend goes down and comes back after 2 to 300 s; one in three was a restart, so
//             its connections are gone; three in ten fail once more within 20 s of their return
//   drain     for 1 to 10 minutes; then back as it was, or back by a restart, or removed
//   addition  of a new address or of one that was removed; it passes its checks after 2 to 10 s
//   removal   of any backend, whatever connections it has
//   weight    another configured weight (half to twice), or a part of it for the time being
//   resizing  of the pool's table, to one of three numbers of slots that suit tens of backends
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "perf/survival/fleet.h"
#include "perf/survival/random.h"

namespace tandem::survival {

/// A minute, of the whole fleet.
///
/// By default each of a thousand backends has an outage about three times a day, seven of ten are
/// drained and three of ten replaced each day: more than a fleet at rest sees, less than one to
/// which a new release is rolled out.
struct ChurnRates {
    double outages = 2;
    double drains = 0.5;
    double additions_and_removals = 0.4;
    double weights = 0.4;
    double resizings = 0;  ///< every slot is in transition after one

    [[nodiscard]] ChurnRates times(double factor) const {
        return {outages * factor, drains * factor, additions_and_removals * factor,
                weights * factor, resizings * factor};
    }
};

class Churn {
  public:
    /// Nothing new begins after `until_ms`; what has begun is brought to its end.
    Churn(Fleet& fleet, const ChurnRates& rates, std::uint32_t until_ms, std::uint64_t seed);

    /// Lets happen what is due.
    void run(std::uint32_t now_ms);

    struct Counts {
        std::uint64_t went_down = 0;
        std::uint64_t restarted = 0;  ///< of all reasons
        std::uint64_t drained = 0;
        std::uint64_t added = 0;
        std::uint64_t removed = 0;
        std::uint64_t reweighted = 0;
        std::uint64_t resized = 0;
    };
    [[nodiscard]] const Counts& counts() const { return counts_; }

  private:
    using Event = std::function<void()>;

    void after(double seconds, Event event);
    void again_and_again(double per_minute, void (Churn::*begin)());
    std::optional<BackendNumber> any_configured();

    void begin_outage();
    void go_down(BackendNumber backend, bool may_fail_again);
    void come_back(BackendNumber backend, Life life, bool may_fail_again);
    void begin_drain();
    void end_drain(BackendNumber backend, Life life);
    void add_or_remove();
    void add();
    void remove(BackendNumber backend);
    void change_weight();
    void resize();

    Fleet& fleet_;
    Random random_;
    std::uint32_t until_ms_;
    std::uint32_t now_ms_ = 0;
    std::size_t fleet_size_;
    std::multimap<std::uint32_t, Event> events_;  ///< by their time
    std::vector<BackendNumber> removed_;
    Counts counts_;
};

}  // namespace tandem::survival
