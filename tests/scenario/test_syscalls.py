"""What a request and a megabyte cost in system calls: a count, not a time, so that it holds on any machine."""
import contextlib
import random
import re
import signal

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.process import Process, find, wait_until
from tools.relay import is_sanitized

pytestmark = pytest.mark.skipif(not find("strace"), reason="strace is not installed")

REQUESTS, MIB = 300, 1 << 20
BEATS = 200  # calls that are allowed to the worker's reports meanwhile, in all


@pytest.fixture
def relay(start_relay, origin):
    return start_relay(proxy=origin.address, workers=1)


@contextlib.contextmanager
def calls_of(relay, tmp_path):
    """Yields a dict; after the block it says how many calls of each kind the worker made meanwhile."""
    found, table = {}, tmp_path / "calls.txt"
    strace = Process(["strace", "-c", "-o", table, "-p", relay.worker_pids()[0]], log=tmp_path / "strace.log",
                     stop_signal=signal.SIGINT)
    try:
        strace.wait_line("attached")
        yield found
    finally:
        strace.stop()
    for line in table.read_text().splitlines():
        row = re.fullmatch(r" *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)", line)
        if row and row[2] != "total":
            found[row[2]] = int(row[1])
    if is_sanitized():
        found.pop("mmap", None)  # their allocator's


def test_a_request_on_kept_connections(relay, origin, tmp_path):
    """Two reads, two writes, the log's line, and waits; nothing is opened, set or registered for it."""
    origin.answer("/v2/app/manifests/1", ok(b"m" * 351))
    with rawhttp.Connection(relay.port) as c:
        assert c.get("/v2/app/manifests/1").status == 200
        with calls_of(relay, tmp_path) as calls:
            for _ in range(REQUESTS):
                assert len(c.get("/v2/app/manifests/1").body) == 351
            wait_until(lambda: relay.process.text().count('"termination"') == REQUESTS + 1, what="the last call to have ended")
    waits = calls.pop("epoll_wait")
    assert sum(calls.values()) <= 5 * REQUESTS + BEATS, calls
    assert waits <= 3 * REQUESTS + BEATS, waits  # one looks only, when the client's next request is not there yet
    assert calls["sendmsg"] == 2 * REQUESTS and calls["write"] - REQUESTS < BEATS / 10, calls
    assert calls["recvfrom"] - 2 * REQUESTS < BEATS / 10, calls  # a short read says that there is no more
    for name in ("socket", "connect", "accept4", "close", "epoll_ctl", "setsockopt", "getsockopt", "getpid", "pipe2"):
        assert calls.get(name, 0) < REQUESTS / 20, (name, calls)


def test_a_large_body_goes_by_splice(relay, origin, tmp_path):
    data = random.Random(7).randbytes(16 * MIB)
    origin.answer("/v2/app/blobs/sha256:" + "0" * 64, ok(data, content_type="application/octet-stream"))
    with calls_of(relay, tmp_path) as calls, rawhttp.Connection(relay.port) as c:
        answer = c.get("/v2/app/blobs/sha256:" + "0" * 64)
        assert answer.complete and answer.body == data
    relay.wait_stat("regrelay_bytes_total", 16 * MIB + 1, direction="out", peer="client")  # counted behind the last byte
    assert relay.stat("regrelay_spliced_bytes_total") > 15.5 * MIB
    assert 16 <= calls["splice"] and calls["pipe2"] == 1, calls
    assert calls["recvfrom"] + calls["sendmsg"] < 40, calls
    if not is_sanitized():
        assert sum(calls.values()) < 100 * 16 + BEATS, calls  # a hundred a MiB: the kernel's pieces of 16 KiB at worst
    assert relay.stat("regrelay_pipes") <= 1


def test_small_bodies_and_chunks_need_no_pipe(relay, origin):
    path = "/v2/app/blobs/sha256:" + "1" * 64
    origin.answer(path, ok(b"x" * 60_000, content_type="application/octet-stream"))
    assert len(rawhttp.get(relay.port, path).body) == 60_000
    chunked = "/v2/app/blobs/sha256:" + "2" * 64
    origin.answer(chunked, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n" + b"y" * 0x40000 + b"\r\n0\r\n\r\n")
    assert rawhttp.get(relay.port, chunked).body == b"y" * 0x40000
    assert relay.stat("regrelay_spliced_bytes_total") == 0 and relay.stat("regrelay_pipes") == 0
