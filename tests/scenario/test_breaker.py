"""The circuit breaker of a proxy: clients are told at once, few try, and it closes by itself."""
import concurrent.futures
import socket
import time

import pytest
from tools import ports, rawhttp
from tools.origin import Origin, ok
from tools.process import wait_until


@pytest.fixture
def start(start_relay):
    def start(port, failures=6):
        return start_relay(proxy=f"127.0.0.1:{port}", workers=1,
                           settings={"proxy": {"breaker_failures": failures, "connect_timeout": "1s"}})
    return start


def opens(relay):
    return relay.stat("regrelay_upstream_breaker_opens_total", upstream="default")


def is_open(relay):
    return relay.stat("regrelay_upstream_breaker_open", upstream="default") == 1


def test_it_opens_and_closes(start, stack):
    [port] = ports.free_ports(1)
    relay = start(port)
    for _ in range(2):                                   # three attempts each
        answer = rawhttp.get(relay.port, "/v2/")
        assert answer.status == 503 and answer.header("X-Regrelay-Error") == "proxy-unreachable"
    wait_until(lambda: is_open(relay), 5, "the breaker to open")
    assert opens(relay) == 1
    relay.wait_log(r"6 connections in a row failed \(Connection refused\): requests fail at once")
    answers = [rawhttp.get(relay.port, "/v2/team/app/manifests/t1") for _ in range(20)]
    assert {a.status for a in answers} == {503}
    assert {a.header("X-Regrelay-Error") for a in answers} == {"proxy-unreachable"}
    assert any("Connection refused, time after time" in a.reason for a in answers)
    assert all(a.header("Retry-After") for a in answers)
    origin = stack.enter_context(Origin(port=port))
    origin.answer("/v2/", ok())
    wait_until(lambda: rawhttp.get(relay.port, "/v2/").status == 200, 15, "the breaker to close")
    assert not is_open(relay)
    assert {rawhttp.get(relay.port, "/v2/").status for _ in range(5)} == {200}
    relay.wait_log("connections succeed again")


def test_the_doctor_does_not_close_it(start_relay):
    """It asks past the breaker, which is the probes' in the same process."""
    [port] = ports.free_ports(1)
    relay = start_relay(proxy=f"127.0.0.1:{port}", workers=1,
                        settings={"proxy": {"breaker_failures": 2, "connect_timeout": "1s", "probe_interval": "200ms"}})
    wait_until(lambda: is_open(relay), 10, "the breaker to open")
    assert relay.regctl("doctor").returncode == 1
    assert is_open(relay) and opens(relay) == 1


def test_few_try_while_it_is_open(start):
    """A proxy that takes no connection: its queue is full.  Who waits for it is one, whatever the number of clients."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fill = [socket.socket() for _ in range(2)]
        for s in fill:
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        relay = start(listener.getsockname()[1], failures=2)
        first = rawhttp.get(relay.port, "/v2/")
        assert first.status == 504 and first.header("X-Regrelay-Error") == "proxy-connect-timeout"
        wait_until(lambda: is_open(relay), 10, "the breaker to open")
        before = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda _: rawhttp.get(relay.port, "/v2/"), range(30)))
        took = time.monotonic() - before
        assert {answer.header("X-Regrelay-Error") for answer in answers} == {"proxy-connect-timeout"}
        lines = wait_until(lambda: len(found := [line for line in relay.lines() if line.get("termination")]) > 30 and found,
                           what="a line for each")
        waited = [line["duration_ms"] for line in lines[1:] if line["duration_ms"] > 900]  # in the worker, where nobody waits for us
        assert len(waited) <= 2 + took, "one tries at a time, for a second; all others are told at once"
        assert opens(relay) == 1
        for s in fill:
            s.close()


def test_without_it(start):
    [port] = ports.free_ports(1)
    relay = start(port, failures=0)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert not [a for a in pool.map(lambda _: rawhttp.get(relay.port, "/v2/"), range(10)) if "time after time" in a.reason]
    assert opens(relay) == 0


def test_an_answer_that_is_an_error_does_not_open_it(start_relay, origin):
    """The proxy is there; what it says of one location is not true of others."""
    origin.route(".*", lambda request, send: send(
        ok(b"There is no SAP Cloud Connector (SCC) connected", status="503 Service Unavailable", content_type="text/plain")))
    relay = start_relay(proxy=origin.address, workers=1, settings={"proxy": {"breaker_failures": 2}})
    for _ in range(3):
        assert rawhttp.get(relay.port, "/v2/team/app/manifests/t1").status == 503
    assert opens(relay) == 0
