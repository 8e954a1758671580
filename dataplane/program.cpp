#include "dataplane/program.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "conf/command_line.h"
#include "conf/load.h"
#include "dataplane/coarse_clock.h"
#include "dataplane/eal.h"
#include "dataplane/main_core.h"
#include "dataplane/pipeline/worker.h"
#include "dataplane/ports.h"
#include "dataplane/preflight.h"
#include "dataplane/shared_tables.h"
#include "dataplane/telemetry.h"

namespace tandem {
namespace {

constexpr int kControlGraceMs = 2000;  ///< for a control process to hand back tables
constexpr std::uint64_t kTxPatienceUs = 100;

std::atomic<bool> stop{false};
std::atomic<bool> stop_workers{false};  ///< later: the main core has something to say at its end

void on_signal(int /*signal*/) {
    stop.store(true, std::memory_order_relaxed);
}

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGHUP, &action, nullptr);  // a reload is for control
}

/// Before there are threads, for they inherit it. Who forwards packets, and tells another instance
/// so in time, goes before what else runs here; but a worker that is always busy leaves some of its
/// CPU to a health check.
void go_before_others() {
    constexpr int kNice = -10;
    const bool is_chosen = ::getpriority(PRIO_PROCESS, 0) != 0;
    if (!is_chosen && ::setpriority(PRIO_PROCESS, 0, kNice) != 0) {
        spdlog::info("no precedence over other processes: nice {} is not allowed", kNice);
    }
}

int run_worker(void* argument) {
    static_cast<pipeline::Worker*>(argument)->run(stop_workers);
    return 0;
}

void describe(tables::LiveFixed& fixed, const OpenPorts& ports, std::uint16_t workers) {
    fixed.now = coarse_now();  // before any worker asks how old a flow is
    fixed.dataplane_pid = ::getpid();
    fixed.worker_count = workers;
    fixed.port_count = static_cast<std::uint32_t>(ports.infos().size());
    std::ranges::copy(ports.infos(), fixed.ports.begin());
}

void log_counters(SharedTables& shared) {
    for (std::uint32_t i = 0; i < shared.fixed().worker_count; ++i) {
        const tables::WorkerCounters& counters = shared.fixed().counters[i];
        std::string line = fmt::format("worker {}: received {}", i, counters.received.load());
        for (std::size_t verdict = 0; verdict < kVerdictCount; ++verdict) {
            if (counters.verdicts[verdict] == 0) continue;
            line +=
                fmt::format(", {} {}", kVerdictNames[verdict], counters.verdicts[verdict].load());
        }
        spdlog::info("{}", line);
    }
}

/// Everything between DPDK's start and its end.
Status serve(const conf::Config& config, const EalPlan& plan, SharedTables& shared) {
    Result<OpenPorts> ports = OpenPorts::open(config, plan.workers, plan.mbuf_count);
    if (!ports) return ports.error();
    const auto fill = [&](tables::LiveFixed& fixed) {
        describe(fixed, ports.value(), plan.workers);
    };
    const SharedTables::Wanted wanted{.workers = plan.workers,
                                      .flows_per_worker = config.flows.per_worker,
                                      .huge_pages = plan.huge_pages};
    if (Status status = shared.obtain_regions(kControlGraceMs, wanted, fill); !status) {
        return status;
    }
    if (plan.workers > 1) ports.value().set_rss_key(shared.flows().rss_key());
    const tables::FlowTimeouts timeouts = timeouts_of(config.flows);
    const Telemetry telemetry(shared.live(), shared.flows());
    shared.fixed().peer.reset();  // an earlier process may have left what it knew
    std::optional<PairedTables> paired;
    std::optional<MainCore::Peer> peer;
    if (config.pair) {
        Result<PeerLink> link = PeerLink::open(*config.pair, shared.fixed().peer);
        if (!link) return link.error();
        paired.emplace(shared.flows(), shared.fixed());
        peer.emplace(MainCore::Peer{std::move(link.value()), *paired,
                                    pair::PreemptionGate(config.pair->sync_timeout),
                                    pair::HoldDown({.most = config.pair->hold_down_max})});
    }
    MainCore main_core(shared, ports.value(),
                       {.timeouts = timeouts, .stall_limit = config.dataplane.stall_limit},
                       std::move(peer));
    if (Status status = main_core.prepare(); !status) return status;

    std::deque<pipeline::Worker> workers;
    const std::uint64_t patience = rte_get_tsc_hz() / 1'000'000 * kTxPatienceUs;
    for (std::uint16_t i = 0; i < plan.workers; ++i) {
        workers.emplace_back(pipeline::WorkerSettings{.queue = {i},
                                                      .rest = rest_of(config.dataplane.poll),
                                                      .tx_patience_cycles = patience,
                                                      .timeouts = timeouts},
                             ports.value().ports(), shared.live(), shared.flows(),
                             paired ? paired->of_worker(i) : pipeline::PairedFlows{});
        if (rte_eal_remote_launch(run_worker, &workers.back(), i + 1U) == 0) continue;
        stop_workers.store(true, std::memory_order_relaxed);
        rte_eal_mp_wait_lcore();
        return Error{
            fmt::format("worker {} does not start: DPDK has no thread {} (do "
                        "dataplane.eal_args change the threads?)",
                        i, i + 1)};
    }
    spdlog::info("tandem-dataplane runs: {} port{}, {} worker{}, tables shared at {}",
                 config.ports.size(), config.ports.size() == 1 ? "" : "s", plan.workers,
                 plan.workers == 1 ? "" : "s", config.dataplane.socket);
    main_core.run(stop);
    stop_workers.store(true, std::memory_order_relaxed);
    rte_eal_mp_wait_lcore();
    log_counters(shared);
    return Nothing{};
}

Status run(const conf::Config& config) {
    if (Status status = preflight(config); !status) return status;
    Result<SharedTables> shared = SharedTables::listen(config);
    if (!shared) return shared.error();

    std::vector<FileDescriptor> xdp_objects;
    std::vector<std::string> xdp_paths;
    for (const conf::Port& port : config.ports) {
        xdp_paths.emplace_back();
        if (port.driver != conf::Driver::kAfXdp) continue;
        if (Status status = pipeline::VipFilter::remove_stale_xdp(port.device_name); !status) {
            return Error{"port " + port.name + ": " + status.error().message};
        }
        Result<int> object = pipeline::VipFilter::xdp_object_fd();
        if (!object) return object.error();
        xdp_objects.emplace_back(object.value());
        xdp_paths.back() = "/proc/self/fd/" + std::to_string(object.value());
    }
    Result<EalPlan> plan = plan_eal(config, this_machine(), xdp_paths);
    if (!plan) return plan.error();
    spdlog::info("{}", plan.value().summary);
    // DPDK keeps its telemetry socket where our own is.
    const std::filesystem::path socket(config.dataplane.socket);
    ::setenv("RUNTIME_DIRECTORY", socket.parent_path().c_str(), 1);
    if (Status status = start_eal(plan.value()); !status) return status;
    Status status = serve(config, plan.value(), shared.value());
    rte_eal_cleanup();
    return status;
}

}  // namespace

/// A queue of 1024 is full after 70 us of the smallest frames at 10 Gbit/s: an adaptive worker is
/// awake before that. A relaxed one need not be; it leaves its CPU to others as soon as it can.
pipeline::Rest rest_of(conf::Poll poll) {
    switch (poll) {
        case conf::Poll::kAdaptive:
            return {.spins = 256, .sleep_min_ns = 1'000, .sleep_max_ns = 50'000};
        case conf::Poll::kRelaxed:
            return {.spins = 8, .sleep_min_ns = 50'000, .sleep_max_ns = 1'000'000};
        case conf::Poll::kBusy:
            break;
    }
    return {};
}

tables::FlowTimeouts timeouts_of(const conf::Flows& flows) {
    using tables::FlowState;
    tables::FlowTimeouts timeouts;
    const auto set = [&](FlowState state, std::chrono::milliseconds idle) {
        timeouts.idle_s[static_cast<std::size_t>(state)] =
            static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::seconds>(idle).count());
    };
    set(FlowState::kOpening, flows.opening);
    set(FlowState::kDoubtful, flows.established);
    set(FlowState::kEstablished, flows.established);
    set(FlowState::kClosing, flows.closing);
    set(FlowState::kUdpNew, flows.udp);
    set(FlowState::kUdp, flows.udp);
    return timeouts;
}

int run_dataplane(int argc, char** argv) {
    const conf::CommandLine command_line = conf::read_command_line(
        argc, argv, "Tandem's dataplane: polls the ports and forwards packets to backends.",
        /*can_check=*/false);
    if (command_line.exit_code) return *command_line.exit_code;
    const conf::Loaded loaded = conf::load_file(command_line.config);
    for (const conf::Diagnostic& diagnostic : loaded.diagnostics) {
        std::cerr << diagnostic.str() << '\n';
    }
    if (!loaded.config) return 1;
    conf::log_to_stderr("dataplane", loaded.config->control.log_level);

    catch_signals();
    go_before_others();
    const Status status = run(*loaded.config);
    if (status) return 0;
    spdlog::error("{}", status.error().message);
    return 1;
}

}  // namespace tandem
