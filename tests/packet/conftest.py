"""What the packet tests share: one configuration for each way of forwarding."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402


def services(pool):
    """A VIP of each family and protocol over one pool."""
    return harness.Config(
        pools={"web": pool},
        vips={"tcp4": ("203.0.113.10:80/tcp", "web"), "udp4": ("203.0.113.10:53/udp", "web"),
              "tcp6": ("[2001:db8:1::10]:80/tcp", "web"),
              "udp6": ("[2001:db8:1::10]:53/udp", "web")})


@pytest.fixture
def ipip4():
    return services(harness.Pool(["10.0.0.11:80"]))


@pytest.fixture
def ipip6():
    return services(harness.Pool(["[fd00::11]:80"]))


@pytest.fixture
def l2():
    return services(harness.Pool(["10.0.0.11:80"], mode="l2"))
