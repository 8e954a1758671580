#include "dataplane/main_core.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <poll.h>
#include <spdlog/spdlog.h>

namespace tandem {

namespace {
constexpr int kTickMs = 1;
}  // namespace

MainCore::MainCore(SharedTables& shared, OpenPorts& ports)
    : shared_(shared),
      ports_(ports),
      plan_reader_(shared.plan().header().generations, shared.fixed().plan_reader),
      live_(shared.live(), shared.fixed().worker_readers),
      merger_(live_, ports.infos()) {}

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
    for (const int fd : shared_.descriptors()) wake[count++] = {fd, POLLIN, 0};
    for (const KernelTwin& twin : ports_.twins()) wake[count++] = {twin.fd(), POLLIN, 0};
    ::poll(wake.data(), count, kTickMs);
}

void MainCore::step(Instant now) {
    shared_.serve();
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
        merger_.merge(shared_.plan(), *plan, plan_generation);
    if (!references) {
        if (failed_ != plan_generation) spdlog::error("{}", references.error().message);
        failed_ = plan_generation;
        return false;
    }
    if (!plan_reader_.still_intact()) {  // we slept while control reused it: read the newest
        merger_.published(false);
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
