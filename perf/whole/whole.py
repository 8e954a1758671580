"""What Tandem adds to what DPDK takes when tables are as large as in use: a million TCP flows to one
VIP over a thousand backends, in the smallest frames, all of them put into IP-in-IP.

Measured as in floor.py: packets for each second of CPU time of the one worker, Tandem and
dpdk-testpmd in turn on the same replayed frames. The frames are a million buffers of their own, so
that both programs read each from memory.
  steady      no slot is in transition: no flow is looked up
  transition  every slot is, from 1000 draining backends to 1000 others: every packet's flow is
              looked up, found, and its time of last use is set
  steady v6   as steady, over IPv6, between IPv6 tunnel ends; 78 bytes on a wire instead of 64
Both programs want 3 GiB, one after the other; huge pages are used if so many are free:
sysctl vm.nr_hugepages=1600.
"""
import statistics
import tempfile
import time

import packets
import programs

ROUNDS = 5
FLOWS = 1_000_000
BACKENDS = 1000
MAC = "02:70:63:61:70:00"  # of DPDK's first net_pcap port
MBUFS = FLOWS + 50_000
WARM_SECONDS = 1
FOUND_MIN = 0.999  # of the flows in transition

CONFIG = """\
[dataplane]
socket = "{{directory}}/dataplane.sock"
memory = "{memory}"
packet_memory = "{mib}MiB"
poll = "busy"
workers = 1
[flows]
per_worker = {flows}
established = "2h"
[control]
state_dir = "{{directory}}/state"
[port.wan]
device = "{device}"
address = ["10.0.0.1/24", "fd00::1/64"]
gateway = ["10.0.0.254", "fd00::fe"]
neighbours = {{ "10.0.0.254" = "02:00:00:00:00:fe", "fd00::fe" = "02:00:00:00:00:fe" }}
[pool.web]
mode = "ipip"
check = "none"
transition_hold = "2h"
slots = 131101
backends = [{backends}]
[vip.web]
listen = "{vip}"
pool = "web"
"""


def backend(network, number, is_v6):
    high, low = divmod(number, 250)
    return f"[fd{network:02x}::{high:x}:{low + 1:x}]:80" if is_v6 else f"10.{network}.{high}.{low + 1}:80"


def backends(network, is_v6, drained=False):
    for number in range(BACKENDS):
        address = backend(network, number, is_v6)
        yield f'{{ address = "{address}", state = "drain" }}' if drained else f'"{address}"'


class Setting:
    """Frames of one family, and how both programs are run on them."""

    def __init__(self, scratch, is_v6):
        self.is_v6 = is_v6
        capture = f"{scratch}/{'v6' if is_v6 else 'v4'}.pcap"
        packets.write_capture(capture, FLOWS, MAC, packets.frame6 if is_v6 else packets.frame)
        self.device = f"rx_pcap={capture},infinite_rx=1"
        self.huge = programs.huge_pages(3000)
        self.mib = 2800 if self.huge else 4400

    def config(self, backends):
        return CONFIG.format(memory="huge" if self.huge else "normal", mib=self.mib,
                             flows=FLOWS * 3 // 2, device=f"pcap:{self.device}",
                             vip=packets.VIP6 if self.is_v6 else packets.VIP,
                             backends=", ".join(backends))

    def steady(self, seconds):
        with programs.Tandem(self.config(backends(1, self.is_v6))) as tandem:
            return self.rate(tandem, seconds)

    def transition(self, seconds):
        with programs.Tandem(self.config(backends(1, self.is_v6))) as tandem:
            programs.wait_until(lambda: tandem.packets() > 0, "packets", tandem.running)
            tandem.reload(self.config([*backends(1, self.is_v6, drained=True),
                                       *backends(2, self.is_v6)]))
            programs.wait_until(lambda: tandem.flows()["established"] > FLOWS * FOUND_MIN,
                                "memory of all flows", tandem.running)
            before = tandem.flows()
            rate = self.rate(tandem, seconds)
            after = tandem.flows()
            lookups, hits = (after[key] - before[key] for key in ("lookups", "hits"))
            if lookups == 0 or hits < lookups * FOUND_MIN:
                raise programs.Trouble(f"{hits} of {lookups} flows were found")
            return rate

    def rate(self, tandem, seconds):
        programs.wait_until(lambda: tandem.packets() > FLOWS, "packets", tandem.running)
        time.sleep(WARM_SECONDS)
        before = tandem.counters()
        pps = programs.rate(tandem.packets, tandem.dataplane.worker_seconds, seconds)
        received, verdicts = programs.verdicts_between(before, tandem.counters())
        strays = abs(received - verdicts.get("forwarded", 0))  # read while packets flow
        if verdicts.keys() != {"forwarded"} or strays > received / 1000:
            raise programs.Trouble(f"not every packet was forwarded: {received}, {verdicts}")
        return pps

    def testpmd(self, seconds):
        with programs.Testpmd(f"net_pcap_wan,{self.device}", "--forward-mode=macswap",
                              huge=self.huge, mib=self.mib, mbufs=MBUFS) as program:
            programs.wait_until(lambda: program.packets() > FLOWS, "packets", [program])
            time.sleep(WARM_SECONDS)
            return programs.rate(program.packets, program.worker_seconds, seconds)


COLUMNS = ["testpmd Mpps", "steady", "above ns", "transition", "above ns", "testpmd6", "steady6",
           "above ns"]


def measure(seconds, rounds):
    with tempfile.TemporaryDirectory(prefix=programs.SCRATCH) as scratch:
        v4, v6 = Setting(scratch, False), Setting(scratch, True)
        print(f"whole: {FLOWS} TCP flows, {BACKENDS} backends, ipip, one worker, "
              f"{'huge' if v4.huge else 'normal'} pages; {rounds} rounds of {seconds:g} s each, in turn")
        print(f"{'round':>6}" + "".join(f"{name:>14}" for name in COLUMNS))
        results = []
        for number in range(1, rounds + 1):
            floor, steady, transition = v4.testpmd(seconds), v4.steady(seconds), v4.transition(seconds)
            floor6, steady6 = v6.testpmd(seconds), v6.steady(seconds)
            results.append((floor / 1e6, steady / 1e6, above(floor, steady), transition / 1e6,
                            above(floor, transition), floor6 / 1e6, steady6 / 1e6,
                            above(floor6, steady6)))
            show(number, results[-1])
    middle = [statistics.median(column) for column in zip(*results)]
    show("median", middle)
    return {"steady_v4_above_floor_ns": round(middle[2], 3),
            "transition_v4_above_floor_ns": round(middle[4], 3),
            "steady_v6_above_floor_ns": round(middle[7], 3),
            "testpmd_v4_mpps": round(middle[0], 3), "testpmd_v6_mpps": round(middle[5], 3)}


def above(floor, rate):
    return 1e9 / rate - 1e9 / floor


def show(name, result):
    print(f"{name:>6}" + "".join(f"{value:>14.2f}" for value in result), flush=True)
