"""Frames longer than a buffer, which arrive in several pieces."""
import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from frames import (CLIENT4, VIP4, aged, from_client, outer4, outer6, flow_label, tcp4, tcp6,
                    to_backend, udp4, udp6)
from harness import exchange

ROOM = 2048  # of one buffer
LENGTHS = [ROOM - 1, ROOM, ROOM + 1, 2 * ROOM - 1, 2 * ROOM, 2 * ROOM + 1, 8900]


def body(length):
    return bytes(i * 7 % 251 for i in range(length))


@pytest.fixture(autouse=True)
def jumbo(ipip4, ipip6, l2):
    for config in (ipip4, ipip6, l2):
        config.ports["wan"].mtu = 9000


def packets():
    """Frames of exactly these lengths, in both families."""
    return ([tcp4(body(length - 14 - 40)) for length in LENGTHS] +
            [udp6(body(length - 14 - 48)) for length in LENGTHS])


def test_long_frames_go_into_ipv4(ipip4):
    outcome = exchange(ipip4, map(from_client, packets()))
    assert outcome.frames == [to_backend(outer4(aged(packet))) for packet in packets()]


def test_long_frames_go_into_ipv6(ipip6):
    outcome = exchange(ipip6, map(from_client, packets()))
    assert outcome.frames == [to_backend(outer6(aged(packet), flow_label(frame)))
                              for packet, frame in zip(packets(), outcome.frames)]


def test_long_frames_get_the_backends_mac(l2):
    outcome = exchange(l2, map(from_client, packets()))
    assert outcome.frames == [to_backend(aged(packet)) for packet in packets()]


def test_padding_across_the_pieces_of_a_frame_does_not_become_payload(ipip4):
    lengths = [ROOM - 20, ROOM - 4, ROOM + 20]
    whole = [udp4(body(length - 14 - 28)) for length in lengths]
    outcome = exchange(ipip4, [from_client(packet) + b"\xee" * 10 for packet in whole])
    for frame, packet in zip(outcome.frames, whole):
        expected = to_backend(outer4(aged(packet)))
        assert frame[:len(expected)] == expected
        assert IP(frame[14:]).len == len(expected) - 14


def test_a_short_packet_in_a_long_frame(ipip4, l2):
    short = udp4(b"short")
    for config, expected in ((ipip4, to_backend(outer4(aged(short)))),
                             (l2, to_backend(aged(short)))):
        outcome = exchange(config, [from_client(short) + bytes(5000)])
        assert outcome.verdicts == {"forwarded": 1}
        assert outcome.frames[0][:len(expected)] == expected


def test_a_long_frame_is_cut_or_too_long(ipip4):
    lying = bytearray(from_client(tcp4(body(5000))))
    lying[16:18] = (len(lying) - 14 + 1).to_bytes(2, "big")
    outcome = exchange(ipip4, [bytes(lying), from_client(tcp6(body(9000))),
                               from_client(IP(src=CLIENT4, dst=VIP4) / UDP(dport=53) /
                                           Raw(body(20000)))])
    assert outcome.verdicts == {"malformed": 1, "too_big": 2}
