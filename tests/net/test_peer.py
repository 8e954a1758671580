"""The channel between two instances: heartbeats that nobody else can make, and a key that can be
exchanged."""
import re

import client
import nginx
import pytest
from lab import SUPPORT, VIP4, Lab, wait_until
from pair import Instance, backend, wait_in_step
from tandem import Config, Service, Tandem

PORT = 7117
KEYS = ["1" * 64, "2" * 64]
FLOOD = 20_000


@pytest.fixture
def lab():
    with Lab(backends=2, balancers=2) as built:
        built.nginx = nginx.start_all(built)
        yield built


def write_key(path, *keys, mode=0o600):
    new = path.with_suffix(".new")
    new.write_text("".join(f"{key}\n" for key in keys))
    new.chmod(mode)
    new.rename(path)


def instance(lab, index, keys=KEYS[:1], advert_interval="30ms", **pair):
    node, other = lab.balancers[index], lab.balancers[1 - index]
    directory = lab.directory / f"peer{index}"
    directory.mkdir()
    key_file = directory / "pair.key"
    write_key(key_file, *keys)
    config = Config(directory, {"web": Service(VIP4, [n.ipv4 for n in lab.backends])},
                    groups=[{"router_id": 51, "priority": 200 - 100 * index,
                             "interval": f'"{advert_interval}"'}],
                    pair={key: value for key, value in
                          {"peer": f'"{other.ipv4}"', "local": f'"{node.ipv4}"',
                           "key_file": f'"{key_file}"', "dead_after": '"1s"', **pair}.items()
                          if value})
    built = Tandem(lab, config, node)
    built.key_file = key_file
    return built


def state(tandem):
    return tandem.telemetry("/tandem/peer")


def wait_alive(*instances):
    for each in instances:
        each.dataplane.wait_for_log(re.compile("peer: alive"))
        wait_until(lambda: state(each)["alive"] == 1, "the peer is alive")


def test_with_two_paths_the_loss_of_either_is_no_silence(lab):
    for index, node in enumerate(lab.balancers):
        node.ip(f"addr add 10.99.0.{index + 1}/24 dev eth0")
    paths = lambda own: {"peer": f'["{lab.balancers[1 - own].ipv4}", "10.99.0.{2 - own}"]',
                         "local": f'["{lab.balancers[own].ipv4}", "10.99.0.{1 + own}"]'}
    with (instance(lab, 0, advert_interval="1s", **paths(0)) as first,
          instance(lab, 1, advert_interval="1s", **paths(1)) as second):
        wait_alive(first, second)
        for lost in (f"{lab.balancers[0].ipv4}/32", "10.99.0.1/32"):
            lab.balancers[1].run("ip", "route", "add", "blackhole", lost)
            heard = state(first)["heard"]
            # One every 10 ms: for longer than a silence that is death.
            wait_until(lambda: state(first)["heard"] > heard + 150, "heartbeats by the other path")
            # Records come by the path that is left, too.
            wait_until(lambda: state(first)["has_told_all"] == state(second)["caught_up"] == 1,
                       "all is told")
            told = state(first)["tellings"]
            lab.balancers[1].run("ip", "route", "del", "blackhole", lost)
            assert told > 0 and state(first)["deaths"] == state(second)["deaths"] == 0


def test_instances_hear_each_other_and_notice_a_death_and_a_return(lab):
    with instance(lab, 0) as first, instance(lab, 1) as second:
        wait_alive(first, second)
        heard = state(first)["heard"]
        wait_until(lambda: state(first)["heard"] > heard + 50, "heartbeats go on")
        assert state(first)["deaths"] == 0 and state(first)["refused"] == 0
        wait_until(lambda: state(first)["syncing"] == 0, "it is in step")
        second.dataplane.kill()
        first.dataplane.wait_for_log(re.compile(r"peer: not heard for [1-9]\d{3} ms"))
        assert state(first)["alive"] == 0 and state(first)["deaths"] == 1
        assert state(first)["syncing"] == 1, "nobody is in step with a dead one"
        since = len(first.dataplane.text())
        second.start_dataplane()
        first.dataplane.wait_for_log(re.compile("peer: alive"), since)
        wait_alive(first, second)
        wait_until(lambda: state(first)["syncing"] == 0, "it is in step again")


def test_who_speaks_more_seldom_is_not_dead_between_two_heartbeats(lab):
    with (instance(lab, 0, interval='"10ms"', dead_after='"50ms"') as first,
          instance(lab, 1, interval='"200ms"') as second):
        wait_alive(first, second)
        first.dataplane.wait_for_log(re.compile("its pair.interval is 200 ms, and ours 10 ms"))
        heard = state(first)["heard"]
        wait_until(lambda: state(first)["heard"] > heard + 20, "its heartbeats")
        assert state(first)["deaths"] < 5, "one a heartbeat, or none"


def test_where_the_kernel_chooses_what_it_speaks_from_it_is_asked_until_the_peer_is_heard(lab):
    first, second = lab.balancers
    # Until the pair's network is there, the peer seems to be behind another one.
    first.ip("link add elsewhere type veth peer name nowhere", "link set elsewhere up",
             "addr add 198.51.100.1/24 dev elsewhere", "route add 10.99.0.0/24 dev elsewhere")
    second.ip("addr add 10.99.0.2/24 dev eth0")
    with (instance(lab, 0, peer='"10.99.0.2"', local=None) as early,
          instance(lab, 1, peer='"10.99.0.1"', local=None) as late):
        early.dataplane.wait_for_log(re.compile("speaks to 10.99.0.2 from 198.51.100.1"))
        first.ip("route del 10.99.0.0/24 dev elsewhere", "addr add 10.99.0.1/24 dev eth0")
        wait_alive(early, late)
        assert "speaks to 10.99.0.2 from 10.99.0.1" in early.dataplane.text()
        assert "speaks to 10.99.0.1 from 10.99.0.2" in late.dataplane.text()


def test_a_suspicion_may_come_before_the_bound(lab):
    late = {"phi": 8, "dead_after": '"10s"'}
    with instance(lab, 0, **late) as first, instance(lab, 1, **late) as second:
        wait_alive(first, second)
        second.dataplane.kill()
        wait_until(lambda: state(first)["alive"] == 0, "it is taken for dead", seconds=5)


def test_a_cut_of_the_channel_alone_changes_no_role_and_harms_nothing(lab):
    # A busy machine may stop for a while, and who was stopped listens before it claims anything.
    with (instance(lab, 0, advert_interval="1s") as first,
          instance(lab, 1, advert_interval="1s") as second):
        wait_alive(first, second)
        first.wait_serving(VIP4, lab.backends)
        second.dataplane.wait_for_log(re.compile("backup for IPv4"))
        roles = len(first.dataplane.text()), len(second.dataplane.text())
        with client.Stream(lab, VIP4, rate=100) as stream:
            # What the kernel sends; what workers send goes on.
            lab.balancers[1].run("ip", "route", "add", "blackhole", f"{lab.balancers[0].ipv4}/32")
            first.dataplane.wait_for_log(re.compile("peer: not heard for"))
            lab.balancers[1].run("ip", "route", "del", "blackhole", f"{lab.balancers[0].ipv4}/32")
            wait_until(lambda: len(stream.results()) > 100, "requests meanwhile")
            wait_alive(first, second)
            assert not stream.stop().failed
        for tandem, since in zip((first, second), roles):
            assert not re.search(r"group \S+: \w+ for", tandem.dataplane.text()[since:])


def test_what_a_stranger_sends_changes_nothing_and_is_counted(lab):
    with instance(lab, 0) as first, instance(lab, 1) as second:
        wait_alive(first, second)
        in_step = ("same_tables", "caught_up", "has_told_all")
        # Once in step it takes its group back, and all is told anew.
        first.dataplane.wait_for_log(re.compile("group51: active for IPv4"))
        heard = state(first)["heard"]
        wait_until(lambda: state(first)["heard"] > heard + 50, "the peer has taken note of it")
        wait_until(lambda: all(state(first)[key] for key in in_step), "they are in step")
        before, flows = state(first), first.flows()
        # From the peer's machine and port, or the kernel would not even hand it over.
        lab.balancers[1].run(client.PYTHON, SUPPORT / "hostile_peer.py", lab.balancers[1].ipv4,
                             lab.balancers[0].ipv4, str(PORT))
        wait_until(lambda: state(first)["refused"] >= before["refused"] + 300, "all are refused")
        heard = state(first)["heard"]
        wait_until(lambda: state(first)["heard"] > heard + 20, "the peer is heard as before")
        after = state(first)
        for key in ("alive", "deaths", "unsuited", "tellings", "overflows", "differences", "flows",
                    *in_step):
            assert after[key] == before[key], key
        assert after["alive"] == 1 and after["deaths"] == 0 and first.flows() == flows
        for why in ("truncated", "not_ours", "version", "forged", "replayed"):
            first.dataplane.wait_for_log(re.compile(f"is refused: {why}"))


def test_floods_make_no_traffic_on_the_channel(lab):
    both = [Instance(lab, index) for index in (0, 1)]
    for each in both:
        each.config.established_s = 30  # of a transition at the start, if there is one
        each.share_hash_key()  # to take over the other one's would be one, of all slots
    with both[0] as first, both[1] as second:
        first.wait_role("active")
        first.wait_serving(VIP4, lab.backends)
        first.wait_at_rest(VIP4)
        wait_in_step(first, second)
        # Of records and what goes with them: but for a digest of each table, once a second, nothing.
        carried = lambda: first.peer()["stream_bytes"] + second.peer()["stream_bytes"]
        before, remembered = carried(), first.flows()["inserted"]
        client.flood(lab, client.SYN, FLOOD, first.node)
        client.flood(lab, client.ACK, FLOOD, first.node)
        assert first.flows()["inserted"] == remembered, "a pool at rest remembers nothing"
        assert carried() - before < FLOOD / 4

        first.change_pool(backend(lab.backends[0], state='"drain"'), lab.backends[1].ipv4)
        before = carried()
        client.flood(lab, client.SYN, FLOOD, first.node)
        assert first.flows()["inserted"] - remembered > FLOOD / 4, "a part is in transition"
        assert carried() - before < FLOOD / 4
        # The same flows, established: of these it is told.
        client.flood(lab, client.ACK, FLOOD, first.node)
        wait_until(lambda: carried() - before > FLOOD, "flows that the peer is told of")


def test_a_key_is_exchanged_without_a_heartbeat_lost_and_another_one_is_refused(lab):
    with instance(lab, 0) as first, instance(lab, 1) as second:
        wait_alive(first, second)
        for keys in (KEYS, KEYS[::-1], KEYS[1:]):  # as the example file says
            for each in (first, second):
                since = len(each.dataplane.text())
                write_key(each.key_file, *keys)
                each.dataplane.wait_for_log(re.compile("the key's file has changed"), since)
        heard = state(first)["heard"], state(second)["heard"]
        wait_until(lambda: state(first)["heard"] > heard[0] + 20
                   and state(second)["heard"] > heard[1] + 20, "they still hear each other")
        assert state(first)["deaths"] == state(second)["deaths"] == 0

        write_key(second.key_file, KEYS[0], mode=0o640)
        second.dataplane.wait_for_log(re.compile("others than its owner may use .* stays in use"))
        assert state(first)["alive"] == 1
        since = len(second.dataplane.text())
        write_key(second.key_file, *KEYS, mode=0o640)
        second.dataplane.wait_for_log(re.compile("stays in use"), since)
        second.key_file.chmod(0o600)  # as it has been told to
        second.dataplane.wait_for_log(re.compile("the key's file has changed"), since)
        write_key(second.key_file, KEYS[0])
        first.dataplane.wait_for_log(re.compile("is refused: forged"))
        wait_until(lambda: state(first)["alive"] == 0, "who has another key is nobody")


@pytest.mark.parametrize("text,complaint", [
    (None, "openssl rand -hex 32"), ("abc\n", r"pair.key:1: a key is 64 hexadecimal digits"),
    ("", "holds 0 keys"), ("\n".join([KEYS[0], KEYS[1], "3" * 64]), "holds 3 keys")])
def test_without_a_key_it_does_not_start_and_says_what_to_do(lab, text, complaint):
    tandem = instance(lab, 0)
    tandem.write(tandem.config)
    if text is None:
        tandem.key_file.unlink()
    else:
        tandem.key_file.write_text(text)
    tandem.start_dataplane()
    wait_until(lambda: not tandem.dataplane.running, "its end")
    assert tandem.dataplane.popen.returncode == 1
    assert re.search(complaint, tandem.dataplane.text())
