"""One of two instances goes on for the other: what both have, what only the other one knew, and
without a connection broken."""
import re
import signal
import time

import client
import nginx
import pytest
from downloads import Downloads
from lab import VIP4, Lab, wait_until
from pair import backend, running, wait_in_step
from tandem import Service


@pytest.fixture
def lab():
    with Lab(backends=3, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        yield built


def test_a_killed_instances_downloads_go_on_where_the_tables_differ(lab):
    with running(lab) as (first, second):
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
    with running(lab) as (first, second):
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
        # It has asked for its group: so the other one has told what was opening there.
        first.dataplane.wait_for_log(re.compile("handoff: 1 group done"), since)
        assert not downloads.broken()


def test_who_loses_its_group_again_gets_it_back_later(lab):
    with running(lab) as (first, second):
        for losses in (1, 2, 3, 4):  # so often that a busy machine is back before the hold is over
            since = second.mark()
            first.dataplane.kill()
            second.wait_role("active", since)
            since = first.mark()
            first.start_dataplane()
            first.wait_role("active", since)
            wait_until(lambda: not second.is_active(), "the other one has heard of it")
            assert second.peer()["losses"] == losses
        text = first.dataplane.text()[since:]
        in_turn = ["it is too early", "it is no longer too early", "active for IPv4"]
        assert sorted(in_turn, key=text.index) == in_turn
        assert not first.peer()["held_down"]
        assert "has lost groups 4 times lately: for 4 s" in second.dataplane.text()


def test_who_was_stopped_and_wakes_up_disturbs_nobody_and_waits_until_it_is_in_step(lab):
    # Long, for a busy machine stops the active one, too, for moments.
    with running(lab, "200ms") as (first, second):
        since = first.mark(), second.mark()
        roles = lambda: [re.findall(r": (\w+) for IPv4", each.dataplane.text()[mark:])
                         for each, mark in zip((first, second), since)]
        with client.Stream(lab, VIP4, rate=100) as stream:
            first.dataplane.signal(signal.SIGSTOP)
            second.wait_role("active", since[1])
            moment = time.monotonic()
            served = lambda: stream.results().since(moment).spread.total()
            wait_until(lambda: served() > 100, "requests are served again")
            # Only of the one, so that the other will not be in step.
            changed = backend(lab.backends[0], weight=40), *(node.ipv4 for node in lab.backends[1:])
            second.change_pool(*changed)
            moment = time.monotonic()
            first.dataplane.signal(signal.SIGCONT)
            first.dataplane.wait_for_log(re.compile("peer: its tables differ"), since[0])
            assert roles() == [["backup"], ["active"]]
            first.change_pool(*changed)
            first.wait_role("active", since[0])
            wait_until(lambda: served() > 200, "requests meanwhile and afterwards")
            assert not stream.stop().since(moment).failed
        assert roles() == [["backup", "active"], ["active", "backup"]]
        text = first.dataplane.text()[since[0]:]
        assert text.index("in step after") < text.index("active for IPv4")


def test_a_group_is_handed_off_and_taken_back_without_a_packet_lost(lab):
    with running(lab, "1s") as (first, second):
        downloads = Downloads(lab, 60)
        # What opens meanwhile may not open elsewhere than where either of them looks for it.
        for each in (first, second):
            each.change_pool(*(backend(node, weight=10 * (index + 1))
                               for index, node in enumerate(lab.backends)))
        with client.Stream(lab, VIP4, rate=200) as stream:
            for away, back in 4 * [("handoff", "take_back")]:
                since = second.mark()
                assert first.ask(do=away)["ok"]
                second.wait_role("active", since)
                seen = len(stream.results())
                wait_until(lambda: len(stream.results()) > seen + 100, "requests meanwhile")
                since = second.mark()
                assert first.ask(do=back)["ok"]
                second.wait_role("backup", since)
                seen = len(stream.results())
                wait_until(lambda: len(stream.results()) > seen + 100, "requests afterwards")
            assert not stream.results().failed
        assert not downloads.broken()
        # What is not active cannot be handed off, and there is one peer only.
        refused = second.ask(do="handoff")
        assert not refused["ok"] and "no group is active" in refused["error"]


def test_a_drill_measures_the_gap(lab):
    with running(lab) as (first, second):
        soft = first.ask(do="drill")
        assert soft["ok"] and soft["gap_ms"] == 0, soft
        hard = first.ask(do="drill", hard=True)
        # Three intervals and the skew, and a busy machine.
        assert hard["ok"] and 200 < hard["gap_ms"] < 1000, hard
        assert first.peer()["drills"] == 2
        assert first.dataplane.text().count("active for IPv4") == 3


def test_many_pools_come_to_rest_however_short_the_interval(lab):
    # To take over or adopt so many tables takes several intervals, in which it is to be heard.
    services = {"web": Service(VIP4, [node.ipv4 for node in lab.backends]),
                **{f"pool{number}": Service(f"198.18.0.{number}", [lab.backends[number % 3].ipv4])
                   for number in range(1, 61)}}
    with running(lab, "10ms", services) as (first, second):
        downloads = Downloads(lab, 60)
        for _ in range(3):
            first.dataplane.kill()
            wait_until(second.is_active, "the other one takes over")
            since = first.mark()
            first.start_dataplane()
            first.wait_role("active", since, seconds=60)
            wait_until(lambda: first.is_active() and not second.is_active(), "its way back", 60)
            wait_in_step(first, second)
        assert not downloads.broken()


def test_a_clean_stop_loses_no_packet_however_long_the_interval(lab):
    with running(lab, "1s") as (first, second):
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
