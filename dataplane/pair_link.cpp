#include "dataplane/pair_link.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <spdlog/spdlog.h>
#include <thread>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

namespace tandem {

namespace {

constexpr Duration kLinkInterval = std::chrono::milliseconds(20);
constexpr unsigned kFramesAtOnce = 32;
constexpr std::uint32_t kFrameBytesMax = 9216;
constexpr unsigned kRoundsMax = 8;  ///< of a port, at a step: others wait for the main core, too

std::string_view name_of(pair::Role role) {
    switch (role) {
        case pair::Role::kInitialize:
            return "stopped";
        case pair::Role::kBackup:
            return "backup";
        case pair::Role::kActive:
            return "active";
    }
    return "";
}

rte_mbuf* mbuf_of(std::span<const std::uint8_t> frame, rte_mempool* memory) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(memory);
    if (mbuf == nullptr) return nullptr;
    char* at = rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(frame.size()));
    if (at == nullptr) {
        rte_pktmbuf_free(mbuf);
        return nullptr;
    }
    std::ranges::copy(frame, reinterpret_cast<std::uint8_t*>(at));
    return mbuf;
}

}  // namespace

bool WorkerWatch::all_run(std::span<const tables::WorkerCounters> workers, Instant now) {
    const Duration passed = looked_at_ ? now - *looked_at_ : Duration{};
    looked_at_ = now;
    bool all = true;
    for (std::size_t i = 0; i < std::min(workers.size(), seen_.size()); ++i) {
        const std::uint64_t loops = workers[i].loops.load(std::memory_order_relaxed);
        // Whoever looks after a long time cannot tell who was stopped: it was, too.
        const bool counts = loops == seen_[i].loops && passed < limit_;
        seen_[i].still = counts ? seen_[i].still + passed : Duration{};
        seen_[i].loops = loops;
        all &= seen_[i].still < limit_;
    }
    return all;
}

PairLink::PairLink(tables::LiveFixed& fixed, OpenPorts& ports, Duration stall_limit)
    : fixed_(fixed),
      ports_(ports),
      routers_(fixed.roles, ports.infos()),
      stall_limit_(stall_limit),
      watch_(fixed.worker_count, stall_limit) {}

pair::Routers::Numbers PairLink::follow(std::span<const tables::PlanGroup> groups,
                                        std::span<const tables::PlanVip> vips, Instant now) {
    const pair::Routers::Numbers numbers = routers_.follow(groups, vips, now);
    for (const tables::PlanGroup& group : groups) {
        if (group.has_virtual_mac == 0 || group.port >= ports_.infos().size()) continue;
        ports_.take_mac(group.port, virtual_mac(group.router_id, true));
        ports_.take_mac(group.port, virtual_mac(group.router_id, false));
    }
    speak(routers_.take_ready_frames());
    report();
    return numbers;
}

void PairLink::step(Instant now, const std::function<void()>& on_roles) {
    routers_.wake(now);
    hear(now);
    look_at_evidence(now);
    routers_.on_time(now);
    if (report()) on_roles();
    speak(routers_.take_frames());
    show_counts();
}

void PairLink::keep_advertising(Instant now) {
    routers_.keep_active(now);
    speak(routers_.take_ready_frames());
}

void PairLink::show_counts() {
    const pair::AdvertCounts& counts = routers_.counts();
    tables::AdvertCounters& shown = fixed_.adverts;
    shown.sent.store(counts.sent, std::memory_order_relaxed);
    shown.taken.store(counts.taken, std::memory_order_relaxed);
    shown.unknown.store(counts.unknown, std::memory_order_relaxed);
    shown.own.store(counts.own, std::memory_order_relaxed);
    shown.mismatch.store(counts.mismatch, std::memory_order_relaxed);
    shown.malformed.store(
        std::accumulate(counts.faults.begin(), counts.faults.end(), std::uint64_t{0}),
        std::memory_order_relaxed);
}

void PairLink::stop(Instant now) {
    const Duration late = routers_.stop(now);
    speak(routers_.take_frames());
    report();
    std::this_thread::sleep_for(late);
}

void PairLink::hear(Instant now) {
    for (std::size_t i = 0; i < ports_.ports().size(); ++i) {
        std::array<void*, kFramesAtOnce> mbufs;
        unsigned count = 0;
        unsigned rounds = 0;
        do {
            count = rte_ring_dequeue_burst(ports_.ports()[i].to_pair, mbufs.data(), kFramesAtOnce,
                                           nullptr);
            for (unsigned k = 0; k < count; ++k) {
                auto* mbuf = static_cast<rte_mbuf*>(mbufs[k]);
                // One of another vendor's may take more than one buffer.
                std::array<std::uint8_t, kFrameBytesMax> buffer;
                const std::uint32_t length = std::min(rte_pktmbuf_pkt_len(mbuf), kFrameBytesMax);
                const auto* frame = static_cast<const std::uint8_t*>(
                    rte_pktmbuf_read(mbuf, 0, length, buffer.data()));
                routers_.on_frame(static_cast<std::uint8_t>(i), {frame, length}, now);
                rte_pktmbuf_free(mbuf);
            }
        } while (count == kFramesAtOnce && ++rounds < kRoundsMax);
    }
}

/// By worker 0: while it stands still, nothing is said, and later only what is still so.
void PairLink::speak(const std::vector<pair::Routers::Frame>& frames) {
    const auto cycles = [](Duration duration) {
        const double seconds = std::chrono::duration<double>(duration).count();
        return static_cast<std::uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
    };
    for (const pair::Routers::Frame& frame : frames) {
        rte_mbuf* mbuf = mbuf_of(frame.bytes, ports_.memory());
        if (mbuf == nullptr) continue;
        pipeline::PairFrame said{mbuf, rte_rdtsc() + cycles(frame.good_for)};
        rte_ring* ring = ports_.ports()[frame.port].from_pair;
        if (rte_ring_enqueue_elem(ring, &said, sizeof(said)) != 0) rte_pktmbuf_free(mbuf);
    }
}

void PairLink::look_at_evidence(Instant now) {
    const auto workers = std::span(fixed_.counters).first(fixed_.worker_count);
    const bool run = watch_.all_run(workers, now);
    if (routers_.set_workers_run(run, now)) {
        if (run) {
            spdlog::info("workers run again: this instance may claim groups");
        } else {
            spdlog::error(
                "a worker has not passed its loop for {} ms: no group is claimed",
                std::chrono::duration_cast<std::chrono::milliseconds>(stall_limit_).count());
        }
    }
    if (now - links_looked_at_ < kLinkInterval) return;
    links_looked_at_ = now;
    for (std::size_t i = 0; i < ports_.ports().size(); ++i) {
        const bool is_up = ports_.has_link(i);
        if (!routers_.set_port_up(static_cast<std::uint8_t>(i), is_up, now)) continue;
        if (is_up) {
            spdlog::info("port {}: it has a link again", ports_.infos()[i].name.view());
        } else {
            spdlog::error("port {}: it has no link: its groups are not claimed",
                          ports_.infos()[i].name.view());
        }
    }
}

/// Whether there was anything.
bool PairLink::report() {
    bool any = false;
    for (const pair::Routers::RoleChange& change : routers_.take_changes()) {
        spdlog::info("group {}: {} for IPv{}", change.group, name_of(change.role),
                     change.is_v4 ? 4 : 6);
        any = true;
    }
    return any;
}

}  // namespace tandem
