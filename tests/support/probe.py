"""Asks an echo server once a millisecond, and says how long it got no answer. Runs on the client.

Prints one JSON line at the end, of SIGTERM or --seconds: {"sent": N, "lost": N, "gap_ms": LONGEST,
"late_ms": LONGEST}. gap_ms: between the sending of two questions that were answered with none
answered in between, an interval included. late_ms: the longest that the probe itself did not send,
which no gap below that says anything about.
"""
import argparse
import json
import select
import signal
import socket
import struct
import time

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
RECEIVE_BYTES = 8 << 20
INTERVAL_S = 0.001
PATIENCE_S = 0.5  # for the last answers
NUMBER = struct.Struct("!I")


class Probe:
    def __init__(self, host, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Who was stopped forwards all at once what has waited for it: no reason to lose anything here.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        self.socket.connect((host, port))
        self.socket.setblocking(False)
        self.sent = []  # when
        self.answered = set()
        self.is_over = False

    def stop(self, *_):
        self.is_over = True

    def send(self):
        self.sent.append(time.monotonic())
        try:
            self.socket.send(NUMBER.pack(len(self.sent) - 1))
        except OSError:
            pass  # unreachable for a moment: lost

    def receive(self, seconds):
        """What arrives within so many seconds."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return
        try:
            while True:
                self.answered.add(NUMBER.unpack(self.socket.recv(2048))[0])
        except OSError:
            pass  # there is no more, or an ICMP error

    def run(self, seconds):
        started = due = time.monotonic()
        while not self.is_over and time.monotonic() - started < seconds:
            if time.monotonic() >= due:
                self.send()
                due = max(due + INTERVAL_S, time.monotonic() - INTERVAL_S)  # none is made up for
            self.receive(due - time.monotonic())
        end = time.monotonic() + PATIENCE_S
        while (left := end - time.monotonic()) > 0 and len(self.answered) < len(self.sent):
            self.receive(left)

    def result(self):
        times = [self.sent[number] for number in sorted(self.answered)]
        longest = lambda of: 1000 * max((b - a for a, b in zip(of, of[1:])), default=0)
        return {"sent": len(self.sent), "lost": len(self.sent) - len(self.answered),
                "gap_ms": round(longest(times), 2), "late_ms": round(longest(self.sent), 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    probe = Probe(options.host, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, probe.stop)
    probe.run(options.seconds)
    print(json.dumps(probe.result()), flush=True)


if __name__ == "__main__":
    main()
