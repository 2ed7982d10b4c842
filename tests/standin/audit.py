"""audit: a record of everything the stand-in has seen, one JSON object a line, written before it acts on it.

    {"what": "open", "connection": 3, "at": 1.25, "peer": "127.0.0.1:50000"}
    {"what": "request", "request": 7, "connection": 3, "at": 1.26, "raw": "GET ...", "method", "target", "headers"}
    {"what": "answer", "request": 7, "at": 1.3, "status": 200, "by": "backend", "backend": 3, "bytes": 4096,
     "end": "complete"}
    {"what": "socks", "connection": 4, "at": 1.3, "methods": [128], "method": 128, "token": "ey...", "location": "",
     "host": "h:443", "atyp": 3, "reply": 0}        however far it came; what was not said is null
    {"what": "tunnel", "connection": 4, "at": 2.1, "host": "h:443", "backend": 4, "up": 700, "down": 4096,
     "end": "backend"}
    {"what": "close", "connection": 3, "at": 1.4, "why": "client"}

Heads come raw, credentials included: a file for tests, readable by its owner only.
"""
import json
import os
import time


class Audit:
    """Counters: connections, requests, open (now), most_open, backends."""

    def __init__(self, path=None):
        self._file = open(path, "w", buffering=1, opener=lambda p, f: os.open(p, f, 0o600)) if path else None
        self._start = time.monotonic()
        self.connections = self.requests = self.open = self.most_open = self.backends = 0

    def opened(self, peer):
        """A client connection; returns its number, from 1."""
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._write("open", connection=self.connections, peer=f"{peer[0]}:{peer[1]}" if peer else "")
        return self.connections

    def request(self, connection, head):
        """A request head; returns the request's number, from 1."""
        self.requests += 1
        method, target, *_ = [*head.words(), ""]
        self._write("request", request=self.requests, connection=connection, raw=head.raw.decode("latin-1"),
                    method=method, target=target, headers=[[f.name, f.value] for f in head.fields])
        return self.requests

    def answer(self, request, status, by, **more):
        self._write("answer", request=request, status=status, by=by, **more)

    def note(self, what, **values):
        self._write(what, **values)

    def closed(self, connection, why):
        self.open -= 1
        self._write("close", connection=connection, why=why)

    def _write(self, what, **values):
        if self._file:
            entry = {"what": what, "at": round(time.monotonic() - self._start, 4), **values}
            self._file.write(json.dumps(entry) + "\n")
