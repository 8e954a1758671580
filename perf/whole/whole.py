"""What Tandem adds to what DPDK takes when tables are as large as in use: a million TCP flows to one
VIP over a thousand backends, in the smallest frames, all of them put into IP-in-IP.

Measured as in floor.py: packets for each second of CPU time of the one worker, Tandem and
dpdk-testpmd in turn on the same replayed frames. The frames are a million buffers of their own, so
that both programs read each from memory.
  steady      no slot is in transition: no flow is looked up
  transition  every slot is, from 1000 draining backends to 1000 others: every packet's flow is
              looked up and found, and once a second its time of last use is set
  steady v6   as steady, over IPv6, between IPv6 tunnel ends; 78 bytes on a wire instead of 64
Both programs want 3 GiB, one after the other; huge pages are used if so many are free:
sysctl vm.nr_hugepages=1600.
"""
import contextlib
import statistics
import tempfile

import floor
import packets
import programs

ROUNDS = 5
PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
FLOWS = 1_000_000
BACKENDS = 1000
MAC = "02:70:63:61:70:00"  # of DPDK's first net_pcap port
MBUFS = FLOWS + 50_000
FOUND_MIN = 0.999  # of the flows in transition

def backend(network, number, is_v6):
    high, low = divmod(number, 250)
    if is_v6:
        return f"[fd{network:02x}::{high:x}:{low + 1:x}]:80"
    return f"10.{network}.{high}.{low + 1}:80"


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
        # As many slots whatever becomes of the backends: with others no flow would be remembered.
        return programs.config(f"pcap:{self.device}", packets.VIP6 if self.is_v6 else packets.VIP,
                               backends, self.huge, self.mib,
                               flows=f'per_worker = {FLOWS * 3 // 2}\nestablished = "2h"',
                               pool='transition_hold = "2h"\nslots = 131101')

    def at_rest(self):
        return programs.Tandem(self.config(backends(1, self.is_v6)))

    @contextlib.contextmanager
    def in_transition(self):
        """As at_rest(), and all flows are remembered."""
        with self.at_rest() as tandem:
            programs.wait_until(lambda: tandem.packets() > 0, "packets", tandem.running)
            tandem.reload(self.config([*backends(1, self.is_v6, drained=True),
                                       *backends(2, self.is_v6)]))
            programs.wait_until(lambda: tandem.flows()["established"] > FLOWS * FOUND_MIN,
                                "memory of all flows", tandem.running)
            yield tandem

    def steady(self, seconds):
        with self.at_rest() as tandem:
            return floor.forwarding_rate(tandem, seconds, FLOWS)

    def transition(self, seconds):
        with self.in_transition() as tandem:
            before = tandem.flows()
            rate = floor.forwarding_rate(tandem, seconds, FLOWS)
            after = tandem.flows()
            lookups, missed = (after[key] - before[key] for key in ("lookups", "missed"))
            if lookups == 0 or missed > lookups * (1 - FOUND_MIN):
                raise programs.Trouble(f"{missed} of {lookups} flows were not found")
            return rate

    def macswap(self):
        return floor.macswap(self.device, huge=self.huge, mib=self.mib, mbufs=MBUFS)

    def testpmd(self, seconds):
        with self.macswap() as program:
            return floor.macswap_rate(program, seconds, FLOWS)


COLUMNS = ["testpmd Mpps", "steady", "above ns", "transition", "above ns", "testpmd6", "steady6",
           "above ns"]


def measure(options):
    seconds, rounds = options.seconds, options.rounds or ROUNDS
    with tempfile.TemporaryDirectory(prefix=programs.SCRATCH) as scratch:
        v4, v6 = Setting(scratch, False), Setting(scratch, True)
        print(f"whole: {FLOWS} TCP flows, {BACKENDS} backends, ipip, one worker, "
              f"{'huge' if v4.huge else 'normal'} pages; {rounds} rounds of {seconds:g} s each, in turn")
        print(f"{'round':>6}" + "".join(f"{name:>14}" for name in COLUMNS))
        results = []
        for number in range(1, rounds + 1):
            testpmd, steady, transition = (way(seconds) for way in (v4.testpmd, v4.steady,
                                                                    v4.transition))
            testpmd6, steady6 = v6.testpmd(seconds), v6.steady(seconds)
            results.append((testpmd / 1e6, steady / 1e6, floor.above(testpmd, steady),
                            transition / 1e6, floor.above(testpmd, transition), testpmd6 / 1e6,
                            steady6 / 1e6, floor.above(testpmd6, steady6)))
            show(number, results[-1])
    middle = [statistics.median(column) for column in zip(*results)]
    show("median", middle)
    return {"steady_v4_above_floor_ns": round(middle[2], 3),
            "transition_v4_above_floor_ns": round(middle[4], 3),
            "steady_v6_above_floor_ns": round(middle[7], 3),
            "testpmd_v4_mpps": round(middle[0], 3), "testpmd_v6_mpps": round(middle[5], 3)}


def show(name, result):
    print(f"{name:>6}" + "".join(f"{value:>14.2f}" for value in result), flush=True)
