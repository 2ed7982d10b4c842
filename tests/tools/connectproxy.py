"""ConnectProxy: a proxy that takes nothing but CONNECT, and a script for what goes wrong with it.

    with ConnectProxy({"registry.corp:443": registry.port}) as proxy:
        proxy.script(*[Tunnel(cut=100_000)] * 3, Say(NO_GATEWAY))     # one step a CONNECT; then all is well again
        proxy.requests                           # what came: Connect(number, raw, target, headers)

A thread a connection.  Where it may go is what it was told; every other target gets 403.
"""
import base64
import dataclasses
import socket
import time

from .listener import Listener, Over, linger_off
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


class ConnectProxy(Listener):
    """Further attributes: requests, down (bytes towards clients, of all)."""

    def __init__(self, hosts, *, credentials=None, host="127.0.0.1"):
        """hosts: {"name:port": port of 127.0.0.1}.  credentials: "user:password" that it wants, by Basic."""
        super().__init__(host=host)
        self._hosts, self._credentials = dict(hosts), credentials
        self.requests, self.down, self._steps = [], 0, []
        self.listen()

    def script(self, *steps):
        """One step a CONNECT that is let in, beginning with the next one."""
        with self.moved:
            self._steps = list(steps)

    def targets(self):
        return [one.target for one in self.requests]

    # --- connections ----------------------------------------------------------------------------------------------

    def serve(self, sock, _):
        sock.settimeout(_PATIENCE)
        while (request := self._next(sock)) is not None:
            self._answer(sock, *request)

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
                    raise Over
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
                raise Over


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
        linger_off(sock)
        raise Over
    if how == "fin":
        sock.shutdown(socket.SHUT_WR)
    while sock.recv(PIECE):  # what the client still sends must not turn our FIN into an RST
        pass
    raise Over
