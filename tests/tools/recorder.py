"""Recorder: an upstream that keeps every byte it gets and judges none; each connection gets one answer, then its end.

    with Recorder() as recorder:
        recorder.reply = b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"
        ...
        recorder.take()          # what came since the last time: the bytes of each connection, those without any left out

The answer goes out after the first empty line, be it by CR LF or by bare LF; what follows is still read, for PATIENCE
seconds at most.  A head that never gets its empty line is kept as well.  Threads, one a connection.
"""
import contextlib
import socket

from .listener import Listener
from .process import wait_until

PATIENCE = 5
LIMIT = 1 << 20   # bytes of one connection


class Recorder(Listener):
    """Further attribute: reply (bytes of the answer, to be set)."""

    def __init__(self):
        super().__init__()
        self.reply, self._seen, self._last = b"", [], None
        self.listen()

    def take(self):
        """Waits until no connection is open or waits to be accepted: one of its own is the last in the queue."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            mine = last.getsockname()
            wait_until(lambda: self._last == mine, PATIENCE, "its own connection", interval=0.001)
        wait_until(lambda: self.open == 0, 2 * PATIENCE, "the relay to close its connections", interval=0.002)
        with self.moved:
            seen, self._seen = self._seen, []
        return [data for data in seen if data]

    def welcome(self, peer):
        self._last = peer

    def serve(self, sock, _):
        data, answered = b"", False
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            while len(data) < LIMIT and (piece := sock.recv(65536)):
                data += piece
                if not answered and (b"\r\n\r\n" in data or b"\n\n" in data):
                    answered = True
                    sock.sendall(self.reply)
                    sock.shutdown(socket.SHUT_WR)
        with self.moved:
            self._seen.append(data)
