// Looking up flows that are all remembered: the product's flow table, and DPDK's rte_hash on keys
// of the same flows. See flows.py for what is in each figure. The EAL's options come first, then
// "--".
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "dataplane/base/check.h"
#include "dataplane/tables/flow_memory.h"
#include "perf/parts/random_flows.h"
#include "perf/parts/stopwatch.h"

namespace tandem::perf {
namespace {

using tables::BackendIndex;

constexpr std::size_t kBurst = 32;
/// Of bursts between two looks at the clock: their keys fit the second-level cache.
constexpr std::size_t kBursts = 64;
constexpr std::size_t kBatch = kBurst * kBursts;
constexpr CoarseTime kNow = 1;

/// At most: the product tells flows apart by 64 bits of a hash, so once in a while it takes one for
/// another. In a table of 10 million one flow in 100 million is expected to be taken so.
constexpr std::int64_t kWrongOnceIn = 100'000;

BackendIndex backend_of(std::uint32_t flow) {
    return static_cast<BackendIndex>(1 + flow % 1000);
}

/// One worker's flows, as the product would lay them out.
struct Remembered {
    tables::FlowMemory memory;
    KeyedHash hash;
    tables::FlowTable table;

    explicit Remembered(std::uint32_t flows)
        : memory(std::move(tables::FlowMemory::create(1, flows,
                                                      rte_eal_has_hugepages() != 0
                                                          ? tables::Pages::kHuge
                                                          : tables::Pages::kNormal)
                               .value())),
          hash(memory.key(0)),
          table(memory.buckets(0), memory.per_backend(0), memory.statistics(0), {}) {
        for (std::uint32_t flow = 0; flow < flows; ++flow) {
            CHECK(table.insert(hash.of_flow(flow_of(flow)), backend_of(flow),
                               tables::FlowState::kEstablished, kNow));
        }
    }
};

/// As a user of rte_hash would have it for IPv4: 16 bytes, for which it has a comparison of its
/// own.
struct Tuple {
    std::uint32_t source;
    std::uint32_t destination;
    std::uint16_t source_port;
    std::uint16_t destination_port;
    std::uint32_t protocol;
};
static_assert(sizeof(Tuple) == 16);

Tuple tuple_of(std::uint32_t flow) {
    const FlowKey key = flow_of(flow);
    return {key.source.v4_network_order(), key.destination.v4_network_order(), key.source_port,
            key.destination_port, key.protocol};
}

struct DpdkTable {
    rte_hash* table;
    std::vector<std::int32_t> positions;  ///< by flow

    explicit DpdkTable(std::uint32_t flows) {
        const std::string name = "flows" + std::to_string(flows);
        rte_hash_parameters parameters{};
        parameters.name = name.c_str();
        parameters.entries = flows / 3 * 4;
        parameters.key_len = sizeof(Tuple);
        parameters.hash_func = rte_hash_crc;
        parameters.hash_func_init_val = 0x5bd1e995;
        table = rte_hash_create(&parameters);
        CHECK(table != nullptr);
        for (std::uint32_t flow = 0; flow < flows; ++flow) {
            const Tuple tuple = tuple_of(flow);
            positions.push_back(rte_hash_add_key(table, &tuple));
            CHECK(positions.back() >= 0);
        }
    }
};

/// Made once for each number of flows; rounds of both sides alternate on them.
template <class Table>
Table& table_of(std::uint32_t flows) {
    static std::map<std::uint32_t, std::unique_ptr<Table>> tables;
    std::unique_ptr<Table>& table = tables[flows];
    if (!table) table = std::make_unique<Table>(flows);
    return *table;
}

void lookup(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    auto& [memory, hash, table] = table_of<Remembered>(flows);
    RandomFlows random(flows);
    std::vector<std::uint32_t> numbers(kBatch);
    std::vector<FlowKey> keys(kBatch);
    std::vector<BackendIndex> found(kBatch);
    std::int64_t wrong = 0;
    for (auto _ : state) {
        for (std::size_t i = 0; i < kBatch; ++i) keys[i] = flow_of(numbers[i] = random.next());
        state.SetIterationTime(seconds_of([&, &hash = hash, &table = table] {
            for (std::size_t first = 0; first < kBatch; first += kBurst) {
                std::array<std::uint64_t, kBurst> hashes;
                for (std::size_t i = 0; i < kBurst; ++i) {
                    hashes[i] = hash.of_flow(keys[first + i]);
                    table.prefetch(hashes[i]);
                }
                std::array<tables::FlowTable::Place, kBurst> glimpsed;
                for (std::size_t i = 0; i < kBurst; ++i) glimpsed[i] = table.glimpse(hashes[i]);
                table.count_lookups(kBurst);
                for (std::size_t i = 0; i < kBurst; ++i) {
                    const auto place = table.find(hashes[i], kNow, glimpsed[i]);
                    found[first + i] = place ? place.backend() : tables::kNoBackend;
                }
            }
        }));
        for (std::size_t i = 0; i < kBatch; ++i) {
            wrong += static_cast<std::int64_t>(found[i] != backend_of(numbers[i]));
        }
    }
    CHECK(wrong <= state.iterations() * static_cast<std::int64_t>(kBatch) / kWrongOnceIn);
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

void rte_hash_lookup(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    const DpdkTable& table = table_of<DpdkTable>(flows);
    RandomFlows random(flows);
    std::vector<std::uint32_t> numbers(kBatch);
    std::vector<Tuple> keys(kBatch);
    std::vector<std::int32_t> found(kBatch);
    for (auto _ : state) {
        for (std::size_t i = 0; i < kBatch; ++i) keys[i] = tuple_of(numbers[i] = random.next());
        state.SetIterationTime(seconds_of([&] {
            for (std::size_t first = 0; first < kBatch; first += kBurst) {
                std::array<const void*, kBurst> burst;
                for (std::size_t i = 0; i < kBurst; ++i) burst[i] = &keys[first + i];
                rte_hash_lookup_bulk(table.table, burst.data(), kBurst, &found[first]);
            }
        }));
        for (std::size_t i = 0; i < kBatch; ++i) CHECK(found[i] == table.positions[numbers[i]]);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

/// What the memory itself allows: one line of the same table for each flow, at random, and nothing
/// done with it.
void line(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    const std::span<tables::FlowBucket> buckets = table_of<Remembered>(flows).memory.buckets(0);
    RandomFlows random(static_cast<std::uint32_t>(buckets.size()));
    std::vector<std::uint32_t> numbers(kBatch);
    std::uint32_t sum = 0;
    for (auto _ : state) {
        for (std::uint32_t& number : numbers) number = random.next();
        state.SetIterationTime(seconds_of([&] {
            for (std::size_t first = 0; first < kBatch; first += kBurst) {
                const std::span burst = std::span(numbers).subspan(first, kBurst);
                for (const std::uint32_t number : burst) __builtin_prefetch(&buckets[number]);
                for (const std::uint32_t number : burst) sum += buckets[number].tags[0];
            }
        }));
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

BENCHMARK(line)->Arg(1'000'000)->Arg(10'000'000)->UseManualTime();
BENCHMARK(lookup)->Arg(1'000'000)->Arg(10'000'000)->UseManualTime();
BENCHMARK(rte_hash_lookup)->Name("rte_hash")->Arg(1'000'000)->Arg(10'000'000)->UseManualTime();

}  // namespace
}  // namespace tandem::perf

int main(int argc, char** argv) {
    const int used = rte_eal_init(argc, argv);
    if (used < 0) {
        std::cerr << "DPDK does not start: no memory?\n";
        return EXIT_FAILURE;
    }
    argc -= used;
    argv += used;
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return EXIT_SUCCESS;
}
