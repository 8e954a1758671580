"""The kernel's side of ports whose netdev stays with it: frames for VIPs are kept from the kernel.

The kernel here has the VIPs as addresses of its own, so it answers for them whenever it may.
"""
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import time

import pytest
from lab import VIP4, VIP6, Lab, wait_until
from pyroute2 import netns
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6ND_NA, ICMPv6ND_NS, IPv6, Raw)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
ETH_P_ALL = 3
SENDER = "02:00:00:00:00:77"  # no kernel's, so that none answers what comes back to it
CATCH_ALL = "u32 match u32 0 0".split()  # a tc filter that does nothing
NEIGHBOURS = [f"192.0.2.{host}" for host in (81, 82)]


def solicited(address):
    """The multicast group that the holder of an IPv6 address listens to (RFC 4291, 2.7.1)."""
    low = socket.inet_pton(socket.AF_INET6, address)[-3:]
    group = bytes.fromhex("ff0200000000000000000001ff") + low
    return socket.inet_ntop(socket.AF_INET6, group), "33:33:ff:" + low.hex(":")


def questions(lab, ipv4, ipv6):
    """Frames for two addresses, by name; a kernel that has the addresses answers each of them."""
    mac, source4, source6 = lab.lb.mac(), lab.client.ipv4, lab.client.ipv6
    group, group_mac = solicited(ipv6)

    def to(destination):
        return Ether(src=SENDER, dst=destination)
    return {
        "ARP": to("ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=SENDER, psrc=source4, pdst=ipv4),
        "NS": to(group_mac) / IPv6(src=source6, dst=group) / ICMPv6ND_NS(tgt=ipv6),
        "echo4": to(mac) / IP(src=source4, dst=ipv4) / ICMP(),
        "echo6": to(mac) / IPv6(src=source6, dst=ipv6) / ICMPv6EchoRequest(),
        "TCP4": to(mac) / IP(src=source4, dst=ipv4) / TCP(sport=4321, dport=81, flags="S"),
        "TCP6": to(mac) / IPv6(src=source6, dst=ipv6) / TCP(sport=4321, dport=81, flags="S"),
    }


def kind_of(frame, ipv4, ipv6):
    """Which of the questions for these addresses this is the kernel's answer to, or None."""
    if ARP in frame:
        return "ARP" if frame[ARP].op == 2 and frame[ARP].psrc == ipv4 else None
    if ICMPv6ND_NA in frame:
        return "NS" if frame[ICMPv6ND_NA].tgt == ipv6 else None
    if IP in frame and frame[IP].src == ipv4:
        if ICMP in frame and frame[ICMP].type == 0:
            return "echo4"
        return "TCP4" if TCP in frame and "R" in frame[TCP].flags else None
    if IPv6 in frame and frame[IPv6].src == ipv6:
        if ICMPv6EchoReply in frame:
            return "echo6"
        return "TCP6" if TCP in frame and "R" in frame[TCP].flags else None
    return None


ALL = {"ARP", "NS", "echo4", "echo6", "TCP4", "TCP6"}


def packet_socket(node, netdev="eth0"):
    """A raw socket on a node, for this process."""
    netns.pushns(node.namespace)
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        made.bind((netdev, ETH_P_ALL))
    finally:
        netns.popns()
    return made


class Wire:
    """The client's end of the wire."""

    def __init__(self, lab):
        self.lab = lab
        self.socket = packet_socket(lab.client)
        self.socket.settimeout(10)
        self.marks = 0

    def send(self, frame):
        self.socket.send(bytes(frame))

    def exchange(self, frames):
        """Sends frames; returns all that came from the load balancer until it answered them.

        A ping to the load balancer goes last; once its kernel has answered that, it has dealt
        with what was before.
        """
        for frame in frames:
            self.send(frame)
        self.marks += 1
        self.send(Ether(src=SENDER, dst=self.lab.lb.mac())
                  / IP(src=self.lab.client.ipv4, dst=self.lab.lb.ipv4)
                  / ICMP(id=0x7777, seq=self.marks))
        seen = []
        while True:
            data, address = self.socket.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(data)
            if (ICMP in frame and frame[ICMP].type == 0
                    and (frame[ICMP].id, frame[ICMP].seq) == (0x7777, self.marks)):
                return seen
            seen.append(frame)

    def answered(self, ipv4, ipv6):
        """Which questions for these addresses the load balancer's kernel answers."""
        seen = self.exchange(questions(self.lab, ipv4, ipv6).values())
        return {kind_of(frame, ipv4, ipv6) for frame in seen} - {None}

    def pings_answered(self, addresses):
        mac, source = self.lab.lb.mac(), self.lab.client.ipv4
        seen = self.exchange([Ether(src=SENDER, dst=mac) / IP(src=source, dst=address) / ICMP()
                              for address in addresses])
        return {frame[IP].src for frame in seen if ICMP in frame and frame[ICMP].type == 0}


class Ring:
    """A receive ring on the load balancer's eth0, made as DPDK's af_packet driver makes it."""
    BLOCK, FRAME, COUNT = 4096, 2048, 512

    def __init__(self, lab):
        self.socket = packet_socket(lab.lb)
        self.socket.setsockopt(263, 10, struct.pack("i", 1))  # SOL_PACKET: PACKET_VERSION, V2
        self.socket.setsockopt(263, 5, struct.pack(  # PACKET_RX_RING
            "IIII", self.BLOCK, self.COUNT // 2, self.FRAME, self.COUNT))
        self.memory = mmap.mmap(self.socket.fileno(), self.FRAME * self.COUNT)

    def frames(self):
        found = set()
        for start in range(0, self.FRAME * self.COUNT, self.FRAME):
            status, _, length, offset = struct.unpack_from("IIIH", self.memory, start)
            if status & 1:
                found.add(self.memory[start + offset:start + offset + length])
        return found


class Driver:
    """A process on the load balancer that owns a VipFilter."""

    def __init__(self, lab):
        self.popen = subprocess.Popen(
            lab.lb.argv(BUILD / "tests/net/vip_filter_driver"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def say(self, *words):
        self.popen.stdin.write(" ".join(map(str, words)) + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().strip()

    def do(self, *words):
        answer = self.say(*words)
        assert answer.split()[:1] == ["ok"], answer
        return answer[3:]

    def end(self):
        """Returns what it complained about on stderr."""
        return self.popen.communicate()[1]

    def kill(self):
        self.popen.kill()
        self.popen.communicate()


@pytest.fixture
def lab():
    with Lab(backends=0) as built:
        built.lb.ip(*(f"addr add {address}/32 dev eth0" for address in [VIP4, *NEIGHBOURS]),
                    f"addr add {VIP6}/128 dev eth0 nodad",
                    f"neigh replace {built.client.ipv4} lladdr {SENDER} dev eth0",
                    f"neigh replace {built.client.ipv6} lladdr {SENDER} dev eth0")
        yield built


@pytest.fixture
def wire(lab):
    return Wire(lab)


@pytest.fixture
def start(lab):
    """start() makes a Driver."""
    made = []

    def make():
        made.append(Driver(lab))
        return made[-1]
    yield make
    for driver in made:
        driver.kill()


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
    driver.do("many 1 4096")
    driver.do("many 2 4096")
    assert "at most 4096" in driver.say("many 3 4097")


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


# ---- af_xdp, through DPDK's own driver


def start_testpmd(lab, driver):
    """DPDK's test program on an af_xdp port with our program: sends all it gets to SENDER."""
    program = driver.do("xdp_object")
    return lab.lb.start(
        "testpmd", "dpdk-testpmd", "--no-huge", "--no-shconf", "-m", "128", "--no-pci",
        "--no-telemetry", "--file-prefix", lab.name, "--vdev",
        f"net_af_xdp0,iface=eth0,xdp_prog={program}", "--", "--forward-mode=mac",
        f"--eth-peer=0,{SENDER}", "--total-num-mbufs=8192", "--stats-period=1")


def adopt(driver, vips):
    """Waits for the driver to attach the program."""
    wait_until(lambda: driver.say("adopt_xdp eth0") == "ok", "the XDP program on eth0")
    driver.do("vips", *vips)


def returned(lab, wire, ipv4, ipv6):
    """Which questions come back unchanged but for the MAC addresses, as testpmd sends them."""
    addresses = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in (SENDER, lab.lb.mac()))
    missing = {name: addresses + bytes(frame)[12:]
               for name, frame in questions(lab, ipv4, ipv6).items()}
    for frame in questions(lab, ipv4, ipv6).values():
        wire.send(frame)
    deadline = time.monotonic() + 10
    while missing and time.monotonic() < deadline:
        data = wire.socket.recv(65536)
        missing = {name: frame for name, frame in missing.items() if frame != data}
    return ALL - missing.keys()


def xdp(lab):
    return lab.lb.run("ip", "link", "show", "eth0")


def test_af_xdp_gets_the_frames_for_vips_and_the_kernel_all_others(lab, wire, start):
    driver = start()
    testpmd = start_testpmd(lab, driver)
    adopt(driver, [])
    assert wire.answered(VIP4, VIP6) == ALL, "no VIPs are set yet"
    driver.do("vips", VIP4, VIP6)
    assert returned(lab, wire, VIP4, VIP6) == ALL
    assert wire.answered(VIP4, VIP6) == set()
    assert wire.answered(lab.lb.ipv4, lab.lb.ipv6) == ALL
    driver.do("vips", VIP6)
    assert wire.answered(VIP4, VIP6) == {"ARP", "echo4", "TCP4"}
    driver.do("detach")
    assert wire.answered(VIP4, VIP6) == ALL
    assert "xdp" not in xdp(lab)
    assert testpmd.running


def test_the_xdp_program_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(
        lab, wire, start):
    driver, successor = start(), start()
    successor.do("remove_stale_xdp eth0")
    testpmd = start_testpmd(lab, driver)
    adopt(driver, [VIP4, VIP6])
    driver.kill()
    wait_until(lambda: f"process {testpmd.popen.pid}" in successor.say("remove_stale_xdp eth0"),
               "an error that names testpmd")
    testpmd.kill()
    assert "tandem_xdp" in lab.lb.run("ip", "-details", "link", "show", "eth0")
    assert wire.answered(VIP4, VIP6) == ALL, "without a socket all goes to the kernel"
    successor.do("remove_stale_xdp eth0")
    assert "xdp" not in xdp(lab)


def test_an_xdp_program_that_is_not_ours_is_left_alone(lab, start):
    decap = lab.directory / "decap.o"
    lab.lb.ip(f"link set eth0 xdp obj {decap} sec xdp")
    driver = start()
    assert "not ours (decap)" in driver.say("remove_stale_xdp eth0")
    assert driver.say("adopt_xdp eth0").startswith("error: eth0 does not have our XDP program")
    assert "xdp" in xdp(lab)
