"""Two instances that find different things of the backends come to one table."""
import re
import signal
import statistics

import client
import nginx
import pytest
from lab import VIP4, Lab, wait_until
from pair import running, seconds_to_agree, wait_in_step


@pytest.fixture
def lab():
    with Lab(backends=4, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        yield built


def wait_same_tables(*instances, seconds=20):
    for each in instances:
        wait_until(lambda: each.peer()["same_tables"] == 1, "the same tables", seconds)


def serving(lab):
    return set(client.requests(lab, VIP4, 120).spread)


def test_who_is_right_about_the_rest_takes_a_backend_out_on_both(lab):
    with running(lab) as (first, second):
        since = first.mark(), len(first.control.text())
        second.lose(lab.backends[0])
        second.control.wait_for_log(re.compile("the peer|only this instance|is down"))
        first.control.wait_for_log(re.compile(r"is out: the peer finds it down"), since[1])
        wait_same_tables(first, second)
        assert serving(lab) == {"backend2", "backend3", "backend4"}
        second.find(lab.backends[0])
        wait_until(lambda: len(serving(lab)) == 4, "all four serve again")
        wait_same_tables(first, second)


def test_a_standby_that_was_stopped_is_believed_again(lab):
    with running(lab) as (first, second):
        second.lose(lab.backends[0])
        first.control.wait_for_log(re.compile("is out: the peer finds it down"))
        wait_same_tables(first, second)
        since = first.mark()
        second.dataplane.signal(signal.SIGSTOP)
        first.dataplane.wait_for_log(re.compile("peer: not heard for .* taken for dead"), since)
        wait_until(lambda: "backend1" in serving(lab), "alone, it goes by what it finds itself")
        second.dataplane.signal(signal.SIGCONT)
        # It has not lost the first one, and what it has told goes on to hold.
        wait_same_tables(first, second)
        assert serving(lab) == {"backend2", "backend3", "backend4"}


def test_both_have_the_same_tables_soon_after_either_finds_something(lab):
    with running(lab) as (first, second):
        times = [seconds_to_agree(second, first, change, lab.backends[1])
                 for _ in range(3) for change in (second.lose, second.find)]
        # Clients, balancers and backends share two CPUs: one change may wait for them, not all.
        assert statistics.median(times) < 0.2 and max(times) < 2, times


def test_whose_view_is_broken_is_disputed_and_gives_the_group_away(lab):
    with running(lab) as (first, second):
        since, control = second.mark(), len(first.control.text())
        with client.Stream(lab, VIP4, rate=100) as stream:
            first.lose(*lab.backends[:3])
            # What it finds is not taken for true, and the group is where the backends are reached.
            second.wait_role("active", since)
            first.control.wait_for_log(re.compile("disputed"), control)
            seen = len(stream.results())
            wait_until(lambda: len(stream.results()) > seen + 200, "requests afterwards")
            later = client.Results(stream.results()[seen:])
            assert set(later.spread) == {f"backend{i}" for i in (1, 2, 3, 4)}
        first.find(*lab.backends[:3])
        wait_until(lambda: first.ask(do="take_back")["ok"], "the group is taken back")
        wait_in_step(first, second)
