"""Real requests over every kind of device that a lab can have, and over several workers of one."""
import os
import re

import client
import nginx
import pytest
from downloads import Downloads, connections
from lab import VIP4, wait_until
from tandem import Tandem, endpoint


def check_requests(tandem, lab):
    """They are spread, and what is large arrives whole."""
    tandem.wait_serving(VIP4, lab.backends)
    results = client.requests(lab, VIP4, 1000)
    assert len(results) == 1000 and not results.failed
    for node in lab.backends:
        assert 200 <= results.spread[node.name] <= 470, results.spread
    files = {(server.directory / "files" / "big").read_bytes() for server in lab.nginx}
    assert client.curl(lab, f"http://{endpoint(VIP4)}/big", seconds=60) in files


def programs_at(lab, interface):
    """What of ours hangs on an interface of the load balancer."""
    return re.findall(r"tandem_\w+", lab.lb.run("ip", "-details", "link", "show", interface)
                      + lab.lb.run("tc", "filter", "show", "dev", interface, "ingress"))


@pytest.mark.parametrize("driver", ["af_packet", "af_xdp"])
def test_requests_over_a_netdev_on_which_nothing_is_left(lab, config, driver):
    config.device = f"{driver}:eth0"
    with Tandem(lab, config) as tandem:
        check_requests(tandem, lab)
        assert programs_at(lab, "eth0")
        chosen = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, tandem.dataplane.popen.pid) == (chosen or -10)
    assert not programs_at(lab, "eth0")


def test_requests_over_a_tap_whose_twin_does_what_the_kernel_does(lab, config):
    """The load balancer's only way to the network is the port: eth0 is a bridge's other end."""
    network = f"{lab.lb.ipv4}/24"
    lab.lb.ip("addr flush dev eth0", "link add wires type bridge", "link set eth0 master wires",
              "link set wires up")
    config.device, config.addresses = "tap:wire0", [network]
    with Tandem(lab, config) as tandem:
        wait_until(lambda: re.search(rf"tandem0 .*{network}", lab.lb.run("ip", "-o", "addr")),
                   "the twin's address")
        # DPDK gives the kernel's end the port's MAC, and a bridge keeps what is for its own.
        lab.lb.ip("link set wire0 address 02:00:5e:10:00:99", "link set wire0 master wires up")
        check_requests(tandem, lab)  # health checks and ARP go by the twin
        nginx.Nginx(lab.lb).start()
        own = client.requests(lab, lab.lb.ipv4, 20)
        assert not own.failed and own.spread == {"lb": 20}
        counters = tandem.counters()
        assert counters["forwarded"] > 1000 and counters["punted"] > 0


def test_two_workers_share_the_packets_and_each_flow_stays_with_one(lab, config):
    config.workers = 2
    with Tandem(lab, config) as tandem:
        check_requests(tandem, lab)
        each = [tandem.counters(worker) for worker in (0, 1)]
        assert all(counters["forwarded"] > 300 for counters in each), each
        total = tandem.counters()
        assert total["received"] >= sum(counters["received"] for counters in each)
        assert tandem.telemetry("/tandem/counters,2") is None

        # Flows are remembered where their packets come: half of them in each worker's memory, and
        # none in both.
        downloads = Downloads(lab, 100)
        since = tandem.reload(str(config).replace(
            f'"{endpoint(lab.backends[0].ipv4)}"',
            f'{{ address = "{endpoint(lab.backends[0].ipv4)}", state = "drain" }}'))
        tandem.control.wait_for_log(re.compile("slots move"), since)

        def remembered():
            return [tandem.flows(worker)["established"] for worker in (0, 1)]
        moved = connections(lab.backends[0], "src")
        assert moved > 10
        wait_until(lambda: sum(remembered()) == tandem.flows()["established"] == moved,
                   f"all {moved} flows in the memory of one")
        assert min(remembered()) > 2, remembered()
        assert not downloads.broken()


def test_traffic_follows_a_backend_to_another_mac(lab, tandem):
    new = "02:00:5e:10:00:77"
    with client.Stream(lab, VIP4, rate=100) as stream:
        lab.backends[0].run("sysctl", "-q", "-w", "net.ipv4.conf.eth0.arp_notify=1")
        lab.backends[0].ip(f"link set eth0 address {new}")
        tandem.control.wait_for_log(re.compile(f"{lab.backends[0].ipv4} has MAC {new}"))
        count = stream.results().spread["backend1"]
        wait_until(lambda: stream.results().spread["backend1"] > count + 20, "its traffic")
    tandem.wait_serving(VIP4, lab.backends)
