"""The ten-second rule: who takes nothing holds no connection to the proxy, and gets every byte when it goes on."""
import contextlib
import hashlib
import os
import random
import re
import time

import pytest
from tools import rawhttp
from tools.flaky import Flaky
from tools.origin import Origin
from tools.process import wait_until
from tools.relay import is_sanitized
from tools.standin import VHOST, Standin, mapping

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
TAG = "/v2/team/app/manifests/t1"
MIB = 1 << 20
SIZE = 24 * MIB
DATA = random.Random(8).randbytes(SIZE)
WRITE_TIMEOUT = 5  # seconds, of the stand-in for the proxy
SOAK = bool(os.environ.get("REGRELAY_SOAK"))
QUICK = {"proxy": {"stall_grace": "500ms"}}
# Where parks are counted: a client that a busy machine has stopped for a moment has not stalled.
PATIENT = {"proxy": {"stall_grace": "2500ms"}}


class Backend(Origin):
    """The registry, over plain HTTP."""
    certificate = None

    @property
    def url(self):
        return f"http://{self.address}"


@pytest.fixture
def backend(stack):
    return stack.enter_context(Backend())


@pytest.fixture
def standin(tmp_path, stack, backend):
    """Cuts who takes nothing for WRITE_TIMEOUT."""
    return stack.enter_context(Standin(tmp_path / "standin", mappings=[mapping(VHOST, backend)],
                                       settings={"write_timeout": WRITE_TIMEOUT}))


@contextlib.contextmanager
def pulling(relay, path=BLOB, receive_buffer=65536):
    """A client that has asked, and reads nothing beyond the head by itself."""
    with rawhttp.Connection(relay.port, timeout=20, receive_buffer=receive_buffer) as c:
        c.request(path)
        assert c.head()[0] == 200
        yield c


def take(c, until):
    """Reads until so many bytes are there."""
    parts, n = [c.data], len(c.data)
    while n < until:
        piece = c.sock.recv(min(1 << 18, until - n))
        assert piece, f"ended after {n} bytes"
        parts.append(piece)
        n += len(piece)
    c.data = b"".join(parts)


def wait_parked(relay, count=1):
    wait_until(lambda: relay.stat("regrelay_parked") == count, 10, f"{count} parked")


def assert_never_timed_out(standin):
    """The connectivity proxy never had to cut who took nothing."""
    assert "write timeout" not in [entry["why"] for entry in standin.audit("close")]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_a_client_that_stops_reading_holds_nothing(start_relay, standin, backend):
    flaky = Flaky(backend, BLOB, DATA)
    relay = start_relay(proxy=standin.address, settings=PATIENT)
    with pulling(relay) as c:
        take(c, 1 * MIB)
        wait_parked(relay)
        assert relay.stat("regrelay_upstream_connections") == 0
        wait_until(lambda: "the client to take bytes (parked)" in relay.regctl("pulls").stdout, what="its reason to be shown")
        seen = len(standin.requests())
        stop = time.monotonic() + (90 if SOAK else WRITE_TIMEOUT + 1)  # longer than the proxy's patience
        wait_until(lambda: time.monotonic() > stop, 100, "the proxy's patience to end")
        assert len(standin.requests()) == seen == 1, "nothing is asked for meanwhile"
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    assert_never_timed_out(standin)
    relay.wait_log('"termination"')
    line = next(line for line in relay.lines() if line.get("termination"))
    assert (line["termination"], line["upstream.parks"], line["upstream.resumes"]) == ("complete", 1, 1)
    assert relay.stat("regrelay_resumes_total", cause="client") == 1 and relay.stat("regrelay_parked") == 0
    first = int(re.match(r"bytes=(\d+)-", flaky.ranges[1])[1])
    assert first == line["upstream.resumed_at"] >= MIB


def test_who_stalled_once_is_given_pieces(start_relay, standin, backend):
    flaky = Flaky(backend, BLOB, DATA)
    relay = start_relay(proxy=standin.address, settings=PATIENT)
    with pulling(relay) as c:
        for at in (1 * MIB, 7 * MIB, 13 * MIB):
            take(c, at)
            wait_parked(relay)
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    assert_never_timed_out(standin)
    relay.wait_log('"termination"')
    assert next(line for line in relay.lines() if line.get("termination"))["upstream.parks"] == 3
    pieces = [[int(n) for n in re.fullmatch(r"bytes=(\d+)-(\d*)", r.replace("-", f"-{SIZE - 1}") if r[-1] == "-" else r)
               .groups()] for r in flaky.ranges[1:]]
    assert all(last - first < 4 * MIB for first, last in pieces)
    assert pieces[-1][1] == SIZE - 1 and len(pieces) >= 6
    # What was on its way at each stall: the stand-in's tunnel holds 4 MiB, then no more than a piece is asked for.
    assert standin.bytes_down() <= SIZE + (4 + 4 + 3) * MIB + 3 * MIB


def test_the_pieces_go_over_one_connection(start_relay, origin):
    flaky = Flaky(origin, BLOB, DATA)
    relay = start_relay(proxy=origin.address, settings=PATIENT)
    with pulling(relay) as c:
        take(c, 1000)
        wait_parked(relay)
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    assert len(flaky.ranges) >= 6 and origin.connections == 2


def test_a_trickling_client_is_served_at_its_pace(start_relay, standin, backend):
    """A hundred kilobytes a second and five seconds are as fifty and ten: the proxy has no reason to cut, memory stays."""
    flaky = Flaky(backend, BLOB, DATA)
    relay = start_relay(proxy=standin.address, workers=1, settings={"proxy": {"stall_grace": "2s"}})
    with pulling(relay, receive_buffer=16384) as c:
        before = relay.stat("process_resident_memory_bytes")
        end, stalls, last = time.monotonic() + 8, 0, time.monotonic()
        while time.monotonic() < end:
            take(c, len(c.data) + 10_000)
            stalls += time.monotonic() - last > 1  # the machine's doing
            last = time.monotonic()
            next_at = last + 0.1
            wait_until(lambda: time.monotonic() >= next_at, 1, "the pace")
        assert DATA.startswith(c.data)
        assert 1 <= relay.stat("regrelay_parks_total") <= 1 + stalls, "once, to be given small pieces"
        assert relay.stat("process_resident_memory_bytes") - before < (20 if is_sanitized() else 2) * MIB
        taken = len(c.data)
    assert_never_timed_out(standin)
    sizes = [last - first + 1 for first, last in (map(int, r[6:].split("-")) for r in flaky.ranges[1:])]
    assert len(sizes) >= 2 and max(sizes) <= MIB, sizes
    assert sum(sizes) < taken + 2 * MIB, "asked for as it is taken"


def test_what_cannot_be_resumed_waits_for_its_client(start_relay, origin):
    """A tag without validators: today's way, the upstream waits."""
    flaky = Flaky(origin, TAG, DATA)
    relay = start_relay(proxy=origin.address, settings=QUICK)
    with pulling(relay, TAG) as c:
        take(c, MIB)
        relay.wait_stat("regrelay_upstream_connections", 1)
        stop = time.monotonic() + 1.2
        wait_until(lambda: time.monotonic() > stop, 5, "stall_grace to pass twice")
        assert relay.stat("regrelay_parks_total") == 0 and relay.stat("regrelay_upstream_connections") == 1
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    assert flaky.ranges == [None]


def test_where_ranges_are_ignored_it_stalls_once(start_relay, origin):
    """The first stall costs the bytes up to it again; no other one is allowed to."""
    flaky = Flaky(origin, BLOB, DATA, ranges=False)
    for step in flaky.steps:
        step.ranges = False
    relay = start_relay(proxy=origin.address, settings=PATIENT)
    with pulling(relay) as c:
        take(c, 2 * MIB)
        wait_parked(relay)
        take(c, 6 * MIB)
        stop = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > stop, 10, "stall_grace to pass")
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    relay.wait_log('"termination"')
    line = next(line for line in relay.lines() if line.get("termination"))
    assert line["upstream.parks"] == 1 and 2 * MIB <= line["upstream.skipped_bytes"] < 6 * MIB
    assert len(flaky.ranges) == 2


def test_a_whole_that_got_shorter_within_an_announced_chunk(start_relay, origin):
    """The client was told of bytes that were dropped when it stalled, and now there are none."""
    def serve(request, send):
        wanted = re.match(r"bytes=(\d+)-", request.header("Range") or "")
        if wanted:
            at = int(wanted[1])
            send(b"HTTP/1.1 206 P\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: 1\r\n\r\nx" % (at, at, at + 1))
        else:
            send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % SIZE + DATA)
    origin.route(re.escape(BLOB), serve)
    relay = start_relay(proxy=origin.address, settings=QUICK)
    with pulling(relay) as c:
        wait_parked(relay)
        c.rest()
        assert c.eof == "reset"
    relay.wait_log('"upstream-changed"')
    assert len(relay.workers()) == 2 and relay.stat("regrelay_worker_exits_total") == 0


def test_many_parked_clients_leave_nothing_behind(start_relay, standin, backend):
    Flaky(backend, BLOB, DATA)
    relay = start_relay(proxy=standin.address, settings=QUICK)
    with contextlib.ExitStack() as clients:
        for _ in range(10):
            clients.enter_context(pulling(relay))
        wait_parked(relay, 10)
        assert relay.stat("regrelay_upstream_connections") == 0
    wait_parked(relay, 0)
    assert_never_timed_out(standin)


def test_a_parked_client_has_send_timeout(start_relay, origin):
    Flaky(origin, BLOB, DATA)
    relay = start_relay(proxy=origin.address, settings={**QUICK, "listen": {"send_timeout": "1200ms"}})
    with pulling(relay):
        relay.wait_stat("regrelay_parks_total", 1)  # it is parked for a moment only
        relay.wait_log('"client-slow"')
    wait_parked(relay, 0)


def test_a_parked_client_and_a_drain(start_relay, origin):
    Flaky(origin, BLOB, DATA)
    relay = start_relay(proxy=origin.address, settings=QUICK)
    with pulling(relay) as c:
        wait_parked(relay)
        assert relay.regctl("drain").returncode == 0
        take(c, SIZE)
        assert digest(c.data) == digest(DATA)
    wait_until(lambda: relay.status()["state"] == "drained", 10, "the end of the drain")
