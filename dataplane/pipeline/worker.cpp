#include "dataplane/pipeline/worker.h"

#include <algorithm>
#include <ctime>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "dataplane/pipeline/answer.h"
#include "dataplane/pipeline/classify.h"
#include "dataplane/pipeline/dissect.h"
#include "dataplane/pipeline/forward.h"
#include "dataplane/pipeline/pick.h"
#include "dataplane/pipeline/punt.h"
#include "dataplane/pipeline/receive.h"
#include "dataplane/pipeline/release.h"
#include "dataplane/pipeline/send.h"
#include "dataplane/pipeline/spare_room.h"

namespace tandem::pipeline {

namespace {

constexpr std::size_t kSweepSeconds = 30;
constexpr std::size_t kSweepBuckets = 16;  ///< about as long as a packet takes

tables::LiveFixed& fixed_of(tables::Region& live) {
    return *reinterpret_cast<tables::LiveFixed*>(live.fixed());
}

}  // namespace

Worker::Worker(const WorkerSettings& settings, Ports ports, tables::Region& live,
               tables::FlowMemory& flows, const PairedFlows& paired)
    : settings_(settings),
      ports_(ports),
      region_(&live),
      counters_(&fixed_of(live).counters[settings.queue.value]),
      reader_(live.header().generations, fixed_of(live).worker_readers[settings.queue.value]),
      clock_(&fixed_of(live).now),
      roles_(&fixed_of(live).roles),
      tracker_(flows, settings.queue.value, settings.timeouts, paired) {
    tracker_.roles = roles_;
}

void Worker::run(const std::atomic<bool>& stop) {
    reader_.join();
    // Or the kernel adds 50 us to every sleep, to wake up for several things at once.
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    while (!stop.load(std::memory_order_relaxed)) {
        tables::add(counters_->loops, 1);
        if (run_once()) {
            tables::add(counters_->busy_loops, 1);
            idle_loops_ = 0;
        } else if (settings_.rest.sleep_max_ns > 0) {
            rest();
        }
    }
    reader_.leave();
}

void Worker::rest() {
    if (++idle_loops_ <= settings_.rest.spins) {
        sleep_ns_ = settings_.rest.sleep_min_ns;
        rte_pause();
        return;
    }
    const timespec duration{0, sleep_ns_};
    ::nanosleep(&duration, nullptr);
    sleep_ns_ = std::min(sleep_ns_ + sleep_ns_ / 2, settings_.rest.sleep_max_ns);
}

/// One generation for the whole burst. True once there is any.
bool Worker::adopt() {
    const std::uint64_t generation = reader_.adopt();
    if (generation != tables_.generation()) [[unlikely]] {
        if (tables_.open(*region_, generation)) share_out_flows();
        return tables_.generation() != 0;
    }
    return generation != 0;
}

/// How many of this worker's flows each pool may have.
void Worker::share_out_flows() {
    const std::uint64_t places = tracker_.table.bucket_count() * tables::FlowBucket::kPlaces;
    std::vector<std::uint32_t> budgets;
    for (const tables::LiveView::Pool& pool : tables_.pools()) {
        budgets.push_back(static_cast<std::uint32_t>(places * pool.flow_budget_percent / 100));
    }
    std::vector<std::uint16_t> pool_of;
    for (const tables::LiveBackend& backend : tables_.backends()) pool_of.push_back(backend.pool);
    tracker_.table.set_pools(std::move(pool_of), std::move(budgets));
    std::vector<tables::FlowTable::Void> voids;
    for (const tables::LiveView::Pool& pool : tables_.pools()) {
        if (pool.void_before != 0) voids.push_back({pool.domain, pool.void_before});
    }
    tracker_.table.set_void(std::move(voids));
}

/// Looks for flows that are idle, a few buckets a loop and all of them in kSweepSeconds.
void Worker::sweep(CoarseTime now) {
    // What is void by now is known before any flow is told of.
    if (tracker_.table.begins_to_answer()) adopt();
    tracker_.table.answer_journal(now, kSweepBuckets);
    if (now != swept_at_) {
        swept_at_ = now;
        sweep_left_ = tracker_.table.bucket_count() / kSweepSeconds + 1;
    }
    if (sweep_left_ == 0) return;
    const std::size_t count = std::min(sweep_left_, kSweepBuckets);
    tracker_.table.sweep(now, count);
    sweep_left_ -= count;
}

bool Worker::run_once() {
    const CoarseTime now = clock_->load(std::memory_order_relaxed);
    sweep(now);
    tracker_.now = now;
    bool found = false;
    for (std::size_t i = 0; i < ports_.size(); ++i) found |= run_port(i);
    return found;
}

bool Worker::run_port(std::size_t port_index) {
    const Port& port = ports_[port_index];
    bool found = false;
    if (settings_.queue.value == 0) {
        found |= send_from_pair(port);
        found |= send_from_kernel(port);
    }
    if (port.is_replay && !adopt()) return found;

    burst_.reset(static_cast<std::uint8_t>(port_index));
    const std::uint64_t bytes = receive(port, settings_.queue, burst_);
    // Now and not before: what was sent above may have drawn these packets here, and was said when
    // the tables for them had been made.
    adopt();
    const std::size_t received = burst_.packets().size() + burst_.departed().size();
    if (received == 0) return found;
    tables::add(counters_->received, received);
    tables::add(counters_->received_bytes, bytes);
    process(port, burst_);
    return true;
}

void Worker::process(const Port& port, Burst& burst) {
    forbid_spare_room(burst);
    dissect(burst);
    if (classify(tables_.vips(), *roles_, port.mac, burst)) [[unlikely]]
        answer(port.mac, *roles_, burst);
    pick(tables_, tracker_, burst);
    forward(tables_.backends(), burst);
    // A worker that was stopped for seconds may have read what has been reused since.
    if (!reader_.still_intact()) [[unlikely]]
        burst.depart_all(Verdict::kStaleTables);
    allow_spare_room(burst);
    send(ports_, settings_.queue, settings_.tx_patience_cycles, burst);
    punt(port, burst);
    release(burst, *counters_);
}

/// What the kernel sends through its twin goes out as it is.
bool Worker::send_from_kernel(const Port& port) {
    if (port.from_kernel == nullptr) return false;
    std::array<void*, Burst::kCapacity> mbufs;
    const unsigned count =
        rte_ring_dequeue_burst(port.from_kernel, mbufs.data(), mbufs.size(), nullptr);
    if (count == 0) return false;
    send_out(port, std::span(reinterpret_cast<rte_mbuf**>(mbufs.data()), count));
    return true;
}

/// What the main core says to other instances, unless this worker was stopped meanwhile: another
/// instance may be active by now, and an old claim would silence it.
bool Worker::send_from_pair(const Port& port) {
    if (port.from_pair == nullptr) return false;
    std::array<PairFrame, Burst::kCapacity> waiting;
    const unsigned count = rte_ring_dequeue_burst_elem(port.from_pair, waiting.data(),
                                                       sizeof(PairFrame), waiting.size(), nullptr);
    if (count == 0) return false;
    const std::uint64_t now = rte_rdtsc();
    std::array<rte_mbuf*, Burst::kCapacity> mbufs;
    std::size_t good = 0;
    for (const PairFrame& frame : std::span(waiting).first(count)) {
        if (now <= frame.good_until) {
            mbufs[good++] = frame.mbuf;
        } else {
            rte_pktmbuf_free(frame.mbuf);
        }
    }
    send_out(port, std::span(mbufs).first(good));
    return true;
}

/// Not part of the count of received packets: it did not come from the wire.
void Worker::send_out(const Port& port, std::span<rte_mbuf*> frames) const {
    const auto count = static_cast<std::uint16_t>(frames.size());
    const std::uint16_t sent =
        rte_eth_tx_burst(port.dpdk_port, settings_.queue.value, frames.data(), count);
    if (sent < count) rte_pktmbuf_free_bulk(frames.data() + sent, count - sent);
}

}  // namespace tandem::pipeline
