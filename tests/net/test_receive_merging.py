"""Packets that the kernel would merge as they come in (GRO) reach the backend one by one."""
import ctypes
import fcntl
import socket
import struct

import client
from lab import SIOCETHTOOL, VIP4, wait_until
from tandem import Tandem

GET_GRO, SET_GRO = 0x2b, 0x2c  # linux/ethtool.h
UPLOADS, UPLOAD_BYTES = 10, 900_000


def gro(node, command, value=0):
    """Asks for that of the node's eth0, or sets it."""
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            both = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
            fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP", b"eth0", ctypes.addressof(both)))
            return struct.unpack("II", both.raw)[1]
    return node.inside(ask)


def test_uploads_arrive_whole_and_the_netdev_is_left_as_it_was(lab, config):
    gro(lab.lb, SET_GRO, 1)
    # As long as their packets are merged or encapsulated they would be too large.
    lab.client.ip(f"route add {VIP4}/32 dev eth0 mtu lock 1400")
    upload = lab.directory / "upload"
    upload.write_bytes(bytes(UPLOAD_BYTES))
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        assert gro(lab.lb, GET_GRO) == 0
        for _ in range(UPLOADS):
            sent = client.curl(lab, f"http://{VIP4}/", "--data-binary", f"@{upload}",
                               "--output", "/dev/null", "--write-out", "%{size_upload}")
            assert sent == str(UPLOAD_BYTES).encode()
        counted = tandem.counters()
        assert counted["malformed"] == counted["too_big"] == 0, counted
        assert tandem.dataplane.stop() == 0
    wait_until(lambda: gro(lab.lb, GET_GRO) == 1, "as it was")
