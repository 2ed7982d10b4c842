"""Origin: a scripted upstream that stands where the connectivity proxy stands; every byte is the test's own.

    with Origin() as origin:
        origin.answer("/v2/", b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        origin.serve_blob("/v2/app/blobs/sha256:...", data)
        ...
        origin.requests          # what came: Request(connection, number, raw, method, target, headers)

Threads, one a connection; fit for hundreds of connections, not for load.
"""
import dataclasses
import re

from .listener import Listener, delivered, linger_off


@dataclasses.dataclass
class Request:
    connection: int      # 1, 2, ... in order of accept
    number: int          # on that connection, from 1
    raw: bytes           # the head as it came
    method: str
    target: str
    headers: list        # (name, value), order and case kept
    body: bytes = b""    # of Content-Length bytes, or all of its chunks as they came, when the origin reads bodies

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]


class Cut(Exception):
    """Raised by a handler: end the connection now; reset=True with RST, which takes away nothing that was sent."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


def ok(body=b"{}", *, status="200 OK", headers=(), content_type="application/json"):
    """Bytes of an answer with Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}",
             *(f"{n}: {v}" for n, v in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Origin(Listener):
    """Further attributes: requests, bodies (set it to have bodies of requests read)."""

    def __init__(self, **listener):
        super().__init__(**listener)
        self.requests, self.bodies, self._routes = [], False, []
        self.listen()

    @property
    def connections(self):
        """How many were accepted."""
        return self.accepted

    # --- script ---------------------------------------------------------------------------------------------------

    def route(self, pattern, handler, *, method=None, times=None):
        """handler(request, send) answers requests whose target matches the regular expression (whole).  The newest
        route that fits wins; times limits how often.  It may raise Cut, and returns "close" to end the connection."""
        with self.moved:
            self._routes.insert(0, [re.compile(pattern), method, handler, times])

    def answer(self, target, data, *, method=None, times=None):
        """These bytes for exactly that target.  For HEAD the body must not be in data."""
        self.route(re.escape(target), lambda request, send: send(data), method=method, times=times)

    def serve_blob(self, target, data, *, piece=1 << 18):
        """GET and HEAD of data, with single ranges."""
        def handler(request, send):
            first, last, status = 0, len(data) - 1, "200 OK"
            extra = [("Accept-Ranges", "bytes")]
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("Range") or "")
            if wanted:
                first = int(wanted[1])
                last = min(int(wanted[2] or last), last)
                status = "206 Partial Content"
                extra.append(("Content-Range", f"bytes {first}-{last}/{len(data)}"))
            head = ok(b"", status=status, headers=extra, content_type="application/octet-stream")
            send(head.replace(b"Content-Length: 0", b"Content-Length: %d" % (last - first + 1)))
            if request.method == "GET":
                for at in range(first, last + 1, piece):
                    send(data[at:min(at + piece, last + 1)])
        self.route(re.escape(target), handler)

    # --- asking ---------------------------------------------------------------------------------------------------

    def targets(self):
        return [r.target for r in self.requests]

    # --- serving --------------------------------------------------------------------------------------------------

    def welcome(self, peer):
        return self.accepted

    def serve(self, sock, number):
        try:
            self._requests(sock, number)
        except Cut as cut:
            if cut.reset:
                delivered(sock)
                linger_off(sock)

    def _requests(self, sock, number):
        data, count = b"", 0
        while True:
            while b"\r\n\r\n" not in data:
                piece = sock.recv(65536)
                if not piece:
                    return
                data += piece
            raw, _, data = data.partition(b"\r\n\r\n")
            count += 1
            request = _parse(number, count, raw + b"\r\n\r\n")
            length = int(request.header("Content-Length") or 0) if self.bodies else 0
            if self.bodies and request.header("Transfer-Encoding"):
                while not (end := data.find(b"0\r\n\r\n") + 1):
                    data += sock.recv(65536)
                length = end + 4
            while len(data) < length:
                data += sock.recv(65536)
            request.body, data = data[:length], data[length:]
            with self.moved:
                self.requests.append(request)
                handler = self._find(request)
                self.moved.notify_all()
            if handler(request, sock.sendall) == "close":
                return

    def _find(self, request):
        for entry in self._routes:
            pattern, method, handler, times = entry
            if pattern.fullmatch(request.target) and method in (None, request.method) and times != 0:
                if times is not None:
                    entry[3] -= 1
                return handler
        missing = b'{"errors":[{"code":"NAME_UNKNOWN"}]}'
        return lambda r, send: send(ok(b"" if r.method == "HEAD" else missing, status="404 Not Found"))


def _parse(connection, number, raw):
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return Request(connection, number, raw, method, target, headers)
