// What a change costs until workers see it: the table of a pool of 1000 backends made anew, and one
// backend going down or coming up again. See tables.py for what is in each figure.
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "control/plan/maglev.h"
#include "control/plan/slot_table.h"
#include "dataplane/base/check.h"
#include "perf/parts/installation.h"
#include "perf/parts/stopwatch.h"

namespace tandem::perf {
namespace {

constexpr std::uint32_t kBackends = 1000;
constexpr HashKey kTableKey{{1, 2, 3}};

std::uint32_t slots_of(const benchmark::State& state) {
    return static_cast<std::uint32_t>(state.range(0));
}

std::vector<plan::Member> members() {
    std::vector<plan::Member> members;
    for (std::uint16_t i = 0; i < kBackends; ++i) {
        const IpAddress address = IpAddress::from_v4(
            {10, 0, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)});
        members.push_back({address, 80, static_cast<tables::BackendIndex>(i + 1), 100});
    }
    return members;
}

/// One backend is added or taken away, in turn.
void base_build(benchmark::State& state) {
    const KeyedHash hash{kTableKey};
    const std::vector<plan::Member> all = members();
    const std::vector<plan::Member> without_one(all.begin(), all.end() - 1);
    plan::SlotTable table;
    for (bool has_all = true; state.KeepRunning(); has_all = !has_all) {
        table.configure(hash, slots_of(state), has_all ? all : without_one);
    }
}

/// Of base_build: Maglev's turns alone.
void turns(benchmark::State& state) {
    const KeyedHash hash{kTableKey};
    const std::uint32_t slots = slots_of(state);
    std::vector<plan::Turns> backends;
    for (std::uint64_t i = 0; i < kBackends; ++i) {
        backends.push_back({static_cast<std::uint32_t>(hash.of_pair(i, 1) % slots),
                            static_cast<std::uint32_t>(hash.of_pair(i, 2) % (slots - 1) + 1), 100});
    }
    for (auto _ : state) benchmark::DoNotOptimize(plan::fill_in_turns(backends, slots));
}

enum class Of : std::int8_t { kAll, kPlan, kMerge };

/// Backends go down and come up again, one after the other; before each, time passes until the
/// tables are at rest.
template <Of kOf>
void flip_publish(benchmark::State& state) {
    Installation tables(kBackends, slots_of(state));
    for (std::uint32_t flips = 0; state.KeepRunning(); ++flips) {
        const std::uint32_t backend = flips / 2 % kBackends;
        const bool is_up = flips % 2 == 1;
        const double plan_s = seconds_of([&] {
            tables.set_up(backend, is_up);
            tables.plan();
        });
        const double merge_s = seconds_of([&] {
            tables.merge();
            tables.adopt();
        });
        CHECK(tables.live().backends()[backend + 1].serves_flows == static_cast<int>(is_up));
        tables.settle();
        state.SetIterationTime((kOf != Of::kMerge ? plan_s : 0) + (kOf != Of::kPlan ? merge_s : 0));
    }
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->Arg(65'537)->Arg(655'373)->Unit(benchmark::kMillisecond);
}

BENCHMARK(base_build)->Apply(sizes);
BENCHMARK(turns)->Apply(sizes);
BENCHMARK(flip_publish<Of::kAll>)->Name("flip_publish")->Apply(sizes)->UseManualTime();
BENCHMARK(flip_publish<Of::kPlan>)->Name("flip_plan")->Apply(sizes)->UseManualTime();
BENCHMARK(flip_publish<Of::kMerge>)->Name("flip_merge")->Apply(sizes)->UseManualTime();

}  // namespace
}  // namespace tandem::perf

BENCHMARK_MAIN();
