"""TCP packets of many flows to one VIP, from addresses that nobody has. Runs on the lab's client.

Every packet is of another flow. Bounded by --count; sent as fast as one socket takes them.
"""
import argparse
import socket
import struct

from scapy.utils import checksum

PORTS = 60_000  # of each source address


def packet(number, head, destination, port, flags):
    source = struct.pack("!I", 0xc6336400 + number // PORTS)  # 198.51.100.x, RFC 5737
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0x4000, 64, 6, 0, source, destination)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % PORTS, port, number, 0, 0x50, flags, 65535, 0, 0)
    pseudo = source + destination + struct.pack("!HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    return head + ip + tcp + bytes(6)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vip")
    parser.add_argument("mac", help="of the load balancer")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--flags", type=int, default=0x02, help="of TCP; the default is SYN")
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    destination = socket.inet_aton(options.vip)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("eth0", 0))
        head = bytes.fromhex(options.mac.replace(":", "")) + bytes.fromhex("0200000000ee0800")
        for number in range(options.count):
            out.send(packet(number, head, destination, options.port, options.flags))


if __name__ == "__main__":
    main()
