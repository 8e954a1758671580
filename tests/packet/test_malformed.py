"""What contradicts itself is counted and dropped, and nothing beyond its end is read (ASan)."""
import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrHopByHop)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from frames import CLIENT4, CLIENT6, CLIENT_MAC, VIP4, VIP6, from_client, tcp4, tcp6, udp4, udp6
from harness import MACS, exchange, expect_verdict_of_each
from test_questions import solicitation

IP_AT = 14
TCP4_AT = 34
UDP6_AT = 54


def patched(packet, offset, value, length=1):
    """The packet's frame with some bytes replaced."""
    frame = bytearray(from_client(packet))
    frame[offset:offset + length] = value.to_bytes(length, "big")
    return bytes(frame)


def chain(count, last):
    packet = IPv6(src=CLIENT6, dst=VIP6)
    for _ in range(count):
        packet = packet / IPv6ExtHdrDestOpt()
    return packet / last


def test_headers_that_contradict_themselves(ipip4):
    frames = {
        "IPv4 with version 0": patched(tcp4(), IP_AT, 0x05),
        "IPv4 with version 6": patched(tcp4(), IP_AT, 0x65),
        "IPv6 with version 4": patched(tcp6(), IP_AT, 0x40),
        "IHL 0": patched(tcp4(), IP_AT, 0x40),
        "IHL 4": patched(tcp4(), IP_AT, 0x44),
        "IHL beyond the packet": patched(udp4(), IP_AT, 0x4f),
        "total length 0": patched(tcp4(), IP_AT + 2, 0, 2),
        "total length below the header": patched(tcp4(), IP_AT + 2, 19, 2),
        "total length beyond the frame": patched(tcp4(), IP_AT + 2, 41, 2),
        "total length 65535": patched(tcp4(), IP_AT + 2, 65535, 2),
        "total length that cuts the TCP header": patched(tcp4(), IP_AT + 2, 39, 2),
        "payload length 0": patched(tcp6(), IP_AT + 4, 0, 2),
        "payload length beyond the frame": patched(tcp6(), IP_AT + 4, 21, 2),
        "payload length 65535": patched(tcp6(), IP_AT + 4, 65535, 2),
        "TCP data offset 0": patched(tcp4(), TCP4_AT + 12, 0x00),
        "TCP data offset 4": patched(tcp4(), TCP4_AT + 12, 0x40),
        "TCP data offset beyond the packet": patched(tcp4(), TCP4_AT + 12, 0xf0),
        "UDP length 0": patched(udp6(), UDP6_AT + 4, 0, 2),
        "UDP length 7": patched(udp6(), UDP6_AT + 4, 7, 2),
        "UDP length beyond the packet": patched(udp6(), UDP6_AT + 4, 9, 2),
        "half a UDP header": from_client(IP(src=CLIENT4, dst=VIP4, proto=17) / Raw(bytes(4))),
        "no TCP header": from_client(IP(src=CLIENT4, dst=VIP4, proto=6)),
        "half a ping": from_client(IP(src=CLIENT4, dst=VIP4, proto=1) / Raw(b"\x08\x00\x00\x00")),
        "an IPv4 address in IPv6": from_client(IPv6(src=CLIENT6, dst="::ffff:203.0.113.10") /
                                               TCP(dport=80)),
        "from an IPv4 address in IPv6": from_client(IPv6(src="::ffff:198.51.100.7", dst=VIP6) /
                                                    TCP(dport=80)),
    }
    expect_verdict_of_each(ipip4, frames, "malformed")


def test_chains_of_extension_headers_without_end(ipip4):
    frames = {
        "nine headers": from_client(chain(9, TCP(dport=80))),
        "a hundred headers": from_client(chain(100, TCP(dport=80))),
        "no end": from_client(IPv6(src=CLIENT6, dst=VIP6, nh=60) / Raw(b"\x3c\x00" + bytes(6)) /
                              Raw((b"\x3c\x00" + bytes(6)) * 50)),
        "hop-by-hop options again and again":
            from_client(IPv6(src=CLIENT6, dst=VIP6, nh=0) / Raw((b"\x00\x00" + bytes(6)) * 30)),
        "a header beyond the packet": from_client(IPv6(src=CLIENT6, dst=VIP6, nh=60) /
                                                  Raw(b"\x06\xff" + bytes(30))),
        "half a header": from_client(IPv6(src=CLIENT6, dst=VIP6, nh=60) / Raw(b"\x06\x00\x00")),
        "half a fragment header": from_client(IPv6(src=CLIENT6, dst=VIP6, nh=44) /
                                              Raw(b"\x06\x00\x00\x01")),
        "an authentication header beyond the packet":
            from_client(IPv6(src=CLIENT6, dst=VIP6, nh=51) / Raw(b"\x06\x40" + bytes(30))),
    }
    expect_verdict_of_each(ipip4, frames, "malformed")


def test_the_longest_chain_that_is_taken(ipip4):
    assert exchange(ipip4, [from_client(chain(8, TCP(dport=80)))]).verdicts == {"forwarded": 1}


def test_solicitations_that_nobody_may_believe(ipip4):  # RFC 4861 section 7.1.1
    good = from_client(solicitation(VIP6))
    wrong_sum = bytearray(good)
    wrong_sum[56] ^= 1
    frames = {
        "from another link": from_client(IPv6(src=CLIENT6, dst=VIP6, hlim=254) /
                                         ICMPv6ND_NS(tgt=VIP6)),
        "wrong checksum": bytes(wrong_sum),
        "a code": from_client(IPv6(src=CLIENT6, dst=VIP6, hlim=255) /
                              ICMPv6ND_NS(tgt=VIP6, code=1)),
        "half a target": from_client(IPv6(src=CLIENT6, dst=VIP6, hlim=255, nh=58) /
                                     Raw(bytes(ICMPv6ND_NS(tgt=VIP6))[:16])),
    }
    expect_verdict_of_each(ipip4, frames, "malformed")


def test_every_frame_cut_at_every_byte(ipip4):
    whole = [
        tcp4(b"payload"), udp6(b"payload"), chain(3, UDP(dport=53)), solicitation(VIP6),
        IP(src=CLIENT4, dst=VIP4) / ICMP(), IPv6(src=CLIENT6, dst=VIP6) / ICMPv6EchoRequest(),
        IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrHopByHop() / TCP(dport=80),
        ARP(pdst=VIP4, psrc=CLIENT4, hwsrc=CLIENT_MAC),
    ]
    cuts = [from_client(packet)[:length] for packet in whole
            for length in range(len(from_client(packet)))]
    assert exchange(ipip4, cuts).verdicts == {"malformed": len(cuts)}


def test_frames_of_no_bytes_at_all(ipip4):
    frames = [b"", b"\x00", MACS["wan"].encode()[:6], bytes(13)]
    assert exchange(ipip4, frames).verdicts == {"malformed": len(frames)}


def test_good_packets_between_bad_ones_get_through(ipip4):
    bad = patched(tcp4(), IP_AT, 0x44)
    frames = [frame for number in range(100) for frame in
              (bad, from_client(tcp4(struct.pack("!I", number))), b"", from_client(tcp4(dport=9)))]
    outcome = exchange(ipip4, frames)
    assert outcome.verdicts == {"malformed": 200, "forwarded": 100, "no_service": 100}
    assert [frame[-4:] for frame in outcome.frames] == [struct.pack("!I", n) for n in range(100)]


def test_an_unknown_frame_without_payload_is_not_ours_to_judge(ipip4):
    frame = bytes(Ether(src=CLIENT_MAC, dst=MACS["wan"], type=0x88cc))
    assert exchange(ipip4, [frame]).verdicts == {"punted": 1}
