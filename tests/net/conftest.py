"""What the net tests share: the lab's library on the path, and labs as fixtures."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import nginx  # noqa: E402
from lab import Lab  # noqa: E402


@pytest.fixture
def lab():
    """A client, a load balancer and three backends with nginx."""
    with Lab(backends=3) as built:
        built.nginx = nginx.start_all(built)
        yield built
