"""Reloads by the dozen and bad ones under load: bounded while they run, and nothing is left of them.

REGRELAY_SOAK=1 (`./dev soak reloads`) asks for thousands.
"""
import concurrent.futures
import hashlib
import os
import re
import signal
import threading

import pytest
from tools import census, rawhttp
from tools.load import Load
from tools.origin import ok
from tools.process import wait_until
from tools.relay import is_sanitized

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
WORKERS, GENERATIONS = 2, 3            # GENERATIONS is the default of [master] max_generations
CHILDREN = WORKERS + 1                 # of a generation
SOAK = bool(os.environ.get("REGRELAY_SOAK"))
# How many reloads, asked for by how many at once.  Many at once share; few at once bear more generations than shared
# memory has slots (256), so that one lost slot a generation would end in a refusal.
STORMS = [(1000, 20), (1000, 2)] if SOAK else [(60, 20)]


class Writer:
    """Writes configurations that differ in their location id, L1, L2, ..., one after the other."""

    def __init__(self, relay):
        self._relay, self._text = relay, relay.config.read_text()
        self._lock, self._count = threading.Lock(), 0

    def write(self):
        with self._lock:
            self._count += 1
            new = self._relay.config.with_suffix(".new")
            new.write_text(self._text.replace("[proxy]\n", f"[proxy]\nlocation_id = L{self._count}\n"))
            os.replace(new, self._relay.config)
            return self._count


def in_effect(relay):
    return int(re.search(r"^location_id = L(\d+)", relay.api("GET", "/v1/config")[1]["text"], re.MULTILINE)[1])


def settle(relay):
    """Until the serving generation is alone; its children's pids."""
    def alone():
        status = relay.status()
        pids = {status["keeper_pid"], *(w["pid"] for w in status["workers"])}
        there = census.session(relay.process.pid)
        return set(there) == pids | {relay.process.pid} and "Z" not in there.values() and pids
    return wait_until(alone, 40, "the end of the old generations")


def holdings(relay):
    """What the tree holds at rest: descriptors and memory of the master, of the others together."""
    children = settle(relay)
    master = relay.process.pid
    wait_until(lambda: relay.stat("regrelay_client_connections") == 0, 10, "the clients to go")
    idle = relay.stat("regrelay_upstream_connections")     # a worker may keep some, and so it shall
    wait_until(lambda: census.unix_clients(relay.control) == 0, 10, "our own questions to be gone")
    return {"master fds": census.descriptors(master),
            "children's fds": sum(map(census.descriptors, children)) - int(idle),
            "master KiB": census.pss_kib(master),
            "all KiB": census.pss_kib(master) + sum(map(census.pss_kib, children))}


def ask(relay, writer):
    wanted = writer.write()
    done = relay.regctl("reload", timeout=120)
    assert done.returncode == 0, done
    assert in_effect(relay) >= wanted, "it was answered by a reload whose file was read before it came"


def storm(relay, writer, asked, parallel):
    """Most processes that were seen at once."""
    most = 0
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        asks = [pool.submit(ask, relay, writer) for _ in range(asked)]
        while not all(a.done() for a in asks):
            most = max(most, len(census.session(relay.process.pid)))
        for a in asks:
            a.result()
    return most


@pytest.mark.parametrize("asked,parallel", STORMS)
def test_reload_storm_is_bounded_and_leaves_nothing(start_relay, origin, asked, parallel):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=WORKERS)
    writer = Writer(relay)
    with Load(relay.port) as load:
        storm(relay, writer, 10, 2)                         # caches and arenas have their size then
        load.more(50)
    before = holdings(relay)
    first = relay.status()["generation"]
    with Load(relay.port) as load:
        most = storm(relay, writer, asked, parallel)
        load.more(50)
    load.check()
    after = holdings(relay)
    born = relay.status()["generation"] - first
    print(f"{asked} reloads by {parallel}: {born} generations, {most} processes at most, {load.done} requests,",
          *(f"{key} {before[key]} -> {after[key]}" for key in before), sep="\n  ")
    # The + 1: see census.session.
    assert CHILDREN + 1 < most <= (GENERATIONS + 1) * CHILDREN + 1
    assert asked / parallel <= born <= asked
    assert after["master fds"] == before["master fds"]
    assert after["children's fds"] == before["children's fds"]
    if not is_sanitized():                                  # its allocator keeps what was freed, on purpose
        # Some pages of heap come and go; one generation that is never freed is 60 KiB.
        assert after["master KiB"] <= before["master KiB"] + 512
        assert after["all KiB"] <= before["all KiB"] + 1536
    assert relay.regctl("reload").returncode == 0
    settle(relay)                                           # the old one may have the higher slots
    # The lowest free ones are taken, and only those of one generation were not free.
    assert max(w["slot"] for w in relay.workers()) <= 2 * CHILDREN


def test_bad_reload_under_load_disturbs_nothing(start_relay, origin):
    """A load and a slow, large pull run through refused reloads; afterwards every way of asking works."""
    origin.answer("/v2/", ok())
    data = os.urandom(16 << 20)
    origin.serve_blob(BLOB, data)
    relay = start_relay(proxy=origin.address, workers=WORKERS)
    good = relay.config.read_text()
    bad = good.replace("level = info", "level = shouting")
    line = bad[:bad.index("level = shouting")].count("\n") + 1
    before = relay.status()
    with Load(relay.port) as load, rawhttp.Connection(relay.port, timeout=60, receive_buffer=65536) as slow:
        slow.request(BLOB)
        assert slow.head()[0] == 200
        relay.config.write_text(bad)
        for ways in range(4):
            if ways % 2:
                relay.process.signal(signal.SIGHUP)
            else:
                done = relay.regctl("reload")
                assert done.returncode == 78
                assert f"{relay.config}:{line}: level: 'shouting'" in done.stderr
            wait_until(lambda: relay.stat("regrelay_config_reloads_total", result="failed") == ways + 1, 10, "the refusal")
            load.more(20)
            assert slow.more()
            now = relay.status()
            assert {w["pid"] for w in now["workers"]} == {w["pid"] for w in before["workers"]}
            assert all(now[key] == before[key] for key in ("generation", "config", "keeper_pid", "state"))
            assert now["last_reload"]["result"] == "failed"
            assert now["last_reload"]["error"].startswith(f"{relay.config}:{line}: level: 'shouting'")
            assert "shouting" in relay.regctl("status").stdout
        relay.config.write_text(good)
        relay.process.signal(signal.SIGHUP)
        wait_until(lambda: relay.status()["last_reload"]["result"] == "ok", 20, "HUP with the mended file")
        load.more(20)
        assert relay.regctl("reload").returncode == 0
        assert relay.status()["generation"] == before["generation"] + 2
        load.more(20)
        while len(slow.data) < len(data) and slow.more():
            pass
        assert hashlib.sha256(slow.data).digest() == hashlib.sha256(data).digest()
    load.check()
    assert relay.stat("regrelay_aborted_transfers_total") == 0
    assert relay.stop() == 0
