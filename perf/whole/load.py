"""What gets through when a generator outside sends more than that, and what gets through unharmed.

Each link is measured with Tandem and, in turn, with dpdk-testpmd (macswap) in Tandem's place, which
shows what the link itself can do. A packet goes to the device and comes back on the same link
(Tandem's as IP-in-IP), and both ends of its way are counted at the generator, packets a second:
  offered    what the generator made
  taken      what the link took from it: memif refuses what its ring has no room for
  forwarded  what came back
  lost       offered - forwarded, wherever that was; "in device": what was taken and not forwarded
  lossless   the highest rate tried at which less than 0.1 % is lost: full blast, then shares of
             what was forwarded then. A lower bound: told a rate, trafgen reaches less than half of
             what it does at full blast. Only veth: the generator for memif cannot be told one
Links:
  memif           dpdk-testpmd flowgen: UDP to many addresses of a VIP that is a network. Not
                  txonly, which never empties its receiving side
  veth_af_packet  trafgen: TCP from many ports, over one veth pair between two namespaces, to an
                  af_packet port
  veth_af_xdp     the same to an af_xdp port, which copies
All frames have 60 bytes. The generator runs on the first CPU, the device on all others, Tandem's
control among them; frames on veth cost both CPUs time in the kernel too.
Not measured: a NIC, its driver and PCI; latency; more than one worker; rates above what the
generator reaches. With two CPUs, and the more so if others use them, scheduling decides much of it:
a device that is not running loses what its ring has no room for. Compare Tandem with testpmd, and
only in one run.
"""
import json
import os
import re
import statistics
import time
from dataclasses import dataclass, fields, replace

import packets
import programs
from lab import Lab

ROUNDS = 3
PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
FLOWS = 4096
FLOWGEN_VIP = "10.253.0.0/16:1001/udp"    # flowgen.c: cfg_ip_dst, cfg_udp_dst
FLOWGEN_MAC = "00:01:02:03:04:01"         # cfg_ether_dst
CALIBRATION_PACKETS = 100_000
LOSS_MAX = 0.001
SHARES = (0.9, 0.7, 0.5, 0.35, 0.2, 0.1)  # of what was forwarded at full blast, tried in turn
GENERATOR_SECONDS_MAX = 60  # of testpmd
START_SECONDS = 10          # of trafgen
SETTLE_SECONDS = 0.1
FORWARDED = re.compile(r"for all ports.*?RX-packets: (\d+).*?TX-packets: (\d+) +TX-dropped: (\d+)",
                       re.S)
SENT = re.compile(r"(\d+) sec, (\d+) usec on CPU\d+ \((\d+) packets\)")


@dataclass
class Load:
    """Packets a second."""
    offered: float
    taken: float
    forwarded: float
    lossless: float | None = None

    @property
    def lost(self):
        return self.offered - self.forwarded

    @property
    def lost_after_taken(self):
        return 1 - self.forwarded / self.taken if self.taken else 0


class Wire(Lab):
    """A client and a load balancer at the two ends of a veth pair, without a switch in between."""

    def __init__(self):
        super().__init__(backends=0)
        cpus = sorted(os.sched_getaffinity(0))
        self.generator_cpu, self.device_cpus = cpus[0], cpus[1:] or cpus

    def _build(self):
        self.directory.mkdir(mode=0o755)
        self._add_namespaces(self.client, self.lb)
        for node in (self.client, self.lb):
            node.sysctl(self._without_checks("all", "default"))
            node.ip("link set lo up")
        self.client.ip(f"link add eth0 type veth peer name eth0 netns {self.lb.namespace}",
                       "link set eth0 up")
        self.lb.ip("link set eth0 up")

    def device_argv(self):
        return self.lb.argv("taskset", "--cpu-list", ",".join(map(str, self.device_cpus)))

    def tandem(self, device, vip):
        return programs.Tandem(programs.config(device, vip), prefix=self.device_argv())

    def testpmd(self, device):
        return programs.Testpmd(device, "--forward-mode=macswap", prefix=self.device_argv(),
                                cpus=self.device_cpus)


class Memif:
    name = "memif"

    def __init__(self, wire):
        self.wire = wire
        self.path = wire.directory / "memif.sock"
        self.socket = f"socket={self.path},socket-abstract=no"

    def tandem(self):
        return self.wire.tandem(f"memif:role=server,mac={FLOWGEN_MAC},{self.socket}", FLOWGEN_VIP)

    def testpmd(self):
        return self.wire.testpmd(f"net_memif_wan,role=server,mac={FLOWGEN_MAC},{self.socket}")

    def measure(self, seconds):
        programs.wait_until(self.path.exists, "memif socket of the device")
        generator = programs.Testpmd(
            f"net_memif_wan,role=client,{self.socket}", "--forward-mode=flowgen",
            f"--flowgen-flows={FLOWS}", "--txpkts=64", cpus=[self.wire.generator_cpu],
            prefix=self.wire.client.argv("timeout", str(GENERATOR_SECONDS_MAX)))
        with generator:
            programs.wait_until(lambda: generator.packets() > 0, "packets back", [generator])
            first, start = self.counts(generator), time.perf_counter()
            time.sleep(seconds)
            last, end = self.counts(generator), time.perf_counter()
        self.path.unlink(missing_ok=True)  # the next device makes its own
        back, taken, refused = ((b - a) / (end - start) for a, b in zip(first, last))
        return Load(taken + refused, taken, back)

    @staticmethod
    def counts(generator):
        return list(map(int, generator.ask("show fwd stats all", FORWARDED).groups()))


class Veth:
    def __init__(self, wire, driver):
        self.wire = wire
        self.driver = driver
        self.name = f"veth_{driver}"
        self.frames = wire.directory / "frames.cfg"
        packets.write_trafgen(self.frames, FLOWS, wire.lb.mac())

    def tandem(self):
        return self.wire.tandem(f"{self.driver}:eth0", packets.VIP)

    def testpmd(self):
        return self.wire.testpmd(f"net_{self.driver}_wan,iface=eth0")

    def measure(self, seconds):
        speed = self.offer(CALIBRATION_PACKETS, seconds).offered
        blast = load = self.offer(speed * seconds, seconds)
        for share in SHARES:
            if load.lost < LOSS_MAX * load.offered:
                return replace(blast, lossless=load.offered)
            rate = max(1, int(blast.forwarded * share))
            load = self.offer(rate * seconds, seconds, "--rate", f"{rate}pps")
        return replace(blast, lossless=0)

    def offer(self, count, seconds, *options):
        """Sends so many packets, or as many as it can in three times the time that they should
        take, and waits until no more come back."""
        sent_before, back_before = self.counts()
        said = self.wire.client.run(
            "timeout", "--preserve-status", "--kill-after=5", 3 * seconds + START_SECONDS,
            "trafgen", "--dev", "eth0", "--conf", self.frames, "--cpus", 1, "--num",
            max(1, int(count)), "--no-sock-mem", "--notouch-irq", *options)
        whole, micro, offered = map(int, SENT.search(said).groups())
        if offered == 0:
            raise programs.Trouble(f"trafgen sent nothing in {3 * seconds + START_SECONDS} s")
        sending = whole + micro / 1e6
        sent, back = self.counts()
        while True:
            time.sleep(SETTLE_SECONDS)
            back, before = self.counts()[1], back
            if back == before:
                break
        return Load(*(n / sending for n in (offered, sent - sent_before, back - back_before)))

    def counts(self):
        """Frames that the client's side of the veth pair has sent and received."""
        link, = json.loads(self.wire.client.run("ip", "-json", "-stats", "link", "show", "eth0"))
        return link["stats64"]["tx"]["packets"], link["stats64"]["rx"]["packets"]


DEVICES = ("tandem", "testpmd")
COLUMNS = ("offered", "taken", "forwarded", "lost", "lossless")


def show(link, device, number, load):
    figures = "".join(f"{getattr(load, column) / 1e6:>10.3f}" for column in COLUMNS[:-1])
    lossless = "-" if load.lossless is None else f"{load.lossless / 1e6:.3f}"
    print(f"{link:<15} {device:<8} {number:>6} {figures}{lossless:>10}"
          f"{load.lost_after_taken:>10.2%}", flush=True)


def median(loads):
    columns = zip(*((getattr(load, field.name) for field in fields(Load)) for load in loads))
    return Load(*(None if None in column else statistics.median(column) for column in columns))


def measure(options):
    seconds, rounds = options.seconds, options.rounds or ROUNDS
    print(f"load: {FLOWS} flows, 60-byte frames, ipip over 3 backends, one worker; "
          f"{rounds} rounds of {seconds:g} s each, in turn; Mpps")
    print(f"{'link':<15} {'device':<8} {'round':>6} " +
          "".join(f"{column:>10}" for column in COLUMNS) + f"{'in device':>10}")
    figures = {}
    with Wire() as wire:
        for link in (Memif(wire), Veth(wire, "af_packet"), Veth(wire, "af_xdp")):
            loads = {device: [] for device in DEVICES}
            for number in range(1, rounds + 1):
                for device in DEVICES:
                    with getattr(link, device)():
                        loads[device].append(link.measure(seconds))
                    show(link.name, device, number, loads[device][-1])
            for device in DEVICES:
                middle = median(loads[device])
                show(link.name, device, "median", middle)
                prefix = link.name if device == "tandem" else f"{link.name}_{device}"
                figures |= {f"{prefix}_{column}_mpps": round(getattr(middle, column) / 1e6, 3)
                            for column in COLUMNS if getattr(middle, column) is not None}
    return figures
