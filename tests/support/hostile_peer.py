"""Sends what no instance would believe, from the peer's own address and port. Runs on a lab's node.

Of what the peer itself sends, it takes a few datagrams from the wire and sends them again, whole,
cut, changed, and as another release would.
"""
import random
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800
PACKET_OUTGOING = 4
VERSION = 3  # where it stands in a datagram, behind the magic
SENDER = 4


def overheard(source, port, count):
    """Payloads of datagrams that this machine sends from there."""
    payloads = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as wire:
        wire.settimeout(5)
        while len(payloads) < count:
            packet, address = wire.recvfrom(4096)
            if address[1] != ETH_P_IP or address[2] != PACKET_OUTGOING or packet[9] != 17:
                continue
            header = (packet[0] & 15) * 4
            if packet[12:16] == socket.inet_aton(source) and struct.unpack_from(
                    "!H", packet, header)[0] == port:
                payloads.append(packet[header + 8:])
    return payloads


def main():
    source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    random.seed(1)
    true = overheard(source, port, 60)
    lies = []
    for payload in true:
        changed = bytearray(payload)
        changed[random.randrange(8, len(changed))] ^= 1 << random.randrange(8)
        foreign = bytearray(payload)  # of a sender that was never heard
        foreign[SENDER] ^= 1
        later = bytearray(payload)
        later[VERSION] += 1
        lies += [payload, bytes(changed), bytes(foreign), bytes(later),
                 payload[:random.randrange(30)], random.randbytes(len(payload))]
    # A socket of its own beside the process's: the same port.
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        for lie in lies:
            raw.sendto(struct.pack("!HHHH", port, port, 8 + len(lie), 0) + lie, (target, 0))
            time.sleep(0.001)


if __name__ == "__main__":
    main()
