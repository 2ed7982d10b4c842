"""cost: what one load costs a relay: processor time of its tree, what came of it, how long it took.

Load clients are bounded in count (drain) or time (wrk), and drain looks at each answer's length.
"""
import json
import os
import pathlib
import re
import resource
import signal
import time

from load import SECONDS
from tools import census
from tools.process import Process, ProcessError, run, wait_until
from tools.rawhttp import Connection
from tools.relay import BUILD

_DRAIN = BUILD / "tests/bench/drain"
_TICK = os.sysconf("SC_CLK_TCK")
_SUMMARY = re.compile(r"^ +(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_LATENCY = re.compile(r"^ +(50|99)% +([\d.]+)(us|ms|s|m)$", re.MULTILINE)
_BOUND = 300    # seconds for one load
IDLE_CLIENTS = 1000
SIZES = range(1, 70_001, 211)
LATE = 0.04     # seconds
TRIES = 10      # of one size; a busy machine makes any of them late


def cpu_seconds(pids):
    """User and system time of these processes, all their threads (proc(5): utime, stime)."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


class Spent:
    """Processor seconds of a relay's (or the backend's) processes within the block."""

    def __init__(self, relay):
        self._relay = relay

    def __enter__(self):
        self._pids = self._relay.pids()
        self._before = cpu_seconds(self._pids)
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.seconds = cpu_seconds(self._pids) - self._before


def drain(relay, target, size, clients, answers):
    """What drain.c reports."""
    done = run([_DRAIN, relay.port, target, size, clients, answers, _BOUND], timeout=_BOUND + 10, check=True)
    return json.loads(done.stdout)


def curl(url, size, parallel, total):
    """{"bytes", "seconds"} of total transfers of that many bytes each, for what drain does not speak: TLS, chunks."""
    wanted = [word for _ in range(total) for word in ("-o", "/dev/null", url)]
    begin = time.monotonic()
    done = run(["curl", "-sSfk", "--http1.1", "--no-sessionid", "-Z", "--parallel-max", parallel, "-w", "%{size_download}\n",
                *wanted], timeout=_BOUND, check=True)
    came = list(map(int, done.stdout.split()))
    if came != [size] * total:
        raise ProcessError(f"curl got {sum(came)} bytes in {total} transfers of {size}")
    return {"bytes": sum(came), "seconds": time.monotonic() - begin}


def chunked(relay, backend, parallel, total):
    """{"cpu s/GB"} of blobs whose length nobody said."""
    with Spent(relay) as spent:
        done = curl(f"http://127.0.0.1:{relay.port}{backend.chunked_blob}", backend.blob_size, parallel, total)
    return {"cpu s/GB": spent.seconds / (done["bytes"] / 1e9)}


def blobs(relay, backend, parallel, total):
    """{"cpu s/GB", "cpu s/GB of all", "GB/s"}: total blobs over `parallel` connections; all are relay, backend and client."""
    before = _children_seconds()
    with Spent(relay) as spent, Spent(backend) as spent_there:
        done = drain(relay, backend.blob, backend.blob_size, parallel, total)
    gigabytes = done["bytes"] / 1e9
    of_all = spent.seconds + spent_there.seconds + _children_seconds() - before
    return {"cpu s/GB": spent.seconds / gigabytes, "cpu s/GB of all": of_all / gigabytes, "GB/s": gigabytes / done["seconds"]}


def _children_seconds():
    """Of those that have ended: the client."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def requests(relay, backend, clients, seconds, close, scheme="http"):
    """{"cpu us", "p50 ms", "p99 ms", "per s"} of wrk's requests for the manifest."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "20s"]  # a slow one is none that failed
    command += ["-H", "Connection: close"] if close else []
    with Spent(relay) as spent:
        report = run([*command, f"{scheme}://127.0.0.1:{relay.port}{backend.manifest}"], timeout=seconds + 30, check=True).stdout
    summary, latency = _SUMMARY.search(report), dict((p, float(n) * SECONDS[unit] * 1e3)
                                                     for p, n, unit in _LATENCY.findall(report))
    if not summary or len(latency) != 2 or "Non-2xx" in report or "Socket errors" in report:
        raise ProcessError(f"wrk: {report.strip()}")
    return {"cpu us": spent.seconds / int(summary[1]) * 1e6, "p50 ms": latency["50"], "p99 ms": latency["99"],
            "per s": int(summary[1]) / float(summary[2]) / SECONDS[summary[3]]}


def held_back(relay, backend):
    """How many sizes of bodies (1 to 70,000 bytes, in steps of a prime) come late each time they are asked for: what is held
    back until a timer of TCP's fires (a cork: 200 ms; a delayed acknowledgement: 40 ms) is so by its size, not by chance."""
    with Connection(relay.port, timeout=_BOUND) as c:
        return sum(all(_seconds(c, backend, size) > LATE for _ in range(TRIES)) for size in SIZES)


def _seconds(connection, backend, size):
    begin = time.monotonic()
    answer = connection.get(backend.blob, [("Range", f"bytes=0-{size - 1}")])
    took = time.monotonic() - begin
    if answer is None or answer.status != 206 or not answer.complete or len(answer.body) != size:
        raise ProcessError(f"the first {size} bytes of a blob did not come")
    return took


def memory(relay):
    """MiB of the tree, shared pages shared out among those that share them; files' pages apart (census.pss_kib)."""
    return sum(census.pss_kib(pid) for pid in relay.pids()) / 1024


def memory_with_clients(relay, backend, directory):
    """The same while IDLE_CLIENTS, which have had one answer each, keep their connections; once it stays the same."""
    command = [_DRAIN, relay.port, backend.manifest, backend.manifest_size, IDLE_CLIENTS, IDLE_CLIENTS, _BOUND, "idle"]
    with Process(command, log=pathlib.Path(directory) / "idle.log", stop_signal=signal.SIGKILL) as clients:
        clients.wait_line("^ready$", timeout=60)
        seen = []  # for longer than a second: what a burst leaves is given back by a timer
        wait_until(lambda: seen.append(memory(relay)) or (len(seen) > 3 and max(seen[-4:]) - min(seen[-4:]) < 0.1), 30,
                   "memory to stay the same", interval=0.7)
        return seen[-1]
