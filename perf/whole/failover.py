"""How long nobody answers when one of two instances dies, and what that breaks.

A client asks a UDP echo service behind a VIP once a millisecond; two balancers are on its switch, all
in network namespaces. The gap is the longest time between two questions that were answered. With
Tandem the backends answer, with keepalived, on the same topology in the same run, the balancer that
has the address.
  kill_Nms_gap_ms        the active dataplane is killed (SIGKILL), by interval of advertisements
  keepalived_Nms_gap_ms  the same with keepalived's processes
  stop_lost              questions without an answer around a clean stop of the active dataplane
  failback_lost          the same when it returns and takes over again
  broken_connections     of downloads that run while the active dataplane is killed
  false_switches         takeovers at 30 ms while nothing happens but that both CPUs are busy
Gaps are medians; with two CPUs for clients, balancers and backends alike, scheduling is part of them.
Not measured: a NIC, a switch that has to learn, more than one worker.
"""
import contextlib
import json
import os
import re
import statistics
import time

import programs
from client import PYTHON
from downloads import Downloads
from keepalived import Keepalived
from lab import SUPPORT, VIP4, Lab, wait_until
from nginx import start_all
from tandem import Config, Service, Tandem

PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
RUNS = 15
WATCH_SECONDS = 600
INTERVALS_MS = (1000, 100, 30, 10)
ROUTER_ID = 51
PORT = 80
DOWNLOADS = 200
SETTLE_SECONDS = 0.3


class Pair(Lab):
    """Two balancers, and backends with nginx and an echo server."""

    def _build(self):
        super()._build()
        self.nginx = start_all(self)
        for node in self.backends:
            start_echo(node)


def start_echo(node):
    node.start(f"echo-{node.name}", PYTHON, SUPPORT / "echo.py", "--port", str(PORT))


class Instance(Tandem):
    """One of the two."""

    def __init__(self, lab, index, interval_ms):
        node = lab.balancers[index]
        backends = [backend.ipv4 for backend in lab.backends]
        super().__init__(lab, Config(
            lab.directory / f"{node.name}-{interval_ms}",
            {"echo": Service(VIP4, backends, protocol="udp"), "web": Service(VIP4, backends)},
            groups=[{"router_id": ROUTER_ID, "priority": 200 - 100 * index,
                     "interval": f'"{interval_ms}ms"'}]), node)

    def mark(self):
        return len(self.dataplane.text()) if self.dataplane else 0

    def wait_role(self, role, since):
        self.dataplane.wait_for_log(re.compile(rf"group \S+: {role} for IPv4"), since)

    def is_active(self):
        roles = re.findall(r"group \S+: (\w+) for IPv4", self.dataplane.text())
        return bool(roles) and roles[-1] == "active"

    def switches(self):
        return len(re.findall(r": active for IPv4", self.dataplane.text()))


@contextlib.contextmanager
def pair_of_tandems(lab, interval_ms):
    first, second = Instance(lab, 0, interval_ms), Instance(lab, 1, interval_ms)
    for instance in (first, second):  # one key for both, or their tables differ
        (instance.directory / "state").mkdir(parents=True)
        (instance.directory / "state" / "hash_key").write_bytes(bytes(range(16)))
    with first, second:
        first.wait_role("active", 0)
        wait_until(lambda: not second.is_active(), "the lower one has given way")
        first.wait_serving(VIP4, lab.backends)
        yield first, second


class Probe:
    """with Probe(lab) as probe: ...; afterwards probe.result."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        number = len(self.lab.processes)
        self.process = self.lab.client.start(f"probe{number}", PYTHON, SUPPORT / "probe.py", VIP4,
                                             "--port", str(PORT))
        time.sleep(SETTLE_SECONDS)  # questions before
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            time.sleep(SETTLE_SECONDS)  # and after
        self.process.stop()
        if kind is None:
            self.result = json.loads(self.process.text())


def leave_and_return(lab, first, second, leave):
    """What the probe saw when the active one left, and when it came back."""
    with Probe(lab) as gone:
        since = second.mark()
        leave()
        second.wait_role("active", since)
    since, other = first.mark(), second.mark()
    with Probe(lab) as back:
        first.start_dataplane()
        first.wait_role("active", since)
        second.wait_role("backup", other)
    return gone.result, back.result


def keepalived_gaps(lab, interval_ms, runs):
    gaps = []
    routers = [Keepalived(node, ROUTER_ID, 200 - 100 * index, interval_ms, [f"{VIP4}/24"])
               for index, node in enumerate(lab.balancers)]
    for router in routers:
        router.start()
    for _ in range(runs):
        wait_until(lambda: routers[0].is_active() and not routers[1].is_active(), "one is active")
        with Probe(lab) as probe:
            # With its machine: else the kernel would go on to answer for the address.
            lab.switch.ip(f"link set {lab.balancers[0].name} down")
            routers[0].kill()
            wait_until(routers[1].is_active, "keepalived takes over")
        lab.balancers[0].ip(f"addr flush dev eth0 to {VIP4}")  # if it was killed before it could
        lab.switch.ip(f"link set {lab.balancers[0].name} up")
        gaps.append(probe.result["gap_ms"])
        routers[0].start()
    for router in routers:
        router.stop()
    return gaps


def broken_downloads(lab, first, second):
    downloads = Downloads(lab, DOWNLOADS)
    since = second.mark()
    first.dataplane.kill()
    second.wait_role("active", since)
    broken = downloads.broken()
    since = first.mark()
    first.start_dataplane()
    first.wait_role("active", since)
    return len(broken)


def false_switches(lab, seconds):
    """With as many busy processes as there are CPUs."""
    with pair_of_tandems(lab, 30) as (first, second):
        before = first.switches() + second.switches()
        for index in range(os.cpu_count()):
            lab.client.start(f"busy{index}", PYTHON, "-c", "while True: pass")
        busy = lab.processes[-os.cpu_count():]
        try:
            time.sleep(seconds)
        finally:
            for process in busy:
                process.kill()
        return first.switches() + second.switches() - before


def row(name, values, unit="ms"):
    print(f"{name:28} {statistics.median(values):9.1f} {min(values):9.1f} {max(values):9.1f} {unit}",
          flush=True)


def measure(arguments):
    runs = arguments.runs or RUNS
    print(f"{'':28} {'median':>9} {'min':>9} {'max':>9}   of {runs} runs")
    figures, failback = {}, []
    for interval_ms in INTERVALS_MS:
        with Pair(backends=2, balancers=2) as lab:
            with pair_of_tandems(lab, interval_ms) as (first, second):
                kills = [leave_and_return(lab, first, second, lambda: first.dataplane.kill())
                         for _ in range(runs)]
                gaps = [gone["gap_ms"] for gone, _ in kills]
                failback += [back["lost"] for _, back in kills]
                figures[f"kill_{interval_ms}ms_gap_ms".replace("1000ms", "1s")] = (
                    statistics.median(gaps))
                row(f"killed, {interval_ms} ms", gaps)
                if interval_ms == 30:
                    stops = [leave_and_return(lab, first, second, lambda: first.dataplane.stop())
                             for _ in range(runs)]
                    figures["stop_lost"] = sum(gone["lost"] for gone, _ in stops)
                    failback += [back["lost"] for _, back in stops]
                    row("clean stop", [gone["lost"] for gone, _ in stops], "lost")
                    figures["broken_connections"] = broken_downloads(lab, first, second)
                    row(f"of {DOWNLOADS} downloads", [figures["broken_connections"]], "broken")
        with Pair(backends=0, balancers=2) as lab:
            for node in lab.balancers:
                start_echo(node)
            gaps = keepalived_gaps(lab, interval_ms, runs)
            figures[f"keepalived_{interval_ms}ms_gap_ms".replace("1000ms", "1s")] = (
                statistics.median(gaps))
            row(f"keepalived, {interval_ms} ms", gaps)
    figures["failback_lost"] = sum(failback)
    row("return", failback, "lost")
    with Pair(backends=2, balancers=2) as lab:
        figures["false_switches"] = false_switches(lab, arguments.watch)
    row(f"switches in {arguments.watch:.0f} s", [figures["false_switches"]], "")
    return figures
