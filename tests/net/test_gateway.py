"""A group that follows the gateway of its port is where the gateway answers: here the client."""
import re

import client
import nginx
import pytest
from lab import VIP4, Lab, wait_until
from tandem import Config, Service, Tandem

SILENT = re.compile(r"gateway \S+ does not answer: group group51 gives way")


@pytest.fixture
def lab():
    with Lab(backends=2, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        # It then answers ARP requests of those only to whom it has a way.
        built.client.run("sysctl", "-q", "-w", "net.ipv4.conf.eth0.arp_filter=1")
        yield built


class Follower(Tandem):
    """One of two instances; the first is preferred."""

    def __init__(self, lab, index):
        node = lab.balancers[index]
        # Long, for a busy machine stops an instance for moments.
        group = {"router_id": 51, "priority": 200 - 100 * index, "interval": '"200ms"',
                 "gateway_check": "true"}
        super().__init__(lab, Config(lab.directory / f"follower{index}",
                                     {"web": Service(VIP4, [n.ipv4 for n in lab.backends])},
                                     gateways=[lab.client.ipv4], groups=[group]), node)
        self.share_hash_key()

    def marks(self):
        """Where its logs stand."""
        return len(self.dataplane.text()), len(self.control.text())

    def wait_role(self, role, since=(0, 0)):
        self.dataplane.wait_for_log(re.compile(rf"group \S+: {role} for IPv4"), since[0])

    def wait_gateway(self, answers, since=(0, 0)):
        self.control.wait_for_log(re.compile("gateway .* answers again") if answers else SILENT,
                                  since[1])

    def changes(self, since):
        return re.findall(r"group \S+: (\w+) for IPv4", self.dataplane.text()[since[0]:])


def lose_gateway(*instances):
    instances[0].lab.client.ip(*(f"route add blackhole {each.node.ipv4}/32" for each in instances))


def find_gateway(*instances):
    instances[0].lab.client.ip(*(f"route del blackhole {each.node.ipv4}/32" for each in instances))


@pytest.fixture
def pair(lab):
    """The first one active, and both sure of the gateway."""
    with Follower(lab, 0) as first, Follower(lab, 1) as second:
        first.wait_role("active")
        wait_until(lambda: (second.changes((0, 0)) or [""])[-1] == "backup", "who is lower waits")
        first.wait_serving(VIP4, lab.backends)
        yield first, second


def test_who_loses_its_gateway_gives_the_group_away_and_takes_it_back(lab, pair):
    first, second = pair
    since = first.marks(), second.marks()
    with client.Stream(lab, VIP4, rate=50) as stream:
        lose_gateway(first)
        second.wait_role("active", since[1])
        first.wait_role("backup", since[0])
        assert SILENT.search(first.control.text()) and not SILENT.search(second.control.text())
        since = first.marks(), second.marks()
        find_gateway(first)
        first.wait_role("active", since[0])
        second.wait_role("backup", since[1])
        stream.wait_for(50)
        assert not stream.stop().failed


def test_without_control_roles_stay_as_they_are(lab, pair):
    first, second = pair
    with client.Stream(lab, VIP4, rate=50) as stream:
        since = first.marks(), second.marks()
        first.control.kill()
        second.control.kill()
        lose_gateway(first)  # which nobody notices, then
        stream.wait_for(400)
        assert not first.changes(since[0]) and not second.changes(since[1])
        since = first.marks(), second.marks()
        second.start_control()
        first.start_control()
        second.wait_role("active", since[1])
        first.wait_role("backup", since[0])
        # A control process that returns goes on with what the one before it knew.
        since = first.marks(), second.marks()
        first.control.kill()
        first.start_control()
        first.control.wait_for_log(re.compile("continuing with the tables"), since[0][1])
        stream.wait_for(300)
        assert not first.changes(since[0]) and not second.changes(since[1])
        assert not stream.stop().failed


def test_a_gateway_that_is_lost_for_both_changes_no_role(lab, pair):
    first, second = pair
    since = first.marks(), second.marks()
    with client.Stream(lab, VIP4, rate=50) as stream:
        lose_gateway(first, second)
        first.wait_gateway(False, since[0])
        second.wait_gateway(False, since[1])
        stream.wait_for(200)
        find_gateway(first, second)
        first.wait_gateway(True, since[0])
        second.wait_gateway(True, since[1])
        stream.wait_for(200)
        assert not stream.stop().failed
    assert not first.changes(since[0]) and not second.changes(since[1])
    # Without one, whoever is left serves.
    lose_gateway(first, second)
    since = first.marks(), second.marks()
    second.wait_gateway(False, since[1])
    first.dataplane.kill()
    second.wait_role("active", since[1])
    second.wait_serving(VIP4, lab.backends)
