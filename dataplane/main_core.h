// What the main core does, about a thousand times a second and whenever something happens: hears
// control, turns each new plan into live tables, carries frames between twins and workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/pair_link.h"
#include "dataplane/peer_link.h"
#include "dataplane/ports.h"
#include "dataplane/shared_tables.h"
#include "dataplane/tables/merge.h"
#include "dataplane/tables/publisher.h"

namespace tandem {

class MainCore {
  public:
    /// `peer`: the other instance of a pair, if there is one.
    MainCore(SharedTables& shared, OpenPorts& ports, const tables::FlowTimeouts& timeouts,
             std::optional<PeerLink> peer);

    /// Makes the plan live that there is already, so that no worker ever sees what an earlier
    /// dataplane published: that speaks of its ports, not of ours. Before any worker runs.
    Status prepare();

    /// Runs until `stop` is set, and then gives up what this instance is active for; workers have
    /// to run until it returns.
    void run(const std::atomic<bool>& stop);

  private:
    void step(Instant now);
    void follow_plan(Instant now);
    bool merge(std::uint64_t plan_generation, Instant now);
    Status publish_nothing();
    void report_unmerged(std::uint64_t plan_generation, const std::string& why, Instant now);
    void follow_vips(const tables::PlanView& plan);
    void follow_digests(const tables::PlanView& plan, std::uint64_t plan_generation);
    void set_vips();
    void let_slots_settle(CoarseTime now);
    void count_flows(const tables::PlanView& plan, CoarseTime now);
    void report_stalled(std::size_t stalled);
    void wait() const;

    SharedTables& shared_;
    OpenPorts& ports_;
    tables::GenerationReader plan_reader_;
    tables::Publisher live_;
    tables::Merger merger_;
    PairLink pair_;
    std::optional<PeerLink> peer_;
    pair::Message own_;  ///< what heartbeats say
    std::vector<Prefix> vips_;
    bool vips_are_set_ = true;  ///< the kernel knows them, too
    CoarseTime remembering_;    ///< the longest of the flows' timeouts
    CoarseTime settled_at_ = 0;
    std::uint64_t merged_ = 0;  ///< the plan generation that is live
    std::uint64_t failed_ = 0;  ///< the plan generation that could not be merged, reported once
    std::optional<Instant> failing_since_;
    Instant next_try_;
    std::size_t stalled_ = 0;
    bool busy_ = false;
};

}  // namespace tandem
