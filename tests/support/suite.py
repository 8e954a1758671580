"""Builds Tandem, runs the parts of its test suite and sums up what their runners counted.

Called by tests/run. Every part returns Counts; the last line printed is their sum. While parts are
tested the next one is built, and the net part runs beside others: it mostly waits, compilers and
unit tests never do.
"""
import argparse
import concurrent.futures
import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"  # the one that Debian's scapy, pytest and pyroute2 belong to
TWO_AT_A_TIME = ["-n2", "--dist=loadfile"]  # files; a fixture may be one for all of a file
BEHIND_NET = ["/usr/bin/nice"]  # what computes: servers and clients have their own time limits
SUITE_SECONDS_MAX = 1200  # of one runner; a hang is a failure, not a wait


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed"


def run(*command, output, env=None):
    """The exit code; what is printed goes to `output`, a file, or to the terminal if that is None."""
    sys.stdout.flush()
    try:
        return subprocess.run(command, cwd=ROOT, env=env, stdout=output, stderr=output,
                              timeout=SUITE_SECONDS_MAX).returncode
    except subprocess.TimeoutExpired:
        print(f"tests/run: {command[0]} was stopped after {SUITE_SECONDS_MAX} s")
        return 1


def counts_of(junit, exit_code):
    """Reads a JUnit file. A runner that failed without naming a test counts as one failure."""
    counts = Counts()
    try:
        cases = list(xml.etree.ElementTree.parse(junit).iter("testcase"))
    except (FileNotFoundError, xml.etree.ElementTree.ParseError):
        cases = []
    for case in cases:
        outcome = {child.tag for child in case}
        if outcome & {"failure", "error"}:
            counts.failed += 1
        elif "skipped" in outcome:
            counts.skipped += 1
        else:
            counts.passed += 1
    if counts.failed == 0 and (exit_code != 0 or not cases):
        counts.failed += 1
    return counts


def directory_of(sanitizers):
    """build/ is the release build; each list of sanitizers has one of its own beside it."""
    return ROOT / "-".join(["build", *filter(None, sanitizers.split(","))])


def is_done(*command, **environment):
    """Whether it succeeded; what it prints is printed only if not. Tests have precedence over it."""
    done = subprocess.run(["/usr/bin/nice", *command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **environment})
    if done.returncode != 0:
        print(done.stdout, flush=True)
    return done.returncode == 0


@functools.cache
def is_set_up(sanitizers):
    """Has Meson prepare the directory, once a run. False when that failed."""
    directory = directory_of(sanitizers)
    # A folder is one file to the compiler, which saves half of its time; that each file includes what
    # it needs is seen by whoever builds with the project's defaults. No LTO, which changes speed and
    # nothing else; and without it gold can link, in half of the time. Warnings are the release build's
    # to fail on: with sanitizers compilers see some that are none.
    options = ["-Dwerror=false", "-Doptimization=1", "-Ddebug=false", "-Db_lundef=false",
               "-Db_ndebug=false", f"-Dcpp_args={ARGUMENTS[sanitizers]}",
               f"-Db_sanitize={sanitizers}"] if sanitizers else []
    return ((directory / "build.ninja").exists()
            or is_done("/usr/bin/meson", "setup", "-Dunity=on", "-Dunity_size=64",
                       "-Db_lto=false", *options,
                       str(directory), str(ROOT), **(CLANG if sanitizers else GNU)))


def is_built(part, sanitizers):
    """Builds what a part needs. False when that failed."""
    if part is lint:
        return True
    needs = NEEDS[part]
    if part is unit and sanitizers == SANITIZERS["tsan"]:
        needs = [f"tests/unit/{program}_test" for program in THREADED.values()]
    return is_set_up(sanitizers) and is_done("/usr/bin/ninja", "-C", str(directory_of(sanitizers)),
                                             *needs)


def meson_suite(suite, names, directory, output):
    """Every GoogleTest case of a suite's programs, or of those named."""
    for stale in directory.glob("*.xml"):  # Meson would take them for the result of a crashed program
        stale.unlink()
    junit = directory / "meson-logs" / "testlog.junit.xml"
    junit.unlink(missing_ok=True)
    code = run(*BEHIND_NET, "/usr/bin/meson", "test", "-C", str(directory), "--no-rebuild", "--suite", suite,
               "--print-errorlogs", *names, output=output)
    return counts_of(junit, code)


def unit(directory, output):
    """One piece of the product at a time; where threads are watched, the pieces with threads."""
    names = THREADED if directory == directory_of(SANITIZERS["tsan"]) else []
    return meson_suite("unit", names, directory, output)


def kill(directory, output):
    """Control and dataplane killed at any moment, and the tables that they share."""
    return meson_suite("kill", [], directory, output)


def sim(directory, output):
    """Schedules of what may happen to a pair, played by simulators; how many, --schedules says."""
    counts = Counts()
    for program in SIMULATORS:
        code = run(*BEHIND_NET, str(directory / program), *SCHEDULES, output=output)
        counts += Counts(passed=int(code == 0), failed=int(code != 0))
    return counts


def pytest(part, directory, output, *options):
    with tempfile.TemporaryDirectory() as scratch:
        junit = pathlib.Path(scratch) / "junit.xml"
        code = run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}",
                   *options, str(ROOT / "tests" / part), output=output,
                   env={**os.environ, "TANDEM_BUILD": str(directory)})
        return counts_of(junit, code)


def packet(directory, output):
    """Packets in, packets out, through the real dataplane on pcap ports."""
    return pytest("packet", directory, output, *TWO_AT_A_TIME)


def net(directory, output):
    """Real servers and clients in network namespaces: two labs, for they mostly wait."""
    return pytest("net", directory, output, *TWO_AT_A_TIME)


def lint(directory, output):
    """Who includes whom, formatting, headers that compile alone, and a table by every compiler."""
    return pytest("lint", directory, output)


PARTS = {part.__name__: part for part in (lint, unit, kill, sim, packet, net)}
SIMULATORS = ["tests/sim/vrrp_sim", "tests/sim/pair_sim"]
SCHEDULES = ["--schedules", "100000"]  # or as the command line says
PROGRAMS = ["dataplane/tandem-dataplane", "control/tandem-control"]
NEEDS = {unit: ["meson-test-prereq"],  # Meson's name for all programs of tests
         kill: ["tests/unit/tables/tables_kill_test"], sim: SIMULATORS,
         packet: PROGRAMS, net: [*PROGRAMS, "tests/net/vip_filter_driver"]}
THREADED = {"generations": "tables/generations", "worker": "pipeline/worker"}  # Meson's names, and places
SANITIZERS = {"asan": "address,undefined", "tsan": "thread"}
# What sanitizers watch clang compiles in less than two thirds of the time that g++ takes.
GNU, CLANG = {"CXX_LD": "gold"}, {"CXX": "clang++-16", "CXX_LD": "lld"}
# Of "thread" tests want to know, by g++'s name for it: some race, and throw away what they read.
# What is left out of "undefined" costs a half of the time to compile. "address" finds null pointers
# and objects that are too small, and sees what a pointer reads that has gone too far; the library's
# assertions see what lies outside of bounds (arrays, spans, vectors, optionals); "vptr" is for casts
# down from a base class, and there are none; and this machine's loads need no alignment.
ARGUMENTS = {"address,undefined": "['-g1', '-fno-sanitize-recover=undefined',"
                                  " '-fno-sanitize=null,vptr,object-size,pointer-overflow,"
                                  "alignment,bounds', '-D_GLIBCXX_ASSERTIONS']",
             "thread": "['-g1', '-D__SANITIZE_THREAD__']"}
# What is built for release runs as a whole, among real servers; units, and packets byte by byte, run
# where the sanitizers watch them.
# What takes longest to build comes late, so that the others are tested meanwhile; and what keeps both
# CPUs busy for longest last, when net is over.
EVERYTHING = ["lint", "net", "kill", "asan-packet", "tsan-unit", "asan-unit", "sim"]


def parse(name):
    """The function of a part and the sanitizers to build with; KeyError when there is none."""
    sanitizer, _, part = name.rpartition("-")
    return PARTS[part], SANITIZERS[sanitizer] if sanitizer else ""


def run_part(name, built, output=None):
    """Runs a part as soon as it is built (a future of is_built's result)."""
    part, sanitizers = parse(name)
    waited = time.monotonic()
    print(f"tests/run: {name}", flush=True)
    ready = built.result()
    started = time.monotonic()
    if ready:
        counts = part(directory_of(sanitizers), output)
    else:
        print(f"tests/run: {name}: the build failed")
        counts = Counts(failed=1)
    print(f"tests/run: {name}: {counts} in {time.monotonic() - started:.0f} s, "
          f"after {started - waited:.0f} s of building", flush=True)
    return counts


def run_beside(name, built):
    """As run_part, in a thread beside others: what the part prints comes at its end, in one piece."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        counts = run_part(name, built, output)
        output.seek(0)
        print(output.read(), flush=True)
    return counts


def run_all(names):
    builder, beside = (concurrent.futures.ThreadPoolExecutor(1) for _ in range(2))
    try:
        built = {name: builder.submit(is_built, *parse(name)) for name in names}
        others = [] if len(names) == 1 else [name for name in names if parse(name)[0] is net]
        running = [beside.submit(run_beside, name, built[name]) for name in others]
        total = sum((run_part(name, built[name]) for name in names if name not in others), Counts())
        return sum((part.result() for part in running), total)
    finally:
        for pool in (builder, beside):  # whoever interrupts the run ends what has not begun, too
            pool.shutdown(cancel_futures=True)


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs Tandem's tests.")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"of {', '.join(PARTS)}; with asan- or tsan- before it, in a build "
                             f"with those sanitizers. None: {' '.join(EVERYTHING)}")
    parser.add_argument("--schedules", type=int, metavar="N",
                        help="how many the part sim plays (100000)")
    parser.add_argument("--seed", type=int, metavar="S", help="of the first of them (1)")
    arguments = parser.parse_args()
    if arguments.schedules is not None:
        SCHEDULES[1] = str(arguments.schedules)
    if arguments.seed is not None:
        SCHEDULES.extend(["--seed", str(arguments.seed)])
    names = arguments.parts or EVERYTHING
    for name in names:
        try:
            parse(name)
        except KeyError:
            parser.error(f"there is no part {name!r}; see --help")
    # Clang's reports name functions by a tool of LLVM's if they are not told of another.
    for sanitizer in SANITIZERS:
        os.environ.setdefault(f"{sanitizer.upper()}_SYMBOLIZER_PATH", "/usr/bin/addr2line")
    total = run_all(names)
    if total.skipped:
        print(f"tests/run: {total.skipped} skipped: they say why in their output")
    print(total)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
