"""Forwarding in IP-in-IP, byte by byte."""
import ipaddress

import pytest
from scapy.layers.inet import IP, IPOption_NOP, IPOption_RR, TCP, UDP
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting)
from scapy.packet import Raw

from frames import (CLIENT4, CLIENT6, OUR4, VIP4, VIP6, aged, flow_label, from_client, outer4,
                    outer6, tcp4, tcp6, to_backend, udp4, udp6)
from harness import Config, Pool, Port, exchange

PACKETS = {
    "TCP over IPv4": tcp4(b"hello"),
    "UDP over IPv4": udp4(b"query"),
    "TCP over IPv6": tcp6(b"hello"),
    "UDP over IPv6": udp6(b"query"),
    "IPv4 options": tcp4(b"x", options=[IPOption_RR(routers=["0.0.0.0"] * 3), IPOption_NOP()]),
    "IPv6 hop-by-hop options":
        IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrHopByHop() / TCP(sport=1, dport=80),
    "IPv6 chain of headers":
        IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() /
        IPv6ExtHdrRouting() / UDP(sport=1, dport=53) / Raw(b"q"),
    "IPv6 atomic fragment":  # RFC 6946
        IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrFragment(id=9) / TCP(sport=1, dport=80),
    "nothing behind the UDP header": udp4(),
    "DSCP and ECN over IPv4": tcp4(tos=0xb9),
    "DSCP and ECN over IPv6": tcp6(tc=0xb9),
    "longest packet the way takes": tcp4(b"x" * (1500 - 20 - 40)),
    "odd number of bytes": udp6(b"odd"),
    "TTL that lasts for one more hop": tcp4(ttl=2),
    "hop limit that lasts for one more hop": tcp6(hlim=2),
}
PACKETS = {name: packet.__class__(bytes(packet)) for name, packet in PACKETS.items()}


def test_every_kind_of_packet_goes_into_ipv4(ipip4):
    outcome = exchange(ipip4, [from_client(packet) for packet in PACKETS.values()])
    expected = [to_backend(outer4(aged(packet))) for packet in PACKETS.values()]
    assert dict(zip(PACKETS, outcome.frames)) == dict(zip(PACKETS, expected))
    assert outcome.verdicts == {"forwarded": len(PACKETS)}


def test_every_kind_of_packet_goes_into_ipv6(ipip6):
    packets = {**PACKETS, "longest packet the way takes": tcp4(b"x" * (1500 - 40 - 40))}
    outcome = exchange(ipip6, [from_client(packet) for packet in packets.values()])
    expected = [to_backend(outer6(aged(packet), flow_label(frame)))
                for packet, frame in zip(packets.values(), outcome.frames)]
    assert dict(zip(packets, outcome.frames)) == dict(zip(packets, expected))
    assert outcome.verdicts == {"forwarded": len(packets)}


def test_a_flow_keeps_its_flow_label_and_flows_differ(ipip6):
    packets = [tcp4(sport=sport) for sport in (1, 2, 3, 4, 5, 6) for _ in range(3)]
    labels = [flow_label(frame) for frame in
              exchange(ipip6, map(from_client, packets)).frames]
    by_flow = [set(labels[i:i + 3]) for i in range(0, len(labels), 3)]
    assert all(len(flow) == 1 for flow in by_flow), labels
    assert len(set.union(*by_flow)) > 1, labels


def test_link_padding_does_not_become_payload(ipip4):
    packets = [udp4(), tcp4(b"ab"), tcp6()]
    outcome = exchange(ipip4, [from_client(packet) + b"\xee" * 9 for packet in packets])
    assert outcome.frames == [to_backend(outer4(aged(packet))) for packet in packets]


def test_a_packet_too_long_for_the_way_is_counted(ipip4):
    packets = [tcp4(b"x" * (1500 - 20 - 40 + 1)), udp6(b"x" * (1500 - 20 - 48 + 1)),
               tcp4(b"x" * 1460)]
    outcome = exchange(ipip4, map(from_client, packets))
    assert outcome.verdicts == {"too_big": 3}


def test_a_longer_mtu_takes_longer_packets(ipip4):
    ipip4.ports["wan"].mtu = 9000
    packet = tcp4(b"x" * (9000 - 20 - 40))
    outcome = exchange(ipip4, [from_client(packet), from_client(tcp4(b"x" * (9000 - 59)))])
    assert outcome.verdicts == {"forwarded": 1, "too_big": 1}
    assert outcome.frames == [to_backend(outer4(aged(packet)))]


# RFC 1812 section 5.3.1, RFC 8200 section 3.
@pytest.mark.parametrize("ttl", [0, 1])
def test_a_packet_at_the_end_of_its_life_is_counted(ipip4, ttl):
    outcome = exchange(ipip4, [from_client(tcp4(ttl=ttl)), from_client(tcp6(hlim=ttl))])
    assert outcome.verdicts == {"ttl_expired": 2}


def test_a_backend_without_known_neighbour_is_counted(ipip4):
    ipip4.ports["wan"].neighbours = {}
    outcome = exchange(ipip4, [from_client(tcp4())])
    assert outcome.verdicts == {"backend_unreachable": 1}


def test_a_distant_backend_is_reached_through_the_gateway(ipip4):
    ipip4.ports["wan"].gateway = "10.0.0.19"
    ipip4.pools["web"].backends = ["192.168.7.7:80"]
    outcome = exchange(ipip4, [from_client(tcp4())])
    assert outcome.frames == [to_backend(outer4(aged(tcp4()), destination="192.168.7.7"),
                                         mac="02:00:00:00:00:19")]


def test_backends_behind_another_port_are_reached_by_it():
    lan = Port(addresses=["10.1.0.1/24"], neighbours={"10.1.0.11": "02:00:00:00:00:11"})
    config = Config(pools={"web": Pool(["10.1.0.11:80"])},
                    vips={"web": ("203.0.113.10:80/tcp", "web")},
                    ports={"lan": lan, "wan": Port()})
    outcome = exchange(config, [from_client(tcp4(), destination="02:70:63:61:70:01")])
    assert outcome.verdicts == {"forwarded": 1}
    assert outcome.sent["wan"] == []
    assert outcome.sent["lan"] == [
        to_backend(outer4(aged(tcp4()), destination="10.1.0.11", source="10.1.0.1"),
                   source="02:70:63:61:70:00")]


def test_the_outer_source_varies_with_the_flow_inside_its_prefix(ipip4):
    ipip4.pools["web"].tunnel_source = "10.9.8.0/28"
    # So many that all 16 are met: one of them is not in one of 10^12 runs.
    flows = [tcp4(sport=sport) for sport in range(1, 501)]
    outcome = exchange(ipip4, map(from_client, flows * 2))
    sources = [IP(frame[14:]).src for frame in outcome.frames]
    assert sources[:500] == sources[500:], "a flow keeps its source"
    network = ipaddress.ip_network("10.9.8.0/28")
    assert all(ipaddress.ip_address(source) in network for source in sources)
    assert len(set(sources)) == 16
    assert outcome.frames[:500] == [
        to_backend(outer4(aged(packet), source=source))
        for packet, source in zip(flows, sources)]


def test_the_outer_source_varies_over_ipv6_too(ipip6):
    ipip6.pools["web"].tunnel_source = "fd00:9::/64"
    flows = [tcp6(sport=sport) for sport in range(1, 33)]
    outcome = exchange(ipip6, map(from_client, flows * 2))
    sources = [IPv6(frame[14:]).src for frame in outcome.frames]
    assert sources[:32] == sources[32:], "a flow keeps its source"
    network = ipaddress.ip_network("fd00:9::/64")
    assert all(ipaddress.ip_address(source) in network for source in sources)
    assert len(set(sources)) > 16


def test_without_a_prefix_the_outer_source_is_the_ports_address(ipip4):
    outcome = exchange(ipip4, [from_client(tcp4(sport=sport)) for sport in range(1, 20)])
    assert {IP(frame[14:]).src for frame in outcome.frames} == {OUR4}


def test_a_checksum_that_was_wrong_stays_wrong(ipip4):
    good = from_client(IP(src=CLIENT4, dst=VIP4) / TCP(sport=1, dport=80))
    bad = bytearray(good)
    bad[24] ^= 0x40
    outcome = exchange(ipip4, [bytes(bad)])
    assert IP(outcome.frames[0][34:]).chksum != IP(bytes(aged(IP(good[14:])))).chksum
