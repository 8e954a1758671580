"""Frames as scapy builds them: what clients send, and what Tandem should make of it."""
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import MACS

CLIENT_MAC = "02:00:00:00:00:99"
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:7::7"
VIP4, VIP6 = "203.0.113.10", "2001:db8:1::10"
OUR4, OUR6 = "10.0.0.1", "fd00::1"
BACKEND_MAC = "02:00:00:00:00:11"
BACKEND4, BACKEND6 = "10.0.0.11", "fd00::11"


def from_client(packet, destination=MACS["wan"]):
    """The frame of a packet, without padding."""
    return bytes(Ether(src=CLIENT_MAC, dst=destination) / packet)


def tcp4(payload=b"", sport=40000, dport=80, **fields):
    return IP(src=CLIENT4, dst=VIP4, id=7, **fields) / TCP(sport=sport, dport=dport) / Raw(payload)


def udp4(payload=b"", sport=40000, dport=53, **fields):
    return IP(src=CLIENT4, dst=VIP4, id=7, **fields) / UDP(sport=sport, dport=dport) / Raw(payload)


def tcp6(payload=b"", sport=40000, dport=80, **fields):
    return IPv6(src=CLIENT6, dst=VIP6, **fields) / TCP(sport=sport, dport=dport) / Raw(payload)


def udp6(payload=b"", sport=40000, dport=53, **fields):
    return IPv6(src=CLIENT6, dst=VIP6, **fields) / UDP(sport=sport, dport=dport) / Raw(payload)


def to_backend(packet, mac=BACKEND_MAC, source=MACS["wan"]):
    return bytes(Ether(src=source, dst=mac) / packet)


def aged(packet):
    """The packet after one hop."""
    older = packet.copy()
    if IPv6 in packet:
        older[IPv6].hlim -= 1
    else:
        older[IP].ttl -= 1
        del older[IP].chksum
    return older


def traffic_class(packet):
    return packet.tc if isinstance(packet, IPv6) else packet.tos


def outer4(packet, destination=BACKEND4, source=OUR4):
    """The packet in an IPv4 packet, as RFC 2003 and RFC 6040 have it."""
    return IP(src=source, dst=destination, ttl=64, id=0, flags="DF", tos=traffic_class(packet),
              proto=41 if isinstance(packet, IPv6) else 4) / Raw(bytes(packet))


def outer6(packet, flow_label, destination=BACKEND6, source=OUR6):
    """The packet in an IPv6 packet, as RFC 2473 and RFC 6040 have it."""
    return IPv6(src=source, dst=destination, hlim=64, tc=traffic_class(packet), fl=flow_label,
                nh=41 if isinstance(packet, IPv6) else 4) / Raw(bytes(packet))


def flow_label(frame):
    """Of a frame with IPv6: Tandem takes it from the flow's hash, whose key is random."""
    return int.from_bytes(frame[15:18], "big") & 0xfffff
