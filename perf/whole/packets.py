"""The packets that the measurements offer: many TCP flows to one VIP, in the smallest frames."""
import random
import struct

from scapy.utils import checksum

VIP = "203.0.113.10:80/tcp"
VIP6 = "[2001:db8:1::10]:80/tcp"


def frame(number, mac):
    """A TCP segment of the flow of that number, 60 bytes: 64 with the FCS of a real wire."""
    source = struct.pack("!I", 0xc6336400 + (number >> 12))  # 198.51.100.x
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 46, number & 0xffff, 0x4000, 64, 6, 0, source,
                         bytes([203, 0, 113, 10]))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60000, 80, number, 0, 0x50, 0x10, 65535, 0, 0)
    ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000099") + b"\x08\x00"
    return ethernet + header + tcp + bytes(6)


def frame6(number, mac):
    """The same over IPv6: 74 bytes, 78 with the FCS."""
    source = bytes.fromhex("20010db8000000070000000000000000")[:12] + struct.pack("!I", number >> 12)
    header = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + source + bytes.fromhex(
        "20010db8000100000000000000000010")
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60000, 80, number, 0, 0x50, 0x10, 65535, 0, 0)
    ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000099") + b"\x86\xdd"
    return ethernet + header + tcp


def frames(flows, mac, make=frame):
    """One frame of each flow, in an order that looks like none."""
    numbers = list(range(flows))
    random.Random(1).shuffle(numbers)
    return (make(number, mac) for number in numbers)


def write_capture(path, flows, mac, make=frame):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for packet in frames(flows, mac, make):
            file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


def write_trafgen(path, flows, mac):
    with open(path, "w") as file:
        for packet in frames(flows, mac):
            file.write("{ " + ", ".join(map(str, packet)) + " }\n")
