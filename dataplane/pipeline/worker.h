// One worker: takes a burst from one queue to its end, then the next. Owns nothing that another
// thread writes; what it shares are its counters and the generation it has adopted.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/pick.h"
#include "dataplane/pipeline/port.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"

namespace tandem::pipeline {

/// How a worker rests without packets: it spins with pauses, then sleeps, each time half as long
/// again as the last time.
struct Rest {
    std::uint32_t spins;
    long sleep_min_ns;
    long sleep_max_ns;  ///< 0: it polls without pause
};

struct WorkerSettings {
    QueueId queue;
    Rest rest;
    std::uint64_t tx_patience_cycles;
    tables::FlowTimeouts timeouts;
};

class Worker {
  public:
    Worker(const WorkerSettings& settings, Ports ports, tables::Region& live,
           tables::FlowMemory& flows, const PairedFlows& paired = {});

    /// Runs until `stop` is set. On a core of its own if there are enough.
    void run(const std::atomic<bool>& stop);

  private:
    bool adopt();
    void share_out_flows();
    void sweep(CoarseTime now);
    bool run_once();
    bool run_port(std::size_t port_index);
    bool send_from_kernel(const Port& port);
    bool send_from_pair(const Port& port);
    void send_out(const Port& port, std::span<rte_mbuf*> frames) const;
    void process(const Port& port, Burst& burst);
    void rest();

    WorkerSettings settings_;
    Ports ports_;
    const tables::Region* region_;
    tables::WorkerCounters* counters_;
    tables::GenerationReader reader_;
    const std::atomic<CoarseTime>* clock_;
    const tables::Roles* roles_;
    tables::LiveView tables_;
    FlowTracker tracker_;
    CoarseTime swept_at_ = 0;
    std::size_t sweep_left_ = 0;  ///< buckets still to be looked at in this second
    std::uint32_t idle_loops_ = 0;
    long sleep_ns_ = 0;  ///< of the next rest
    Burst burst_;
};

}  // namespace tandem::pipeline
