"""Packets in, packets out: the real tandem-dataplane on capture files, with the real tandem-control.

exchange(config, frames) replays the frames through both processes and returns what came out, with
the counters. Every exchange checks that received = sum of verdicts.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from scapy.utils import PcapReader, PcapWriter

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from telemetry import Telemetry  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build")).resolve()
DATAPLANE = BUILD / "dataplane" / "tandem-dataplane"
CONTROL = BUILD / "control" / "tandem-control"

# In a sanitizer build, undefined behaviour ends the process, and its exit code fails the test.
ENVIRONMENT = {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", **os.environ}
SECONDS_MAX = 30  # for anything that is waited for
NOT_VERDICTS = {"received", "received_bytes", "loops", "busy_loops"}
MACS = {  # of DPDK's net_pcap ports, in the order of their making
    "wan": "02:70:63:61:70:00",
    "lan": "02:70:63:61:70:01",
}


@dataclass
class Pool:
    backends: list  # "ADDRESS:PORT"
    mode: str = "ipip"
    check: str = "none"
    tunnel_source: str = ""


@dataclass
class Port:
    addresses: list = field(default_factory=lambda: ["10.0.0.1/24", "fd00::1/64"])
    neighbours: dict = field(default_factory=lambda: dict(
        [(f"10.0.0.{n}", f"02:00:00:00:00:{n}") for n in range(11, 20)] +
        [(f"fd00::{n}", f"02:00:00:00:00:{n}") for n in range(11, 20)]))
    gateway: str = ""
    mtu: int = 1500


@dataclass
class Config:
    """What the tests vary; text() is the file."""
    pools: dict  # name -> Pool
    vips: dict   # name -> (listen, pool)
    ports: dict = field(default_factory=lambda: {"wan": Port()})
    dataplane: dict = field(default_factory=dict)

    def text(self, directory):
        settings = {"socket": f"{directory}/dataplane.sock", "memory": "normal",
                    "packet_memory": "64MiB", **self.dataplane}
        lines = ["[dataplane]", *(f"{key} = {toml(value)}" for key, value in settings.items()),
                 "[control]", f'state_dir = "{directory}/state"']
        for name, port in self.ports.items():
            files = f"rx_pcap={directory}/{name}.in.pcap,tx_pcap={directory}/{name}.out.pcap"
            lines += [f"[port.{name}]", f'device = "pcap:{files}"', f"mtu = {port.mtu}",
                      f"address = {toml(port.addresses)}",
                      f"neighbours = {toml(port.neighbours)}"]
            if port.gateway:
                lines.append(f'gateway = "{port.gateway}"')
        for name, pool in self.pools.items():
            lines += [f"[pool.{name}]", f'mode = "{pool.mode}"', f'check = "{pool.check}"',
                      f"backends = {toml(pool.backends)}"]
            if pool.tunnel_source:
                lines.append(f'tunnel_source = "{pool.tunnel_source}"')
        for name, (listen, pool) in self.vips.items():
            lines += [f"[vip.{name}]", f'listen = "{listen}"', f'pool = "{pool}"']
        return "\n".join(lines) + "\n"


def toml(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass
class Outcome:
    sent: dict      # port name -> frames, as bytes, in order
    verdicts: dict  # those that occurred
    log: str

    @property
    def frames(self):
        """What left by the only port, or by the only port that sent."""
        sent = [frames for frames in self.sent.values() if frames]
        assert len(sent) <= 1, f"more than one port sent: {self.sent}"
        return sent[0] if sent else []


def wait_until(condition, what, processes=(), seconds=SECONDS_MAX):
    """The condition's value as soon as it is true; fails when a process ends before."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        for process in processes:
            assert process.poll() is None, f"{process.args[2].name} ended while waiting for {what}"
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.005)


class Tandem:
    """with Tandem(config, frames) as tandem: both processes run. Nothing is left behind."""

    def __init__(self, config, frames_in):
        self.config = config
        self.frames_in = frames_in
        self.processes = []
        self.telemetry = None
        self.last_words = ""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="tandem-packet-")
        self.directory = pathlib.Path(self.scratch.name)
        (self.directory / "state").mkdir()
        self.file = self.directory / "tandem.toml"
        self.file.write_text(self.config.text(self.directory))
        for name in self.config.ports:
            write_capture(self.directory / f"{name}.in.pcap", self.frames_in.get(name, []))
        self.log = open(self.directory / "log", "w+")
        try:
            for program in (DATAPLANE, CONTROL):
                self.start(program)
            self.telemetry = wait_until(self.connect, "telemetry", self.processes)
            wait_until(self.counters, "counters", self.processes)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise AssertionError(f"{error}\n{self.text}") from error
        return self

    def start(self, program):
        # A network of its own, and empty: health checks go nowhere.
        self.processes.append(subprocess.Popen(
            ["unshare", "--net", program, "--config", self.file], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, cwd=self.directory, env=ENVIRONMENT))

    def connect(self):
        path = self.directory / "dpdk" / "tandem" / "dpdk_telemetry.v2"
        try:
            return Telemetry(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def counters(self):
        answer = self.telemetry.ask("/tandem/counters")
        return answer if isinstance(answer, dict) and "received" in answer else {}

    def wait_received(self, count):
        """Until every frame has been received and has left by some verdict."""
        def all_left():
            counters = self.counters()
            done = counters.get("received") == count == sum(verdicts_of(counters).values())
            return counters if done else None
        try:
            return wait_until(all_left, f"{count} frames received", self.processes)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.counters()}\n{self.text}") from error

    def stop(self):
        """Ends both processes as an operator would, and expects them to end well."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            code = process.wait(SECONDS_MAX)
            assert code == 0, f"{process.args[2].name} ended with {code}\n{self.text}"

    @property
    def text(self):
        """What both have logged so far."""
        return self.last_words or (self.directory / "log").read_text()

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        if self.telemetry:
            self.telemetry.close()
        self.last_words = self.text
        self.log.close()
        self.scratch.cleanup()


def verdicts_of(counters):
    return {name: count for name, count in counters.items() if name not in NOT_VERDICTS and count}


def write_capture(path, frames):
    with PcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for frame in frames:
            # Cut on the wire is not cut by the capture: both lengths are the same.
            writer.write_packet(bytes(frame), sec=0, usec=0, caplen=len(bytes(frame)),
                                wirelen=len(bytes(frame)))


def read_capture(path):
    with PcapReader(str(path)) as reader:
        return [bytes(frame) for frame in iter(lambda: read_raw(reader), None)]


def read_raw(reader):
    try:
        return reader._read_packet()[0]
    except EOFError:
        return None


def exchange(config, frames, port="wan"):
    """Sends the frames into a port and returns the Outcome."""
    frames = [bytes(frame) for frame in frames]
    with Tandem(config, {port: frames}) as tandem:
        counters = tandem.wait_received(len(frames))
        tandem.stop()
        sent = {name: read_capture(tandem.directory / f"{name}.out.pcap")
                for name in config.ports}
        outcome = Outcome(sent, verdicts_of(counters), tandem.text)
    counted = outcome.verdicts.get("forwarded", 0) + outcome.verdicts.get("answered", 0)
    assert sum(map(len, sent.values())) == counted, f"{outcome.verdicts}, sent {sent}"
    return outcome


def expect_verdict_of_each(config, frames, verdict):
    """All frames (name -> frame) leave by one verdict; if not, says which do not."""
    if exchange(config, frames.values()).verdicts == {verdict: len(frames)}:
        return
    wrong = {}
    for name, frame in frames.items():
        verdicts = exchange(config, [frame]).verdicts
        if verdicts != {verdict: 1}:
            wrong[name] = verdicts
    raise AssertionError(f"expected {verdict}, but: {wrong or 'only all together differ'}")
