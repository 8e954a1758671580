"""No change of the pool breaks a connection that could live: long downloads while all changes."""
import dataclasses
import hashlib
import json
import re

import client
import nginx
import pytest
from lab import SUPPORT, VIP4, Lab, wait_until
from tandem import Config, Service, Tandem, endpoint

DOWNLOADS = 500


@pytest.fixture
def lab():
    with Lab(backends=4) as built:
        built.nginx = nginx.start_all(built)
        yield built


def settings(node, **keys):
    """One backend as it stands in the file."""
    words = [f'address = "{endpoint(node.ipv4)}"', *(f"{name} = {value}" for name, value in keys.items())]
    return "{ " + ", ".join(words) + " }"


def pool(config, *backends):
    return dataclasses.replace(config, services={"web": Service(VIP4, list(backends), on_down="keep")})


def change(tandem, config, moves=True):
    """Reloads, and waits until the new table is published."""
    since = tandem.reload(config)
    tandem.control.wait_for_log(re.compile(r"reload: .* applied"), since)
    if moves:
        tandem.control.wait_for_log(re.compile(r"slots move"), since)


def results(process):
    return [json.loads(line) for line in process.text().splitlines()]


def test_downloads_survive_drain_flaps_weights_additions_and_removal(lab):
    first, second, third, fourth = lab.backends
    shas = {hashlib.sha256((server.directory / "files" / "slow").read_bytes()).hexdigest()
            for server in lab.nginx}
    base = Config(lab.directory, established_s=5)
    with Tandem(lab, pool(base, first.ipv4, second.ipv4, third.ipv4)) as tandem:
        tandem.wait_serving(VIP4, lab.backends[:3])
        downloads = lab.client.start("downloads", client.PYTHON, SUPPORT / "download.py", VIP4,
                                     "--path", "/slow", "--count", str(DOWNLOADS))
        connections = lambda: len(lab.client.run("ss", "-Htn", "state", "established",
                                                 "dport", "=", ":80").splitlines())
        wait_until(lambda: connections() >= DOWNLOADS, "all downloads under way", 60)
        before = len(results(downloads))

        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4, third.ipv4))
        lab.nginx[1].set_healthy(False)
        tandem.control.wait_for_log(re.compile(rf"{re.escape(second.ipv4)}:80 is down"))
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4,
                            settings(third, weight=5)), moves=False)
        since = len(tandem.control.text())
        lab.nginx[1].set_healthy(True)
        tandem.control.wait_for_log(re.compile(rf"{re.escape(second.ipv4)}:80 is up"), since)
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4,
                            settings(third, weight=5), fourth.ipv4))
        tandem.control.wait_for_log(re.compile(rf"{re.escape(fourth.ipv4)}:80 is up"))
        assert not [result for result in results(downloads) if "error" in result]
        assert before == 0 and connections() >= DOWNLOADS - len(results(downloads))

        # New requests do not go to the one that drains.
        fresh = client.requests(lab, VIP4, 300)
        assert not fresh.failed and set(fresh.spread) == {"backend2", "backend3", "backend4"}
        tandem.control.wait_for_log(
            re.compile(rf"{re.escape(first.ipv4)}:80 is drained .*safe to remove"), seconds=240)
        change(tandem, pool(base, second.ipv4, settings(third, weight=5), fourth.ipv4), moves=False)
        wait_until(lambda: len(results(downloads)) == DOWNLOADS, "the end of all downloads", 240)
        failed = [result for result in results(downloads) if result.get("sha256") not in shas]
        assert not failed, failed[:5]


def test_a_returning_backend_breaks_no_download(lab):
    base = Config(lab.directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends])})
    shas = {hashlib.sha256((server.directory / "files" / "slow").read_bytes()).hexdigest()
            for server in lab.nginx}
    with Tandem(lab, base) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        lab.nginx[0].stop()
        tandem.wait_serving(VIP4, lab.backends[1:])
        downloads = lab.client.start("downloads", client.PYTHON, SUPPORT / "download.py", VIP4,
                                     "--path", "/slow", "--count", "100")
        wait_until(lambda: len(lab.client.run("ss", "-Htn", "state", "established", "dport", "=",
                                              ":80").splitlines()) >= 100, "downloads", 30)
        lab.nginx[0].start()
        tandem.wait_serving(VIP4, lab.backends)
        wait_until(lambda: len(results(downloads)) == 100, "the end of all downloads", 200)
        assert not [result for result in results(downloads) if result.get("sha256") not in shas]
