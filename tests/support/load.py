"""HTTP requests to one address, each on a connection of its own. Runs on the lab's client.

Either --count requests as fast as --concurrency allows, or --rate a second until SIGTERM.
Prints one JSON line per request, as it ends: {"start": s, "end": s, "backend": NAME} or
{"start": s, "end": s, "error": TEXT}; times are CLOCK_MONOTONIC, the same for every process.
With --until NAMES, --count requests again and again until all are answered, by each of these
backends and no other; nothing is printed.

Sockets and a selector: tests start this all the time, and asyncio takes four times as long to be
imported, and for each request.
"""
import argparse
import errno
import json
import os
import resource
import selectors
import signal
import socket
import time

SECONDS_BETWEEN_LOOKS = 0.05  # whether it is to stop


class Request:
    """One under way: connects, asks, reads to the end."""

    def __init__(self, load):
        self.load = load
        self.result = {"start": time.monotonic()}
        self.asked = False
        self.answer = b""
        self.socket = socket.socket(load.family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        load.selector.register(self.socket, selectors.EVENT_WRITE, self)
        code = self.socket.connect_ex(load.address)
        if code not in (0, errno.EINPROGRESS):
            self.end(error=os.strerror(code))

    def go_on(self):
        """Whatever the socket is ready for."""
        try:
            if not self.asked:
                self.ask()
            elif data := self.socket.recv(1 << 16):
                self.answer += data
            else:
                self.end(backend=self.body())
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(error=str(error))

    def ask(self):
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        self.socket.send(self.load.question)
        self.asked = True
        self.load.selector.modify(self.socket, selectors.EVENT_READ, self)

    def body(self):
        head, separator, body = self.answer.partition(b"\r\n\r\n")
        if not separator or not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"answer {self.answer[:60]!r}")
        return body.decode().strip()

    def end(self, **result):
        self.load.selector.unregister(self.socket)
        self.socket.close()
        self.result.update(result, end=time.monotonic())
        self.load.ended(self)


class Load:
    def __init__(self, options):
        self.options = options
        self.family, _, _, _, self.address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM)[0]
        self.question = f"GET {options.path} HTTP/1.0\r\nHost: tandem\r\n\r\n".encode()
        self.selector = selectors.DefaultSelector()
        self.running = {}  # by the order of their beginning, which is that of their time limits
        self.results = []
        self.is_to_stop = False

    def begin(self):
        request = Request(self)
        if "end" not in request.result:
            self.running[request] = None

    def ended(self, request):
        self.running.pop(request, None)
        if self.options.until:
            self.results.append(request.result)
        else:
            print(json.dumps(request.result), flush=True)

    def serve(self, until):
        """Goes on with what is under way, until something is ready or a moment has come."""
        oldest = next(iter(self.running), None)
        if oldest:
            until = min(until, oldest.result["start"] + self.options.timeout)
        for key, _ in self.selector.select(max(0, until - time.monotonic())):
            key.data.go_on()
        overdue = time.monotonic() - self.options.timeout
        while (oldest := next(iter(self.running), None)) and oldest.result["start"] <= overdue:
            oldest.end(error="timeout")

    def serve_all(self):
        while self.running:
            self.serve(time.monotonic() + SECONDS_BETWEEN_LOOKS)

    def a_number(self):
        for _ in range(self.options.count):
            while len(self.running) >= self.options.concurrency:
                self.serve(time.monotonic() + SECONDS_BETWEEN_LOOKS)
            self.begin()
        self.serve_all()

    def until_served(self):
        names = set(self.options.until.split(","))
        while True:
            self.results = []
            self.a_number()
            if {result.get("backend") for result in self.results} == names:
                return
            time.sleep(0.05)

    def steadily(self):
        next_one = time.monotonic()
        while not self.is_to_stop:
            self.serve(min(next_one, time.monotonic() + SECONDS_BETWEEN_LOOKS))
            if time.monotonic() >= next_one:
                self.begin()
                next_one += 1 / self.options.rate
        self.serve_all()

    def stop(self, *_):
        self.is_to_stop = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--path", default="/")
    parser.add_argument("--timeout", type=float, default=2, help="seconds, of the whole request")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0, help="requests a second")
    parser.add_argument("--until", default="", metavar="NAMES", help="of backends: one,two")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, hard), hard))
    load = Load(options)
    if options.until:
        load.until_served()
    elif options.count:
        load.a_number()
    else:
        signal.signal(signal.SIGTERM, load.stop)
        load.steadily()


if __name__ == "__main__":
    main()
