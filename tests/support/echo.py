"""Answers every UDP datagram with itself, at any of the node's addresses. Runs on a lab's node."""
import argparse
import socket

IP_PKTINFO = 8  # linux/in.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
RECEIVE_BYTES = 8 << 20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        listening.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        listening.bind(("0.0.0.0", options.port))
        while True:
            data, ancillary, _, sender = listening.recvmsg(2048, 128)
            # From the address that was asked, whichever of the node's it is.
            local = next(value[4:8] for _, kind, value in ancillary if kind == IP_PKTINFO)
            information = bytes(4) + local + bytes(4)
            try:
                listening.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, information)], 0, sender)
            except OSError:
                pass  # the address has just left


if __name__ == "__main__":
    main()
