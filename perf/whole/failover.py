"""How long nobody answers when one of two instances dies or leaves, and what that breaks.

A client asks a UDP echo service behind a VIP once a millisecond; two balancers are on its switch, all
in network namespaces. The gap is the longest time between two questions that were answered. With
Tandem the backends answer, with keepalived, on the same topology in the same run, the balancer that
has the address.
  kill_Nms_gap_ms        the active dataplane is killed (SIGKILL), by interval of advertisements
  pause_Nms_gap_ms       it is stopped (SIGSTOP), and goes on later
  link_Nms_gap_ms        its link goes down
  keepalived_Nms_gap_ms  keepalived's processes are killed, and their machine's port goes down
  stop_lost              questions without an answer around a clean stop of the active dataplane
  handoff_lost           the same around a handoff and the way back
  many_pools_10ms_gap_ms the active dataplane is killed, with a group of many pools
  control_lost           the same when control is killed
  channel_lost           the same when the channel between the two is cut; no role may change
  failback_lost          the same when an instance returns and takes over again
  broken_connections     of downloads that run while each of these happens, and while the active
                         dataplane is killed amid a drain, a return and a change of weights; a
                         server paces each of them, which is most of the silence that it sees
  opening_lost           besides these, requests that were opened within the last 50 ms
  needless_switches      of roles, besides those that a scenario asks for
  false_switches         takeovers at 30 ms while nothing happens but that both CPUs are busy
Strikes are spread evenly over the time after an advertisement: what is left of an interval is a part
of the gap, and fifteen moments by chance would move the median by a tenth of an interval. Gaps are
medians; with two CPUs for clients, balancers and backends alike, scheduling is part of them.
Not measured: a NIC, a switch that has to learn, more than one worker.
"""
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import statistics
import time

import programs
from client import PYTHON, Stream
from downloads import Downloads
from keepalived import Keepalived
from lab import SUPPORT, VIP4, Lab, wait_until
from nginx import start_all
from pair import ROUTER_ID, backend, cut_channel, running, wait_in_step
from tandem import Service

PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
RUNS = 15
WATCH_SECONDS = 600
INTERVALS_MS = (1000, 100, 30, 10)
MANY_POOLS = 60
PORT = 80
DOWNLOADS = 200
SETTLE_SECONDS = 0.3
YOUNG_SECONDS = 0.05  # of connections that may be lost


class Pair(Lab):
    """Two balancers, and backends with nginx and an echo server."""

    def _build(self):
        super()._build()
        self.nginx = start_all(self)
        for node in self.backends:
            start_echo(node)


def start_echo(node):
    node.start(f"echo-{node.name}", PYTHON, SUPPORT / "echo.py", "--port", str(PORT))


@contextlib.contextmanager
def pair_of_tandems(lab, interval_ms, idle_pools=0):
    backends = [node.ipv4 for node in lab.backends]
    services = {"echo": Service(VIP4, backends, protocol="udp"), "web": Service(VIP4, backends, on_down="keep"),
                **{f"idle{number}": Service(f"198.18.0.{number + 1}", backends[:1])
                   for number in range(idle_pools)}}
    # Killed again and again, one would have to wait longer each time for what was its own.
    with running(lab, f"{interval_ms}ms", services, stall_limit_ms=50, poll="adaptive",
                 packet_memory="", hold_down_max='"0s"') as both:
        yield both


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


class Adverts:
    """with Adverts(lab, node) as adverts: VRRP's, as they arrive at the switch from that node."""
    ALL_FRAMES = 0x0003  # ETH_P_ALL, linux/if_ether.h
    TO_THE_NODE = 4  # PACKET_OUTGOING, linux/if_packet.h: the other one's
    PROTOCOL_AT, VRRP = 14 + 9, 112
    CLONE_NEWNET = 0x40000000  # linux/sched.h

    def __init__(self, lab, node):
        # A socket stays in the network namespace in which it was made.
        libc = ctypes.CDLL(None, use_errno=True)
        with (open(f"/run/netns/{lab.switch.namespace}") as there,
              open("/proc/thread-self/ns/net") as here):
            if libc.setns(there.fileno(), self.CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                self._open(node.name)
            finally:
                libc.setns(here.fileno(), self.CLONE_NEWNET)

    def _open(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self.ALL_FRAMES))
        self.socket.bind((interface, self.ALL_FRAMES))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def wait(self, seconds):
        """Until so long after the next one."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(2048):
                pass
        self.socket.settimeout(30)
        deadline = time.monotonic() + 30
        while not self._is_of_node(*self.socket.recvfrom(2048)):
            if time.monotonic() > deadline:
                raise programs.Trouble("it does not advertise")
        time.sleep(seconds)

    def _is_of_node(self, frame, address):
        _interface, _protocol, kind, *_ = address
        return kind != self.TO_THE_NODE and frame[self.PROTOCOL_AT:][:1] == bytes([self.VRRP])


class Scenario:
    """Something that happens to the active one, and how it ends."""
    takes_over = True  # the other one

    def __init__(self, first, second):
        self.first, self.second = first, second

    def strike(self):
        pass

    def mend(self):
        pass

    def lost(self):
        """Questions lost while it happens and while it ends; no role is to change."""
        with Probe(self.first.lab) as probe:
            self.strike()
            time.sleep(SETTLE_SECONDS)
            self.mend()
        return probe.result["lost"]

    def leave(self, delay=0):
        """What the probe saw until the other one had taken over, from so long after an advert on."""
        with (Adverts(self.first.lab, self.first.node) as adverts,
              Probe(self.first.lab) as gone):
            def is_backup():
                adverts.wait(delay)
                return not self.second.is_active()

            wait_until(is_backup, "the other one gives back what it had taken over for nothing")
            since = self.second.mark()
            self.strike()
            self.second.wait_role("active", since)
        return gone.result

    def come_back(self):
        """What the probe saw when the first one came back."""
        since, other = self.first.mark(), self.second.mark()
        with Probe(self.first.lab) as back:
            self.mend()
            self.first.wait_role("active", since, seconds=60)
            self.second.wait_role("backup", other)
        wait_in_step(self.first, self.second)
        return back.result


class Killed(Scenario):
    def strike(self):
        self.first.dataplane.kill()

    def mend(self):
        self.first.start_dataplane()


class Stopped(Killed):
    def strike(self):
        self.first.dataplane.stop()


class Paused(Scenario):
    def strike(self):
        self.first.dataplane.signal(signal.SIGSTOP)

    def mend(self):
        self.first.dataplane.signal(signal.SIGCONT)


class Unplugged(Scenario):
    def strike(self):
        self.first.lab.switch.ip(f"link set {self.first.node.name} down")

    def mend(self):
        self.first.lab.switch.ip(f"link set {self.first.node.name} up")


class HandedOff(Scenario):
    def strike(self):
        assert self.first.ask(do="handoff")["ok"]

    def mend(self):
        assert self.first.ask(do="take_back")["ok"]


class Undisturbed(Scenario):
    takes_over = False


class ControlKilled(Undisturbed):
    def strike(self):
        self.first.control.kill()

    def mend(self):
        self.first.start_control()


class ChannelCut(Undisturbed):
    def strike(self):
        self.cut = contextlib.ExitStack()
        self.cut.enter_context(cut_channel(self.first, self.second))
        time.sleep(1)

    def mend(self):
        self.cut.close()


class KilledAmidChanges(Killed):
    """While a backend drains, another returns and a third one's weight is another, in one of the two
    only: what the other one has is then not what the first one did."""

    def strike(self):
        nodes = self.first.lab.backends
        since = len(self.first.control.text())
        self.first.lab.nginx[1].set_healthy(False)
        self.first.control.wait_for_log(re.compile(rf"{re.escape(nodes[1].ipv4)}:80 is down"), since)
        self.first.change_pool(backend(nodes[0], state='"drain"'), nodes[1].ipv4,
                               backend(nodes[2], weight=40))
        self.later = Downloads(self.first.lab, DOWNLOADS // 2)
        self.first.lab.nginx[1].set_healthy(True)
        self.first.control.wait_for_log(re.compile(rf"{re.escape(nodes[1].ipv4)}:80 is up"), since)
        self.opened = time.monotonic()
        super().strike()

    def mend(self):
        self.second.change_pool(backend(self.first.lab.backends[0], state='"drain"'),
                                self.first.lab.backends[1].ipv4,
                                backend(self.first.lab.backends[2], weight=40))
        super().mend()


def delays(interval_ms, runs):
    """Seconds, that spread as many strikes over an interval."""
    return [interval_ms / 1000 * (number + 0.5) / runs for number in range(runs)]


def keepalived_gaps(lab, interval_ms, runs):
    gaps = []
    routers = [Keepalived(node, ROUTER_ID, 200 - 100 * index, interval_ms, [f"{VIP4}/24"])
               for index, node in enumerate(lab.balancers)]
    for router in routers:
        router.start()
    for delay in delays(interval_ms, runs):
        wait_until(lambda: routers[0].is_active() and not routers[1].is_active(), "one is active")
        with Adverts(lab, lab.balancers[0]) as adverts, Probe(lab) as probe:
            adverts.wait(delay)
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


def broken_downloads(scenario):
    """Of downloads under way while it happens and while it ends; of requests opened just before; and
    the longest silence that each download saw."""
    lab = scenario.first.lab
    downloads = Downloads(lab, DOWNLOADS)
    failed = []
    is_struck = isinstance(scenario, KilledAmidChanges)
    with Stream(lab, VIP4, rate=100) if is_struck else contextlib.nullcontext() as stream:
        scenario.strike()
        if scenario.takes_over:
            wait_until(scenario.second.is_active, "the other one has taken over")
        if is_struck:
            time.sleep(1)
            failed = [result for result in stream.results().failed
                      if result["start"] <= scenario.opened]
    since = scenario.first.mark()
    scenario.mend()
    if scenario.takes_over:
        scenario.first.wait_role("active", since, seconds=60)
    else:
        wait_until(scenario.first.is_active, "the first one is active")
    if len(downloads.ended()) == DOWNLOADS:
        raise programs.Trouble("all downloads had ended before the first one was active again")
    wait_in_step(scenario.first, scenario.second)
    broken = len(downloads.broken())
    young = 0
    if is_struck:
        young = sum(scenario.opened - result["start"] < YOUNG_SECONDS for result in failed)
        broken += len(scenario.later.broken()) + len(failed) - young
    return broken, young, [each["silence_ms"] for each in downloads.ended() if "sha256" in each]


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


def name_of(kind, interval_ms):
    return f"{kind}_{interval_ms}ms_gap_ms".replace("1000ms", "1s")


def measure_interval(interval_ms, runs, figures, failback):
    """Gaps of what cannot be planned, and that nothing is lost by what can."""
    with Pair(backends=3, balancers=2) as lab, pair_of_tandems(lab, interval_ms) as both:
        switches, returns = both[1].switches(), len(failback)
        for kind, scenario in (("kill", Killed(*both)), ("pause", Paused(*both)),
                               ("link", Unplugged(*both))):
            gaps = []
            for delay in delays(interval_ms, runs):
                gaps.append(scenario.leave(delay)["gap_ms"])
                failback.append(scenario.come_back()["lost"])
            figures[name_of(kind, interval_ms)] = statistics.median(gaps)
            row(f"{kind}, {interval_ms} ms", gaps)
        for kind, scenario in (("stop", Stopped(*both)), ("handoff", HandedOff(*both))):
            lost = []
            for _ in range(runs):
                lost.append(scenario.leave()["lost"])
                failback.append(scenario.come_back()["lost"])
            figures[f"{kind}_lost"] = figures.get(f"{kind}_lost", 0) + sum(lost)
            row(f"{kind}, {interval_ms} ms", lost, "lost")
        for kind, scenario in (("control", ControlKilled(*both)), ("channel", ChannelCut(*both))):
            lost = [scenario.lost() for _ in range(runs)]
            figures[f"{kind}_lost"] = figures.get(f"{kind}_lost", 0) + sum(lost)
            row(f"{kind}, {interval_ms} ms", lost, "lost")
        needless = both[1].switches() - switches - (len(failback) - returns)
        row(f"for nothing, {interval_ms} ms", [needless], "switches")
        figures["needless_switches"] = figures.get("needless_switches", 0) + needless


def measure_many_pools(runs, figures, failback):
    """Whose tables take several intervals to take over, and to tell."""
    with Pair(backends=3, balancers=2) as lab, pair_of_tandems(lab, 10, MANY_POOLS) as both:
        switches, returns = both[1].switches(), len(failback)
        scenario, gaps = Killed(*both), []
        for delay in delays(10, runs):
            gaps.append(scenario.leave(delay)["gap_ms"])
            failback.append(scenario.come_back()["lost"])
        figures["many_pools_10ms_gap_ms"] = statistics.median(gaps)
        row(f"kill, 10 ms, {MANY_POOLS} pools", gaps)
        needless = both[1].switches() - switches - (len(failback) - returns)
        row(f"for nothing, {MANY_POOLS} pools", [needless], "switches")
        figures["needless_switches"] += needless


def measure_downloads(figures):
    """Of long downloads, one run of each scenario."""
    figures["broken_connections"] = 0
    with Pair(backends=3, balancers=2) as lab, pair_of_tandems(lab, 30) as both:
        for kind in (Undisturbed, Killed, Paused, Unplugged, Stopped, HandedOff, ControlKilled,
                     ChannelCut, KilledAmidChanges):
            broken, young, silences = broken_downloads(kind(*both))
            figures["broken_connections"] += broken
            figures["opening_lost"] = figures.get("opening_lost", 0) + young
            row(f"of {DOWNLOADS}, {kind.__name__}", [broken], "broken")
            row("  longest silence of each", silences)


def measure_keepalived(interval_ms, runs, figures):
    with Pair(backends=0, balancers=2) as lab:
        for node in lab.balancers:
            start_echo(node)
        gaps = keepalived_gaps(lab, interval_ms, runs)
        figures[name_of("keepalived", interval_ms)] = statistics.median(gaps)
        row(f"keepalived, {interval_ms} ms", gaps)


def measure(arguments):
    runs = arguments.runs or RUNS
    print(f"{'':28} {'median':>9} {'min':>9} {'max':>9}   of {runs} runs")
    figures, failback = {}, []
    for interval_ms in INTERVALS_MS:
        measure_interval(interval_ms, runs, figures, failback)
        measure_keepalived(interval_ms, runs, figures)
    measure_many_pools(runs, figures, failback)
    figures["failback_lost"] = sum(failback)
    row("return", failback, "lost")
    measure_downloads(figures)
    with Pair(backends=2, balancers=2) as lab:
        figures["false_switches"] = false_switches(lab, arguments.watch)
    row(f"switches in {arguments.watch:.0f} s", [figures["false_switches"]], "")
    return figures
