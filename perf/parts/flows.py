"""Looking up flows that are all remembered: the product's flow table against DPDK's rte_hash.

A million and ten million TCP flows over IPv4, drawn at random from all of them, in bursts of 32;
nanoseconds a flow. The keys lie in the second-level cache.
lookup    KeyedHash::of_flow() and FlowTable::prefetch() for a burst, then glimpse(), then find() and
          the flow's backend: the calls that a worker makes. The table is as large as the product
          makes one for so many flows, and 48 or 60 % full. In it: the keyed hash, the check of the
          flow's age, the counting
rte_hash  rte_hash_lookup_bulk() with rte_hash_crc and keys of 16 bytes, the fastest that it has for
          IPv4; in as many places as the product's has. It yields positions: what it costs to read a
          flow's record comes on top of it
line      what the memory allows: one cache line of the product's table for each flow, prefetched
          and read in the same bursts, and nothing else. A lookup reads one or two
Both tables are in huge pages if so many are free (sysctl vm.nr_hugepages=800), else in normal ones.
Not measured: flows that are not there, inserts, several workers.
"""
import os

import benchmarks
import programs

PROGRAM = benchmarks.program("perf_flows")
PROGRAMS = (PROGRAM,)
FLOWS = {1_000_000: "1m", 10_000_000: "10m"}
DPDK_MIB = 1100
TABLES_MIB = 400
ROWS = ("lookup", "rte_hash", "line")


def measure(options):
    huge = programs.huge_pages(DPDK_MIB + TABLES_MIB)
    print(f"flows: {'huge' if huge else 'normal'} pages, bursts of 32; nanoseconds, medians")
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
    medians = benchmarks.run(PROGRAM, options, *memory, f"-m{DPDK_MIB}", "--no-pci",
                             "--no-telemetry", f"--lcores=0@({cpus})", "--log-level=error", "--")
    benchmarks.show("flows", *FLOWS)
    figures = {}
    for row in ROWS:
        cells = [round(medians[f"{row}/{flows}"], 2) for flows in FLOWS]
        benchmarks.show(row, *cells)
        figures |= {f"{row}_{size}_ns": cell for size, cell in zip(FLOWS.values(), cells)}
    benchmarks.show("rte_hash / lookup",
                    *(f"{figures[f'rte_hash_{size}_ns'] / figures[f'lookup_{size}_ns']:.1f}"
                      for size in FLOWS.values()))
    return figures
