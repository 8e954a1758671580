"""What asks the kernel's side of ports whose netdev stays with it: frames by name, a wire to send
them on, and a process that owns a VipFilter. With fixtures, which test files import by name.

The kernel here has the VIPs as addresses of its own, so it answers for them whenever it may.
"""
import mmap
import os
import pathlib
import socket
import struct
import subprocess

import pytest
from lab import VIP4, VIP6, Lab
from pyroute2 import netns
from scapy.all import (ARP, ICMP, IP, TCP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA,
                       ICMPv6ND_NS, IPv6)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
ETH_P_ALL = 3
SENDER = "02:00:00:00:00:77"  # no kernel's, so that none answers what comes back to it
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
