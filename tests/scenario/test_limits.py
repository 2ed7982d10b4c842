"""Limits: heads, lines, fields, connections, time."""
import contextlib
import re
import socket
import struct
import time

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.process import wait_until


def head(fields):
    return b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + b"".join(fields) + b"\r\n"


def test_fields_at_the_limit_and_one_more(relay, origin):
    origin.answer("/v2/", ok())
    for count, status in ((99, 200), (100, 431)):   # Host is one of 100
        with rawhttp.Connection(relay.port) as c:
            c.send(head([b"X-%d: 1\r\n" % n for n in range(count)]))
            assert c.answer().status == status


def test_head_size_at_the_limit_and_one_more(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_size": "4K"}})
    origin.answer("/v2/", ok())
    base = len(head([b"X: \r\n"]))
    for extra, status in ((4096 - base, 200), (4096 - base + 1, 431)):
        with rawhttp.Connection(relay.port) as c:
            c.send(head([b"X: " + b"a" * extra + b"\r\n"]))
            assert c.answer().status == status


@pytest.mark.parametrize("head_size", ["1K", "32K"])
def test_the_limit_of_requests_is_none_of_answers(start_relay, origin, head_size):
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_size": head_size}})
    origin.answer("/v2/", ok(headers=[(f"X-{n}", "a" * 1000) for n in range(60)]))
    with rawhttp.Connection(relay.port) as c:
        assert c.get("/v2/").status == 200


def test_request_line_too_long(relay):
    with rawhttp.Connection(relay.port) as c:
        c.send(b"GET /v2/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.answer().status == 414


@pytest.mark.parametrize("raw,status", [
    (b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 413),
    (b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET /v2/ HTTP/1.1\nHost: a\n\n", 400),
    (b"GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"BREW /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"GET http://other/v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"CONNECT reg:443 HTTP/1.1\r\nHost: reg:443\r\n\r\n", (400, 405)),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
])
def test_refusals_answer_once_and_close(relay, origin, raw, status):
    with rawhttp.Connection(relay.port) as c:
        c.send(raw + b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = c.answer()
        assert answer.status in (status if isinstance(status, tuple) else (status,))
        assert c.rest() == b"" and c.eof == "eof"
    assert not origin.requests


def test_slow_head_is_cut_at_an_absolute_deadline(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_timeout": "3s"}})
    with rawhttp.Connection(relay.port) as c:
        c.sock.settimeout(0.2)
        for byte in b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 200:
            try:
                c.send(bytes([byte]))
                c.more()
            except TimeoutError:
                continue
            except OSError:
                break
            if c.data or c.eof:
                break
        c.sock.settimeout(5)
        assert c.answer().status == 408


def test_silent_connection_is_closed_without_a_word(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_timeout": "500ms"}})
    with rawhttp.Connection(relay.port) as c:
        assert c.rest() == b""
    relay = start_relay(proxy=origin.address, settings={"listen": {"idle_timeout": "500ms"}})
    with rawhttp.Connection(relay.port) as c:
        assert c.get("/v2/").status == 200
        assert c.rest() == b"" and c.eof == "eof"


def test_more_clients_than_connections_wait_in_the_queue(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1, settings={"listen": {"max_connections": 8}})
    origin.answer("/v2/", ok())
    held = [rawhttp.Connection(relay.port) for _ in range(8)]
    for c in held:
        assert c.get("/v2/").status == 200
    late = rawhttp.Connection(relay.port)
    late.request("/v2/")
    wait_until(lambda: relay.workers()[0]["sessions"] == 8, 5, "8 sessions")
    held[0].close()
    assert late.answer().status == 200
    for c in (*held[1:], late):
        c.close()


def test_upstream_connections_are_capped_and_requests_queue(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1, settings={"proxy": {"max_connections": 2}})
    import threading
    go = threading.Event()

    def handler(request, send):
        go.wait(20)
        send(ok())
    origin.route("/v2/", handler)
    clients = [rawhttp.Connection(relay.port) for _ in range(6)]
    for c in clients:
        c.request("/v2/")
    origin.wait(lambda: len(origin.requests) == 2)
    wait_until(lambda: sum(w["sessions"] for w in relay.workers()) == 6, 5, "6 sessions")
    assert origin.connections == 2
    go.set()
    assert [c.answer().status for c in clients] == [200] * 6
    assert origin.connections == 2
    for c in clients:
        c.close()


def test_no_answer_in_time_is_504(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"header_budget": "1s"}})
    import threading
    never = threading.Event()
    origin.route("/v2/", lambda r, send: never.wait(10) and "close")
    answer = rawhttp.get(relay.port, "/v2/")
    assert answer.status == 504 and answer.header("X-Regrelay-Error") == "upstream-timeout"
    assert "1" in answer.reason
    never.set()


def test_stalled_upstream_body_is_cut(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"stall_timeout": "1s"}})
    import threading
    never = threading.Event()

    def handler(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\nabc")
        never.wait(10)
    origin.route("/v2/", handler)
    answer = rawhttp.get(relay.port, "/v2/")
    assert not answer.complete and answer.body == b"abc"
    never.set()


def test_too_few_descriptors_mean_fewer_clients(start_relay, origin):
    """The cap is lowered before it hurts: clients wait in the queue, and nobody meets EMFILE."""
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=1, wrapper=("prlimit", "--nofile=100:100"))
    relay.wait_log(r"4096 clients need 8384 descriptors.*serving \d+ a worker")
    most = int(re.search(r"serving (\d+) a worker", relay.process.text())[1])
    assert 4 < most < 20
    held = [rawhttp.Connection(relay.port) for _ in range(most)]
    for c in held:
        assert c.get("/v2/").status == 200
    late = rawhttp.Connection(relay.port)
    late.request("/v2/")
    held[0].close()
    assert late.answer().status == 200
    assert relay.stat("regrelay_accept_paused_total") == 0
    for c in (*held[1:], late):
        c.close()


def test_the_soft_limit_of_descriptors_is_raised(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=1, wrapper=("prlimit", "--nofile=256:20000"))
    with open(f"/proc/{relay.worker_pids()[0]}/limits") as limits:
        assert re.search(r"^Max open files\s+(8\d\d\d)\s+20000", limits.read(), re.M)
    assert "descriptors, more than the limit" not in relay.process.text()


def test_an_address_has_so_many_connections_and_no_more(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=1, settings={"listen": {"max_connections_per_address": 3}})
    held = [rawhttp.Connection(relay.port) for _ in range(3)]
    for c in held:
        assert c.get("/v2/").status == 200
    for _ in range(3):
        with rawhttp.Connection(relay.port) as c, contextlib.suppress(OSError):
            c.request("/v2/")
            assert c.rest() == b""
    assert relay.stat("regrelay_client_connections_refused_total", reason="address") == 3
    assert relay.process.text().count("127.0.0.1 has 3 connections already") == 1
    held.pop().close()
    wait_until(lambda: relay.workers()[0]["sessions"] == 2, 5, "one to be gone")
    assert rawhttp.get(relay.port, "/v2/").status == 200
    for c in held:
        c.close()


def test_interim_answers_without_end_are_an_error(relay, origin):
    """A few 1xx are swallowed; ten thousand are no answer."""
    def handler(request, send):
        with contextlib.suppress(OSError):
            for _ in range(10):
                send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000)
            send(ok())
    origin.route("/v2/", handler)
    answer = rawhttp.get(relay.port, "/v2/")
    assert answer.status == 502 and answer.header("X-Regrelay-Error") == "upstream-malformed"


def test_clients_that_reset_right_after_connecting_leave_nothing(relay, origin):
    origin.answer("/v2/", ok())
    for n in range(300):
        c = rawhttp.Connection(relay.port)
        if n % 3 == 1:
            c.send(b"GET /v2/ HTTP/1.1\r\n")
        if n % 3 == 2:
            c.request("/v2/")
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    assert rawhttp.get(relay.port, "/v2/").status == 200
    wait_until(lambda: relay.stat("regrelay_client_connections") == 0, what="all of them to be gone")
    text = relay.process.text()
    assert text.count('"level":"warning"') <= 1 and '"level":"error"' not in text  # one says that root needs not be


@pytest.mark.parametrize("rate, survives", [("1M", False), ("1K", True)])
def test_a_client_below_the_least_rate_is_cut(start_relay, origin, rate, survives):
    data = bytes(3_000_000)
    blob = "/v2/team/app/blobs/sha256:" + "d" * 64
    origin.serve_blob(blob, data)
    relay = start_relay(proxy=origin.address, workers=1, settings={"listen": {"min_rate": rate, "send_timeout": "3s"}})
    with rawhttp.Connection(relay.port, receive_buffer=4096) as c:
        c.request(blob)
        took, ended, until = 0, False, time.monotonic() + (7 if survives else 30)
        while time.monotonic() < until and not ended:       # some 100 KB a second: never silent, never quick
            try:
                piece = c.sock.recv(4096)
                took, ended = took + len(piece), not piece
            except ConnectionResetError:
                ended = True
            wait_until(lambda at=time.monotonic() + 0.04: time.monotonic() > at, 1)
        assert ended == (not survives), took
        if survives:
            c.sock.settimeout(20)
            while took < len(data):
                took += len(c.sock.recv(1 << 20))
    if not survives:
        relay.wait_log('"termination":"client-slow"')


def test_a_quick_client_of_a_slow_upstream_keeps_the_least_rate(start_relay, origin):
    def slow(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 6\r\n\r\n")
        for n in range(6):
            wait_until(lambda at=time.monotonic() + 0.4: time.monotonic() > at, 2)
            send(b"%d" % n)
    origin.route("/v2/team/app/manifests/t1", slow)
    relay = start_relay(proxy=origin.address, workers=1, settings={"listen": {"min_rate": "1M", "send_timeout": "500ms"}})
    assert rawhttp.get(relay.port, "/v2/team/app/manifests/t1").body == b"012345"
