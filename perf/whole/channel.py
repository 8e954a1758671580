"""What the channel between two instances carries: at rest next to nothing, in a transition what has
moved. And how soon they are at one on what only one of them has found.

Two instances in network namespaces; FLOWS TCP connections are opened through the active one (a SYN
and an acknowledgement of each, from addresses that nobody has) while its pool is at rest, and others
while about a hundredth of its slots are in transition. Compared with what telling of every flow would
take: a record when it is established and one when it ends.
  steady_bytes           of records and what carries them, while connections were opened at rest
  transition_bytes       the same while slots were in transition
  full_bytes             what full replication would have taken for as many
  transition_percent     of the second in the third
  moved_percent          of the slots that were in transition
  heartbeat_bytes_per_s  what is said in any case, without IP and UDP headers, one path
  agreement_ms           from the check by which one instance finds a backend down, or up again, until
                         both have the same table without it, or with it; the median of CHANGES
  agreement_max_ms       the slowest
Not measured: a million a second; it is a count per connection, whatever the rate.
"""
import re
import statistics
import time

import programs
import client
from lab import VIP4, Lab, wait_until
from nginx import start_all
from pair import backend, running, seconds_to_agree
from tandem import Service

PROGRAMS = (programs.DATAPLANE, programs.CONTROL)
FLOWS = 40_000
FLOW_RECORD_BYTES = 12 + 1   # pair/record.h, with its length
END_RECORD_BYTES = 9 + 1
WATCH_SECONDS = 3
CHANGES = 20


def open_flows(lab, active):
    for flags in (client.SYN, client.ACK):
        client.flood(lab, flags, FLOWS, active.node)


def measure(_arguments):
    with Lab(backends=3, balancers=2) as lab:
        start_all(lab)
        backends = [backend(node, weight=100) for node in lab.backends]
        service = Service(VIP4, backends, settings={"flow_budget": '"100%"'})
        with running(lab, "1s", {"web": service}, poll="adaptive",
                     packet_memory="") as (first, second):
            wait_until(lambda: first.peer()["stream_bytes"] > 0, "a telling")
            carried = lambda: first.peer()["stream_bytes"]
            first.wait_at_rest(VIP4)
            figures = {}
            before, since = first.peer()["sent_bytes"], time.monotonic()
            time.sleep(WATCH_SECONDS)
            figures["heartbeat_bytes_per_s"] = (
                (first.peer()["sent_bytes"] - before) / (time.monotonic() - since))
            before = carried()
            open_flows(lab, first)
            figures["steady_bytes"] = carried() - before
            # One weight of three, by 4 %: about a hundredth of the slots moves.
            since = len(first.control.text())
            changed = [backend(lab.backends[0], weight=96), *backends[1:]]
            first.change_pool(*changed)
            moved, slots = map(int, re.search(r"(\d+) of (\d+) slots move",
                                              first.control.text()[since:]).groups())
            figures["moved_percent"] = 100 * moved / slots
            before = carried()
            open_flows(lab, first)
            figures["transition_bytes"] = settled(carried) - before
            figures["full_bytes"] = FLOWS * (FLOW_RECORD_BYTES + END_RECORD_BYTES)
            figures["transition_percent"] = (
                100 * figures["transition_bytes"] / figures["full_bytes"])
            second.change_pool(*changed)
            times = [seconds_to_agree(second, first, change, lab.backends[1])
                     for _ in range(CHANGES // 2) for change in (second.lose, second.find)]
            figures["agreement_ms"] = 1000 * statistics.median(times)
            figures["agreement_max_ms"] = 1000 * max(times)
    for name, value in figures.items():
        print(f"{name:24} {value:12.1f}")
    return figures


def settled(value):
    """Once it has not grown for a while."""
    last = value()
    while True:
        time.sleep(0.5)
        if value() == last:
            return last
        last = value()
