"""A group whose backends are all down here, and not at the peer, is where they are up."""
import re

import client
import nginx
import pytest
from downloads import Downloads
from lab import VIP4, Lab
from pair import running, wait_in_step
from tandem import Service

OTHER_VIP = "192.0.2.81"
LEFT = re.compile("groups whose backends are all down here, and not at the peer, are left to it")


@pytest.fixture
def lab():
    with Lab(backends=3, balancers=2, vips=(VIP4, OTHER_VIP)) as built:
        built.nginx = nginx.start_all(built)
        yield built


def services(lab):
    """Two pools behind the VIPs of the only group."""
    return {"web": Service(VIP4, [node.ipv4 for node in lab.backends]),
            "more": Service(OTHER_VIP, [lab.backends[2].ipv4])}


def pair_of(lab):
    # What one of them finds alone takes no backend out: it is the group that is to move. And not
    # because a busy machine stops an instance for moments.
    return running(lab, "1s", services(lab), agreement='"both"')


def cut(instance, node):
    since = len(instance.control.text())
    instance.lose(node)
    instance.control.wait_for_log(re.compile(rf"{node.ipv4}:80 is down"), since)


def test_the_group_moves_when_every_pool_is_empty_here_alone_and_breaks_nothing(lab):
    with pair_of(lab) as (first, second):
        downloads = Downloads(lab, 60)
        with client.Stream(lab, VIP4, rate=100) as stream:
            since = first.mark(), second.mark(), len(first.control.text())
            for node in lab.backends[::-1]:  # the first one empties one of the two pools
                assert first.is_active() and not LEFT.search(first.dataplane.text()), (
                    first.dataplane.text() + second.dataplane.text())
                cut(first, node)
                # Longer than what counts as at once: that is another reason to give a group away.
                if node != lab.backends[0]:
                    stream.wait_for(300)
            second.wait_role("active", since[1])
            first.wait_role("backup", since[0])
            assert LEFT.search(first.dataplane.text())
            assert "the fault is probably ours" not in first.control.text()[since[2]:]
            stream.wait_for(150)
            since = first.mark(), second.mark()
            first.find(*lab.backends)
            first.wait_role("active", since[0])
            second.wait_role("backup", since[1])
            stream.wait_for(50)
            assert not stream.stop().failed
        assert not downloads.broken()


def test_backends_that_are_down_for_both_move_no_group(lab):
    with pair_of(lab) as (first, second):
        since = first.mark(), second.mark()
        switches = first.switches(), second.switches()
        for state in ("down", "up") * 3:
            marks = len(first.control.text()), len(second.control.text())
            for server in lab.nginx:
                server.set_healthy(state == "up")
            for instance, mark in zip((first, second), marks):
                for node in lab.backends:
                    instance.control.wait_for_log(re.compile(rf"{node.ipv4}:80 is {state}"), mark)
            wait_in_step(first, second)
        assert (first.switches(), second.switches()) == switches, (
            first.dataplane.text() + second.dataplane.text())
        for instance, mark in zip((first, second), since):
            assert not re.search(r"group \S+: \w+ for", instance.dataplane.text()[mark:])
        first.wait_serving(VIP4, lab.backends)
