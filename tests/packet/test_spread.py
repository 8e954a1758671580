"""Flows over backends: each stays where it is, and all get their share."""
import collections

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from frames import from_client, tcp4, tcp6, udp4
from harness import exchange

BACKENDS = [f"10.0.0.{n}" for n in (11, 12, 13)]
PER_BACKEND = 1000


def backends_of(outcome):
    return [IP(frame[14:]).dst for frame in outcome.frames]


def test_a_flow_stays_with_its_backend(ipip4):
    ipip4.pools["web"].backends = [f"{address}:80" for address in BACKENDS]
    flows = [tcp4(sport=sport) for sport in range(1000, 1200)] + [
        udp4(sport=sport) for sport in range(1000, 1100)] + [
        tcp6(sport=sport) for sport in range(1000, 1100)]
    frames = [from_client(packet) for packet in flows]
    outcome = exchange(ipip4, frames + frames[::-1])
    chosen = backends_of(outcome)
    assert outcome.verdicts == {"forwarded": 2 * len(frames)}
    assert chosen[:len(frames)] == chosen[len(frames):][::-1]


def test_nothing_but_the_flow_decides(ipip4):
    ipip4.pools["web"].backends = [f"{address}:80" for address in BACKENDS]
    packets = [tcp4(sport=40000, tos=tos, ttl=ttl, payload=b"x" * (tos + ttl))
               for tos in (0, 8, 255) for ttl in (3, 64, 255)]
    assert len(set(backends_of(exchange(ipip4, map(from_client, packets))))) == 1


def test_many_flows_spread_evenly(ipip4):
    ipip4.pools["web"].backends = [f"{address}:80" for address in BACKENDS]
    flows = [tcp4(sport=1000 + number) for number in range(PER_BACKEND * len(BACKENDS))]
    shares = collections.Counter(backends_of(exchange(ipip4, map(from_client, flows))))
    assert set(shares) == set(BACKENDS)
    # 7 standard deviations of a fair draw: sqrt(3000 * 1/3 * 2/3) = 26
    assert all(abs(share - PER_BACKEND) < 180 for share in shares.values()), shares


def test_a_backend_with_twice_the_weight_gets_twice_the_flows(ipip4):
    ipip4.pools["web"].backends = [
        {"address": f"{BACKENDS[0]}:80", "weight": 2}, {"address": f"{BACKENDS[1]}:80"}]
    flows = [tcp6(sport=1000 + number) for number in range(3000)]
    outcome = exchange(ipip4, map(from_client, flows))
    shares = collections.Counter(backends_of(outcome))
    assert all(isinstance(IPv6(frame[34:]), IPv6) for frame in outcome.frames[:3])
    assert abs(shares[BACKENDS[0]] - 2000) < 180 and abs(shares[BACKENDS[1]] - 1000) < 180, shares
