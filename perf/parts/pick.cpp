// The stage that gives packets their backends, in a pool at rest. See pick.py for what is in it.
#include "dataplane/pipeline/pick.h"

#include <cstdint>
#include <memory>

#include <benchmark/benchmark.h>

#include "dataplane/base/check.h"
#include "perf/parts/installation.h"
#include "perf/parts/random_flows.h"
#include "perf/parts/stopwatch.h"

namespace tandem::perf {
namespace {

using pipeline::Burst;

constexpr std::uint32_t kBackends = 1000;
constexpr std::uint32_t kFlows = 1'000'000;
/// Between two looks at the clock: they fit the first-level cache, as the one burst of a worker
/// does.
constexpr std::size_t kBursts = 8;

void fill(Burst& burst, RandomFlows& random) {
    burst.reset(0);
    for (std::size_t i = 0; i < Burst::kCapacity; ++i) {
        burst.add(nullptr);  // pick reads keys, no packets
        pipeline::Packet& packet = burst.packets().back();
        packet.parsed = {};
        packet.parsed.key = flow_of(random.next());
        packet.pool = 0;
        packet.is_stateless = false;
        packet.backend = tables::kNoBackend;
    }
}

void pick(benchmark::State& state) {
    const Installation tables(kBackends, static_cast<std::uint32_t>(state.range(0)));
    tables::FlowMemory memory =
        std::move(tables::FlowMemory::create(1, 1000, tables::Pages::kNormal).value());
    pipeline::FlowTracker tracker(memory, 0, {});
    RandomFlows random(kFlows);
    const auto bursts = std::make_unique<std::array<Burst, kBursts>>();
    for (auto _ : state) {
        for (Burst& burst : *bursts) fill(burst, random);
        state.SetIterationTime(seconds_of([&] {
            for (Burst& burst : *bursts) pipeline::pick(tables.live(), tracker, burst);
        }));
        for (Burst& burst : *bursts) CHECK(burst.packets().size() == Burst::kCapacity);
    }
    CHECK(memory.statistics(0).lookups == 0);
    constexpr std::int64_t kPackets = kBursts * Burst::kCapacity;
    state.SetItemsProcessed(state.iterations() * kPackets);
}

BENCHMARK(pick)->Arg(65'537)->Arg(655'373)->UseManualTime();

}  // namespace
}  // namespace tandem::perf

BENCHMARK_MAIN();
