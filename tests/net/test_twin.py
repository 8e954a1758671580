"""A port that is no netdev of the kernel's has a twin there, which gets the port's addresses."""
import dataclasses
import json
import re

import pytest
from lab import VIP4, wait_until
from tandem import Service, Tandem

ADDRESSES = ["10.77.0.1/24", "fd77::1/64"]
GATEWAYS = ["10.77.0.254", "fd77::fe"]


@pytest.fixture
def config(lab, config):
    config.device = "tap:wire0"
    config.addresses, config.gateways = ADDRESSES, GATEWAYS
    config.services = {"web": Service(VIP4, ["10.77.0.11"])}
    return config


def test_one_that_is_deleted_is_missed_once_and_leaves_the_rest_alone(lab, config):
    with Tandem(lab, config) as tandem:
        wait_until(lambda: "tandem0" in lab.lb.run("ip", "link"), "the twin")
        lab.lb.ip("link del tandem0")
        tandem.dataplane.wait_for_log(re.compile("tandem0 is gone"))
        plans = tandem.state()["plan_generation"]
        tandem.reload(dataclasses.replace(config, services={"web": Service(VIP4, ["10.77.0.12"])}))
        wait_until(lambda: tandem.state()["plan_generation"] > plans, "a plan after it")
        assert tandem.dataplane.text().count("tandem0 is gone") == 1


def test_addresses_and_gateways_are_given_to_it_once(lab, config):
    with Tandem(lab, config) as tandem:
        def shown(*words):
            return json.loads(lab.lb.run("ip", "-json", *words) or "[]")

        def addresses():
            return {f"{info['local']}/{info['prefixlen']}"
                    for link in shown("address", "show", "dev", "tandem0", "scope", "global")
                    for info in link.get("addr_info", []) if info}

        def gateways():
            return {route.get("gateway") for family in ("-4", "-6")
                    for route in shown(family, "route", "show", "default", "dev", "tandem0")}

        wait_until(lambda: "tandem0" in lab.lb.run("ip", "link"), "the twin")
        wait_until(lambda: addresses() == set(ADDRESSES), f"addresses {ADDRESSES}")
        wait_until(lambda: gateways() == set(GATEWAYS), f"gateways {GATEWAYS}")

        # What the kernel announces of them is no news that makes for more: plans come to rest,
        # and one taken away comes back.
        def plans():
            return tandem.state()["plan_generation"]
        before = plans()
        lab.lb.ip("addr del 10.77.0.1/24 dev tandem0")
        wait_until(lambda: addresses() == set(ADDRESSES), "the address again")
        wait_until(lambda: plans() > before, "a plan that knows")
        seen = []

        def at_rest():
            seen.append(plans())
            return len(seen) > 100
        wait_until(at_rest, "two seconds of looking")
        assert seen[-1] - before < 8, f"plan after plan: {before}, then {seen}"
