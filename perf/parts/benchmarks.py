"""Runs the Google Benchmark programs of perf/parts.

Each benchmark is run several times, in random turns with the other ones of its program, and the
figure is the median: whatever else the machine does in the meantime, it does to all of them.
"""
import json
import statistics
import subprocess

import programs

ROUNDS = 9


def program(name):
    return programs.BUILD / "perf" / "parts" / name


def run(path, options, *before):
    """By name of the benchmark, the median of what its rounds took: nanoseconds an item for those
    that count items, else in the unit they are measured in. `before`: arguments that are not for
    Google Benchmark."""
    done = subprocess.run(
        [path, *before, f"--benchmark_repetitions={options.rounds or ROUNDS}",
         f"--benchmark_min_time={options.seconds}", "--benchmark_enable_random_interleaving=true",
         "--benchmark_format=json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise programs.Trouble(f"{path.name} ended with {done.returncode}\n{done.stderr}")
    rounds = {}
    for result in json.loads(done.stdout)["benchmarks"]:
        if result["run_type"] == "iteration":
            name = result["name"].removesuffix("/manual_time")
            time = (1e9 / result["items_per_second"] if "items_per_second" in result
                    else result["real_time"])
            rounds.setdefault(name, []).append(time)
    return {name: statistics.median(times) for name, times in rounds.items()}


def show(*cells):
    print(f"{cells[0]:>28}" + "".join(f"{cell:>14}" for cell in cells[1:]), flush=True)
