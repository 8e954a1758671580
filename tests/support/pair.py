"""Two instances of Tandem that stand together, and what tests and measurements ask of them."""
import contextlib
import dataclasses
import datetime
import json
import re
import subprocess
import time

from lab import VIP4, wait_until
from tandem import CONTROL, Config, Service, Tandem, endpoint

KEY = "1" * 64
ROUTER_ID = 51


class Instance(Tandem):
    """One of the two, on a balancer of the lab of its own. The first has the higher priority."""

    def __init__(self, lab, index, interval="100ms", services=None, stall_limit_ms=2000,
                 poll="relaxed", packet_memory=Config.packet_memory, **pair):
        node, other = lab.balancers[index], lab.balancers[1 - index]
        directory = lab.directory / f"{node.name}-{interval}"
        directory.mkdir()
        self.key_file = directory / "pair.key"
        self.key_file.write_text(f"{KEY}\n")
        self.key_file.chmod(0o600)
        super().__init__(lab, Config(
            directory, services or {"web": Service(VIP4, [n.ipv4 for n in lab.backends])},
            groups=[{"router_id": ROUTER_ID, "priority": 200 - 100 * index,
                     "interval": f'"{interval}"'}],
            stall_limit_ms=stall_limit_ms, poll=poll, packet_memory=packet_memory,
            pair={"peer": f'"{other.ipv4}"', "local": f'"{node.ipv4}"',
                  "key_file": f'"{self.key_file}"', "dead_after": '"300ms"', **pair}), node)

    def peer(self):
        """What it knows of the other one."""
        return self.telemetry("/tandem/peer")

    def is_in_step(self):
        return self.peer()["caught_up"] == 1 and self.peer()["has_told_all"] == 1

    def mark(self):
        return len(self.dataplane.text()) if self.dataplane else 0

    def wait_role(self, role, since=0, seconds=20):
        self.dataplane.wait_for_log(re.compile(rf"group \S+: {role} for IPv4"), since, seconds)

    def is_active(self):
        roles = re.findall(r"group \S+: (\w+) for IPv4", self.dataplane.text())
        return bool(roles) and roles[-1] == "active"

    def switches(self):
        return len(re.findall(r": active for IPv4", self.dataplane.text()))

    def change_pool(self, *backends):
        """Reloads with these backends, and waits for the new table if there is who takes it."""
        service = dataclasses.replace(self.config.services["web"], backends=list(backends))
        self.config = dataclasses.replace(self.config,
                                          services={**self.config.services, "web": service})
        since = self.reload(self.config)
        self.control.wait_for_log(re.compile(r"reload: .* applied"), since)
        if self.dataplane.running:
            self.control.wait_for_log(re.compile(r"slots move"), since)

    def lose(self, *backends):
        """Its checks of these fail, and nobody else's."""
        for node in backends:
            self.node.run("ip", "route", "add", "blackhole", f"{node.ipv4}/32")

    def find(self, *backends):
        for node in backends:
            self.node.run("ip", "route", "del", "blackhole", f"{node.ipv4}/32")

    def ask(self, **question):
        """What control answers to an operator."""
        argv = self.node.argv(CONTROL, "--ask", json.dumps(question), "--config", self.file)
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
        answer = json.loads(done.stdout)
        assert (done.returncode == 0) == answer["ok"]
        return answer


def backend(node, **keys):
    """As it stands in the file."""
    words = [f'address = "{endpoint(node.ipv4)}"',
             *(f"{key} = {value}" for key, value in keys.items())]
    return "{ " + ", ".join(words) + " }"


@contextlib.contextmanager
def cut_channel(first, second):
    """What the kernels send to each other is lost; what workers send goes on."""
    routes = [(a.node, f"blackhole {b.node.ipv4}/32") for a, b in ((first, second), (second, first))]
    for node, route in routes:
        node.run("ip", "route", "add", *route.split())
    try:
        yield
    finally:
        for node, route in routes:
            node.run("ip", "route", "del", *route.split())


def wait_in_step(*instances):
    for each in instances:
        wait_until(each.is_in_step, f"{each.node.name} is in step with its peer")


def seconds_to_agree(finder, other, change, node):
    """From the check by which the finder changes its mind of a backend, until both have the same
    table again, another one than before."""
    instances = (finder, other)
    since = [len(instance.control.text()) for instance in instances]
    change(node)
    news = lambda index: instances[index].control.text()[since[index]:]

    def agree():
        return (all("slots move" in news(index) for index in (0, 1))
                and all(instance.peer()["same_tables"] for instance in instances))
    deadline = time.monotonic() + 60
    while not agree():
        assert time.monotonic() < deadline, f"no agreement: {news(0)}\n{news(1)}"
        time.sleep(0.001)
    end = datetime.datetime.now(datetime.timezone.utc)
    found = re.search(r"^(\S+) .*:80 is (?:down|up) \(", news(0), re.M)[1]
    return (end - datetime.datetime.fromisoformat(found)).total_seconds()


@contextlib.contextmanager
def running(lab, *arguments, **keys):
    """Both, in step, the first one active."""
    with Instance(lab, 0, *arguments, **keys) as first, Instance(lab, 1, *arguments, **keys) as second:
        first.wait_role("active")
        wait_until(lambda: not second.is_active(), "the lower one has given way")
        wait_in_step(first, second)
        first.wait_serving(VIP4, lab.backends)
        yield first, second
