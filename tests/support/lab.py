"""A small network on one machine: a client, a load balancer and backends on one switch.

Every node is a network namespace with one interface, eth0. Backends carry the VIPs on lo and
answer the client directly; a BPF program at their eth0 takes off IP-in-IP headers. Needs root.
Whatever ends the run, the namespaces, processes and files go; what a SIGKILL left behind is
removed by the next run.
"""
import concurrent.futures
import contextlib
import ctypes
import fcntl
import functools
import itertools
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

SUPPORT = pathlib.Path(__file__).resolve().parent
PREFIX = "tandem-"
CLIENT_HOST, LB_HOST, VIP_HOST, BACKEND_HOST = 10, 20, 80, 101
VIP4, VIP6 = f"192.0.2.{VIP_HOST}", f"2001:db8::{VIP_HOST}"
CLONE_NEWNET = 0x40000000  # linux/sched.h
SIOCETHTOOL = 0x8946  # linux/sockios.h
# linux/ethtool.h: ETHTOOL_STXCSUM, STSO, SGSO, SGRO
SET_OFFLOADS = (0x17, 0x1f, 0x24, 0x2c)

_labs = itertools.count(1)
standing = []  # labs, for whoever reports a failure amid them
ended_in_trouble = {}  # name -> last words of a lab that an exception ended


def command(*words, **options):
    """Runs a program to its end and returns what it printed; an error carries what it complained."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_until(condition, what, seconds=20):
    """Returns the first true value of condition(); looks 50 times a second, fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.02)


@functools.cache
def decap_program():
    """The BPF object that takes off IP-in-IP headers, compiled once a run."""
    with tempfile.NamedTemporaryFile(suffix=".o") as compiled:
        command("clang-16", "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-c",
                f"-I/usr/include/{os.uname().machine}-linux-gnu", SUPPORT / "decap.bpf.c",
                "-o", compiled.name)
        return pathlib.Path(compiled.name).read_bytes()


class Process:
    """A program running on a node, its output in a log file."""

    def __init__(self, name, argv, log):
        self.name = name
        self.log = pathlib.Path(log)
        with self.log.open("ab") as out:
            # Its own session: Ctrl-C reaches the lab alone, which then stops all in order.
            self.popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, start_new_session=True)

    @property
    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running:
            self.popen.send_signal(number)

    def stop(self, seconds=20):
        """SIGTERM, and a complaint when it takes too long. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds} s of SIGTERM\n"
                                 f"{self.tail()}") from None

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def text(self):
        return self.log.read_text(errors="replace")

    def state(self):
        return "running" if self.running else f"ended with {self.popen.returncode}"

    def tail(self, lines=15):
        return "\n".join(self.text().splitlines()[-lines:])

    def wait_for_log(self, pattern, since=0, seconds=20):
        """Waits for a match of a compiled pattern in the log, from character `since` on."""
        def look():
            hit = pattern.search(self.text(), since)
            if not hit and not self.running:
                raise AssertionError(f"{self.name} ended with {self.popen.returncode} before it "
                                     f"logged {pattern.pattern!r}\n{self.tail()}")
            return hit
        return wait_until(look, f"{pattern.pattern!r} in the log of {self.name}", seconds)


class Node:
    """One machine of the lab."""

    def __init__(self, lab, name, host):
        self.lab = lab
        self.name = name
        self.namespace = f"{lab.name}-{name}"
        self.ipv4 = f"192.0.2.{host}"
        self.ipv6 = f"2001:db8::{host}"

    def argv(self, *words):
        return ["ip", "netns", "exec", self.namespace, *words]

    def run(self, *words, **options):
        return command(*self.argv(*words), **options)

    def start(self, name, *words):
        """Starts a program on this node; the lab stops it at the end, if nobody has before."""
        process = Process(name, self.argv(*words), self.lab.directory / f"{name}.log")
        self.lab.processes.append(process)
        return process

    def inside(self, work):
        """Calls work() in this node's network namespace, which is a thread's own. A process for it
        would be most of what a lab costs."""
        def enter_and_work():
            with open(f"/run/netns/{self.namespace}") as namespace:
                if ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise RuntimeError(f"cannot enter the namespace {self.namespace}")
            return work()
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(enter_and_work).result()

    def sysctl(self, settings):
        """Writes {"ipv4.conf.all.rp_filter": 0, …}, names below net."""
        def write():
            for name, value in settings.items():
                pathlib.Path("/proc/sys/net", *name.split(".")).write_text(str(value))
        self.inside(write)

    def switch_offloads_off(self, *interfaces):
        """Else veth hands over unfinished checksums and frames larger than the MTU."""
        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                for interface, command in itertools.product(interfaces, SET_OFFLOADS):
                    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                    fcntl.ioctl(any_socket, SIOCETHTOOL,
                                struct.pack("16sP", interface.encode(), ctypes.addressof(value)))
        self.inside(ask)

    def mac(self):
        return self.run("cat", "/sys/class/net/eth0/address").strip()

    def ip(self, *lines):
        command("ip", "-n", self.namespace, "-batch", "-", input="\n".join(lines))


class Lab:
    """with Lab(backends=3) as lab: ..."""

    def __init__(self, backends=3, vips=(VIP4, VIP6), balancers=1):
        self.name = f"{PREFIX}{os.getpid()}-{next(_labs)}"
        self.directory = pathlib.Path(tempfile.gettempdir()) / self.name
        self.vips = vips
        self.processes = []
        self.switch = Node(self, "switch", 0)
        self.client = Node(self, "client", CLIENT_HOST)
        self.balancers = [Node(self, f"lb{i + 1 if i else ''}", LB_HOST + i)
                          for i in range(balancers)]
        self.lb = self.balancers[0]
        self.backends = [Node(self, f"backend{i + 1}", BACKEND_HOST + i) for i in range(backends)]
        self._handlers = {}

    def __enter__(self):
        if os.geteuid() != 0:
            raise RuntimeError("network namespaces need root: run it with sudo")
        # Whoever stops us, the way out is an exception, so that __exit__ runs. SIGINT as well:
        # a shell starts what runs in the background with SIGINT ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, signal.default_int_handler)
        try:
            sweep()
            self._build()
        except BaseException:
            self.close()
            raise
        standing.append(self)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            ended_in_trouble[self.name] = self.last_words()
        self.close()

    def last_words(self):
        """The ends of all processes' logs, for whoever has to find out what went wrong."""
        return "\n".join(f"--- {process.name}, {process.state()}:\n{process.tail()}"
                         for process in self.processes if process.log.exists())

    def _build(self):
        self.directory.mkdir(mode=0o755)
        decap = self.directory / "decap.o"
        decap.write_bytes(decap_program())
        nodes = [self.client, *self.balancers, *self.backends]
        self._add_namespaces(self.switch, *nodes)
        # The switch's ends first: an end that is up before the other is has no carrier for a while.
        self.switch.sysctl(self._without_checks("default"))
        self.switch.ip(
            "link add br0 type bridge mcast_snooping 0", "link set br0 up",
            *(f"link add {node.name} type veth peer name eth0 netns {node.namespace}"
              for node in nodes),
            *(f"link set {node.name} master br0 up" for node in nodes))
        self.switch.switch_offloads_off(*(node.name for node in nodes))
        for node in nodes:
            self._connect(node, *(self._as_backend(node, decap) if node in self.backends else ()))

    @staticmethod
    def _add_namespaces(*nodes):
        command("ip", "-batch", "-", input="\n".join(f"netns add {n.namespace}" for n in nodes))

    @staticmethod
    def _without_checks(*interfaces):
        """Of addresses that might be somebody else's, and of sources that answers would not go to."""
        return {key.format(name): 0 for name in interfaces
                for key in ("ipv6.conf.{}.accept_dad", "ipv4.conf.{}.rp_filter")}

    def _connect(self, node, *further):
        node.sysctl(self._without_checks("all", "default", "eth0"))
        node.switch_offloads_off("eth0")
        node.ip("link set lo up",
                f"addr add {node.ipv4}/24 dev eth0",
                f"addr add {node.ipv6}/64 dev eth0 nodad",
                "link set eth0 up", *further)

    def _as_backend(self, node, decap):
        # arp_ignore 1: no answer on eth0 for addresses of lo; IPv6 never gives one.
        node.sysctl({"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2})
        return (*(f"addr add {vip}/{128 if ':' in vip else 32} dev lo" for vip in self.vips),
                f"link set eth0 xdp obj {decap} sec xdp")

    def close(self):
        """Ends every process of the lab and removes all of it. Harmless when called again."""
        if self in standing:
            standing.remove(self)
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            for process in self.processes:
                process.signal(signal.SIGTERM)
            deadline = time.monotonic() + 3
            for process in self.processes:
                while process.running and time.monotonic() < deadline:
                    time.sleep(0.01)
                process.kill()
            _remove(self.name)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers = {}


def namespaces():
    """Names of all that this machine has."""
    try:
        return os.listdir("/run/netns")
    except FileNotFoundError:  # there has never been one
        return []


def _kill_all_in(names):
    """Kills the processes in namespaces. Returns those it found."""
    inodes = set()
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # two runs may sweep at the same time
            inodes.add(os.stat(f"/run/netns/{name}").st_ino)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is none of ours
            if os.stat(f"/proc/{pid}/ns/net").st_ino in inodes:
                os.kill(int(pid), signal.SIGKILL)
                found.append(pid)
    return found


def _remove(lab_name):
    """Ends what still runs in a lab's namespaces, then removes them and the lab's files."""
    mine = [name for name in namespaces() if name.startswith(lab_name + "-")]
    wait_until(lambda: not _kill_all_in(mine), f"the end of all in {lab_name}'s namespaces")
    try:
        command("ip", "-force", "-batch", "-", input="\n".join(f"netns del {name}" for name in mine))
    except RuntimeError:  # two runs may sweep at the same time
        if set(mine) & set(namespaces()):
            raise
    shutil.rmtree(pathlib.Path(tempfile.gettempdir()) / lab_name, ignore_errors=True)


def sweep():
    """Removes labs whose process is gone: killed before it could clean up."""
    found = namespaces() + os.listdir(tempfile.gettempdir())
    labs = {"-".join(name.split("-")[:3]) for name in found if name.startswith(PREFIX)}
    for name in labs:
        owner = name.split("-")[1]
        if owner.isdigit() and not pathlib.Path(f"/proc/{owner}").exists():
            _remove(name)
