#include "dataplane/main_core.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <poll.h>
#include <spdlog/spdlog.h>

#include "dataplane/coarse_clock.h"

namespace tandem {

namespace {
constexpr int kTickMs = 1;
}  // namespace

MainCore::MainCore(SharedTables& shared, OpenPorts& ports, const tables::FlowTimeouts& timeouts)
    : shared_(shared),
      ports_(ports),
      plan_reader_(shared.plan().header().generations, shared.fixed().plan_reader),
      live_(shared.live(), shared.fixed().worker_readers),
      merger_(shared.live(), live_, ports.infos()),
      remembering_(std::ranges::max(timeouts.idle_s)) {}

void MainCore::run(const std::atomic<bool>& stop) {
    plan_reader_.join();
    while (!stop.load(std::memory_order_relaxed)) {
        wait();
        step(std::chrono::steady_clock::now());
    }
    plan_reader_.leave();
}

/// Sleeps until something happens, but at most a tick: workers and control do not ring.
void MainCore::wait() const {
    if (busy_) return;
    std::array<pollfd, 2 + tables::kPortsMax> wake;
    nfds_t count = 0;
    for (const pollfd& descriptor : shared_.descriptors()) wake[count++] = descriptor;
    for (const KernelTwin& twin : ports_.twins()) wake[count++] = {twin.fd(), POLLIN, 0};
    ::poll(wake.data(), count, kTickMs);
}

void MainCore::step(Instant now) {
    const CoarseTime coarse = coarse_now();
    shared_.fixed().now.store(coarse, std::memory_order_relaxed);
    shared_.flows().alive_at().store(coarse, std::memory_order_relaxed);
    shared_.serve(now);
    if (coarse != settled_at_) let_slots_settle(coarse);
    follow_plan(now);
    busy_ = false;
    for (KernelTwin& twin : ports_.twins()) busy_ |= twin.carry();
}

void MainCore::follow_plan(Instant now) {
    const std::uint64_t generation = plan_reader_.adopt();
    if (generation != merged_ && merge(generation)) merged_ = generation;
    report_stalled(live_.collect(now));
}

bool MainCore::merge(std::uint64_t plan_generation) {
    const std::optional<tables::PlanView> plan =
        tables::PlanView::open(shared_.plan(), plan_generation);
    if (!plan) return false;
    Result<std::vector<tables::BlockRef>> references =
        merger_.merge(shared_.plan(), *plan, plan_generation, coarse_now(),
                      [&] { return plan_reader_.still_intact(); });
    if (!references) {
        if (failed_ != plan_generation) spdlog::error("{}", references.error().message);
        failed_ = plan_generation;
        return false;
    }
    // The kernel is to leave a VIP's packets alone before workers take them, not after.
    set_vips(*plan);
    const Result<std::uint64_t> published = live_.publish(std::move(references.value()));
    merger_.published(published.has_value());
    if (!published) return false;  // a worker holds the last root; it is asked again next time
    spdlog::debug("plan {} is live as generation {}", plan_generation, published.value());
    return true;
}

/// Once a second: transitions end, and what is left of backends' flows is counted.
void MainCore::let_slots_settle(CoarseTime now) {
    settled_at_ = now;
    const auto last_use = [&](std::uint64_t pool, std::uint32_t slot) {
        CoarseTime latest = 0;
        for (std::uint32_t i = 0; i < shared_.flows().workers(); ++i) {
            latest = std::max(latest, shared_.flows().slot_use(i).last(pool, slot));
        }
        return latest;
    };
    if (merger_.settle(now, remembering_, last_use)) merged_ = 0;
    const std::optional<tables::PlanView> plan =
        tables::PlanView::open(shared_.plan(), plan_reader_.adopted());
    if (plan) count_flows(*plan, now);
}

void MainCore::count_flows(const tables::PlanView& plan, CoarseTime now) {
    const std::vector<std::uint32_t> waiting = merger_.waiting_by_backend(plan.backends.size());
    for (std::size_t i = 1; i < plan.backends.size(); ++i) {
        std::uint32_t flows = 0;
        for (std::uint32_t worker = 0; worker < shared_.flows().workers(); ++worker) {
            flows += shared_.flows().flows_of(worker)[i].load(std::memory_order_relaxed);
        }
        tables::BackendFlows& record = shared_.fixed().backend_flows[i];
        record.remembered.store(flows, std::memory_order_relaxed);
        record.waiting.store(waiting[i], std::memory_order_relaxed);
        const bool is_draining = plan.backends[i].is_draining != 0;
        if (!is_draining) {
            record.draining_since.store(0, std::memory_order_relaxed);
        } else if (record.draining_since.load(std::memory_order_relaxed) == 0) {
            record.draining_since.store(now, std::memory_order_relaxed);
        }
    }
}

void MainCore::set_vips(const tables::PlanView& plan) {
    std::vector<Prefix> vips;
    for (const tables::PlanVip& vip : plan.vips) vips.push_back({vip.address, vip.prefix_length});
    std::ranges::sort(vips);
    vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
    if (vips == vips_) return;
    ports_.set_vips(vips);
    vips_ = std::move(vips);
}

void MainCore::report_stalled(std::size_t stalled) {
    if (stalled == stalled_) return;
    if (stalled > stalled_) {
        spdlog::error(
            "{} worker{} did not take new tables for {} s: stopped, or starved of CPU", stalled,
            stalled == 1 ? "" : "s",
            std::chrono::duration_cast<std::chrono::seconds>(tables::kReaderStallLimit).count());
    } else {
        spdlog::info("workers take new tables again");
    }
    stalled_ = stalled;
}

}  // namespace tandem
