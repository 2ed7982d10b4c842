#!/usr/bin/python3
"""exact: clients that look at every answer, beside wrk, which does not.  Prints "ready"; on TERM counts as JSON.

Some clients take a connection for each request (Connection: close), others keep theirs, pausing up to 100 ms between
requests as people's clients do.  For each kind {"answered": N, "idle": N, "failed": {what: N}}:

  answered   200, whole, every byte right
  idle       kept connections that the server closed during a pause: no request was under way, so none failed
  failed     refused     nobody listened
             reset, eof  the connection ended before an answer came; on a kept one: while the request was on its way
             timeout     nothing for 10 s
             short, wrong bytes, status N, malformed, and other errors by their name
"""
import argparse
import collections
import errno
import hashlib
import json
import pathlib
import random
import select
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools.rawhttp import Connection  # noqa: E402

TIMEOUT, PAUSE = 10, 0.1


class Client(threading.Thread):
    """One of them.  Attributes: answered, idle, failed (a Counter)."""

    def __init__(self, args, stop, *, keep):
        super().__init__()
        self._args, self._stop_asked, self.keep = args, stop, keep
        self.answered, self.idle, self.failed = 0, 0, collections.Counter()

    def run(self):
        while not self._stop_asked.is_set():
            try:
                with Connection(self._args.port, timeout=TIMEOUT) as c:
                    what = self._use(c)
            except ConnectionRefusedError:
                what = "refused"
            except TimeoutError:
                what = "timeout"
            except (ConnectionResetError, BrokenPipeError):
                what = "reset"
            except OSError as e:
                what = errno.errorcode.get(e.errno, str(e))
            except (AssertionError, ValueError):
                what = "malformed"
            if what:
                self.failed[what] += 1
                self._stop_asked.wait(0.01)  # a relay that is gone shall not cost a processor

    def _use(self, c):
        """Requests on one connection until it ends; what failed, or None."""
        while True:
            c.request(self._args.target, headers=() if self.keep else [("Connection", "close")])
            answer = c.answer()
            if answer is None:
                return c.eof
            if answer.status != 200:
                return f"status {answer.status}"
            if not answer.complete:
                return "short"
            if hashlib.sha256(answer.body).hexdigest() != self._args.sha256:
                return "wrong bytes"
            self.answered += 1
            if not self.keep or self._stop_asked.is_set() or answer.header("Connection") == "close":
                return None
            if select.select([c.sock], [], [], random.uniform(0, PAUSE))[0]:
                return self._unasked(c)

    def _unasked(self, c):
        """Something came while no request was under way: the end, which is no failure, or bytes."""
        if c.more():
            return "malformed"
        self.idle += 1
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--close", type=int, required=True, help="clients that take a connection for each request")
    parser.add_argument("--keep", type=int, required=True, help="clients that keep theirs")
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # before the threads, so that none of them gets it
    stop = threading.Event()
    clients = [Client(args, stop, keep=n >= args.close) for n in range(args.close + args.keep)]
    for client in clients:
        client.start()
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])
    stop.set()
    counts = {kind: {"answered": 0, "idle": 0, "failed": collections.Counter()} for kind in ("close", "keep")}
    for client in clients:
        client.join()
        count = counts["keep" if client.keep else "close"]
        count["answered"] += client.answered
        count["idle"] += client.idle
        count["failed"].update(client.failed)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
