"""What is for a VIP, and what becomes of all the rest."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6Unknown, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.packet import Raw

from frames import (CLIENT4, CLIENT6, CLIENT_MAC, OUR4, OUR6, VIP4, VIP6, from_client, tcp4, tcp6,
                    udp4, udp6)
from harness import MACS, Config, Pool, exchange, expect_verdict_of_each

OTHER_MAC = "02:00:00:00:00:77"


def client_to(address, transport):
    layer = IPv6(src=CLIENT6, dst=address) if ":" in address else IP(src=CLIENT4, dst=address)
    return from_client(layer / transport)


def test_frames_for_another_host_are_counted(ipip4):
    frames = {"flow": from_client(tcp4(), OTHER_MAC), "IPv6": from_client(tcp6(), OTHER_MAC),
              "neither IP nor VIP": bytes(Ether(src=CLIENT_MAC, dst=OTHER_MAC, type=0x88cc) /
                                          Raw(bytes(46)))}
    expect_verdict_of_each(ipip4, frames, "other_host")


def test_what_is_not_for_a_vip_goes_to_the_kernel(ipip4):
    frames = {
        "our address": client_to(OUR4, TCP(dport=22)),
        "our IPv6 address": client_to(OUR6, TCP(dport=22)),
        "an address beside the VIP": client_to("203.0.113.11", TCP(dport=80)),
        "an IPv6 address beside the VIP": client_to("2001:db8:1::11", TCP(dport=80)),
        "multicast": from_client(IP(src=CLIENT4, dst="224.0.0.5", proto=89) / Raw(bytes(20)),
                                 "01:00:5e:00:00:05"),
        "broadcast": from_client(IP(src=CLIENT4, dst="255.255.255.255") / UDP(dport=67),
                                 "ff:ff:ff:ff:ff:ff"),
        "a VIP's packet sent to a group": from_client(tcp4(), "01:00:5e:00:00:05"),
        "LLDP": bytes(Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:0e", type=0x88cc) /
                      Raw(bytes(46))),
        "a tag": bytes(Ether(src=CLIENT_MAC, dst=MACS["wan"]) / Dot1Q(vlan=5) / tcp4()),
        "GRE to us": client_to(OUR4, GRE() / Raw(bytes(20))),
        "a fragment to us": from_client(IP(src=CLIENT4, dst=OUR4, flags="MF") / Raw(bytes(24))),
    }
    expect_verdict_of_each(ipip4, frames, "punted")


def test_a_vips_address_without_a_service_is_counted(ipip4):
    frames = {
        "another port": from_client(tcp4(dport=81)),
        "another protocol": from_client(udp4(dport=80)),
        "another port over IPv6": from_client(tcp6(dport=81)),
        "another protocol over IPv6": from_client(udp6(dport=80)),
        "GRE": client_to(VIP4, GRE() / Raw(bytes(20))),
        "ICMP that is no ping": client_to(VIP4, ICMP(type=13) / Raw(bytes(12))),
        "ICMPv6 that is no ping": client_to(VIP6, ICMPv6Unknown(type=200, msgbody=bytes(8))),
    }
    expect_verdict_of_each(ipip4, frames, "no_service")


def test_fragments_for_a_vip_are_counted(ipip4):
    first, *rest = fragment(udp4(b"x" * 600), fragsize=256)
    frames = {
        "first": from_client(first), "last": from_client(rest[-1]),
        "first of IPv6": from_client(IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrFragment(m=1, nh=17) /
                                     Raw(bytes(64))),
        "later of IPv6": from_client(IPv6(src=CLIENT6, dst=VIP6) /
                                     IPv6ExtHdrFragment(offset=8, nh=17) / Raw(bytes(64))),
    }
    expect_verdict_of_each(ipip4, frames, "fragment")


def wide_services():
    """VIPs that are ranges, any port, networks; each over a backend of its own."""
    listens = {
        "range": "203.0.113.20:8000-8099/tcp", "any": "203.0.113.21:*/udp",
        "network": "203.0.112.0/24:443/tcp", "inside": "203.0.112.128/25:443/tcp",
        "single": "203.0.112.200:443/tcp", "range_in_network": "203.0.112.200:400-500/tcp",
        "network6": "[2001:db8:2::/48]:443/tcp", "single6": "[2001:db8:2::2]:443/tcp",
    }
    pools, vips = {}, {}
    for number, (name, listen) in enumerate(listens.items(), start=11):
        pools[name] = Pool([f"10.0.0.{number}:1"])
        vips[name] = (listen, name)
    return Config(pools, vips), {f"10.0.0.{n}": name for n, name in enumerate(listens, start=11)}


CASES = [
    ("203.0.113.20", TCP(dport=8000), "range"), ("203.0.113.20", TCP(dport=8099), "range"),
    ("203.0.113.20", TCP(dport=7999), None), ("203.0.113.20", TCP(dport=8100), None),
    ("203.0.113.20", UDP(dport=8000), None),
    ("203.0.113.21", UDP(dport=0), "any"), ("203.0.113.21", UDP(dport=65535), "any"),
    ("203.0.113.21", TCP(dport=80), None),
    ("203.0.112.0", TCP(dport=443), "network"), ("203.0.112.127", TCP(dport=443), "network"),
    ("203.0.112.128", TCP(dport=443), "inside"), ("203.0.112.255", TCP(dport=443), "inside"),
    ("203.0.112.200", TCP(dport=443), "single"),
    ("203.0.112.200", TCP(dport=444), "range_in_network"),
    ("203.0.112.201", TCP(dport=444), None),
    ("2001:db8:2::1", TCP(dport=443), "network6"), ("2001:db8:2::2", TCP(dport=443), "single6"),
    ("2001:db8:2:ffff::1", TCP(dport=443), "network6"),
    ("2001:db8:2::2", TCP(dport=444), None),
]


def test_the_most_specific_vip_wins():
    config, names = wide_services()
    hits = [(address, transport, vip) for address, transport, vip in CASES if vip]
    outcome = exchange(config, [client_to(address, transport) for address, transport, _ in hits])
    assert outcome.verdicts == {"forwarded": len(hits)}
    found = [names[IP(frame[14:]).dst] for frame in outcome.frames]
    assert found == [vip for _, _, vip in hits]


def test_ports_outside_a_vips_range_have_no_service():
    config, _ = wide_services()
    expect_verdict_of_each(config, {f"{address} {transport.summary()}": client_to(address, transport)
                                    for address, transport, vip in CASES if not vip}, "no_service")


@pytest.mark.parametrize("check", ["http /healthz", "tcp"])
def test_a_pool_without_serving_backend_is_counted(ipip4, check):
    ipip4.pools["web"].check = check
    ipip4.pools["web"].backends = ["10.0.0.11:1"]
    frames = {"TCP": from_client(tcp4()), "UDP": from_client(udp4()), "IPv6": from_client(tcp6())}
    expect_verdict_of_each(ipip4, frames, "no_backend")
