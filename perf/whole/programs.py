"""The programs that the measurements run, and what they have in common.

Nothing outlives its `with` block, nor the script: the kernel kills what a killed script has left.
"""
import functools
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "support"))  # not before ours: there is a load.py too

from telemetry import Telemetry  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build")).resolve()
DATAPLANE = BUILD / "dataplane" / "tandem-dataplane"
CONTROL = BUILD / "control" / "tandem-control"
SCRATCH = f"tandem-{os.getpid()}-perf"  # what a killed run has left, the lab's sweep removes
START_SECONDS_MAX = 30
MEMORY_MIB = 96  # of each program
MBUFS = 16383
NOT_VERDICTS = {"received", "received_bytes", "loops", "busy_loops"}


# {{directory}} is for Tandem() to fill in. All backends are behind one gateway, of either family.
CONFIG = """\
[dataplane]
socket = "{{directory}}/dataplane.sock"
memory = "{memory}"
packet_memory = "{mib}MiB"
poll = "busy"
workers = 1
[flows]
{flows}
[control]
state_dir = "{{directory}}/state"
[port.wan]
device = "{device}"
address = ["10.0.0.1/24", "fd00::1/64"]
gateway = ["10.0.0.254", "fd00::fe"]
neighbours = {{ "10.0.0.254" = "02:00:00:00:00:fe", "fd00::fe" = "02:00:00:00:00:fe" }}
[pool.web]
mode = "ipip"
check = "none"
backends = [{backends}]
{pool}
[vip.web]
listen = "{listen}"
pool = "web"
"""


class Trouble(Exception):
    """A measurement cannot be made; the text says why."""


@functools.cache  # every program of a run gets the same kind
def huge_pages(mib=2 * MEMORY_MIB):
    """Whether there are enough of them for all programs that run at once."""
    path = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    return path.exists() and int(path.read_text()) * 2 >= mib


THREE_BACKENDS = [f'"10.1.0.{number}:80"' for number in (11, 12, 13)]


def config(device, listen, backends=THREE_BACKENDS, huge=None, mib=MEMORY_MIB, flows="", pool=""):
    """Tandem's configuration: one port, one worker, one VIP, IP-in-IP to `backends` as they stand in
    the file. `flows` and `pool`: further lines of those sections."""
    huge = huge_pages() if huge is None else huge
    return CONFIG.format(memory="huge" if huge else "normal", mib=mib, device=device, listen=listen,
                         backends=", ".join(backends), flows=flows, pool=pool)


def check_built(*paths):
    for program in paths:
        if not program.exists():
            raise Trouble(f"{program} is missing: meson setup {BUILD} && ninja -C {BUILD}")


def machine():
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                   platform.machine())
    dpdk = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True,
                          text=True).stdout.strip()
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "dpdk": dpdk}


def wait_until(condition, what, alive=()):
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        value = condition()
        if value:
            return value
        for program in alive:
            program.check_alive()
        if time.monotonic() > deadline:
            raise Trouble(f"no {what} within {START_SECONDS_MAX} s\n" +
                          "\n".join(program.output() for program in alive))
        time.sleep(0.01)


class Program:
    """A process with its own directory for sockets; ended with the block."""

    def __init__(self, *command, directory=None, prefix=()):
        self.command = ["setpriv", "--pdeathsig", "KILL", *map(str, prefix), *map(str, command)]
        self.name = pathlib.Path(command[0]).name
        self.given_directory = directory

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix=SCRATCH)
        self.directory = pathlib.Path(self.given_directory or self.scratch.name)
        self.log = pathlib.Path(self.scratch.name) / "log"
        with open(self.log, "w") as log:
            # testpmd takes commands from there, and ends with it.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={**os.environ, "RUNTIME_DIRECTORY": str(self.directory)})
        return self

    def output(self):
        return f"{self.name}:\n{self.log.read_text()}"

    def worker(self):
        """The thread which polls: DPDK's worker, of which there is one. Its directory in /proc."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if "worker" in (task / "comm").read_text():
                return task
        raise Trouble(f"{self.name} has no worker")

    def worker_seconds(self):
        """CPU time that it has had."""
        return int((self.worker() / "schedstat").read_text().split()[0]) / 1e9

    def check_alive(self):
        if self.process.poll() is not None:
            raise Trouble(f"{self.name} ended with {self.process.returncode}\n{self.output()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *_):
        self.stop()
        self.process.stdin.close()
        self.scratch.cleanup()

    def telemetry(self, prefix):
        path = self.directory / "dpdk" / prefix / "dpdk_telemetry.v2"

        def connect():
            try:
                return Telemetry(path)
            except OSError:
                return None
        return wait_until(connect, f"telemetry of {self.name}", [self])


class Testpmd(Program):
    """dpdk-testpmd: one port, one forwarding core."""

    def __init__(self, device, *options, prefix=(), cpus=None, huge=None, mib=MEMORY_MIB,
                 mbufs=MBUFS):
        cpus = ",".join(map(str, cpus or sorted(os.sched_getaffinity(0))))
        huge = huge_pages() if huge is None else huge
        pages = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
        # Placed as Tandem places its threads on a machine of few CPUs.
        super().__init__(
            "dpdk-testpmd", "--file-prefix=testpmd", "--no-pci", f"--lcores=0@({cpus}),1@({cpus})",
            f"-m{mib}", *pages, f"--vdev={device}", "--", "--nb-cores=1", "--no-flush-rx",
            "--auto-start", "--interactive", f"--total-num-mbufs={mbufs}", "--mbcache=256",
            "--burst=32", *options, prefix=(*prefix, "stdbuf", "--output=L"))

    def __enter__(self):
        super().__enter__()
        try:
            self.channel = self.telemetry("testpmd")
        except BaseException:
            self.__exit__()
            raise
        return self

    def packets(self, key="ipackets", port=0):
        return self.channel.ask(f"/ethdev/stats,{port}")[key]

    def ask(self, command, answer):
        """Types a command. Returns the match of a compiled pattern in what is printed after."""
        since = len(self.log.read_text())
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return wait_until(lambda: answer.search(self.log.read_text(), since),
                          f"answer to {command}", [self])

    def __exit__(self, *_):
        if hasattr(self, "channel"):
            self.channel.close()
        super().__exit__()


class Tandem:
    """tandem-dataplane and tandem-control on a configuration made by config()."""

    def __init__(self, config, prefix=()):
        self.config = config
        self.prefix = prefix

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix=SCRATCH)
        directory = pathlib.Path(self.scratch.name)
        (directory / "state").mkdir()
        self.file = file = directory / "tandem.toml"
        self.write(self.config)
        self.dataplane = Program(DATAPLANE, "--config", file, directory=directory,
                                 prefix=self.prefix)
        self.control = Program(CONTROL, "--config", file, directory=directory, prefix=self.prefix)
        self.channel = None
        self.running = []
        try:
            for program in (self.dataplane, self.control):
                self.running.append(program.__enter__())
            self.channel = self.dataplane.telemetry("tandem")
            wait_until(lambda: self.state().get("live_generation"), "tables", self.running)
        except BaseException:
            self.__exit__()
            raise
        return self

    def write(self, config):
        self.file.write_text(config.replace("{directory}", str(self.file.parent)))

    def reload(self, config):
        """Has control read another configuration, and waits until it is in use."""
        before = self.state()["plan_generation"]
        self.write(config)
        self.control.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.state().get("plan_generation", 0) > before, "another plan",
                   self.running)

    def flows(self):
        """What the worker remembers, and what became of its look-ups."""
        return self.channel.ask("/tandem/flows")

    def state(self):
        try:
            answer = self.channel.ask("/tandem/state")
        except (OSError, ValueError):  # it has ended: whoever waits finds out, and says why
            return {}
        return answer if isinstance(answer, dict) else {}

    def counters(self):
        return self.channel.ask("/tandem/counters")

    def packets(self, key="ipackets", port=0):
        return self.channel.ask(f"/ethdev/stats,{port}")[key]

    def __exit__(self, *_):
        if self.channel:
            self.channel.close()
        for program in reversed(self.running):
            program.__exit__()
        self.scratch.cleanup()


def verdicts_between(before, after):
    """Packets by verdict, and how many were received, between two readings of the counters."""
    changes = {name: after[name] - before[name] for name in after}
    return changes["received"], {name: count for name, count in changes.items()
                                 if count and name not in NOT_VERDICTS}


def rate(count, worker_seconds, interval):
    """Packets a second of the worker's CPU time, over an interval. The same as packets a second
    where the worker has a CPU to itself, and hardly less where it has not."""
    first, start = count(), worker_seconds()
    time.sleep(interval)
    last, end = count(), worker_seconds()
    return (last - first) / (end - start)
