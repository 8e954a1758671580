"""Real requests through Tandem: both families of VIPs and backends, every forwarding mode."""
import dataclasses

import client
import nginx
import pytest
from lab import Lab
from tandem import Config, Service, Tandem, endpoint

# name: forwarding mode, family of the VIP, family of the backends
CASES = {
    "l2-4": ("l2", 4, 4),
    "l2-6": ("l2", 6, 6),
    "ipip-4in4": ("ipip", 4, 4),
    "ipip-6in6": ("ipip", 6, 6),
    "ipip-4in6": ("ipip", 4, 6),
    "ipip-6in4": ("ipip", 6, 4),
}
VIPS = {name: f"192.0.2.{81 + i}" if vip_family == 4 else f"2001:db8::{81 + i}"
        for i, (name, (_, vip_family, _)) in enumerate(CASES.items())}


@pytest.fixture(scope="module")
def lab():
    with Lab(backends=3, vips=VIPS.values()) as built:
        built.nginx = nginx.start_all(built)
        yield built


@pytest.fixture(scope="module")
def tandem(lab):
    services = {name: Service(VIPS[name],
                              [n.ipv4 if family == 4 else n.ipv6 for n in lab.backends], mode)
                for name, (mode, _, family) in CASES.items()}
    with Tandem(lab, Config(lab.directory, services)) as running:
        yield running


@pytest.mark.parametrize("case", CASES)
def test_requests_are_spread_over_all_backends(tandem, case):
    tandem.wait_serving(VIPS[case], tandem.lab.backends)
    results = client.requests(tandem.lab, VIPS[case], 1500)
    assert len(results) == 1500 and not results.failed
    for node in tandem.lab.backends:
        assert 400 <= results.spread[node.name] <= 600, results.spread


@pytest.mark.parametrize("case", CASES)
def test_a_large_download_arrives_unharmed(tandem, case):
    tandem.wait_serving(VIPS[case], tandem.lab.backends)
    files = {(server.directory / "files" / "big").read_bytes() for server in tandem.lab.nginx}
    body = client.curl(tandem.lab, f"http://{endpoint(VIPS[case])}/big", seconds=60)
    assert body in files


@pytest.mark.parametrize("case", ["l2-4", "l2-6"])
def test_the_load_balancer_answers_for_its_vips_on_the_network(tandem, case):
    tandem.wait_serving(VIPS[case], tandem.lab.backends)
    family = "-6" if ":" in VIPS[case] else "-4"
    neighbour = tandem.lab.client.run("ip", family, "neigh", "show", VIPS[case])
    assert f"lladdr {tandem.lab.lb.mac()}" in neighbour


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_load_balancers_own_addresses_still_reach_its_kernel(tandem, family):
    tandem.wait_serving(VIPS["l2-4"], tandem.lab.backends)
    server = nginx.Nginx(tandem.lab.lb).start()
    try:
        results = client.requests(tandem.lab, getattr(tandem.lab.lb, family), 20)
        assert not results.failed and results.spread == {"lb": 20}
    finally:
        server.stop()


def test_a_vip_whose_backends_all_refuse_gets_no_answer_and_harms_no_other(lab, tandem):
    tandem.wait_serving(VIPS["ipip-4in4"], lab.backends)
    nowhere = Service("192.0.2.99", [lab.client.ipv4])  # nobody listens there
    tandem.reload(dataclasses.replace(
        tandem.config, services={**tandem.config.services, "nowhere": nowhere}))
    assert client.curl(lab, "http://192.0.2.99/", seconds=2) is None
    assert not client.requests(lab, VIPS["ipip-4in4"], 300).failed
