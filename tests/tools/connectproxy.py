"""ConnectProxy: a proxy that takes nothing but CONNECT, and a script for what goes wrong with it.

    with ConnectProxy({"registry.corp:443": registry.port}) as proxy:
        proxy.script(*[Tunnel(cut=100_000)] * 3, Say(NO_GATEWAY))     # one step a CONNECT; then all is well again
        proxy.requests                           # what came: Connect(number, raw, target, headers)

A thread a connection.  Where it may go is what it was told; every other target gets 403.
"""
import base64
import contextlib
import dataclasses
import socket
import struct
import threading
import time

from .sockets import readable

PIECE = 1 << 18
_PATIENCE = 30  # seconds; no thread waits for ever
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def answer(status, body=b"", *headers):
    """Bytes of an answer with a body that says its length."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


PAGE = b"<html>the proxy's own page: not for clients</html>"
WANTS_AUTH = answer("407 Proxy Authentication Required", PAGE, 'Proxy-Authenticate: Basic realm="proxy"')
WANTS_WHAT = answer("407 Proxy Authentication Required", PAGE)
FORBIDDEN = answer("403 Forbidden", PAGE)
NO_GATEWAY = answer("502 Bad Gateway", PAGE)
LONG_HEAD = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-Filler-%d: %b\r\n" % (n, b"x" * 1000) for n in range(1050)) + b"\r\n"


@dataclasses.dataclass(frozen=True)
class Say:
    """These bytes are the answer, and there is no tunnel.  then: "wait" (until the client is gone), "fin", "rst"."""
    data: bytes
    then: str = "wait"


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """A tunnel.  head: how that is said; early: bytes right behind it, in one write; pace: seconds between the bytes of
    head; cut: after so many bytes towards the client it ends by how ("fin", "rst", "stall": silence)."""
    head: bytes = ESTABLISHED
    early: bytes = b""
    pace: float = 0
    cut: int = None
    how: str = "fin"


@dataclasses.dataclass(frozen=True)
class Connect:
    number: int          # from 1
    raw: str             # the head as it came
    target: str
    headers: list        # (name, value)

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class _Over(Exception):
    """The connection ends, as its step says."""


class ConnectProxy:
    """Attributes: port, address, requests, accepted, open (connections now), down (bytes towards clients, of all)."""

    def __init__(self, hosts, *, credentials=None, host="127.0.0.1"):
        """hosts: {"name:port": port of 127.0.0.1}.  credentials: "user:password" that it wants, by Basic."""
        self._hosts, self._credentials = dict(hosts), credentials
        self.requests, self.accepted, self.open, self.down = [], 0, 0, 0
        self.moved = threading.Condition()
        self._steps, self._sockets = [], set()
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def script(self, *steps):
        """One step a CONNECT that is let in, beginning with the next one."""
        with self.moved:
            self._steps = list(steps)

    def targets(self):
        return [one.target for one in self.requests]

    def wait(self, condition, timeout=10):
        """Waits until condition() holds; it is looked at after every event here."""
        with self.moved:
            assert self.moved.wait_for(condition, timeout), "the proxy did not see what was waited for"

    def cut(self, how="fin"):
        """Ends every connection now."""
        with self.moved:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                if how == "rst":
                    _linger_off(sock)
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Nobody listens any more, and every connection is cut."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close() alone would let accept() take one more
        self._listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # --- connections ----------------------------------------------------------------------------------------------

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                with self.moved:
                    self.open += 1
                    self.accepted += 1
                    self._sockets.add(sock)
                    self.moved.notify_all()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(_PATIENCE)
        try:
            while (request := self._next(sock)) is not None:
                self._answer(sock, *request)
        except (_Over, OSError):
            pass
        finally:
            sock.close()
            with self.moved:
                self.open -= 1
                self._sockets.discard(sock)
                self.moved.notify_all()

    def _next(self, sock):
        """(request, bytes that came behind it), or None."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(PIECE)
            if not piece:
                return None
            data += piece
        raw, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        method, target, _ = first.split(" ")
        with self.moved:
            request = Connect(len(self.requests) + 1, raw.decode("latin-1") + "\r\n\r\n", target, headers)
            self.requests.append(request)
            self.moved.notify_all()
        return method, request, rest

    def _answer(self, sock, method, request, rest):
        wanted = self._credentials and "Basic " + base64.b64encode(self._credentials.encode()).decode()
        if method != "CONNECT":
            sock.sendall(answer("405 Method Not Allowed", PAGE))
        elif wanted and request.header("Proxy-Authorization") != wanted:
            sock.sendall(WANTS_AUTH)
        elif request.target not in self._hosts:
            sock.sendall(FORBIDDEN)
        else:
            with self.moved:
                step = self._steps.pop(0) if self._steps else Tunnel()
            if isinstance(step, Say):
                sock.sendall(step.data)
                _end(sock, step.then)
            self._tunnel(sock, step, self._hosts[request.target], rest)

    def _tunnel(self, sock, step, port, rest):
        try:
            backend = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        except OSError:
            sock.sendall(NO_GATEWAY)
            return
        with backend:
            _say(sock, step)
            backend.sendall(rest)
            self._carry(sock, backend, step)

    def _carry(self, sock, backend, step):
        left = step.cut
        while True:
            ready = readable([sock, backend], _PATIENCE)
            if sock in ready:
                data = sock.recv(PIECE)
                if not data:
                    raise _Over
                backend.sendall(data)
            if backend in ready:
                data = backend.recv(PIECE if left is None else max(1, min(left, PIECE)))
                if left == 0 or not data:
                    _end(sock, step.how if data else "fin")
                sock.sendall(data)
                left = None if left is None else left - len(data)
                with self.moved:
                    self.down += len(data)
                if left == 0:
                    _end(sock, step.how)
            if not ready:
                raise _Over


def _say(sock, step):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not step.pace:
        sock.sendall(step.head + step.early)
        return
    for byte in step.head:
        sock.sendall(bytes([byte]))
        time.sleep(step.pace)
    sock.sendall(step.early)


def _end(sock, how):
    """Ends the connection; does not return."""
    if how == "rst":
        _linger_off(sock)
        raise _Over
    if how == "fin":
        sock.shutdown(socket.SHUT_WR)
    while sock.recv(PIECE):  # what the client still sends must not turn our FIN into an RST
        pass
    raise _Over


def _linger_off(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
