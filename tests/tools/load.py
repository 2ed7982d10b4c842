"""Load: clients that ask the same thing over and over, and remember what went wrong.

    with Load(relay.port) as load:
        ...
        load.more(50)        # waits until 50 more requests have been answered
    load.check()             # every one was answered 200

Half of the clients keep their connections, as far as the relay lets them; the others open one for each request.  A worker that
drains may close a connection that was silent for QUIET: one that is lost like that, because this process stood still, is no loss.
"""
import threading
import time

from . import rawhttp
from .process import wait_until

QUIET = 2    # seconds; DRAIN_QUIET of worker/session.c
_KEPT = 20   # requests on a connection that is kept


def get_after_silence(c, path, since):
    """(answer of a rawhttp.Connection, or None when it was lost; seconds from since until the request was sent)."""
    try:
        c.request(path)
    except (ConnectionResetError, BrokenPipeError):
        return None, time.monotonic() - since
    silent = time.monotonic() - since
    return c.answer(), silent


class Load:
    """Attributes: wrong (answers and exceptions that should not be), done (requests answered)."""

    def __init__(self, port, *, path="/v2/", clients=4):
        self._port, self._path = port, path
        self.wrong = []
        self._counts = [0] * clients
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for t in self._threads:
            t.join()

    @property
    def done(self):
        return sum(self._counts)

    def more(self, count, timeout=20):
        """Waits until that many more requests have been answered."""
        goal = self.done + count
        wait_until(lambda: self.done >= goal or self.wrong, timeout, f"{count} more requests")
        self.check()

    def renewed(self, timeout=20):
        """Waits until no request is under way any more that is now: each client has an answer to one that began later."""
        goals = [count + 2 for count in self._counts]
        wait_until(lambda: self.wrong or all(map(int.__ge__, self._counts, goals)), timeout, "two more requests of each client")
        self.check()

    def check(self):
        assert not self.wrong, self.wrong[:5]

    def _client(self, n):
        while not self._stop.is_set():
            silent_since = time.monotonic()
            try:
                with rawhttp.Connection(self._port) as c:
                    self._ask(c, n, _KEPT if n % 2 else 1, silent_since)
            except OSError as e:
                self.wrong.append(e)

    def _ask(self, c, n, times, silent_since):
        for _ in range(times):
            began = time.monotonic()
            answer, silent = get_after_silence(c, self._path, silent_since)
            if answer is None and silent >= QUIET:
                return
            if answer is None or answer.status != 200 or not answer.complete:
                self.wrong.append(answer)
                return
            silent_since = began
            self._counts[n] += 1
            if answer.header("Connection") == "close" or self._stop.is_set():
                return
