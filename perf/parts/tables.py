"""What a change costs until workers see it, in a pool of 1000 backends, 65537 or 655373 slots.

base build  one backend is added or taken away: SlotTable::configure() of the table function, which
            hashes and sorts the backends, lets them take turns (Maglev) and computes the digest.
            "turns" is the Maglev part of it alone
flip        the health of one backend changes, all others being up and no slot in transition: from
            the verdict in control's planner to a worker that has adopted the new tables
  plan      of it control's half: the table function, and the plan written to shared memory
  merge     of it the dataplane's half: the plan merged into live tables by the main core, and a
            worker's view of them
It is CPU time of one thread that plays all parts, one flip after the other, so memory that the last
one used is warm. Not in it: the main core looks for plans every millisecond, workers adopt before a
burst, and log lines.
"""
import benchmarks

PROGRAM = benchmarks.program("perf_tables")
PROGRAMS = (PROGRAM,)
SLOTS = (65537, 655373)
ROWS = {"base_build": "base build", "turns": "turns", "flip_publish": "flip", "flip_plan": "plan",
        "flip_merge": "merge"}


def measure(options):
    print("tables: one pool of 1000 backends, normal pages; milliseconds, medians")
    medians = benchmarks.run(PROGRAM, options)
    benchmarks.show("slots", *SLOTS)
    figures = {}
    for row, name in ROWS.items():
        cells = [round(medians[f"{row}/{slots}"], 4) for slots in SLOTS]
        benchmarks.show(name, *cells)
        figures[f"{row}_ms"], figures[f"{row}_655373_ms"] = cells
    return figures
