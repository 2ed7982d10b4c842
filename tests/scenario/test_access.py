"""The access line: who ended a request, and why; and what the man page says of the log."""
import os
import pathlib
import re
import signal
import socket

import pytest
from tools import rawhttp
from tools.origin import Cut, ok
from tools.process import wait_until
from tools.relay import TOP

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
SIZE = 64 << 20
# What makes each end come soon; and nothing that could make another one come before, where the machine is slow.
SLOW = {"listen": {"send_timeout": "500ms"}}
CUT = {"proxy": {"resume_timeout": 0}}
STALLED = {"proxy": {"stall_timeout": "500ms", "resume_timeout": 0}}


def blob(origin, rest, head=None):
    """A large blob: its head and first bytes, then what rest(send) does."""
    def handler(request, send):
        send(head or ok(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % SIZE))
        rest(send)
    origin.route(re.escape(BLOB), handler)


def access_line(relay, least=1):
    def lines():
        found = [line for line in relay.lines() if line.get("termination")]
        return found if len(found) >= least else None
    return wait_until(lines, 15, "the access line")[-1]


def ask(relay):
    c = rawhttp.Connection(relay.port, timeout=30)
    c.request(BLOB, headers=[("X-Request-Id", "r-1")])
    return c


def some(send):
    send(b"x" * 1000)


def cut(send):
    some(send)
    raise Cut(reset=True)


def endless(send):
    for _ in range(SIZE // 65536):
        send(b"x" * 65536)


def test_complete(relay, origin):
    origin.answer(BLOB, ok(b"x" * 1000))
    with ask(relay) as c:
        assert len(c.answer().body) == 1000
    line = access_line(relay)
    assert line["termination"] == "complete" and line["request_id"] == "r-1"
    assert line["http.response.status_code"] == 200 and line["http.response.body.size"] == 1000
    assert origin.requests[0].header("X-Request-Id") == "r-1"


def test_an_own_error_is_complete_and_named(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    origin.route(re.escape(BLOB), lambda request, send: send(ok(b"Timed out waiting for tunnel to open", content_type="text/plain",
                                                                status="503 Service Unavailable")))
    with ask(relay) as c:
        answer = c.answer()
        assert answer.status == 503
    line = access_line(relay)
    assert line["termination"] == "complete" and line["error.type"] == "tunnel-open-timeout"
    assert line["http.response.body.size"] == len(answer.body) > 0


def test_client_closed(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    blob(origin, endless)
    with ask(relay) as c:
        c.sock.recv(100)
    assert access_line(relay)["termination"] == "client-closed"
    assert relay.stat("regrelay_aborted_transfers_total", side="client") == 1


def test_client_slow(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings=SLOW)
    blob(origin, endless)
    with ask(relay) as c:
        line = access_line(relay)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert line["termination"] == "client-slow" and line["duration_ms"] >= 500


def has_connection(port, client):
    """Is there one from that port of a client?"""
    rows = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[2].endswith(f":{client:04X}") for row in rows)


def test_client_slow_where_the_kernel_notices_it_first(start_relay, origin):
    """It watches send_timeout, too, and ends the connection of a worker that is late."""
    relay = start_relay(proxy=origin.address, workers=1, settings=SLOW)
    blob(origin, endless)
    with ask(relay) as c:
        wait_until(lambda: "the client to take" in relay.regctl("pulls").stdout, what="the client to be waited for")
        worker = relay.worker_pids()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            wait_until(lambda: not has_connection(relay.port, c.sock.getsockname()[1]), 20, "the kernel to end it")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert access_line(relay)["termination"] == "client-slow"


@pytest.mark.parametrize("code, settings, rest, head", [
    ("upstream-closed", CUT, cut, None),
    ("upstream-stalled", STALLED, some, None),
    ("upstream-malformed", CUT, some, ok(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")),
])
def test_upstream(start_relay, origin, code, settings, rest, head):
    relay = start_relay(proxy=origin.address, settings=settings)
    blob(origin, rest, head)
    with ask(relay) as c:
        answer = c.answer()
        assert answer is None or not answer.complete
    assert access_line(relay)["termination"] == code
    assert relay.stat("regrelay_aborted_transfers_total", side="upstream") == 1


def test_relay_drain(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"drain_timeout": "300ms"}})
    blob(origin, some)
    with ask(relay) as c:
        c.sock.recv(100)
        assert relay.regctl("drain", "--wait").returncode == 0
        line = access_line(relay)
    assert line["termination"] == "relay-drain"
    assert next(entry for entry in relay.lines() if entry.get("event") == "pulls-cut")["cut"] == 1
    assert relay.stat("regrelay_aborted_transfers_total", side="relay") == 1


def test_events_of_a_life(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    good = relay.config.read_text()
    assert relay.regctl("reload").returncode == 0
    relay.config.write_text(good + "nonsense = 1\n")
    assert relay.regctl("reload").returncode == 78
    relay.config.write_text(good)
    assert relay.regctl("drain", "--wait").returncode == 0
    assert relay.stop() == 0
    events = [line["event"] for line in relay.lines() if line.get("event")]
    assert events == ["started", "reloaded", "reload-refused", "draining", "drained", "stopped"]


def test_the_man_page_lists_events_and_codes():
    page = (TOP / "master/regrelayd.8").read_text()
    log = page[page.index(".Sh THE LOG"):page.index(".Sh ENVIRONMENT")]
    events = re.findall(r'^EVENT\(\w+, +"([\w-]+)", +"(\w+)"\)', (TOP / "lib/log_events.def").read_text(), re.M)
    codes = re.findall(r'^END\(\w+, +\w+, +"([\w-]+)"\)', (TOP / "worker/request_ends.def").read_text(), re.M)
    assert len(events) >= 10 and re.findall(r"^\.It Cm ([\w-]+) Pq (\w+)$", log, re.M) == events
    assert len(codes) >= 7 and re.findall(r"^\.It Cm ([\w-]+)$", log, re.M) == codes
