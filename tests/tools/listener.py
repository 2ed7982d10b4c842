"""Listener: what scripted servers are made of. Accepts and serves in threads, counts, waits, and cuts connections.

    class Echo(Listener):
        def __init__(self):
            super().__init__()
            ...                          # its own attributes
            self.listen()

        def serve(self, sock, what):     # what: of welcome()
            while piece := sock.recv(65536):
                sock.sendall(piece)
"""
import contextlib
import fcntl
import socket
import struct
import termios
import threading

from .process import ProcessError, wait_until


class Over(Exception):
    """The connection ends here, as a script says."""


def delivered(sock, timeout=2):
    """Waits until the peer's kernel has all that was sent: a reset takes away what it has not.  Not for long, for the peer may
    read nothing."""
    with contextlib.suppress(ProcessError):
        wait_until(lambda: struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0] == 0, timeout, "acknowledgements",
                   interval=0.005)


def linger_off(sock):
    """Lets close() send a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Listener:
    """Attributes: port, address ("127.0.0.1:port"), accepted, open (connections now); moved, a condition that is told of every
    event and holds all of them."""

    def __init__(self, *, host="127.0.0.1", port=0, backlog=128):
        self.accepted = self.open = 0
        self.moved = threading.Condition()
        self._sockets = set()
        self._listener = socket.create_server((host, port), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def listen(self):
        """Accepts from now on."""
        self._thread.start()

    def close(self):
        """Nobody listens any more, and every connection is cut.

        accept() has ended before the descriptor is given back: one that waited on would be begun anew by its number after an
        interruption (a stop, a tracer), and then take a connection of whoever has that number by then."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(10)
        self._listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def wait(self, condition, timeout=10):
        """Waits until condition() holds; it is looked at after every event here."""
        with self.moved:
            assert self.moved.wait_for(condition, timeout), f"{type(self).__name__} did not see what was waited for"

    def cut(self, how="fin"):
        """Ends every connection now, by "fin" or "rst"."""
        with self.moved:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                if how == "rst":
                    linger_off(sock)
                sock.shutdown(socket.SHUT_RDWR)

    # --- for the kinds --------------------------------------------------------------------------------------------

    def welcome(self, peer):
        """Called for each connection in order of accept, with moved held: what serve is given."""

    def serve(self, sock, what):
        """The life of a connection, which is closed afterwards; Over and OSError end it."""
        raise NotImplementedError

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, peer = self._listener.accept()
                with self.moved:
                    self.accepted += 1
                    self.open += 1
                    self._sockets.add(sock)
                    what = self.welcome(peer)
                    self.moved.notify_all()
                threading.Thread(target=self._serve, args=(sock, what), daemon=True).start()

    def _serve(self, sock, what):
        try:
            self.serve(sock, what)
        except (Over, OSError):
            pass
        finally:
            sock.close()
            with self.moved:
                self.open -= 1
                self._sockets.discard(sock)
                self.moved.notify_all()
