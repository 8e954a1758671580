"""What the net tests share: the lab's library on the path, and labs as fixtures."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import nginx  # noqa: E402
import lab as labs  # noqa: E402
from lab import VIP4, Lab  # noqa: E402
from tandem import Config, Service, Tandem  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """A failure is reported with the ends of its labs' logs: of those still up, for fixtures hold
    them, and of those that it ended."""
    report = (yield).get_result()
    if report.failed:
        report.sections += list(labs.ended_in_trouble.items())
        report.sections += [(lab.name, lab.last_words()) for lab in labs.standing]
    labs.ended_in_trouble.clear()


@pytest.fixture
def lab():
    """A client, a load balancer and three backends with nginx."""
    with Lab(backends=3) as built:
        built.nginx = nginx.start_all(built)
        yield built


@pytest.fixture
def config(lab):
    """One IPv4 VIP over all backends of the lab."""
    return Config(lab.directory, {"web": Service(VIP4, [node.ipv4 for node in lab.backends])})


@pytest.fixture
def tandem(lab, config):
    """Tandem running, and every backend serving VIP4."""
    with Tandem(lab, config) as running:
        running.wait_serving(VIP4, lab.backends)
        yield running
