"""load: what is done to a relay while it reloads: wrk, exact clients and large pulls.

What wrk counts (version 4.1, read in its source and seen with servers made to misbehave):

  requests   answers that were complete.  One that never comes is not counted at all; exact.py would call it a timeout.
  read       a connection that ended before an answer was complete, or without a word after one: on a kept connection
             it has always sent its next request by then, so this is a request that got no answer.  An answer with
             `Connection: close` makes it connect anew and counts nothing.
  connect    only what connect() itself refuses at once.
  write      what shows when it writes first: a refused connection counts here, not under connect.
  timeout    an answer that came, but later than 2 s: reported, not a failure.
  non-2xx    a complete answer with a status of 400 or more.
"""
import collections
import hashlib
import json
import pathlib
import re
import signal
import sys
import threading
import time

from tools.process import Process, ProcessError
from tools.rawhttp import Connection

WRK_CONNECTIONS, EXACT_CLIENTS = 16, 4
_EXACT = pathlib.Path(__file__).with_name("exact.py")
_SUMMARY = re.compile(r"^ +(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Tally:
    """Counts for the connections of one kind ("close" or "keep"); tallies of the same kind can be added.

    Attributes: wrk, exact (Counters of what went wrong), answered, idle (see exact.py)."""

    def __init__(self):
        self.wrk, self.exact = collections.Counter(), collections.Counter()
        self.answered = self.idle = 0
        self._wrk_answered, self._wrk_seconds = 0, 0.0

    def add_wrk(self, report):
        """What wrk printed at its end."""
        summary, errors, status = _SUMMARY.search(report), _ERRORS.search(report), _STATUS.search(report)
        if not summary:
            raise ProcessError(f"wrk: no report: {report.strip()}")
        self._wrk_answered += int(summary[1])
        self._wrk_seconds += float(summary[2]) * SECONDS[summary[3]]
        self.answered += int(summary[1])
        if errors:
            self.wrk.update(dict(zip(("connect", "read", "write", "timeout"), map(int, errors.groups()))))
        if status:
            self.wrk["non-2xx"] += int(status[1])

    def add_exact(self, counts):
        """One kind of what exact.py printed."""
        self.answered += counts["answered"]
        self.idle += counts["idle"]
        self.exact.update(counts["failed"])

    @property
    def rate(self):
        """wrk's answers per second."""
        return self._wrk_answered / self._wrk_seconds

    @property
    def failed(self):
        return self.wrk.total() - self.wrk["timeout"] + self.exact.total()

    @property
    def refused(self):
        """Those of the failed that are known to be refused connects."""
        return self.wrk["connect"] + self.exact["refused"]

    def details(self):
        """Words for whatever is not 0."""
        found = [f"{who} {what} {n}" for who, counts in (("wrk", self.wrk), ("exact", self.exact))
                 for what, n in counts.items() if n]
        return found + ([f"closed while idle {self.idle} (no failure)"] if self.idle else [])


class Load:
    """wrk and exact clients of both kinds, from entering to leaving, which adds to tallies {"close":, "keep":}."""

    def __init__(self, directory, port, backend, seconds, tallies):
        """seconds: an end that wrk finds by itself, should nobody end it."""
        self._dir, self._tallies = pathlib.Path(directory), tallies
        self._dir.mkdir()
        self._wrk, self._exact = {}, None
        url = f"http://127.0.0.1:{port}{backend.manifest}"
        wrk = ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{int(seconds) + 1}s"]
        self._commands = {"close": [*wrk, "-H", "Connection: close", url], "keep": [*wrk, url]}
        self._exact_command = [sys.executable, _EXACT, "--port", port, "--target", backend.manifest, "--sha256",
                               backend.manifest_digest, "--close", EXACT_CLIENTS, "--keep", EXACT_CLIENTS]

    def __enter__(self):
        try:
            self._exact = Process(self._exact_command, log=self._dir / "exact.log", stop_timeout=30)
            self._exact.wait_line("^ready$")
            for kind, command in self._commands.items():
                self._wrk[kind] = Process(command, log=self._dir / f"wrk-{kind}.log", stop_signal=signal.SIGINT)
        except BaseException:
            self._stop()
            raise
        return self

    def _stop(self):
        for process in self._wrk.values():  # both at once: neither shall have the machine to itself
            if process.alive():
                process.signal(signal.SIGINT)
        for process in (*self._wrk.values(), self._exact):
            if process:
                process.stop()

    def __exit__(self, kind, *rest):
        self._stop()
        if kind is None:
            exact = json.loads(self._exact.text().splitlines()[-1])
            for name, process in self._wrk.items():
                self._tallies[name].add_wrk(process.text())
                self._tallies[name].add_exact(exact[name])


class Pulls:
    """Large pulls that read on only as far as they are let: begun when this is entered, ended by finish().

    Held back by not reading, so that the relay has to keep each of them half done for as long as it takes."""

    def __init__(self, port, backend, size, count=8):
        self._port, self._backend, self._size = port, backend, size
        self._moved = threading.Condition()
        self._allowed, self._began, self._given_up = 1 << 16, 0, False
        self._good = 0
        self._threads = [threading.Thread(target=self._pull) for _ in range(count)]
        self.count, self.details = count, []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        try:
            with self._moved:
                self._moved.wait_for(lambda: self._began == self.count or self.details, 30)
                if self._began != self.count:
                    raise ProcessError(f"only {self._began} of {self.count} large pulls began: {self.details}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        with self._moved:
            self._given_up = True
            self._moved.notify_all()
        for thread in self._threads:
            thread.join()

    def let(self, share):
        """Lets each pull get so far (0 to 1) through its first half.  The second half is more than all the buffers on
        the way can hold, so whoever relays it is still needed when the first has been read."""
        with self._moved:
            self._allowed = max(self._allowed, int(self._size / 2 * share))
            self._moved.notify_all()

    def finish(self, timeout=60):
        """Lets them run to their end; how many were whole, with the right digest."""
        with self._moved:
            self._allowed = self._size
            self._moved.notify_all()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
        with self._moved:
            return self._good

    def _pull(self):
        try:
            with Connection(self._port, timeout=30, receive_buffer=1 << 16) as c:
                c.request(self._backend.blob)
                why = self._read(c)
        except (OSError, AssertionError, ValueError) as e:
            why = repr(e)
        with self._moved:
            if why:
                self.details.append(f"pull: {why}")
            else:
                self._good += 1
            self._moved.notify_all()

    def _read(self, c):
        """What is wrong with the answer, or None."""
        head = c.head()
        if head is None or head[0] != 200:
            return f"answered {head}"
        with self._moved:
            self._began += 1
            self._moved.notify_all()
        digest, length, piece = hashlib.sha256(), 0, c.data
        while True:
            digest.update(piece)
            length += len(piece)
            if length >= self._size:
                break
            if not self._may_read(length):
                return "given up"
            piece = c.sock.recv(1 << 16)
            if not piece:
                return f"ended after {length} of {self._size} bytes"
        return None if digest.hexdigest() == self._backend.blob_digest else "wrong digest"

    def _may_read(self, length):
        """Waits until more than length bytes are allowed; False when nobody wants the pull any longer."""
        with self._moved:
            self._moved.wait_for(lambda: self._given_up or length < self._allowed)
            return not self._given_up
