// What the main core does, about a thousand times a second and whenever something happens: hears
// control, turns each new plan into live tables, carries frames between twins and workers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/pair/hold_down.h"
#include "dataplane/pair/orders.h"
#include "dataplane/pair/preemption.h"
#include "dataplane/pair/step.h"
#include "dataplane/pair_link.h"
#include "dataplane/paired_tables.h"
#include "dataplane/peer_link.h"
#include "dataplane/ports.h"
#include "dataplane/shared_tables.h"
#include "dataplane/tables/merge.h"
#include "dataplane/tables/publisher.h"

namespace tandem {

class MainCore {
  public:
    /// The other instance of a pair, if there is one.
    struct Peer {
        PeerLink link;
        PairedTables& tables;
        pair::PreemptionGate preemption;
        pair::HoldDown hold_down;
    };
    struct Settings {
        tables::FlowTimeouts timeouts{};
        Duration stall_limit = std::chrono::milliseconds(50);  ///< of a worker
    };
    MainCore(SharedTables& shared, OpenPorts& ports, const Settings& settings,
             std::optional<Peer> peer);

    /// Makes the plan live that there is already, so that no worker ever sees what an earlier
    /// dataplane published: that speaks of its ports, not of ours. Before any worker runs.
    Status prepare();

    /// Runs until `stop` is set, and then gives up what this instance is active for; workers have
    /// to run until it returns.
    void run(const std::atomic<bool>& stop);

    // Parts of a step, see pair::step().
    void hear_peer(Instant now);
    void step_routers(Instant now);
    void follow_peer(Instant now);
    void speak(Instant now);
    void judge(Instant now);

  private:
    void step(Instant now);
    void follow_plan(Instant now);
    bool merge(std::uint64_t plan_generation, Instant now);
    Status publish_nothing();
    void report_unmerged(std::uint64_t plan_generation, const std::string& why, Instant now);
    void follow_vips(const tables::PlanView& plan);
    void follow_digests(const tables::PlanView& plan, std::uint64_t plan_generation);
    void set_vips();
    void follow_roles(Instant now);
    void judge_preemption(Instant now);
    void follow_hold_down();
    void note_loss(Instant now);
    void show_peer();
    void hand_off_all();
    void report(const tables::OrderReport& report, bool is_own);
    pair::Handoff* begin_pair(const Settings& settings);
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
    /// Others take over from who is not heard: long work is no reason for that, and ends no role.
    const std::function<void()> keep_advertising_;
    std::optional<Peer> peer_;
    std::optional<pair::Handoff> handoff_;
    pair::Orders orders_;
    pair::Routers::Numbers group_numbers_{};
    bool is_syncing_said_ = false;
    bool is_held_down_ = false;
    pair::Heartbeat own_;  ///< what it says of itself
    std::vector<Prefix> vips_;
    bool vips_are_set_ = true;  ///< the kernel knows them, too
    CoarseTime remembering_;    ///< the longest of the flows' timeouts
    CoarseTime settled_at_ = 0;
    std::uint64_t merged_ = 0;         ///< the plan generation that is live
    bool merged_is_outdated_ = false;  ///< slots have changed by what the plan says of groups
    std::uint64_t failed_ = 0;  ///< the plan generation that could not be merged, reported once
    std::optional<Instant> failing_since_;
    Instant next_try_;
    std::size_t stalled_ = 0;
    bool busy_ = false;
};

}  // namespace tandem
