// Carries what instances say to each other between the ports and the virtual routers, tells those
// whether this instance is fit to claim anything, and logs what becomes of it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/pair/routers.h"
#include "dataplane/ports.h"
#include "dataplane/tables/live.h"

namespace tandem {

/// Since when each worker has not passed its loop. Pure.
class WorkerWatch {
  public:
    WorkerWatch(std::size_t workers, Duration limit) : seen_(workers), limit_(limit) {}

    /// Whether every worker has passed its loop within the limit. Time in which nobody
    /// looked does not count.
    bool all_run(std::span<const tables::WorkerCounters> workers, Instant now);

  private:
    struct Seen {
        std::uint64_t loops = 0;
        Duration still{};  ///< for so long
    };
    std::vector<Seen> seen_;
    Duration limit_;
    std::optional<Instant> looked_at_;
};

class PairLink {
  public:
    /// `stall_limit`: a worker that has not passed its loop for so long does not forward.
    PairLink(tables::LiveFixed& fixed, OpenPorts& ports, Duration stall_limit);

    /// See Routers::follow.
    pair::Routers::Numbers follow(std::span<const tables::PlanGroup> groups,
                                  std::span<const tables::PlanVip> vips, Instant now);
    /// `on_roles` is called when roles have changed. Others hear of what this instance has become
    /// active for after that.
    void step(Instant now, const std::function<void()>& on_roles);
    /// In the midst of long work: what is due to be said is said.
    void keep_advertising(Instant now);
    [[nodiscard]] pair::Routers& routers() { return routers_; }
    /// See Routers::allow_preemption.
    void allow_preemption(bool is_allowed) { routers_.allow_preemption(is_allowed); }
    /// Whether this instance moves packets, as of the last step.
    [[nodiscard]] bool workers_run() const { return routers_.workers_run(); }
    /// Gives up what this instance is active for, and waits until others have learnt of it. Workers
    /// are to run on meanwhile: they say so, and packets still come.
    void stop(Instant now);

  private:
    void hear(Instant now);
    void speak(const std::vector<pair::Routers::Frame>& frames);
    void look_at_evidence(Instant now);
    bool report();
    void show_counts();

    tables::LiveFixed& fixed_;
    OpenPorts& ports_;
    pair::Routers routers_;
    Duration stall_limit_;
    WorkerWatch watch_;
    Instant links_looked_at_{};
};

}  // namespace tandem
