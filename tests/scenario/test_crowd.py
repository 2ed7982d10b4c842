"""Thousands of connections that do little, and healthy pulls among them.  `./dev soak crowd` prints the figures, and asserts
those of time, too."""
import contextlib
import os
import statistics
import time

import pytest
from tools import rawhttp
from tools.census import pss_kib
from tools.crowd import PING, answered, connect, descriptors
from tools.origin import ok
from tools.process import ProcessError, wait_until
from tools.relay import is_sanitized

SOAK = bool(os.environ.get("REGRELAY_SOAK"))
CROWD, PULLS = 8000, 64
BLOB = "/v2/team/app/blobs/sha256:" + "e" * 64
DATA = bytes(2_000_000)


@pytest.fixture(autouse=True)
def enough_descriptors():
    with descriptors(CROWD + 1000) as enough:
        if not enough:
            pytest.skip(f"needs {CROWD + 1000} descriptors")
        yield


def times(relay):
    """Seconds of healthy requests, one after the other on PULLS connections."""
    took = []
    connections = [rawhttp.Connection(relay.port) for _ in range(PULLS)]
    for _ in range(20):
        for c in connections:
            begin = time.monotonic()
            assert c.get("/v2/").status == 200
            took.append(time.monotonic() - begin)
    for c in connections:
        assert c.get(BLOB).body == DATA
        c.close()
    return took


def p99(values):
    return statistics.quantiles(values, n=100)[98]


def memory(relay):
    return sum(pss_kib(pid) for pid in relay.worker_pids())


def each(relay, before, count, most):
    """KiB that each of so many connections takes, in the end: what a burst of requests took is given back a moment later."""
    with contextlib.suppress(ProcessError):
        wait_until(lambda: (memory(relay) - before) / count <= most, 10, "memory to be given back")
    return (memory(relay) - before) / count


@pytest.mark.skipif(is_sanitized(), reason="sanitizers' memory says nothing")
def test_a_burst_leaves_no_memory_behind(start_relay, origin):
    """A thousand clients ask at the same moment and stay: what their requests took is given back."""
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, env={"MALLOC_PERTURB_": "0"})
    assert rawhttp.get(relay.port, "/v2/").status == 200
    before = memory(relay)
    clients = [connect(relay.port, b"") for _ in range(1000)]
    for s in clients:
        s.sendall(PING)
    answered(clients)
    assert each(relay, before, len(clients), 3) <= 3
    for s in clients:
        s.close()


@pytest.mark.skipif(is_sanitized(), reason="sanitizers' memory says nothing")
def test_a_crowd_of_slow_clients_does_not_disturb_the_others(start_relay, origin):
    origin.answer("/v2/", ok())
    origin.serve_blob(BLOB, DATA)
    relay = start_relay(proxy=origin.address, env={"MALLOC_PERTURB_": "0"}, settings={  # memory is not touched for nothing
        "listen": {"head_timeout": "5min", "idle_timeout": "5min"}, "proxy": {"max_connections": 200, "stall_grace": "1s"}})
    alone = times(relay)
    before = memory(relay)
    idle = [connect(relay.port, PING) for _ in range(CROWD // 2)]
    answered(idle)
    wait_until(lambda: relay.stat("regrelay_client_connections", state="idle") >= len(idle), 20, "all to be idle")
    per_idle = each(relay, before, len(idle), 4)
    half = [connect(relay.port, PING[:20]) for _ in range(CROWD // 4)]
    stuck = [connect(relay.port, PING.replace(b"/v2/", BLOB.encode()), receive_buffer=4096) for _ in range(64)]
    rest = [connect(relay.port, b"") for _ in range(CROWD - len(idle) - len(half) - len(stuck))]
    relay.wait_stat("regrelay_parked", len(stuck), timeout=60)
    crowded = times(relay)
    per_one = each(relay, before, CROWD, 8)
    answered([s for s in half if s.sendall(PING[20:]) is None])
    line = (f"{CROWD} slow connections: p99 of {PULLS} healthy clients {p99(crowded) / p99(alone):.2f}x of that without them, "
            f"{per_idle:.1f} KiB an idle connection, {per_one:.1f} KiB a connection of the mixture")
    print(line)
    assert per_idle <= 4
    assert per_one <= 8
    if SOAK:
        assert p99(crowded) <= 2 * p99(alone) + 0.001, line
    for s in (*idle, *half, *stuck, *rest):
        s.close()
