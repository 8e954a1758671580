"""Requests from the lab's client, and what became of them."""
import collections
import json
import subprocess

from lab import SUPPORT, VIP4, wait_until

PYTHON = "/usr/bin/python3"
SYN, ACK = 0x02, 0x10


class Results(list):
    """What load.py printed, in the order in which the requests ended."""

    @property
    def failed(self):
        return [result for result in self if "error" in result]

    @property
    def spread(self):
        """Answers per backend."""
        return collections.Counter(result["backend"] for result in self if "backend" in result)

    def since(self, moment):
        """The requests begun at or after a moment of time.monotonic()."""
        return Results(result for result in self if result["start"] >= moment)


def requests(lab, host, count, **options):
    """Sends a number of requests and returns their Results."""
    return Results(map(json.loads, lab.client.run(*_argv(host, count=count, **options)).splitlines()))


def until_served(lab, host, names, **options):
    """A process that ends when every one of these backends, and no other, answers."""
    argv = _argv(host, until=",".join(sorted(names)), **options)
    return lab.client.start(f"until{len(lab.processes)}", *argv)


def curl(lab, url, *options, seconds=10):
    """The body curl gets, or None when it fails."""
    done = subprocess.run(lab.client.argv("curl", "-sSgf", "--max-time", str(seconds), *options, url),
                          capture_output=True)
    return done.stdout if done.returncode == 0 else None


def flood(lab, flags, count, balancer=None):
    """Packets of so many flows from addresses that nobody has, at full speed."""
    lab.client.run(PYTHON, SUPPORT / "flood.py", VIP4, (balancer or lab.lb).mac(), "--flags",
                   str(flags), "--count", str(count))


def _argv(host, **options):
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [PYTHON, str(SUPPORT / "load.py"), host, *flags]


class Stream:
    """A steady stream of requests: with Stream(lab, VIP, rate=200) as stream: ..."""

    def __init__(self, lab, host, rate=200, **options):
        self.lab = lab
        self.argv = _argv(host, rate=rate, **options)
        self.process = None
        self._parsed = Results()
        self._parsed_bytes = 0

    def __enter__(self):
        number = len(self.lab.processes)  # its log is its result: one of its own
        self.process = self.lab.client.start(f"stream{number}", *self.argv)
        wait_until(self.results, "the first answer to the stream")
        return self

    def __exit__(self, *_):
        self.stop()

    def results(self):
        """All so far."""
        if not self.process.running and self.process.popen.returncode != 0:
            raise AssertionError(f"the stream of requests ended\n{self.process.tail()}")
        with self.process.log.open("rb") as log:  # tests look often: each line is parsed once
            log.seek(self._parsed_bytes)
            whole, end, _ = log.read().rpartition(b"\n")
        self._parsed_bytes += len(whole + end)
        self._parsed.extend(map(json.loads, whole.splitlines()))
        return Results(self._parsed)

    def wait_for(self, count):
        """Until so many requests more have ended."""
        seen = len(self.results())
        wait_until(lambda: len(self.results()) >= seen + count, f"{count} requests", 60)

    def stop(self):
        """Lets requests under way end, and returns all results."""
        if self.process.running:
            self.process.stop()
        return self.results()
