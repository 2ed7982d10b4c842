"""Fixtures for the tests of the stand-in itself: raw sockets in front, a scripted backend behind, no relay."""
import contextlib
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools import rawhttp  # noqa: E402
from tools.origin import Origin  # noqa: E402
from tools.standin import VHOST, Standin  # noqa: E402


class Stage:
    """A stand-in that exposes `backend` (an Origin) as VHOST, and `other` as other.kyma:443."""

    def __init__(self, standin, backend, other):
        self.standin, self.backend, self.other = standin, backend, other

    def connect(self, **kwargs):
        return rawhttp.Connection(self.standin.port, **kwargs)

    def get(self, path="/v2/", *, method="GET", headers=(), host=VHOST):
        """One request on a connection of its own."""
        return rawhttp.get(self.standin.port, path, method=method, headers=headers, host=host)


@pytest.fixture
def stack():
    with contextlib.ExitStack() as s:
        yield s


@pytest.fixture
def stage(tmp_path, stack):
    """stage(...) -> Stage; arguments are those of Standin, and `mapping`: keys laid over the one of VHOST."""
    count = iter(range(10))

    def start(mapping=None, **kwargs):
        backend, other = stack.enter_context(Origin()), stack.enter_context(Origin())
        mappings = [{"host": VHOST, "backend": f"http://{backend.address}", "internal": "registry.corp:5000",
                     **(mapping or {})},
                    {"host": "other.kyma:443", "backend": f"http://{other.address}", "internal": "other.corp:443"}]
        standin = stack.enter_context(Standin(tmp_path / f"standin{next(count)}",
                                              mappings=mappings + kwargs.pop("mappings", []), **kwargs))
        return Stage(standin, backend, other)
    return start
