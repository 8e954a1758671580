"""Either process may die at any time: what the other one does meanwhile, and what comes back."""
import re

import client
from lab import VIP4, wait_until
from tandem import DATAPLANE, Tandem


def moves(tandem):
    """How often control's log said that slots move, of all its processes."""
    return tandem.control.text().count("slots move")


def test_forwarding_goes_on_without_control_which_takes_over_again_without_a_gap(lab, tandem):
    with client.Stream(lab, VIP4, rate=200) as stream:
        tandem.control.kill()
        moves_before = moves(tandem)
        assert not client.requests(lab, VIP4, 1000).failed
        tandem.start_control()
        # It is in charge again when it notices what changes from now on.
        sent = len(stream.results())
        wait_until(lambda: len(stream.results()) > sent + 400, "two seconds of requests")
        assert not stream.stop().failed
    assert moves(tandem) == moves_before
    lab.nginx[1].stop()
    tandem.wait_serving(VIP4, [lab.backends[0], lab.backends[2]])
    lab.nginx[1].start()
    tandem.wait_serving(VIP4, lab.backends)


def test_control_that_returns_does_not_revive_a_dead_backend(lab, tandem):
    lab.nginx[0].stop()
    tandem.wait_serving(VIP4, lab.backends[1:])
    tandem.control.kill()
    moves_before = moves(tandem)
    with client.Stream(lab, VIP4, rate=200) as stream:
        tandem.start_control()
        wait_until(lambda: len(stream.results()) > 400, "two seconds of requests")
        results = stream.stop()
    assert not results.failed and set(results.spread) == {"backend2", "backend3"}
    assert moves(tandem) == moves_before


def test_a_killed_dataplane_forwards_again_after_its_restart(lab, tandem):
    tandem.dataplane.kill()
    tandem.start_dataplane()
    tandem.wait_serving(VIP4, lab.backends)
    results = client.requests(lab, VIP4, 1000)
    assert not results.failed and len(results.spread) == 3
    lab.nginx[2].stop()  # control is heard, too
    tandem.wait_serving(VIP4, lab.backends[:2])


def test_both_stop_cleanly_and_start_again(lab, tandem):
    assert tandem.control.stop() == 0
    assert tandem.dataplane.stop() == 0
    tandem.start_control()  # in this order as well
    tandem.start_dataplane()
    tandem.wait_serving(VIP4, lab.backends)


def first_table(tandem):
    """How control's log describes the first table that moved slots."""
    return tandem.control.wait_for_log(re.compile(r"slots move; (.*) serve")).group(1)


def test_a_cold_start_waits_for_every_backends_first_answer_so_that_nothing_moves(lab, config):
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        assert first_table(tandem) == "3 of 3 backends"
        assert moves(tandem) == 1
        assert tandem.flows()["lookups"] == 0


def test_a_cold_start_does_not_wait_long_for_a_backend_that_never_answers(lab, config):
    lab.nginx[0].freeze()
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends[1:])
        assert first_table(tandem) == "2 of 3 backends"


def refusal(process):
    """The one line with which a program refused to start."""
    wait_until(lambda: not process.running, f"the end of {process.name}")
    assert process.popen.returncode == 1, process.tail()
    return process.text().splitlines()[-1]


def test_a_missing_device_is_refused_with_one_clear_line(lab, config, tandem):
    other = lab.directory / "other.toml"
    other.write_text(str(config).replace("eth0", "eth7").replace("dataplane.sock", "other.sock"))
    process = lab.lb.start("refused", DATAPLANE, "--config", other)
    assert re.search(r"eth7", refusal(process))
    assert not (lab.directory / "other.sock").exists()


def test_a_second_dataplane_is_refused_and_the_first_goes_on(lab, tandem):
    process = lab.lb.start("second", DATAPLANE, "--config", tandem.file)
    assert "dataplane.sock" in refusal(process)
    assert not client.requests(lab, VIP4, 300).failed
