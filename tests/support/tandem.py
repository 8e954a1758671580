"""The two processes of Tandem on the lab's load balancer, and the file that configures them."""
import json
import os
import pathlib
import signal
from dataclasses import dataclass, field

import client
from lab import SUPPORT, wait_until
from telemetry import Telemetry

NOT_VERDICTS = {"received", "received_bytes", "loops", "busy_loops"}
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", SUPPORT.parents[1] / "build"))
DATAPLANE = BUILD / "dataplane" / "tandem-dataplane"
CONTROL = BUILD / "control" / "tandem-control"


def endpoint(address, port=80):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def backend_text(backend):
    return backend if backend.startswith("{") else f'"{endpoint(backend)}"'


@dataclass
class Service:
    """One VIP and its pool."""
    vip: str
    backends: list  # addresses, or what stands in the file for a backend: { address = … }
    mode: str = "ipip"
    on_down: str = "rehash"
    settings: dict = field(default_factory=dict)  # of the pool, beside these: key -> TOML value
    protocol: str = "tcp"
    group: str = ""  # of several


@dataclass
class Config:
    """What the tests vary in a configuration file; str() is the file."""
    directory: pathlib.Path
    services: dict = field(default_factory=dict)  # name -> Service
    device: str = "af_packet:eth0"
    workers: int = 1
    poll: str = "relaxed"  # here compilers and clients have the workers' CPUs, too
    packet_memory: str = "64MiB"  # the least: to fill it is half of a start; "": what is needed
    port: str = "wan"
    addresses: list = field(default_factory=list)  # of the port, where the kernel knows of none
    gateways: list = field(default_factory=list)
    interval_ms: int = 200
    timeout_ms: int = 100
    rise: int = 2
    fall: int = 2
    # How long a worker may stand still where there are groups to claim. The default is for a worker
    # with a CPU of its own: here compilers and clients have it, too.
    stall_limit_ms: int = 2000
    check: str = "http"
    established_s: int = 900  # how long a silent flow is remembered, and a transition lasts
    flows_per_worker: int = 100_000
    groups: list = field(default_factory=list)  # of dicts, key -> TOML value
    pair: dict = field(default_factory=dict)  # key -> TOML value; none: no such section

    @property
    def detection_ms(self):
        """The longest time from a backend's refusal to the last packet it may get."""
        return self.interval_ms * self.fall + 100

    def __str__(self):
        return "\n".join([
            "[dataplane]",
            f'socket = "{self.directory}/dataplane.sock"',
            f"workers = {self.workers}",
            f'poll = "{self.poll}"',
            *([f'packet_memory = "{self.packet_memory}"'] if self.packet_memory else []),
            *([f'stall_limit = "{self.stall_limit_ms}ms"'] if self.groups else []),
            "",
            "[flows]",
            f'established = "{self.established_s}s"',
            f"per_worker = {self.flows_per_worker}",
            "",
            "[control]",
            f'state_dir = "{self.directory}/state"',
            "",
            f"[port.{self.port}]",
            f'device = "{self.device}"',
            f"address = {json.dumps(self.addresses)}",
            f"gateway = {json.dumps(self.gateways)}",
            *(line for group in self.groups for line in (
                "", "[[group]]", *(f"{key} = {value}" for key, value in group.items()))),
            *(("", "[pair]", *(f"{key} = {value}" for key, value in self.pair.items()))
              if self.pair else ()),
            "",
            "[check.web]",
            f'type = "{self.check}"',
            *(['path = "/healthz"'] if self.check == "http" else []),
            f'interval = "{self.interval_ms}ms"',
            f'timeout = "{self.timeout_ms}ms"',
            f"rise = {self.rise}",
            f"fall = {self.fall}",
            *(line for name, service in self.services.items() for line in (
                "",
                f"[pool.{name}]",
                f'mode = "{service.mode}"',
                f'on_down = "{service.on_down}"',
                *(f"{key} = {value}" for key, value in service.settings.items()),
                'check = "web"',
                "backends = [" + ", ".join(map(backend_text, service.backends)) + "]",
                "",
                f"[vip.{name}]",
                f'listen = "{endpoint(service.vip)}/{service.protocol}"',
                f'pool = "{name}"',
                *([f'group = "{service.group}"'] if service.group else []))),
            ""])


class Tandem:
    """with Tandem(lab, config) as tandem: both processes run, and stop cleanly at the end."""

    def __init__(self, lab, config, node=None):
        self.lab = lab
        self.node = node or lab.lb
        self.config = config
        self.directory = config.directory
        self.file = self.directory / "tandem.toml"
        self.dataplane = None
        self.control = None

    def share_hash_key(self):
        """Before it starts. Without a [pair] each has a key of its own, and a request in which two of
        them have a part breaks."""
        state = self.directory / "state"
        state.mkdir(parents=True)
        (state / "hash_key").write_text(f"{'5' * 32} 1\n")

    def __enter__(self):
        (self.directory / "state").mkdir(parents=True, exist_ok=True)
        self.write(self.config)
        self.start_dataplane()
        self.start_control()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return  # the lab ends what still runs; the first trouble is the one to report
        if self.dataplane.running:
            self.check_conserved()
        for process in (self.control, self.dataplane):
            if process.running:
                code = process.stop()
                assert code == 0, f"{process.name} ended with {code}\n{process.tail()}"

    def start_dataplane(self):
        self.dataplane = self.node.start(self.name("dataplane"), DATAPLANE, "--config", self.file)

    def start_control(self):
        self.control = self.node.start(self.name("control"), CONTROL, "--config", self.file)

    def name(self, process):
        return process if self.node is self.lab.lb else f"{process}-{self.node.name}"

    def write(self, config):
        """Replaces the file in one step, as an operator's tools do."""
        new = self.file.with_suffix(".new")
        new.write_text(str(config))
        new.rename(self.file)

    def reload(self, config):
        """Writes the file and has control read it. Returns where control's log stood before."""
        since = len(self.control.text())
        self.write(config)
        self.control.signal(signal.SIGHUP)
        return since

    def check_alive(self):
        for process in (self.dataplane, self.control):
            assert process.running, (f"{process.name} ended with {process.popen.returncode}\n"
                                     f"{process.tail()}")

    def counters(self, worker=None):
        """What the workers counted, or one of them, by name."""
        return self.telemetry("/tandem/counters" + ("" if worker is None else f",{worker}"))

    def state(self):
        """Generations, workers, ports."""
        return self.telemetry("/tandem/state")

    def flows(self, worker=None):
        """Flows remembered by state, and what became of look-ups; of all workers, or of one."""
        return self.telemetry("/tandem/flows" + ("" if worker is None else f",{worker}"))

    def telemetry(self, question):
        """The answer of DPDK's telemetry socket."""
        path = self.directory / "dpdk" / "tandem" / "dpdk_telemetry.v2"
        assert path.exists(), f"the dataplane has no telemetry socket {path}"
        with Telemetry(path, timeout=10) as telemetry:
            return telemetry.ask(question)

    def check_conserved(self):
        """Every packet received has left by exactly one verdict, once those under way have left."""
        def conserved():
            counters = self.counters()
            verdicts = sum(n for name, n in counters.items() if name not in NOT_VERDICTS)
            return counters["received"] == verdicts > 0
        wait_until(conserved, f"received = sum of verdicts, of {self.counters()}")

    def wait_serving(self, vip, nodes, seconds=30):
        """Waits until every one of these backends, and no other, answers for the VIP."""
        names = {node.name for node in nodes}
        asking = client.until_served(self.lab, vip, names, count=30 * len(names), timeout=0.5)
        try:
            wait_until(lambda: self.check_alive() or not asking.running,
                       f"answers for {vip} from {sorted(names)}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\ndataplane:\n{self.dataplane.tail()}\n"
                                 f"control:\n{self.control.tail()}") from None
        finally:
            asking.kill()
        assert asking.popen.returncode == 0, asking.tail()

    def wait_at_rest(self, vip):
        """Waits until no slot of its pool is in transition. At the start some may be, if backends
        came one by one."""
        def looks_up_nothing():
            before = self.flows()["lookups"]
            client.requests(self.lab, vip, 100)
            return self.flows()["lookups"] == before
        wait_until(looks_up_nothing, "a pool at rest", 60)
