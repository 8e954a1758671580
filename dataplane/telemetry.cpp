#include "dataplane/telemetry.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <mutex>
#include <ranges>
#include <string>

#include <rte_telemetry.h>

namespace tandem {

namespace {

// DPDK's callbacks carry no context, and its thread goes on when everything else is taken down.
std::mutex guard;
const tables::Region* live_region = nullptr;
const tables::FlowMemory* flow_memory = nullptr;

const tables::LiveFixed& fixed() {
    return *reinterpret_cast<const tables::LiveFixed*>(live_region->fixed());
}

/// Those that are asked for: one by its number, or all of `count` without one. Empty: there is no
/// such worker.
std::ranges::iota_view<std::uint32_t, std::uint32_t> workers(const char* parameters,
                                                             std::uint32_t count) {
    if (parameters == nullptr || *parameters == '\0') return {0, count};
    std::uint32_t number = 0;
    const char* end = parameters + std::strlen(parameters);
    const auto [stopped, error] = std::from_chars(parameters, end, number);
    if (error != std::errc{} || stopped != end || number >= count) return {0, 0};
    return {number, number + 1};
}

int counters(const char* /*command*/, const char* parameters, rte_tel_data* answer) {
    const std::lock_guard lock(guard);
    if (live_region == nullptr) return -1;
    using tables::WorkerCounters;
    const auto asked =
        workers(parameters, std::min<std::uint32_t>(fixed().worker_count, tables::kWorkersMax));
    if (asked.empty()) return -1;
    rte_tel_data_start_dict(answer);
    const auto put = [&](std::string_view name, auto&& counter) {
        std::uint64_t sum = 0;
        for (const std::uint32_t worker : asked) {
            sum += counter(fixed().counters[worker]).load(std::memory_order_relaxed);
        }
        rte_tel_data_add_dict_u64(answer, std::string(name).c_str(), sum);
    };
    put(
        "received", [](const WorkerCounters& worker) -> auto& { return worker.received; });
    put(
        "received_bytes",
        [](const WorkerCounters& worker) -> auto& { return worker.received_bytes; });
    put(
        "loops", [](const WorkerCounters& worker) -> auto& { return worker.loops; });
    put(
        "busy_loops", [](const WorkerCounters& worker) -> auto& { return worker.busy_loops; });
    for (std::size_t i = 0; i < kVerdictCount; ++i) {
        put(
            kVerdictNames[i], [i](const WorkerCounters& worker) -> auto& {
                return worker.verdicts[i];
            });
    }
    return 0;
}

int state(const char* /*command*/, const char* /*parameters*/, rte_tel_data* answer) {
    const std::lock_guard lock(guard);
    if (live_region == nullptr) return -1;
    rte_tel_data_start_dict(answer);
    rte_tel_data_add_dict_u64(answer, "live_generation",
                              live_region->header().generations.published.load());
    rte_tel_data_add_dict_u64(answer, "plan_generation", fixed().plan_reader.adopted.load());
    rte_tel_data_add_dict_u64(answer, "workers", fixed().worker_count);
    rte_tel_data_add_dict_u64(answer, "ports", fixed().port_count);
    return 0;
}

int adverts(const char* /*command*/, const char* /*parameters*/, rte_tel_data* answer) {
    const std::lock_guard lock(guard);
    if (live_region == nullptr) return -1;
    const tables::AdvertCounters& counters = fixed().adverts;
    rte_tel_data_start_dict(answer);
    rte_tel_data_add_dict_u64(answer, "sent", counters.sent);
    rte_tel_data_add_dict_u64(answer, "taken", counters.taken);
    rte_tel_data_add_dict_u64(answer, "unknown", counters.unknown);
    rte_tel_data_add_dict_u64(answer, "own", counters.own);
    rte_tel_data_add_dict_u64(answer, "mismatch", counters.mismatch);
    rte_tel_data_add_dict_u64(answer, "malformed", counters.malformed);
    return 0;
}

int peer(const char* /*command*/, const char* /*parameters*/, rte_tel_data* answer) {
    const std::lock_guard lock(guard);
    if (live_region == nullptr) return -1;
    const tables::PeerState& state = fixed().peer;
    rte_tel_data_start_dict(answer);
    const auto put = [&](const char* name, std::uint64_t value) {
        rte_tel_data_add_dict_u64(answer, name, value);
    };
    put("configured", state.is_configured ? 1 : 0);
    put("alive", state.is_alive ? 1 : 0);
    put("same_tables", state.has_same_tables ? 1 : 0);
    put("phi_milli", state.phi_milli);
    put("sent", state.sent);
    put("heard", state.heard);
    put("refused", state.refused);
    put("unsuited", state.unsuited);
    put("deaths", state.deaths);
    put("syncing", state.is_syncing ? 1 : 0);
    put("held_down", state.is_held_down ? 1 : 0);
    put("losses", state.losses);
    put("caught_up", state.is_caught_up ? 1 : 0);
    put("has_told_all", state.has_told_all ? 1 : 0);
    put("tellings", state.tellings);
    put("overflows", state.overflows);
    put("records", state.records);
    put("sent_bytes", state.sent_bytes);
    put("stream_bytes", state.stream_bytes);
    put("uncommitted", state.uncommitted);
    put("differences", state.differences);
    put("flows", state.flows);
    put("drills", state.drills);
    put("drill_gap_us", state.drill_gap_us);
    return 0;
}

int flows(const char* /*command*/, const char* parameters, rte_tel_data* answer) {
    const std::lock_guard lock(guard);
    if (live_region == nullptr) return -1;
    using tables::FlowStatistics;
    const auto asked = workers(parameters, flow_memory->workers());
    if (asked.empty()) return -1;
    rte_tel_data_start_dict(answer);
    const auto put = [&](const char* name, auto&& counter) {
        std::uint64_t sum = 0;
        for (const std::uint32_t worker : asked) {
            sum += counter(flow_memory->statistics(worker)).load(std::memory_order_relaxed);
        }
        rte_tel_data_add_dict_u64(answer, name, sum);
    };
    constexpr std::array kStates{"opening", "doubtful", "established", "closing", "udp_new", "udp"};
    static_assert(kStates.size() == tables::kFlowStateCount);
    for (std::size_t i = 0; i < kStates.size(); ++i) {
        put(
            kStates[i], [i](const FlowStatistics& all) -> auto& { return all.entries[i]; });
    }
    put(
        "lookups", [](const FlowStatistics& all) -> auto& { return all.lookups; });
    put(
        "missed", [](const FlowStatistics& all) -> auto& { return all.missed; });
    put(
        "inserted", [](const FlowStatistics& all) -> auto& { return all.inserted; });
    put(
        "adopted", [](const FlowStatistics& all) -> auto& { return all.adopted; });
    put(
        "refreshed", [](const FlowStatistics& all) -> auto& { return all.refreshed; });
    put(
        "rewritten", [](const FlowStatistics& all) -> auto& { return all.rewritten; });
    put(
        "expired", [](const FlowStatistics& all) -> auto& { return all.expired; });
    put(
        "evicted_full", [](const FlowStatistics& all) -> auto& { return all.evicted_full; });
    put(
        "evicted_budget", [](const FlowStatistics& all) -> auto& { return all.evicted_budget; });
    put(
        "relocated", [](const FlowStatistics& all) -> auto& { return all.relocated; });
    put(
        "refused_full", [](const FlowStatistics& all) -> auto& { return all.refused_full; });
    put(
        "refused_budget", [](const FlowStatistics& all) -> auto& { return all.refused_budget; });
    return 0;
}

}  // namespace

Telemetry::Telemetry(const tables::Region& live, const tables::FlowMemory& memory) {
    {
        const std::lock_guard lock(guard);
        live_region = &live;
        flow_memory = &memory;
    }
    rte_telemetry_register_cmd("/tandem/flows", flows,
                               "Remembered flows by state, and what became of others. Takes the "
                               "number of a worker; without one: over all workers");
    rte_telemetry_register_cmd("/tandem/adverts", adverts,
                               "Advertisements of virtual routers. Takes no parameters");
    rte_telemetry_register_cmd("/tandem/peer", peer,
                               "The other instance, as heartbeats say. Takes no parameters");
    rte_telemetry_register_cmd("/tandem/counters", counters,
                               "Packets by verdict. Takes the number of a worker; without one: "
                               "over all workers");
    rte_telemetry_register_cmd("/tandem/state", state,
                               "Generations, workers, ports. Takes no parameters");
}

Telemetry::~Telemetry() {
    const std::lock_guard lock(guard);
    live_region = nullptr;
    flow_memory = nullptr;
}

}  // namespace tandem
