"""What Tandem adds to what DPDK takes: both replay the same packets, and both drop what they send.

Measured: packets by the port's own counter (the same for both programs) for each second of CPU time
that the one worker had, in intervals that alternate between the two programs. On a CPU of its own
that is packets a second; on a shared one it leaves out the time that others had, but not what they
did to the caches. The port is net_pcap with infinite_rx and no output: receiving copies a frame of
60 bytes into a fresh buffer, sending frees it. dpdk-testpmd swaps MAC addresses (macswap); Tandem
does all its stages and puts every packet into IP-in-IP. The difference is what Tandem's own code
costs per packet, with tables and 4096 flows that fit the caches.
Not measured: a NIC's driver and PCI; tables that do not fit the caches; bursts that are not full;
several workers.
"""
import statistics
import tempfile
import time

import packets
import programs

ROUNDS = 7
PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
FLOWS = 4096
WARM_SECONDS = 0.5
MAC = "02:70:63:61:70:00"  # of DPDK's first net_pcap port


def forwarding_rate(tandem, seconds, after=0):
    """Packets a second of CPU time, all of them forwarded; counted from when `after` have passed."""
    programs.wait_until(lambda: tandem.packets() > after, "packets", tandem.running)
    time.sleep(WARM_SECONDS)
    before = tandem.counters()
    pps = programs.rate(tandem.packets, tandem.dataplane.worker_seconds, seconds)
    received, verdicts = programs.verdicts_between(before, tandem.counters())
    # The counters are read one after the other while packets flow.
    strays = abs(received - verdicts.get("forwarded", 0))
    if verdicts.keys() != {"forwarded"} or strays > received / 1000:
        raise programs.Trouble(f"not every packet was forwarded: {received}, {verdicts}")
    return pps


def tandem_rate(config, seconds):
    with programs.Tandem(config) as tandem:
        return forwarding_rate(tandem, seconds)


def macswap(device, **memory):
    return programs.Testpmd(f"net_pcap_wan,{device}", "--forward-mode=macswap", **memory)


def macswap_rate(program, seconds, after=0):
    """As forwarding_rate(), of testpmd."""
    programs.wait_until(lambda: program.packets() > after, "packets", [program])
    time.sleep(WARM_SECONDS)
    return programs.rate(program.packets, program.worker_seconds, seconds)


def testpmd_rate(device, seconds):
    with macswap(device) as program:
        return macswap_rate(program, seconds)


def above(floor, rate):
    """Nanoseconds that a packet takes longer than at the other of two rates."""
    return 1e9 / rate - 1e9 / floor


def measure(options):
    seconds, rounds = options.seconds, options.rounds or ROUNDS
    pages = "huge" if programs.huge_pages() else "normal"
    print(f"floor: {FLOWS} TCP flows, 60-byte frames, ipip over 3 backends, one worker, {pages} "
          f"pages; {rounds} rounds of {seconds:g} s each, in turn")
    with tempfile.TemporaryDirectory(prefix=programs.SCRATCH) as scratch:
        capture = f"{scratch}/flows.pcap"
        packets.write_capture(capture, FLOWS, MAC)
        device = f"rx_pcap={capture},infinite_rx=1"
        config = programs.config(f"pcap:{device}", packets.VIP)
        print(f"{'round':>6} {'tandem Mpps':>12} {'testpmd Mpps':>13} {'above ns':>9}")
        results = []
        for number in range(1, rounds + 1):
            tandem, testpmd = tandem_rate(config, seconds), testpmd_rate(device, seconds)
            results.append((tandem / 1e6, testpmd / 1e6, above(testpmd, tandem)))
            show(number, results[-1])
    middle = [statistics.median(column) for column in zip(*results)]
    show("median", middle)
    return dict(zip(("tandem_mpps", "testpmd_mpps", "above_floor_ns"),
                    (round(value, 3) for value in middle)))


def show(name, result):
    print("{:>6} {:>12.2f} {:>13.2f} {:>9.1f}".format(name, *result), flush=True)
