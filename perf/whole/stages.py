"""Where the time of a packet goes: the settings of whole.py under a sampling profiler.

Tandem's worker, and dpdk-testpmd's, is interrupted some thousand times a second of its CPU time. A
stage's share of what was found, times what a packet takes, is what a packet spends there. A stage
is a file of dataplane/pipeline/ with all that was inlined there.
  driver  DPDK's libraries: receiving copies a frame into a buffer, sending frees it
  pick    with all of dataplane/tables/ that is not inlined elsewhere
  worker  the loop around the stages
  kernel  interrupts, those of the profiler as well
  other   of testpmd: its own code, which swaps MAC addresses
Samples point at what waits, not at what is waited for: a load that misses the caches is seen at the
first use of what it brings.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import tempfile

import floor
import programs
import whole

PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
SAMPLES_A_SECOND = 4999
SAMPLE = re.compile(r"\s*([0-9a-f]+) \((.*)\)$")
# perf's line of a mapping: address(length) @ offset in the file
MAPPING = re.compile(r"MMAP2? .*\[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (0x[0-9a-f]+|0) .* (\S+)$")
STAGE = re.compile(r"/dataplane/pipeline/(\w+)\.(?:cpp|h):")
# What the compiler has not put into its stage.
APART = {"pick": "/dataplane/tables/", "dissect": "/dataplane/net/parse."}
ORDER = ["driver", "receive", "dissect", "classify", "answer", "pick", "forward", "send", "punt",
         "release", "worker", "kernel", "other"]


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise programs.Trouble(f"{command[0]} ended with {done.returncode}\n{done.stderr}")
    return done.stdout


def sample(program, seconds):
    """Samples of a program's worker: how many at each (file, offset in it)."""
    with tempfile.TemporaryDirectory(prefix=programs.SCRATCH) as scratch:
        data = pathlib.Path(scratch) / "samples"
        output("perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-t",
               program.worker().name, "-o", data, "--", "sleep", str(seconds))
        text = output("perf", "script", "-i", data, "-F", "ip,dso", "--show-mmap-events")
    mappings = [(int(match[1], 16), int(match[2], 16), int(match[3], 16), match[4])
                for match in map(MAPPING.search, text.splitlines()) if match]
    found = collections.Counter()
    for match in filter(None, map(SAMPLE.match, text.splitlines())):
        address, file = int(match[1], 16), match[2]
        begin = next((begin - offset for begin, length, offset, name in mappings
                      if name == file and begin <= address < begin + length), 0)
        found[file, address - begin] += 1
    return found


def addresses(offsets):
    """What addr2line wants: where the dataplane's file says that its parts are to lie in memory."""
    headers = output("readelf", "-lW", programs.DATAPLANE)
    parts = [[int(word, 16) for word in line.split()[1:5]]
             for line in headers.splitlines() if line.split()[:1] == ["LOAD"]]
    for offset in offsets:
        yield next((offset - begin + address for begin, address, _, length in parts
                    if begin <= offset < begin + length), offset)


def stage_of(chain):
    """By addr2line's lines for one address, the innermost call first."""
    for line in reversed(chain):
        if (match := STAGE.search(line)) and match[1] != "worker":
            return "send" if match[1] == "burst" else match[1]
    return next((stage for stage, place in APART.items() if any(place in line for line in chain)),
                "worker")


def stages_of(found):
    """Shares of samples by stage."""
    own = [key for key in found if pathlib.Path(key[0]) == programs.DATAPLANE]
    stages = collections.Counter()
    for (file, _), count in found.items():
        if "kernel" in file:
            stages["kernel"] += count
        elif "/lib" in file:
            stages["driver"] += count
        elif pathlib.Path(file) != programs.DATAPLANE:
            stages["other"] += count
    if own:
        text = output("addr2line", "-aiC", "-e", programs.DATAPLANE,
                      *map(hex, addresses(offset for _, offset in own)))
        chains = re.split(r"^0x[0-9a-f]+\n", text, flags=re.MULTILINE)[1:]
        for key, chain in zip(own, chains):
            stages[stage_of(chain.splitlines())] += found[key]
    total = sum(stages.values())
    return {stage: count / total for stage, count in stages.items()}


def check_tools():
    for tool, package in (("perf", "linux-perf"), ("addr2line", "binutils")):
        if shutil.which(tool) is None:
            raise programs.Trouble(f"there is no {tool}: apt install {package}")
    if ".debug_line" not in output("readelf", "-SW", programs.DATAPLANE):
        raise programs.Trouble(f"{programs.DATAPLANE} has no debug information: meson configure "
                               f"{programs.BUILD} -Ddebug=true && ninja -C {programs.BUILD}")


def tandem(setting, seconds):
    with setting as running:
        pps = floor.forwarding_rate(running, seconds, whole.FLOWS)
        return 1e9 / pps, stages_of(sample(running.dataplane, seconds))


def testpmd(setting, seconds):
    with setting.macswap() as program:
        pps = floor.macswap_rate(program, seconds, whole.FLOWS)
        return 1e9 / pps, stages_of(sample(program, seconds))


def measure(options):
    check_tools()
    with tempfile.TemporaryDirectory(prefix=programs.SCRATCH) as scratch:
        v4, v6 = whole.Setting(scratch, False), whole.Setting(scratch, True)
        print(f"stages: {whole.FLOWS} TCP flows, {whole.BACKENDS} backends, ipip, one worker, "
              f"{'huge' if v4.huge else 'normal'} pages; nanoseconds of a packet")
        columns = {"testpmd": testpmd(v4, options.seconds),
                   "steady": tandem(v4.at_rest(), options.seconds),
                   "transition": tandem(v4.in_transition(), options.seconds),
                   "testpmd6": testpmd(v6, options.seconds),
                   "steady6": tandem(v6.at_rest(), options.seconds)}
    print(f"{'stage':>10}" + "".join(f"{name:>12}" for name in columns))
    figures = {f"{name}_ns": round(total, 2) for name, (total, _) in columns.items()}
    for stage in ORDER:
        times = {name: total * shares.get(stage, 0) for name, (total, shares) in columns.items()}
        print(f"{stage:>10}" + "".join(f"{time:>12.2f}" for time in times.values()))
        figures |= {f"{name}_{stage}_ns": round(time, 2) for name, time in times.items()}
    print(f"{'all':>10}" + "".join(f"{total:>12.2f}" for total, _ in columns.values()))
    return figures
