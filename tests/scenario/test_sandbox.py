"""Confinement of the children, seen from outside; what it denies is tried in tests/unit/test_sandbox.c."""
import platform

import pytest
from tools import rawhttp
from tools.kernel import has_landlock
from tools.origin import Origin, ok
from tools.process import wait_until
from tools.relay import is_sanitized

pytestmark = pytest.mark.skipif(is_sanitized(), reason="sanitizers need what is taken away")


def confinement(pid):
    """(NoNewPrivs, Seccomp) of a process, as proc(5) has them."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    return int(fields["NoNewPrivs"]), int(fields["Seccomp"])


def children(relay):
    return [relay.status()["keeper_pid"], *relay.worker_pids()]


def confined(relay, by):
    return relay.stat("regrelay_sandboxed_processes", by=by)


@pytest.mark.parametrize("sandbox", ["auto", "required"])
def test_children_are_confined_and_pull(start_relay, origin, sandbox):
    if sandbox == "required" and not has_landlock():
        pytest.skip("no Landlock here")
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, settings={"master": {"sandbox": sandbox}})
    for _ in range(2):
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert {confinement(pid) for pid in children(relay)} == {(1, 2)}
        assert confined(relay, "seccomp") == 3
        assert confined(relay, "landlock") == (3 if has_landlock() else 0)
        assert relay.regctl("reload").returncode == 0    # the next generation is confined as well
        wait_until(lambda: confined(relay, "seccomp") == 3 and confined(relay, "landlock") in (0, 3), 10, "the old ones to be gone")
    assert relay.stat("regrelay_sandbox_denied_total") == 0
    assert confinement(relay.process.pid)[1] == 0
    if platform.machine() in ("x86_64", "aarch64") and has_landlock():
        relay.wait_log("workers are confined by seccomp and Landlock")


def test_without(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, settings={"master": {"sandbox": "off"}})
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert {confinement(pid)[1] for pid in children(relay)} == {0}
    assert relay.stat("regrelay_sandboxed_processes", by="seccomp") == 0


def test_a_worker_reaches_no_other_port_than_the_proxys(start_relay, origin, stack):
    """A reload that changes the proxy brings workers that reach the new one."""
    if not has_landlock():
        pytest.skip("no Landlock here")
    other = stack.enter_context(Origin())
    for one in (origin, other):
        one.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address)
    assert rawhttp.get(relay.port, "/v2/").status == 200
    relay.config.write_text(relay.config.read_text().replace(origin.address, other.address))
    assert relay.regctl("reload").returncode == 0
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert len(other.requests) == 1
