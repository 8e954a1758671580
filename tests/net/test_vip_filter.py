"""The kernel's side of af_packet ports: frames for VIPs are kept from the kernel."""
import socket
import struct
import subprocess

import pytest
from kernel_side import (ALL, BUILD, NEIGHBOURS, SENDER, Ring, kind_of, lab, packet_socket,  # noqa: F401
                         questions, start, wire)
from lab import VIP4, VIP6
from pyroute2 import netns
from scapy.all import ICMP, IP, UDP, Ether, Raw

CATCH_ALL = "u32 match u32 0 0".split()  # a tc filter that does nothing


def ingress(lab):
    return lab.lb.run("tc", "filter", "show", "dev", "eth0", "ingress")


def qdiscs(lab):
    return lab.lb.run("tc", "qdisc", "show", "dev", "eth0")


def test_af_packet_sees_frames_for_vips_and_the_kernel_does_not(lab, wire, start):
    assert wire.answered(VIP4, VIP6) == ALL
    driver = start()
    driver.do("attach_tc eth0")
    assert wire.answered(VIP4, VIP6) == ALL, "no VIPs are set yet"
    driver.do("vips", VIP4, VIP6)
    ring = Ring(lab)
    assert wire.answered(VIP4, VIP6) == set()
    for name, frame in questions(lab, VIP4, VIP6).items():
        assert bytes(frame) in ring.frames(), name
    assert wire.answered(lab.lb.ipv4, lab.lb.ipv6) == ALL
    assert driver.end() == ""
    assert wire.answered(VIP4, VIP6) == ALL, "detached"


def test_a_socket_of_the_kernel_gets_nothing_for_a_vip(lab, wire, start):
    netns.pushns(lab.lb.namespace)
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        netns.popns()
    listener.bind((VIP4, 0))
    listener.setblocking(False)
    frame = (Ether(src=SENDER, dst=lab.lb.mac()) / IP(src=lab.client.ipv4, dst=VIP4)
             / UDP(sport=9, dport=listener.getsockname()[1]))
    wire.exchange([frame / b"before"])
    assert listener.recv(100) == b"before"
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("vips", VIP4)
    wire.exchange([frame / b"during"])
    with pytest.raises(BlockingIOError):
        listener.recv(100)


def test_a_frame_whose_headers_lie_in_fragments_of_memory_is_recognised(lab, start):
    # A wire of its own: the switch would put the headers in one piece.
    lab.client.ip(f"link add eth1 mtu 9000 type veth peer name eth1 netns {lab.lb.namespace}",
                  "link set eth1 mtu 9000 up")
    lab.lb.ip("link set eth1 mtu 9000 up")
    wire, listener = packet_socket(lab.client, "eth1"), packet_socket(lab.client)
    wire.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR: we say what is in one piece
    only_ethernet = struct.pack("BBHHHH", 0, 0, 14, 0, 0, 0)
    mac = lab.lb.run("cat", "/sys/class/net/eth1/address").strip()
    driver = start()
    driver.do("attach_tc eth1")
    driver.do("vips", VIP4)
    for address in (VIP4, NEIGHBOURS[0]):
        wire.send(only_ethernet + bytes(
            Ether(src=SENDER, dst=mac) / IP(src=lab.client.ipv4, dst=address) / ICMP()
            / Raw(bytes(5000))))
    listener.settimeout(10)
    answered = []
    while NEIGHBOURS[0] not in answered:
        frame = Ether(listener.recv(65536))
        if IP in frame and frame[IP].dst == lab.client.ipv4:
            answered.append(frame[IP].src)
    assert answered == [NEIGHBOURS[0]]


def test_a_prefix_is_filtered_whole_and_nothing_beside_it(lab, wire, start):
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("vips 192.0.2.80/31")
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {NEIGHBOURS[1]}
    driver.do("vips 2001:db8::50/124")
    assert wire.answered(VIP4, VIP6) == ALL
    driver.do("vips 2001:db8::80/121")
    assert wire.answered(VIP4, VIP6) == {"ARP", "echo4", "TCP4"}


def test_new_vips_replace_the_old(lab, wire, start):
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("vips", VIP4, NEIGHBOURS[0])
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {NEIGHBOURS[1]}
    driver.do("vips", NEIGHBOURS[0], NEIGHBOURS[1])
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {VIP4}
    driver.do("vips")
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {VIP4, *NEIGHBOURS}


def test_a_vip_in_the_old_and_the_new_set_is_filtered_all_the_while(lab, wire, start):
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("vips", VIP4)
    others = [f"10.{i >> 8}.{i & 255}.1" for i in range(1000)]
    ping = bytes(Ether(src=SENDER, dst=lab.lb.mac()) / IP(src=lab.client.ipv4, dst=VIP4) / ICMP())
    for turn in range(20):
        driver.popen.stdin.write(" ".join(["vips", VIP4, *(others if turn % 2 else [])]) + "\n")
        driver.popen.stdin.flush()
        for _ in range(100):  # while the driver is at it
            wire.socket.send(ping)
        assert driver.popen.stdout.readline().strip() == "ok"
    assert not [frame for frame in wire.exchange([]) if kind_of(frame, VIP4, VIP6)]


def test_a_full_set_can_be_replaced_by_another_full_one_and_not_by_more(start):
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("many 1 4098")
    driver.do("many 2 4098")
    assert "at most 4098" in driver.say("many 3 4099")


def test_the_filter_leaves_nothing_behind(lab, start):
    before = qdiscs(lab)
    driver = start()
    driver.do("attach_tc eth0")
    assert "clsact" in qdiscs(lab)
    driver.do("detach")
    assert qdiscs(lab) == before


def test_what_is_not_ours_stays(lab, start):
    lab.lb.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("detach")
    assert "clsact" in qdiscs(lab)
    lab.lb.run("tc", "qdisc", "del", "dev", "eth0", "clsact")

    driver.do("attach_tc eth0")  # our clsact; then somebody adds a filter of his own to it
    lab.lb.run("tc", "filter", "add", "dev", "eth0", "egress", "pref", "7", *CATCH_ALL)
    driver.do("detach")
    assert "clsact" in qdiscs(lab)
    assert "u32" in lab.lb.run("tc", "filter", "show", "dev", "eth0", "egress")
    assert "tandem" not in ingress(lab)


def test_filters_behind_ours_still_see_what_is_not_for_a_vip(lab, wire, start):
    lab.lb.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    address = int.from_bytes(socket.inet_aton(NEIGHBOURS[0]), "big")
    lab.lb.run("tc", "filter", "add", "dev", "eth0", "ingress", "pref", "7", "bpf", "da",
               "bytecode", f"6,40 0 0 12,21 0 3 2048,32 0 0 30,21 0 1 {address},6 0 0 2,"
               "6 0 0 4294967295,")  # IPv4 for this address: drop
    driver = start()
    driver.do("attach_tc eth0")
    driver.do("vips", VIP4)
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {NEIGHBOURS[1]}


def test_the_filter_of_a_killed_process_is_replaced_and_that_of_a_living_one_is_not(lab, wire,
                                                                                    start):
    before = qdiscs(lab)
    first, second = start(), start()
    first.do("attach_tc eth0")
    first.do("vips", VIP4)
    assert f"process {first.popen.pid}" in second.say("attach_tc eth0")
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == set(NEIGHBOURS)
    first.kill()
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == set(NEIGHBOURS), "still filtered"
    second.do("attach_tc eth0")
    second.do("vips", NEIGHBOURS[0])
    assert wire.pings_answered([VIP4, *NEIGHBOURS]) == {VIP4, NEIGHBOURS[1]}
    assert ingress(lab).count(" handle ") == 1
    second.do("detach")
    assert qdiscs(lab) == before


def test_a_place_taken_by_another_filter_is_an_error_that_says_so(lab, start):
    lab.lb.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    lab.lb.run("tc", "filter", "add", "dev", "eth0", "ingress", "pref", "1", *CATCH_ALL)
    assert "another tc filter has priority 1" in start().say("attach_tc eth0")
    assert "u32" in ingress(lab)


def test_a_missing_netdev_and_missing_rights_are_one_line(lab, start):
    assert start().say("attach_tc nosuch0") == "error: cannot find netdev nosuch0: No such device"
    said = subprocess.run(
        lab.lb.argv("setpriv", "--bounding-set=-all", "--inh-caps=-all",
                    BUILD / "tests/net/vip_filter_driver"),
        input="attach_tc eth0\nremove_stale_xdp eth0\n", capture_output=True, text=True)
    assert "CAP_NET_ADMIN" in said.stdout.splitlines()[0]
    assert said.stderr == ""
