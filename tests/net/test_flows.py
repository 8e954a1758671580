"""No change of the pool breaks a connection that could live: long downloads while all changes."""
import dataclasses
import re
import time

import client
import nginx
import pytest
from downloads import Downloads, connections
from lab import VIP4, Lab, wait_until
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


def pool(config, *backends, **settings):
    service = Service(VIP4, list(backends), on_down="keep", settings=settings)
    return dataclasses.replace(config, services={"web": service})


def change(tandem, config, published=r"slots move"):
    """Reloads, and waits for what control says once the new table is published, if anything."""
    since = tandem.reload(config)
    tandem.control.wait_for_log(re.compile(r"reload: .* applied"), since)
    if published:
        tandem.control.wait_for_log(re.compile(published), since)


def wait_state(tandem, node, state):
    """Until that is the last that control has said of it: a busy machine's check may have failed
    before, and passed again."""
    said = re.compile(rf"{re.escape(node.ipv4)}:80 is (up|down)")
    wait_until(lambda: said.findall(tandem.control.text())[-1:] == [state], f"{node.name} {state}")


def downloads_until(lab, condition, seconds=240):
    """Downloads that others follow, so that some are under way when the condition comes true."""
    batches, deadline = [], time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        batches.append(Downloads(lab, 50))
        last = time.monotonic()
        wait_until(lambda: condition() or time.monotonic() > last + 6, "time for the next", 30)
    return batches


def test_downloads_survive_drain_flaps_weights_additions_and_removal(lab):
    first, second, third, fourth = lab.backends
    # A pause longer than that is a connection's end; a busy machine makes some of seconds.
    base = Config(lab.directory, established_s=12)
    with Tandem(lab, pool(base, first.ipv4, second.ipv4, third.ipv4)) as tandem:
        tandem.wait_serving(VIP4, lab.backends[:3])
        downloads = Downloads(lab, DOWNLOADS, "/slow")
        before = len(downloads.ended())

        # All these at once may fail a check of it for a moment, and then no slot is left to move.
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4, third.ipv4),
               published=r"drains: it keeps its flows")
        lab.nginx[1].set_healthy(False)
        wait_state(tandem, second, "down")
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4,
                            settings(third, weight=5)), published=None)
        lab.nginx[1].set_healthy(True)
        wait_state(tandem, second, "up")
        # With the fourth the table gets another size as well: not one slot is what it was.
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4,
                            settings(third, weight=5), fourth.ipv4, slots=131_101))
        wait_state(tandem, fourth, "up")
        assert not [result for result in downloads.ended() if "error" in result]
        assert before == 0 and connections(lab.client) >= DOWNLOADS - len(downloads.ended())

        # New requests do not go to the one that drains.
        fresh = client.requests(lab, VIP4, 300)
        assert not fresh.failed and set(fresh.spread) == {"backend2", "backend3", "backend4"}
        broken = downloads.broken()
        assert not broken, broken[:5]
        others = downloads_until(
            lab, lambda: re.search(rf"{re.escape(first.ipv4)}:80 is drained .*safe to remove",
                                   tandem.control.text()))
        assert re.search(r"drains: [1-9]\d* flows left, the quietest silent for \d+ s",
                         tandem.control.text())
        change(tandem, pool(base, second.ipv4, settings(third, weight=5), fourth.ipv4, slots=131_101),
               published=None)
        assert connections(lab.client) > 30
        broken = [result for batch in others for result in batch.broken()]
        assert not broken, broken[:5]


def test_a_returning_backend_breaks_no_download(lab):
    base = Config(lab.directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends])})
    with Tandem(lab, base) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        lab.nginx[0].stop()
        tandem.wait_serving(VIP4, lab.backends[1:])
        downloads = Downloads(lab, 100)
        lab.nginx[0].start()
        tandem.wait_serving(VIP4, lab.backends)
        assert not downloads.broken()


def test_a_dataplane_killed_amid_a_transition_goes_on_with_it(lab):
    base = Config(lab.directory)
    first, second, third, _ = lab.backends
    with Tandem(lab, pool(base, first.ipv4, second.ipv4, third.ipv4)) as tandem:
        tandem.wait_serving(VIP4, lab.backends[:3])
        downloads = Downloads(lab, 100)
        change(tandem, pool(base, settings(first, state='"drain"'), second.ipv4, third.ipv4))
        remembered = lambda: tandem.flows()["established"]
        wait_until(lambda: remembered() > 10, "flows that are remembered")
        tandem.dataplane.kill()
        tandem.start_dataplane()
        tandem.wait_serving(VIP4, lab.backends[1:3])
        assert remembered() > 10
        assert not downloads.broken()


def test_a_failing_backend_loses_its_flows_at_once_if_they_are_to_be_rehashed(lab):
    base = Config(lab.directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends],
                                                 on_down="rehash")})
    with Tandem(lab, base) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        downloads = Downloads(lab, 100)
        lab.nginx[0].set_healthy(False)  # it would serve on, as on_down = "keep" lets it
        tandem.wait_serving(VIP4, lab.backends[1:])
        failed = lambda: [result for result in downloads.ended() if "error" in result]
        wait_until(failed, "downloads that another backend has reset")
        assert all("error" in result for result in downloads.broken())
        assert 5 < len(failed()) < 60, "those of one backend of four"


def test_a_returning_backend_gets_its_share_slowly_if_so_configured(lab):
    base = Config(lab.directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends],
                                                 settings={"slow_start": '"20s"'})})
    last = lab.backends[3]
    with Tandem(lab, base) as tandem:
        # All are new at the start, and share alike.
        tandem.wait_serving(VIP4, lab.backends)
        lab.nginx[3].set_healthy(False)
        tandem.wait_serving(VIP4, lab.backends[:3])
        since = len(tandem.control.text())
        lab.nginx[3].set_healthy(True)
        tandem.control.wait_for_log(re.compile(rf"{re.escape(last.ipv4)}:80 is up"), since)
        share = lambda: client.requests(lab, VIP4, 400).spread[last.name] / 400
        shares = [share()]

        def is_whole():
            shares.append(share())
            return shares[-1] > 0.2
        wait_until(is_whole, f"a whole share: {shares}", 60)
        assert shares[0] < 0.15, shares
        assert sum(0.05 < share < 0.18 for share in shares) >= 2, f"it is no jump: {shares}"


def resets(node):
    """How many TCP resets it has sent."""
    names, values = [line.split() for line in node.run("cat", "/proc/net/snmp").splitlines()
                     if line.startswith("Tcp:")]
    return int(values[names.index("OutRsts")])


def test_flows_of_a_backend_that_is_gone_go_to_none_of_another_pool(lab):
    first, second, third, fourth = lab.backends
    config = pool(Config(lab.directory), first.ipv4, second.ipv4, third.ipv4)
    config.services["other"] = Service(VIP4, [third.ipv4], protocol="udp")
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends[:3])
        Downloads(lab, 100)
        moved = connections(first, "src")
        config.services["web"].backends[0] = settings(first, state='"drain"')
        change(tandem, config)
        wait_until(lambda: tandem.flows()["established"] >= moved > 10, "flows that are remembered")
        before = resets(fourth)
        # Of one pool to another: the fourth has the number by now that the first one had.
        del config.services["web"].backends[0]
        config.services["other"].backends.append(fourth.ipv4)
        change(tandem, config)
        # Each goes to another one of its own pool, with its next packet.
        wait_until(lambda: tandem.flows()["rewritten"] >= moved or resets(fourth) > before,
                   "flows that are given away", 60)
        assert resets(fourth) == before


def test_no_flood_washes_out_flows_nor_fills_memory_of_a_pool_at_rest(lab):
    # A transition lasts so long, and the floods have to come in it.
    base = Config(lab.directory, flows_per_worker=2000, established_s=8)
    first, second, third, _ = lab.backends
    config = pool(base, first.ipv4, second.ipv4, third.ipv4)
    config.services["web"].settings["flow_budget"] = '"50%"'
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends[:3])
        tandem.wait_at_rest(VIP4)
        before = tandem.flows()
        client.flood(lab, client.SYN, 20_000)
        client.flood(lab, client.ACK, 20_000)
        assert tandem.flows()["inserted"] == before["inserted"], "a pool at rest remembers nothing"

        downloads = Downloads(lab, 200)
        moved = connections(first, "src")
        config.services["web"].backends[0] = settings(first, state='"drain"')
        change(tandem, config)
        wait_until(lambda: tandem.flows()["established"] >= moved > 30, "flows that are remembered")
        client.flood(lab, client.SYN, 20_000)  # 100 for each download
        client.flood(lab, client.ACK, 20_000)
        after = tandem.flows()
        assert after["evicted_budget"] + after["refused_budget"] + after["refused_full"] > 1000, after
        states = ("opening", "doubtful", "established", "closing")
        # Half of a table of 4096 places, the power of two with room for 2000 flows.
        assert sum(after[state] for state in states) <= 2048, after
        assert not downloads.broken()
