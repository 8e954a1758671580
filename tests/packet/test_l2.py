"""Forwarding by the destination MAC: the packet stays as it is, one hop older."""
from frames import aged, from_client, tcp4, tcp6, to_backend, udp4, udp6
from harness import exchange
from test_tunnel import PACKETS


def test_every_kind_of_packet_gets_the_backends_mac(l2):
    packets = {**PACKETS, "longest packet the way takes": tcp4(b"x" * (1500 - 40))}
    outcome = exchange(l2, map(from_client, packets.values()))
    expected = [to_backend(aged(packet)) for packet in packets.values()]
    assert dict(zip(packets, outcome.frames)) == dict(zip(packets, expected))
    assert outcome.verdicts == {"forwarded": len(packets)}


def test_a_packet_too_long_for_the_way_is_counted(l2):
    outcome = exchange(l2, [from_client(tcp4(b"x" * 1461)), from_client(tcp6(b"x" * 1441))])
    assert outcome.verdicts == {"too_big": 2}


def test_a_packet_at_the_end_of_its_life_is_counted(l2):
    outcome = exchange(l2, [from_client(udp4(ttl=1)), from_client(udp6(hlim=1))])
    assert outcome.verdicts == {"ttl_expired": 2}


def test_a_backend_without_known_neighbour_is_counted(l2):
    l2.ports["wan"].neighbours = {}
    assert exchange(l2, [from_client(tcp4())]).verdicts == {"backend_unreachable": 1}
