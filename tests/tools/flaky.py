"""Flaky: a blob on an Origin whose answers break off, lie, or ignore ranges, as a script says.

    flaky = Flaky(origin, target, data, [Break(1000), Break(0, "rst"), Whole()])
    flaky.ranges                             # the Range header of each request for it, in order

One step a request, in order of arrival; after the last one it is served whole and well.
"""
import dataclasses
import re
import threading

from .origin import Cut

PIECE = 1 << 16


@dataclasses.dataclass
class Step:
    """How one request is answered."""
    after: int = None            # body bytes until it breaks off; None = all of them
    how: str = "fin"             # "fin", "rst", or "stall": silent until the client is gone
    chunked: bool = False
    ranges: bool = True          # False: 200 with the whole, whatever was asked for
    headers: tuple = ()          # more (name, value) pairs
    head: bytes = None           # the head itself, instead of a true one; the body goes on where it was asked for
    answer: bytes = None         # these bytes instead of all


def Break(after, how="fin", **more):
    return Step(after=after, how=how, **more)


def Whole(**more):
    return Step(**more)


class Flaky:
    """Attributes: data, ranges, steps (those to come)."""

    def __init__(self, origin, target, data, steps=(), *, chunked=False, ranges=True, headers=()):
        """chunked, ranges, headers: of what is served after the last step."""
        self.data, self.steps, self.ranges, self.over = data, list(steps), [], threading.Event()
        self._last = Whole(chunked=chunked, ranges=ranges, headers=tuple(headers))
        self._lock = threading.Lock()
        origin.route(re.escape(target), self.serve)

    def _next(self, request):
        with self._lock:
            self.ranges.append(request.header("Range"))
            return self.steps.pop(0) if self.steps else self._last

    def serve(self, request, send):
        step = self._next(request)
        if step.answer is not None:
            send(step.answer)
            return None
        first, last = self._wanted(request) if step.ranges else (None, None)
        if first is not None and first >= len(self.data):
            send(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" %
                 len(self.data))
            return None
        body = self.data if first is None else self.data[first:last + 1]
        send(step.head if step.head is not None else self._head(step, first, last, len(body)))
        self._body(step, send, body)
        return None

    def _wanted(self, request):
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("Range") or "")
        if not found:
            return None, None
        return int(found[1]), min(int(found[2] or len(self.data)), len(self.data) - 1)

    def _head(self, step, first, last, length):
        lines = ["HTTP/1.1 200 OK" if first is None else "HTTP/1.1 206 Partial Content",
                 "Content-Type: application/octet-stream", *(f"{n}: {v}" for n, v in step.headers)]
        if first is not None:
            lines.append(f"Content-Range: bytes {first}-{last}/{len(self.data)}")
        lines.append("Transfer-Encoding: chunked" if step.chunked else f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _body(self, step, send, body):
        given = body if step.after is None else body[:step.after]
        for at in range(0, len(given), PIECE):
            piece = given[at:at + PIECE]
            if step.chunked:  # the last chunk of a body that breaks off announces more than it has
                more = step.after is not None and at + PIECE >= len(given)
                send(b"%x\r\n" % (len(piece) + more) + piece + (b"" if more else b"\r\n"))
            else:
                send(piece)
        if step.after is None:
            if step.chunked:
                send(b"0\r\n\r\n")
            return
        if step.how == "stall":
            self.over.wait(20)
        raise Cut(step.how == "rst")
