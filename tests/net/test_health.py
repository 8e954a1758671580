"""A backend that fails loses its traffic in time, and gets it back when it returns."""
import re
import time

import client
import pytest
from lab import VIP4, wait_until
from tandem import Tandem


def wait_quiet(stream, moment, seconds=1):
    """Waits until nothing sent in the last second failed; `moment` is where trouble began."""
    def quiet():
        now = time.monotonic()
        failed = stream.results().failed
        return now > moment + seconds and (not failed or failed[-1]["end"] < now - seconds)
    wait_until(quiet, f"{seconds} s without a failed request")


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_traffic_of_a_backend_that_refuses_moves_in_time(lab, tandem, config, way):
    with client.Stream(lab, VIP4, rate=200) as stream:
        moment = time.monotonic()
        getattr(lab.nginx[0], way)()
        wait_quiet(stream, moment)
        results = stream.stop()
    assert not [result for result in results.failed if result["start"] < moment - 0.1]
    last = max((result["end"] for result in results.failed), default=moment)
    assert (last - moment) * 1000 <= config.detection_ms
    after = results.since(last)
    assert not after.failed
    assert set(after.spread) == {"backend2", "backend3"}


def test_the_traffic_of_a_backend_that_hangs_moves_in_time(lab, tandem, config):
    with client.Stream(lab, VIP4, rate=200, timeout=0.5) as stream:
        moment = time.monotonic()
        lab.nginx[0].freeze()
        wait_quiet(stream, moment)
        last = max(result["start"] for result in stream.results().failed)
        assert (last - moment) * 1000 <= config.detection_ms + config.fall * config.timeout_ms
        lab.nginx[0].thaw()


def test_a_returning_backend_gets_its_traffic_back_and_nothing_fails(lab, tandem):
    before = client.requests(lab, VIP4, 1000).spread
    lab.nginx[2].stop()
    tandem.wait_serving(VIP4, lab.backends[:2])
    with client.Stream(lab, VIP4, rate=200) as stream:
        lab.nginx[2].start()
        wait_until(lambda: stream.results().spread["backend3"] > 20, "traffic to backend3")
        assert not stream.stop().failed
    after = client.requests(lab, VIP4, 1000).spread
    assert set(after) == set(before)


def test_a_pool_that_loses_its_last_backend_refuses_in_silence_until_one_returns(lab, tandem):
    for server in lab.nginx:
        server.stop()
    wait_until(lambda: "0 of 3 backends serve" in tandem.control.text(), "the last one's fall")
    before = tandem.counters()["no_backend"]
    assert client.curl(lab, f"http://{VIP4}/", seconds=2) is None
    assert tandem.counters()["no_backend"] > before
    lab.nginx[1].start()
    tandem.wait_serving(VIP4, lab.backends[1:2])


def test_each_change_of_health_is_one_line_that_says_why(lab, tandem):
    first = lab.backends[0]
    lab.nginx[0].stop()
    tandem.wait_serving(VIP4, lab.backends[1:])
    lab.nginx[0].start()
    tandem.wait_serving(VIP4, lab.backends)
    lines = re.findall(rf"{re.escape(first.ipv4)}:80 is (.*)", tandem.control.text())
    states = [line.split()[0] for line in lines]
    assert all(state != after for state, after in zip(states, states[1:])), lines
    whys = {"down": r"down \(.*refused.*, 2 of 2, after \d+ ms\); was up for \d+ m?s",
            "up": r"up \(.*200.*, 2 of 2, after \d+ ms\); was down for \d+ m?s"}
    for why in whys.values():
        assert any(re.fullmatch(why, line) for line in lines), lines


def test_traffic_survives_as_long_as_one_backend_serves(lab, tandem):
    lab.nginx[0].stop()
    lab.nginx[1].kill()
    tandem.wait_serving(VIP4, lab.backends[2:])
    results = client.requests(lab, VIP4, 500)
    assert not results.failed and results.spread == {"backend3": 500}


def test_a_service_of_another_kind_is_checked_by_its_connections(lab, config):
    """A tcp check asks nothing: what the server would say to an http check does not matter."""
    config.check = "tcp"
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        lab.nginx[0].set_healthy(False)
        lab.nginx[1].stop()
        tandem.wait_serving(VIP4, [lab.backends[0], lab.backends[2]])
        lab.nginx[1].start()
        tandem.wait_serving(VIP4, lab.backends)
