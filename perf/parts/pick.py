"""What it costs to give a packet its backend in a pool at rest: nanoseconds a packet.

The stage itself, pipeline::pick(), on full bursts of packets of a million TCP flows over IPv4 in a
pool of 1000 backends with 65537 and 655373 slots, of which none is in transition. In it: the keyed
hash, the slot, its owner, the prefetch of that backend. The packets' keys lie in the first-level
cache, as dissect leaves them; the slots lie where the machine keeps them, in normal pages. A look
at the clock every 8 bursts is in it too.
"""
import benchmarks

PROGRAM = benchmarks.program("perf_pick")
PROGRAMS = (PROGRAM,)
SLOTS = (65537, 655373)


def measure(options):
    print("pick: one pool of 1000 backends, normal pages, bursts of 32; nanoseconds, medians")
    medians = benchmarks.run(PROGRAM, options)
    cells = [round(medians[f"pick/{slots}"], 2) for slots in SLOTS]
    benchmarks.show("slots", *SLOTS)
    benchmarks.show("pick", *cells)
    return dict(zip(("pick_ns", "pick_655373_ns"), cells))
