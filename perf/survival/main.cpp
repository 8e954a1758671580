// perf_survival: runs one trace and prints what became of its connections as JSON. perf/run
// survival calls it, and says what the figures mean.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "dataplane/tables/flow_memory.h"
#include "perf/survival/full_tracking.h"
#include "perf/survival/maglev_only.h"
#include "perf/survival/tandem_tracking.h"
#include "perf/survival/trace.h"

namespace {

using namespace tandem;
using namespace tandem::survival;

/// Flow tables as configured by default, and in a thirty-second of that memory.
constexpr std::array<std::uint64_t, 2> kFlows{1'000'000, 50'000};
constexpr std::array<const char*, 2> kPrefixes{"", "small_"};

tables::FlowMemory flow_memory(std::uint64_t flows) {
    Result<tables::FlowMemory> memory =
        tables::FlowMemory::create(1, flows, tables::Pages::kNormal);
    if (memory) return std::move(memory.value());
    std::fprintf(stderr, "perf_survival: %s\n", memory.error().message.c_str());
    std::exit(1);
}

void print(const std::string& name, std::uint64_t value) {
    std::printf("\"%s\": %llu,\n", name.c_str(), static_cast<unsigned long long>(value));
}

void print(const std::string& name, const Outcome& outcome, const TableUse& use) {
    print(name + "_opened", outcome.opened);
    print(name + "_broken", outcome.broken);
    print(name + "_lost", outcome.lost);
    print(name + "_refused_syns", outcome.refused);
    print(name + "_table_bytes", use.bytes);
    print(name + "_tracked_peak", use.entries_peak);
    print(name + "_inserted", use.inserted);
    print(name + "_evicted", use.evicted);
    print(name + "_no_room", use.refused);
    print(name + "_told", use.told);
}

void print(const Churn::Counts& counts) {
    print("went_down", counts.went_down);
    print("restarted", counts.restarted);
    print("drained", counts.drained);
    print("added", counts.added);
    print("removed", counts.removed);
    print("reweighted", counts.reweighted);
}

void run(TraceShape shape, std::uint32_t seconds) {
    shape.churn_until_s = shape.opening_until_s = seconds;
    Trace trace(shape);
    std::vector<const Balancer*> balancers;
    std::vector<std::string> names;
    const auto add = [&](const std::string& name, std::unique_ptr<Balancer> balancer) {
        names.push_back(name);
        balancers.push_back(balancer.get());
        trace.add(std::move(balancer));
    };
    const tables::FlowTimeouts timeouts;
    const TandemTracking* first_tandem = nullptr;
    add("maglev", std::make_unique<MaglevOnly>());
    for (std::size_t i = 0; i < kFlows.size(); ++i) {
        auto tandem =
            std::make_unique<TandemTracking>(flow_memory(kFlows[i]), trace.key(), timeouts);
        if (first_tandem == nullptr) first_tandem = tandem.get();
        const std::string prefix = kPrefixes[i];
        const std::uint64_t bytes = tandem->use().bytes;
        add(prefix + "full", std::make_unique<FullTracking>(bytes, timeouts));
        add(prefix + "tandem", std::move(tandem));
    }
    trace.run(seconds);

    std::printf("{\n");
    for (std::size_t i = 0; i < balancers.size(); ++i) {
        print(names[i], trace.outcome(i), balancers[i]->use());
    }
    print("tandem_unsteady_slots_peak", first_tandem->unsteady_slots_peak());
    print("slots", first_tandem->slots().slots().size());
    print(trace.churn());
    print("packets", trace.packets());
    print("connections_peak", trace.open_peak());
    std::printf("\"seconds\": %u\n}\n", seconds);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"What becomes of connections when backends come and go"};
    TraceShape shape;
    std::uint32_t seconds = 600;
    double churn = 1;
    app.add_option("--seed", shape.seed, "of all that is random");
    app.add_option("--seconds", seconds, "that are simulated")->check(CLI::Range(1, 1'000'000));
    app.add_option("--churn", churn, "factor of the default rates")->check(CLI::Range(0.0, 1000.0));
    CLI11_PARSE(app, argc, argv);
    shape.churn = shape.churn.times(churn);
    run(shape, seconds);
    return 0;
}
