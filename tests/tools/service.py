"""Service: the test's side of a small HTTP server that runs in a process of its own (see httpd.py).

    with TokenServer(dir) as service:            # or Storage, Redirector
        service.fail(503, count=2)               # the next two requests
        service.set(delay=0.5)
        service.requests()                       # what came: Request(..., body)
"""
import dataclasses
import http.client
import json
import pathlib
import sys

from . import ports, standin
from .process import Process, starting, wait_until, whole_lines

_TESTS = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Request(standin.Request):
    body: str            # as it came, without chunks; "" where the server streams bodies


class Service:
    """A running server.  Attributes: name, port, url, certificate (the CA's, None without TLS), dir, process."""

    def __init__(self, directory, module, *, name, authority=None, config=None, settings=None, port=None,
                 survive=False, wait=True):
        """module: the program, "tools.x".  config and settings are its own; only settings can change later.  With an
        authority it speaks TLS, by a certificate for name, localhost and 127.0.0.1.  wait=False: see ready()."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.port, self.control = port or ports.free_port(), ports.free_port()
        self.certificate = authority.certificate if authority else None
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self._audit = self.dir / "audit.jsonl"
        tls = None
        if authority:
            pair = authority.issue(name, "localhost", "127.0.0.1")
            tls = [str(pair.certificate), str(pair.key)]
        (self.dir / "config.json").write_text(json.dumps({
            **(config or {}), "port": self.port, "control": self.control, "audit": str(self._audit), "tls": tls,
            "settings": settings or {}}, indent=1))
        self.process = Process([sys.executable, "-P", "-m", module, self.dir / "config.json"],
                               env={"PYTHONPATH": str(_TESTS)}, log=self.dir / "service.log",
                               name=module.rpartition(".")[2], survive=survive)
        if wait:
            self.ready()

    def ready(self):
        """Waits until it listens; for who starts several with wait=False, at the same time."""
        with starting(self.process):
            self.process.wait_line("^listening on ")

    # --- what it saw ----------------------------------------------------------------------------------------------

    def audit(self, what=None):
        """Entries of the audit file as dicts, of one kind ("request", "answer") or all, in order."""
        entries = [json.loads(line) for line in whole_lines(self._audit.read_text())]
        return [entry for entry in entries if what in (None, entry["what"])]

    def requests(self, method=None):
        """All requests that came so far, of one method or all."""
        return [Request(e["connection"], e["request"], e["raw"], e["method"], e["target"],
                        [tuple(pair) for pair in e["headers"]], e["body"])
                for e in self.audit("request") if method in (None, e["method"])]

    def statuses(self):
        """Status codes of all answers so far, in order."""
        return [entry["status"] for entry in self.audit("answer")]

    def wait_requests(self, count, timeout=10):
        """Waits until so many requests have come; a request that is held or delayed has come."""
        return wait_until(lambda: len(self.requests()) >= count, timeout, f"{count} requests at {self.name}")

    # --- what it shall do -----------------------------------------------------------------------------------------

    def set(self, **settings):
        """Changes settings.  All servers have `delay` (seconds before each answer) and `hold` (True: answers wait until
        it is False again); the rest is the server's own."""
        self._ask("/settings", settings)

    def answer(self, status=200, *, body="", size=0, headers=(), content_type="text/html", method=None, path="",
               count=None):
        """Scripts an answer in place of its own: body and size bytes of padding, for requests of that method, of a
        path that begins so, count times (None: until heal())."""
        self._ask("/answers", {"status": status, "body": body, "size": size, "headers": list(headers),
                               "type": content_type, "method": method, "path": path, "count": count})

    def fail(self, status=503, *, count=1, method=None, path=""):
        """The next count requests fail with that status."""
        self.answer(status, body='{"errors":[{"code":"UNKNOWN","message":"scripted"}]}',
                    content_type="application/json", method=method, path=path, count=count)

    def redirect(self, location, *, status=302, method=None, path="", count=None):
        """Scripts a redirect to location."""
        self.answer(status, headers=[("Location", location)], method=method, path=path, count=count)

    def heal(self):
        """Forgets all scripted answers, delay and hold."""
        self.set(answers=[], delay=0, hold=False)

    def _ask(self, path, values):
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=10)
        try:
            connection.request("POST", path, json.dumps(values))
            answer = connection.getresponse()
            result = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(result["error"])

    # --- life -----------------------------------------------------------------------------------------------------

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stop()
        if kind is None:
            assert "Traceback" not in self.process.text(), self.process.text()
