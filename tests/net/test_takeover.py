"""One of two instances goes on for the other: what both have, what only the other one knew, and
without a connection broken."""
import dataclasses
import json
import re
import subprocess

import client
import nginx
import pytest
from downloads import Downloads
from lab import VIP4, Lab, wait_until
from tandem import CONTROL, Config, Service, Tandem, endpoint


@pytest.fixture
def lab():
    with Lab(backends=3, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        yield built


class Instance(Tandem):
    """One of the two. The first has the higher priority."""

    def __init__(self, lab, index, interval="100ms"):
        node, other = lab.balancers[index], lab.balancers[1 - index]
        directory = lab.directory / node.name
        directory.mkdir()
        key_file = directory / "pair.key"
        key_file.write_text("1" * 64 + "\n")
        key_file.chmod(0o600)
        config = Config(directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends])},
                        groups=[{"router_id": 51, "priority": 200 - 100 * index,
                                 "interval": f'"{interval}"'}],
                        pair={"peer": f'"{other.ipv4}"', "local": f'"{node.ipv4}"',
                              "key_file": f'"{key_file}"', "dead_after": '"300ms"'})
        super().__init__(lab, config, node)

    def peer(self):
        return self.telemetry("/tandem/peer")

    def mark(self):
        return len(self.dataplane.text())

    def wait_role(self, role, since=0):
        self.dataplane.wait_for_log(re.compile(rf"group \S+: {role} for IPv4"), since)

    def change_pool(self, *backends):
        """Reloads with these backends, and waits for the new table if there is who takes it."""
        service = dataclasses.replace(self.config.services["web"], backends=list(backends))
        self.config = dataclasses.replace(self.config, services={"web": service})
        since = self.reload(self.config)
        self.control.wait_for_log(re.compile(r"reload: .* applied"), since)
        if self.dataplane.running:
            self.control.wait_for_log(re.compile(r"slots move"), since)


def backend(node, **keys):
    words = [f'address = "{endpoint(node.ipv4)}"', *(f"{key} = {value}" for key, value in keys.items())]
    return "{ " + ", ".join(words) + " }"


def wait_in_step(first, second):
    for each in (first, second):
        wait_until(lambda: each.peer()["caught_up"] == 1 and each.peer()["has_told_all"] == 1,
                   f"{each.node.name} is in step with its peer")


def start(lab, first, second):
    first.wait_role("active")
    second.wait_role("backup")
    wait_in_step(first, second)
    first.wait_serving(VIP4, lab.backends)


def test_a_killed_instances_downloads_go_on_where_the_tables_differ(lab):
    with Instance(lab, 0) as first, Instance(lab, 1) as second:
        start(lab, first, second)
        older = Downloads(lab, 60)
        # Of the first alone: so its table is not the other one's, and what moved is remembered.
        first.change_pool(backend(lab.backends[0], state='"drain"'), lab.backends[1].ipv4,
                          backend(lab.backends[2], weight=40))
        newer = Downloads(lab, 60)
        # And of the second alone: flows that the first need not remember are not its owners'.
        second.change_pool(lab.backends[0].ipv4, backend(lab.backends[1], state='"drain"'),
                           lab.backends[2].ipv4)
        wait_until(lambda: second.peer()["flows"] >= 20, "flows that the first has told of")
        since = second.mark()
        first.dataplane.kill()
        second.wait_role("active", since)
        assert not older.broken()
        assert not newer.broken()
        assert second.flows()["adopted"] > 0
        # Tables that differ are not taken back.
        since = first.mark()
        first.start_dataplane()
        first.dataplane.wait_for_log(re.compile("peer: its tables differ"), since)
        assert "in step after" not in first.dataplane.text()[since:]
        second.change_pool(backend(lab.backends[0], state='"drain"'), lab.backends[1].ipv4,
                           backend(lab.backends[2], weight=40))
        first.wait_role("active", since)
        assert "in step after" in first.dataplane.text()[since:]


def test_who_returns_waits_until_it_is_in_step_and_breaks_nothing(lab):
    with Instance(lab, 0) as first, Instance(lab, 1) as second:
        start(lab, first, second)
        since = second.mark()
        first.dataplane.kill()
        second.wait_role("active", since)
        second.change_pool(backend(lab.backends[0], state='"drain"'), lab.backends[1].ipv4,
                           lab.backends[2].ipv4)
        downloads = Downloads(lab, 60)
        since = first.mark()
        first.change_pool(backend(lab.backends[0], state='"drain"'), lab.backends[1].ipv4,
                          lab.backends[2].ipv4)
        first.start_dataplane()
        first.wait_role("active", since)
        text = first.dataplane.text()[since:]
        assert text.index("in step after") < text.index("active for IPv4")
        assert not downloads.broken()


def ask(tandem, **question):
    """What control answers to an operator."""
    argv = tandem.node.argv(CONTROL, "--ask", json.dumps(question), "--config", tandem.file)
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) == answer["ok"]
    return answer


def test_a_group_is_handed_off_and_taken_back_without_a_packet_lost(lab):
    with Instance(lab, 0, "1s") as first, Instance(lab, 1, "1s") as second:
        start(lab, first, second)
        downloads = Downloads(lab, 60)
        with client.Stream(lab, VIP4, rate=200) as stream:
            for away, back in (("handoff", "take_back"), ("handoff", "take_back")):
                since = second.mark()
                assert ask(first, do=away)["ok"]
                second.wait_role("active", since)
                seen = len(stream.results())
                wait_until(lambda: len(stream.results()) > seen + 100, "requests meanwhile")
                since = second.mark()
                assert ask(first, do=back)["ok"]
                second.wait_role("backup", since)
                seen = len(stream.results())
                wait_until(lambda: len(stream.results()) > seen + 100, "requests afterwards")
            assert not stream.results().failed
        assert not downloads.broken()
        # What is not active cannot be handed off, and there is one peer only.
        refused = ask(second, do="handoff")
        assert not refused["ok"] and "no group is active" in refused["error"]


def test_a_drill_measures_the_gap(lab):
    with Instance(lab, 0) as first, Instance(lab, 1) as second:
        start(lab, first, second)
        soft = ask(first, do="drill")
        assert soft["ok"] and soft["gap_ms"] == 0, soft
        hard = ask(first, do="drill", hard=True)
        # Three intervals and the skew, and a busy machine.
        assert hard["ok"] and 200 < hard["gap_ms"] < 1000, hard
        assert first.peer()["drills"] == 2
        assert first.dataplane.text().count("active for IPv4") == 3


def test_a_clean_stop_loses_no_packet_however_long_the_interval(lab):
    with Instance(lab, 0, "1s") as first, Instance(lab, 1, "1s") as second:
        start(lab, first, second)
        downloads = Downloads(lab, 60)
        with client.Stream(lab, VIP4, rate=200) as stream:
            since = second.mark()
            assert first.dataplane.stop() == 0
            second.wait_role("active", since)
            seen = len(stream.results())
            wait_until(lambda: len(stream.results()) > seen + 200, "requests afterwards")
            assert not stream.results().failed
        assert "1 group done" in first.dataplane.text()
        assert not downloads.broken()
        first.start_dataplane()
        first.wait_serving(VIP4, lab.backends)
