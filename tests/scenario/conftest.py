"""Fixtures of the scenarios: three actors (client, upstream, relay) in one temporary directory a test.

A scenario asks for `start_relay` and calls it; whatever was started ends with the test, and what must hold after every
scenario (Relay.check, no alarming output, nothing left behind) is asserted then.
"""
import contextlib
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools import containerd, ways  # noqa: E402
from tools.origin import Origin, ok  # noqa: E402
from tools.process import AS_NOBODY, run  # noqa: E402
from tools.relay import REGRELAYD, Relay  # noqa: E402


@pytest.fixture
def stack():
    """An ExitStack that closes with the test: newest first."""
    with contextlib.ExitStack() as s:
        yield s


@pytest.fixture
def origin(stack):
    """A scripted upstream in place of the connectivity proxy."""
    return stack.enter_context(Origin())


@pytest.fixture
def start_relay(tmp_path, stack):
    """start_relay(proxy=..., ...) -> a serving Relay (see tools/relay.py).

    Its fresh memory is never zero by chance: glibc fills it with bytes that are true, long and no address."""
    if not REGRELAYD.exists():
        pytest.fail(f"{REGRELAYD} is not built")
    count = iter(range(100))

    def start(**kwargs):
        kwargs["env"] = {"MALLOC_PERTURB_": "85", **(kwargs.get("env") or {})}
        return stack.enter_context(Relay(tmp_path / f"relay{next(count)}", **kwargs))
    return start


@pytest.fixture
def start_as_nobody(stack):
    """start_as_nobody(proxy=..., ...) -> a serving Relay whose processes are nobody's from the start."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if run([*AS_NOBODY, "test", "-x", REGRELAYD]).returncode:
        pytest.skip("nobody cannot reach the program here")
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    os.chown(directory, 65534, 65534)
    return lambda **kwargs: stack.enter_context(Relay(directory, wrapper=AS_NOBODY, **kwargs))


@pytest.fixture
def site(tmp_path, stack):
    """A registry that the relay speaks TLS with, and the ways to it (tools/ways.py)."""
    one = ways.Site(tmp_path, stack)
    one.origin.answer(ways.MANIFEST, ok())
    return one


@pytest.fixture
def relay(start_relay, origin):
    """A relay with two workers in front of `origin`."""
    return start_relay(proxy=origin.address)


@pytest.fixture(scope="module")
def ctrd(tmp_path_factory):
    """A containerd of the module's own."""
    if containerd.missing():
        pytest.skip(containerd.missing())
    with containerd.Containerd(tmp_path_factory.mktemp("c")) as c:
        yield c
