"""SIGHUP: a good file takes effect at once and harms nobody; a bad one changes nothing."""
import dataclasses
import re
import subprocess
import time

import client
import pytest
from lab import VIP4, VIP6, wait_until
from tandem import CONTROL, Service, Tandem


def with_backends(config, nodes):
    return dataclasses.replace(
        config, services={"web": Service(VIP4, [node.ipv4 for node in nodes])})


@pytest.fixture
def tandem_of_two(lab, config):
    with Tandem(lab, with_backends(config, lab.backends[:2])) as running:
        running.wait_serving(VIP4, lab.backends[:2])
        yield running


def test_a_reload_adds_a_backend_and_no_request_fails(lab, config, tandem_of_two):
    with client.Stream(lab, VIP4, rate=200) as stream:
        tandem_of_two.reload(config)
        wait_until(lambda: stream.results().spread["backend3"] > 20, "traffic to the new backend")
        assert not stream.stop().failed
    tandem_of_two.wait_serving(VIP4, lab.backends)


def test_a_reload_takes_a_backend_away_and_fails_no_request_that_was_not_under_way(lab, config, tandem):
    with client.Stream(lab, VIP4, rate=200) as stream:
        begun = time.monotonic()
        since = tandem.reload(with_backends(config, lab.backends[1:]))
        tandem.control.wait_for_log(re.compile("slots move"), since)
        tandem.wait_serving(VIP4, lab.backends[1:])  # control says so before workers know
        moved = time.monotonic()
        stream.wait_for(100)
        # Who is under way with a backend that goes without a drain goes with it; nobody else.
        failed = stream.stop().failed
        assert len(failed) <= 2, failed
        assert all(result["start"] < moved and result["end"] > begun for result in failed), failed


def test_a_reload_adds_a_vip(lab, config, tandem):
    services = {**config.services, "six": Service(VIP6, [node.ipv6 for node in lab.backends])}
    tandem.reload(dataclasses.replace(config, services=services))
    tandem.wait_serving(VIP6, lab.backends)
    tandem.wait_serving(VIP4, lab.backends)


@pytest.mark.parametrize("line, complaint", [
    ("[pool.web", r"{file}:1:\d+: .*"),
    ("[pool.web]\nbackend = []", r"(?s){file}:2:1: .*did you mean 'backends'"),
    ("[dataplane]\nworkers = -1", r"{file}:2:11: .*"),
])
def test_a_bad_file_changes_nothing_and_is_reported_with_its_place(lab, tandem, line, complaint):
    plan = tandem.state()["plan_generation"]
    with client.Stream(lab, VIP4, rate=200) as stream:
        since = tandem.reload(line + "\n")
        pattern = re.compile(complaint.format(file=re.escape(str(tandem.file))))
        tandem.control.wait_for_log(pattern, since)
        tandem.wait_serving(VIP4, lab.backends)
        assert not stream.stop().failed
    if " is down " not in tandem.control.text()[since:]:  # a busy machine's check may fail
        assert tandem.state()["plan_generation"] == plan
    tandem.check_alive()


def test_a_port_that_is_renamed_runs_on_until_the_dataplane_is_restarted(lab, config):
    config = dataclasses.replace(config, groups=[{"router_id": 51, "interval": '"30ms"'}])
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        roles = len(tandem.dataplane.text())
        with client.Stream(lab, VIP4, rate=200) as stream:
            since = tandem.reload(dataclasses.replace(config, port="uplink"))
            tandem.control.wait_for_log(re.compile("port.uplink, port.wan differ|differs?; "), since)
            plan = tandem.state()["plan_generation"]
            lab.lb.ip("addr add 10.99.9.1/32 dev eth0")  # for a plan that is made after it
            wait_until(lambda: tandem.state()["plan_generation"] > plan, "a plan after it")
            stream.wait_for(100)
            assert not stream.stop().failed
        assert ": backup" not in tandem.dataplane.text()[roles:]
        assert tandem.dataplane.stop() == 0
        tandem.start_dataplane()
        tandem.wait_serving(VIP4, lab.backends)


def test_a_reload_moves_a_vip_to_another_pool(lab, config, tandem):
    plan = tandem.state()["plan_generation"]
    first, second, third = lab.backends
    config = dataclasses.replace(config, services={
        "web": Service(VIP6, [first.ipv6]), "other": Service(VIP4, [second.ipv4, third.ipv4])})
    since = tandem.reload(config)
    tandem.control.wait_for_log(re.compile(r"reload: .* applied"), since)
    wait_until(lambda: tandem.state()["plan_generation"] > plan, "the new plan")
    tandem.wait_serving(VIP4, [second, third])
    tandem.wait_serving(VIP6, [first])


def test_check_tells_good_files_from_bad_ones_and_reports_every_error(lab, config):
    good, bad = lab.directory / "good.toml", lab.directory / "bad.toml"
    good.write_text(str(config))
    bad.write_text(str(config).replace("interval", "intervall").replace('"http"', '"htpt"'))
    assert subprocess.run([CONTROL, "--check", good], capture_output=True).returncode == 0
    checked = subprocess.run([CONTROL, "--check", bad], capture_output=True, text=True)
    assert checked.returncode == 1
    places = re.findall(re.escape(str(bad)) + r":(\d+):(\d+)", checked.stdout + checked.stderr)
    lines = bad.read_text().splitlines()
    at = {number for number, line in enumerate(lines, 1) if "intervall" in line or "htpt" in line}
    assert {int(line) for line, _ in places} == at
