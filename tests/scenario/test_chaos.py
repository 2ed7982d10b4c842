"""Good and evil clients, a tunnel that breaks in every way, processes that are killed, reloads: all at once.  No pull brings a
wrong byte or looks complete when it is not, nobody is told nonsense, and in the end all is as it was.

A quarter of a minute on every change; `./dev soak chaos` goes on for twenty minutes (or $REGRELAY_SECONDS) and prints its
figures.  $REGRELAY_SEED is the seed of the choices."""
import collections
import contextlib
import hashlib
import os
import random
import signal
import socket
import struct
import threading
import time

import pytest
from tools import rawhttp
from tools.census import pss_kib
from tools.origin import Origin, ok
from tools.process import ProcessError, wait_until
from tools.relay import is_sanitized
from tools.standin import VHOST, Standin, mapping

SOAK = bool(os.environ.get("REGRELAY_SOAK"))
SECONDS = int(os.environ.get("REGRELAY_SECONDS") or (1200 if SOAK else 15))
CLEAR = {"proxy-unreachable", "proxy-connect-timeout", "tunnel-down", "upstream-closed", "upstream-timeout", "upstream-error",
         "path-shares-connections", "mapping-missing", "overloaded"}


class Backend(Origin):
    """The registry: blobs of many sizes, and a tag."""
    certificate = None

    def __init__(self, source):
        super().__init__()
        self.url = f"http://{self.address}"
        self.answer("/v2/", ok())
        self.blobs = {}
        for size in (0, 1, 777, 65_536, 300_000, 2_000_000, 6_000_000):
            data = source.randbytes(size)
            path = f"/v2/team/app/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
            self.blobs[path] = data
            self.serve_blob(path, data)


class Chaos:
    """Attributes: seen (what happened to pulls: Counter), wrong (what must never happen)."""

    def __init__(self, relay, standin, backend, source):
        self._relay, self._standin, self._backend, self._source = relay, standin, backend, source
        self._over, self._lock = threading.Event(), threading.Lock()
        self.seen, self.wrong = collections.Counter(), []

    def _choose(self, things):
        with self._lock:
            return self._source.choice(things)

    def _loop(self, act):
        """A thread that does it until the end; clients may lose their connections, who breaks things loses none."""
        lost = () if act == self.breaks else (OSError, ValueError)

        def run():
            while not self._over.is_set():
                try:
                    act()
                except lost:
                    self.seen["connection lost"] += 1
                except Exception as e:  # noqa: BLE001
                    self.wrong.append(repr(e))
        return threading.Thread(target=run, daemon=True)

    # --- good clients ---------------------------------------------------------------------------------------------------

    def pull(self):
        path = self._choose(list(self._backend.blobs))
        data = self._backend.blobs[path]
        with rawhttp.Connection(self._relay.port, timeout=60) as c:
            answer = c.get(path)
        if answer is None:
            self.seen["no answer"] += 1
        elif answer.status == 200:
            if answer.complete and answer.body != data:
                self.wrong.append(f"wrong bytes of {path}: {len(answer.body)} of {len(data)}")
            if not answer.complete and not data.startswith(answer.body):
                self.wrong.append(f"wrong bytes before a cut of {path}")
            self.seen["whole" if answer.complete else "cut"] += 1
        elif answer.status in (502, 503, 504) and answer.header("X-Regrelay-Error") in CLEAR:
            self.seen[answer.header("X-Regrelay-Error")] += 1
        else:
            self.wrong.append(f"{answer.status} {answer.reason} {answer.header('X-Regrelay-Error')}")

    # --- evil ones ------------------------------------------------------------------------------------------------------

    def misbehave(self):
        blob = self._choose(list(self._backend.blobs)[-2:])
        with rawhttp.Connection(self._relay.port, timeout=5, receive_buffer=4096) as c:
            self._choose([self._garbage, self._smuggle, self._slow_head, self._leave, self._stare, self._half_close])(c, blob)

    def _garbage(self, c, blob):
        c.send(os.urandom(200))
        c.rest()

    def _smuggle(self, c, blob):
        c.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n")
        c.rest()

    def _slow_head(self, c, blob):
        for byte in b"GET /v2/ HT":
            c.send(bytes([byte]))
            self._over.wait(0.02)

    def _leave(self, c, blob):
        c.request(blob)
        c.sock.recv(1000)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _stare(self, c, blob):
        c.request(blob)
        self._over.wait(1.5)

    def _half_close(self, c, blob):
        c.request(blob)
        c.sock.shutdown(socket.SHUT_WR)
        c.sock.recv(100_000)

    # --- what breaks ----------------------------------------------------------------------------------------------------

    def breaks(self):
        name = self._choose(["cut", "cut", "reset", "refuse", "answer", "stall", "kill_worker", "kill_keeper", "reload",
                             "bad_reload", "ask"])
        getattr(self, f"_{name}")()
        self.seen[f"fault {name}"] += 1
        self._over.wait(self._choose([0.1, 0.3, 0.6]))

    def _cut(self):
        self._standin.cut("fin")

    def _reset(self):
        self._standin.cut("rst")

    def _refuse(self):
        self._standin.outage("refuse", seconds=0.7)

    def _answer(self):
        self._standin.outage("503", seconds=0.7)

    def _stall(self):
        self._standin.stall(0.7)

    def _kill_worker(self):
        pids = self._relay.worker_pids()
        with contextlib.suppress(ProcessLookupError):
            if pids:
                os.kill(self._choose(pids), signal.SIGKILL)

    def _kill_keeper(self):
        pid = self._relay.status()["keeper_pid"]
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reload(self):
        self._relay.regctl("reload", timeout=40)

    def _bad_reload(self):
        good = self._relay.config.read_text()
        self._relay.config.write_text(good + "nonsense\n")
        try:
            assert self._relay.regctl("reload", timeout=40).returncode in (1, 78)
        finally:
            self._relay.config.write_text(good)

    def _ask(self):
        for verb in ("pulls", "workers", "stats", "doctor"):
            self._relay.regctl(verb, timeout=60)
        with contextlib.suppress(OSError):
            self._relay.admin("/metrics")

    # --- all of it ------------------------------------------------------------------------------------------------------

    def play(self, seconds):
        threads = [self._loop(act) for act in [self.pull] * 6 + [self.misbehave] * 4 + [self.breaks]]
        for t in threads:
            t.start()
        until = time.monotonic() + seconds
        with contextlib.suppress(ProcessError):
            wait_until(lambda: self.wrong or time.monotonic() > until, seconds + 5, "the end", interval=0.2)
        self._over.set()
        for t in threads:
            t.join(90)


def is_pinged(relay):
    with rawhttp.Connection(relay.port, timeout=60) as c:
        answer = c.get("/v2/")
    return answer is not None and answer.status == 200


def memory(relay):
    return sum(pss_kib(pid) for pid in [relay.process.pid, relay.status()["keeper_pid"], *relay.worker_pids()])


def test_chaos_leaves_all_as_it_was(start_relay, stack, tmp_path):
    seed = int(os.environ.get("REGRELAY_SEED") or random.randrange(1 << 32))
    print(f"REGRELAY_SEED={seed}")
    source = random.Random(seed)
    backend = stack.enter_context(Backend(source))
    standin = stack.enter_context(Standin(tmp_path / "standin", mappings=[mapping(VHOST, backend)]))
    relay = start_relay(proxy=standin.address, workers=3, env={"MALLOC_PERTURB_": "0"}, settings={
        "proxy": {"stall_grace": "500ms", "stall_timeout": "3s", "resume_timeout": "20s"}})
    assert rawhttp.get(relay.port, "/v2/").status == 200
    before, chaos = memory(relay), Chaos(relay, standin, backend, source)
    chaos.play(SECONDS)
    assert not chaos.wrong, chaos.wrong[:5]
    standin.outage("none")
    wait_until(lambda: len(relay.worker_pids()) == 3 and relay.status()["state"] == "serving", 30, "three workers")
    wait_until(lambda: is_pinged(relay), 60, "a good answer")
    wait_until(lambda: relay.regctl("reload", timeout=40).returncode == 0, 60, "a reload")
    for path, data in backend.blobs.items():
        answer = rawhttp.get(relay.port, path)
        assert answer.status == 200 and answer.body == data
    whole = chaos.seen["whole"]
    print(", ".join(f"{count} {what}" for what, count in chaos.seen.most_common()))
    assert whole > 10
    assert not any(r.target.startswith("/evil") for r in backend.requests), "nothing was smuggled"
    wait_until(lambda: [w["sessions"] for w in relay.workers()] == [0, 0, 0], 30, "all sessions and the old workers to end")
    if not is_sanitized():
        after = memory(relay)
        print(f"PSS of all processes: {before} KiB before, {after} KiB after; whole: {whole / max(1, whole + chaos.seen['cut']):.3f}"
              " of the pulls whose head came")
        assert after < before * 1.6 + 2000
