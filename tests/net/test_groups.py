"""Of two instances one answers for a group of VIPs, and the other takes over: with itself, and with
keepalived as the other one."""
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import re
import socket

import client
import nginx
import pytest
from keepalived import Keepalived
from lab import VIP4, VIP6, Lab, wait_until
from scapy.utils import checksum
from tandem import Config, Service, Tandem

ROUTER_ID = 51
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # for waitpid: threads, too
ETH_P_IP = 0x0800
VRRP = 112
VIRTUAL_MAC4, VIRTUAL_MAC6 = f"00:00:5e:00:01:{ROUTER_ID:02x}", f"00:00:5e:00:02:{ROUTER_ID:02x}"


@pytest.fixture
def lab():
    with Lab(backends=2, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        yield built


def tandem(lab, index, priority, stall_limit_ms=2000, **group):
    """One instance with a VIP of each family."""
    node = lab.balancers[index]
    backends = {VIP4: [n.ipv4 for n in lab.backends], VIP6: [n.ipv6 for n in lab.backends]}
    config = Config(lab.directory / node.name if index else lab.directory,
                    {f"web{i}": Service(vip, backends[vip]) for i, vip in enumerate((VIP4, VIP6))},
                    groups=[{"router_id": ROUTER_ID, "priority": priority, "interval": '"30ms"',
                             **group}],
                    stall_limit_ms=stall_limit_ms)
    built = Tandem(lab, config, node)
    built.share_hash_key()
    return built


def wait_role(instance, role, since=0, families=(4, 6)):
    """Waits until the log says that from a place on, of these families."""
    for family in families:
        instance.dataplane.wait_for_log(re.compile(rf"group \S+: {role} for IPv{family}"), since)


def log_end(instance):
    return len(instance.dataplane.text())


def switch_port_of(lab, mac):
    """Behind which node the switch has seen a MAC last."""
    seen = re.search(rf"^{mac} dev (\S+)", lab.switch.run("bridge", "fdb", "show", "br", "br0"), re.M)
    return seen and seen[1]


def adverts(instance):
    """How many were sent, taken, or refused."""
    return instance.telemetry("/tandem/adverts")


def say_nonsense(lab):
    """As a router of version 2 would, with none of the addresses that it has."""
    frame = (f"Ether(src='{lab.client.mac()}', dst='01:00:5e:00:00:12') "
             f"/ IP(src='{lab.client.ipv4}', dst='224.0.0.18', ttl=255, proto=112) "
             "/ Raw(bytes.fromhex('2133640000000000'))")
    lab.client.run(client.PYTHON, "-c", "from scapy.all import Ether, IP, Raw, sendp; "
                   f"sendp({frame}, iface='eth0', verbose=False)")


def wait_answers(lab):
    for vip in (VIP4, VIP6):
        wait_until(lambda: not client.requests(lab, vip, 20, timeout=0.5).failed, f"{vip} answers")


def test_a_reload_that_takes_the_last_vip_of_a_family_leaves_that_family_to_the_other_one(lab):
    with tandem(lab, 0, 200) as first, tandem(lab, 1, 100) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        wait_answers(lab)
        since = log_end(second)
        first.reload(dataclasses.replace(
            first.config, services={"web1": first.config.services["web1"]}))
        wait_role(second, "active", since, families=(4,))
        wait_answers(lab)
        assert first.dataplane.running and "for IPv6" not in second.dataplane.text()[since:]


def test_a_standby_takes_over_and_gives_back_without_a_failed_request(lab):
    with tandem(lab, 0, 200) as first, tandem(lab, 1, 100) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        wait_answers(lab)
        wait_until(lambda: switch_port_of(lab, VIRTUAL_MAC4) == "lb", "the switch knows who is active")
        assert switch_port_of(lab, VIRTUAL_MAC6) == "lb"
        arp = lab.client.run("ip", "neigh", "show", VIP4)
        assert VIRTUAL_MAC4 in arp, arp
        wait_until(lambda: adverts(first)["sent"] > 2 and adverts(second)["taken"] > 2, "adverts")
        before = adverts(second)
        say_nonsense(lab)
        wait_until(lambda: adverts(second)["malformed"] == before["malformed"] + 1, "one that is none")
        assert adverts(second)["unknown"] == before["unknown"]

        with client.Stream(lab, VIP4, rate=100) as stream:
            before = log_end(second)
            assert first.dataplane.stop() == 0
            wait_role(second, "active", before)
            wait_until(lambda: switch_port_of(lab, VIRTUAL_MAC4) == "lb2", "the switch has learnt it")
            before, restarted = log_end(second), log_end(first)
            first.start_dataplane()
            wait_role(first, "active", restarted)
            wait_role(second, "backup", before)
            wait_until(lambda: switch_port_of(lab, VIRTUAL_MAC4) == "lb", "the switch has learnt it")
            results = stream.stop()
        assert len(results) > 50 and not results.failed, results.failed[:5]


def test_with_two_groups_both_instances_have_one_each_and_one_can_have_both(lab):
    def instance(index, priorities):
        built = tandem(lab, index, 100)
        built.config.groups = [
            {"name": f'"{name}"', "router_id": ROUTER_ID + i, "priority": priorities[i]}
            for i, name in enumerate(("four", "six"))]
        built.config.services["web0"].group, built.config.services["web1"].group = "four", "six"
        return built

    with instance(0, (200, 100)) as first, instance(1, (100, 200)) as second:
        wait_role(first, "active", families=[4])
        wait_role(second, "active", families=[6])
        wait_until(lambda: switch_port_of(lab, VIRTUAL_MAC4) == "lb", "the first has IPv4")
        six = f"00:00:5e:00:02:{ROUTER_ID + 1:02x}"
        wait_until(lambda: switch_port_of(lab, six) == "lb2", "the second has IPv6")
        wait_answers(lab)
        before = log_end(first)
        second.dataplane.kill()
        wait_role(first, "active", before, families=[6])
        wait_answers(lab)
        second.control.stop()
        second.start_dataplane()
        second.start_control()
        wait_role(first, "backup", before, families=[6])


def test_a_standby_takes_over_from_one_that_was_killed(lab):
    with tandem(lab, 1, 100) as second, tandem(lab, 0, 200) as first:
        wait_role(first, "active")
        wait_answers(lab)
        before, restarted = log_end(second), log_end(first)
        first.dataplane.kill()
        wait_role(second, "active", before)
        wait_answers(lab)
        first.control.stop()
        first.start_dataplane()
        first.start_control()
        wait_role(first, "active", restarted)
        wait_answers(lab)


def test_whose_netdev_is_gone_claims_nothing(lab):
    with tandem(lab, 0, 200) as first, tandem(lab, 1, 100) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        other = log_end(second)
        lab.switch.ip("link del lb")
        first.dataplane.wait_for_log(re.compile("it has no link: its groups are not claimed"))
        wait_role(second, "active", other)
        wait_answers(lab)


def test_who_loses_its_link_claims_nothing_and_comes_back(lab):
    with tandem(lab, 0, 200) as first, tandem(lab, 1, 100) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        lost, other = log_end(first), log_end(second)
        lab.switch.ip("link set lb down")
        wait_role(first, "backup", lost)
        wait_role(second, "active", other)
        wait_answers(lab)
        lost, other = log_end(first), log_end(second)
        lab.switch.ip("link set lb up")
        wait_role(first, "active", lost)
        wait_role(second, "backup", other)
        wait_answers(lab)


@contextlib.contextmanager
def stopped(thread):
    """One thread of a process, as if it got no CPU any more; ptrace(2)."""
    def ptrace(request):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long] * 4
        libc.ptrace.restype = ctypes.c_long
        if libc.ptrace(request, thread, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    ptrace(PTRACE_SEIZE)
    ptrace(PTRACE_INTERRUPT)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH)


def worker_of(instance):
    threads = pathlib.Path(f"/proc/{instance.dataplane.popen.pid}/task").iterdir()
    return next(int(thread.name) for thread in threads
                if (thread / "comm").read_text().startswith("rte-worker"))


def test_whose_worker_stands_still_claims_nothing_and_comes_back(lab):
    # Long, for a busy machine is silent for moments, too.
    interval = '"100ms"'
    with tandem(lab, 0, 200, stall_limit_ms=500, interval=interval) as first, \
            tandem(lab, 1, 100, interval=interval) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        wait_answers(lab)
        lost, other = log_end(first), log_end(second)
        with stopped(worker_of(first)):
            wait_role(first, "backup", lost)
            assert "a worker has not passed its loop for 500 ms" in first.dataplane.text()[lost:]
            wait_role(second, "active", other)
            wait_answers(lab)
            lost, other = log_end(first), log_end(second)
        wait_role(first, "active", lost)
        wait_role(second, "backup", other)
        wait_answers(lab)
        # What the first one had to say before it stood still would have silenced the second one.
        assert not re.search(r"group \S+: active", second.dataplane.text()[other:])


@pytest.mark.parametrize("is_strict", [False, True])
def test_what_comes_to_a_standby_is_forwarded_unless_it_is_strict(lab, is_strict):
    with tandem(lab, 0, 200) as first, tandem(lab, 1, 100, strict=str(is_strict).lower()) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        second.control.wait_for_log(re.compile("2 of 2 backends serve"))
        wait_answers(lab)
        lab.client.ip(f"neigh replace {VIP4} dev eth0 lladdr {second.node.mac()} nud permanent")
        refused = lambda: second.counters()["not_active"]
        before = refused()
        results = client.requests(lab, VIP4, 20, timeout=0.5)
        assert len(results.failed) == (20 if is_strict else 0)
        wait_until(lambda: not is_strict or refused() >= before + 20, "packets that are refused")


def test_a_lower_one_that_wakes_up_does_not_disturb(lab):
    # Long, for a busy machine stops the active one, too, for moments.
    interval = {"interval": '"200ms"'}
    with tandem(lab, 0, 200, **interval) as first, tandem(lab, 1, 100, **interval) as second:
        wait_role(first, "active")
        wait_role(second, "backup")
        before = log_end(second)
        with client.Stream(lab, VIP4, rate=100) as stream:
            second.dataplane.signal(19)  # SIGSTOP
            wait_until(lambda: len(stream.results()) > 150, "requests meanwhile")
            second.dataplane.signal(18)  # SIGCONT
            seen = len(stream.results())
            wait_until(lambda: len(stream.results()) > seen + 100, "requests afterwards")
            assert not stream.stop().failed
        assert "active" not in second.dataplane.text()[before:]


def test_with_peers_named_it_needs_no_multicast(lab):
    first, second = lab.balancers
    for node in lab.balancers:
        lab.switch.run("bridge", "link", "set", "dev", node.name, "mcast_flood", "off")
    other = Keepalived(second, ROUTER_ID, 150, 100, [f"{VIP4}/24"], peer=first.ipv4)
    other.start()
    wait_until(other.is_active, "keepalived is alone, and active")
    peers = {"interval": '"100ms"', "peers": f'["{second.ipv4}"]'}
    with tandem(lab, 0, 200, **peers) as instance:
        wait_role(instance, "active", families=[4])
        wait_until(lambda: not other.is_active(), "keepalived has given way to the higher one")
        before = log_end(instance)
        instance.config.groups[0]["priority"] = 100
        instance.reload(instance.config)
        wait_role(instance, "backup", before, families=[4])
        wait_until(other.is_active, "the higher one preempts")
        before = log_end(instance)
        other.kill()
        wait_role(instance, "active", before, families=[4])


@pytest.mark.parametrize("family", [4, 6])
def test_keepalived_and_tandem_take_over_from_each_other(lab, family):
    addresses = {4: [f"{VIP4}/24"], 6: [f"fe80::200:5eff:fe00:2{ROUTER_ID:02x}/64", f"{VIP6}/64"]}
    other = Keepalived(lab.balancers[1], ROUTER_ID, 150, 100, addresses[family])
    other.start()
    wait_until(other.is_active, "keepalived is alone, and active")
    with tandem(lab, 0, 200, interval='"100ms"') as instance:
        wait_role(instance, "active", families=[family])
        wait_until(lambda: not other.is_active(), "keepalived has given way to the higher one")
        assert instance.dataplane.stop() == 0
        wait_until(other.is_active, "keepalived takes over when it hears of the stop")
        before = log_end(instance)
        instance.start_dataplane()
        wait_role(instance, "active", before, families=[family])
        wait_until(lambda: not other.is_active(), "keepalived has given way again")
        # A lower one waits, and takes over from a keepalived that is gone.
        before = log_end(instance)
        instance.config.groups[0]["priority"] = 100
        instance.reload(instance.config)
        wait_role(instance, "backup", before, families=[family])
        wait_until(other.is_active, "the higher one preempts")
        before = log_end(instance)
        other.kill()
        wait_role(instance, "active", before, families=[family])


def overheard_advert(node):
    """The next message of a router that comes by, without its IP header."""
    def listen():
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as wire:
            wire.settimeout(20)
            while True:
                packet = wire.recv(2048)
                if packet[9] == VRRP:
                    return packet[20:int.from_bytes(packet[2:4], "big")]
    return node.inside(listen)


def test_a_checksum_of_the_message_alone_is_sent_if_so_configured_and_either_is_taken(lab):
    other = Keepalived(lab.balancers[1], ROUTER_ID, 150, 100, [f"{VIP4}/24"])
    other.start()
    wait_until(other.is_active, "keepalived is alone, and active")
    # RFC 9568 section 5.2.8: of IPv4 without a pseudo-header. keepalived's is with one.
    assert checksum(overheard_advert(lab.client)) != 0
    with tandem(lab, 0, 100, interval='"100ms"', checksum='"message"') as instance:
        wait_role(instance, "backup", families=[4])
        wait_until(lambda: adverts(instance)["taken"] > 20, "keepalived's are taken")
        assert adverts(instance)["malformed"] == 0 and other.is_active()
        assert "active for IPv4" not in instance.dataplane.text()
        other.kill()
        wait_role(instance, "active", families=[4])
        assert checksum(overheard_advert(lab.client)) == 0
