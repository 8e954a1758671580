// One pool of many backends in both processes' tables, without the processes: what control does for
// a change of health, and what the dataplane's main core and a worker make of it.
#pragma once

#include <array>
#include <cstdint>

#include "control/plan/planner.h"
#include "control/plan_region.h"
#include "dataplane/base/time.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/merge.h"
#include "dataplane/tables/publisher.h"
#include "dataplane/tables/region.h"

namespace tandem::perf {

class Installation {
  public:
    /// All backends are up, on a subnet of one port, and have MACs.
    Installation(std::uint32_t backends, std::uint32_t slots);
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    void set_up(std::uint32_t backend, bool is_up);
    /// Control's part: the table function, and the plan written and published.
    void plan();
    /// The main core's part: the plan merged into live tables, and those published.
    void merge();
    /// A worker's part, which is before its next burst.
    void adopt();
    /// So much later that no slot is in transition any more. Not seen until the next merge().
    void settle();

    [[nodiscard]] const tables::LiveView& live() const { return view_; }

  private:
    tables::Region plan_region_;
    tables::Region live_region_;
    std::array<tables::PortInfo, 1> ports_{};
    conf::Config config_;
    plan::Planner planner_;
    PlanRegion control_;
    tables::GenerationReader plan_reader_;
    tables::Publisher live_;
    tables::Merger merger_;
    tables::GenerationReader worker_;
    tables::LiveView view_;
    CoarseTime now_ = 1;
};

}  // namespace tandem::perf
