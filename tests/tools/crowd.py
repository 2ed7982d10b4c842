"""Crowd: many client connections that do little: kept idle after an answer, or waiting for one that they do not read."""
import contextlib
import resource
import socket

PING = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def descriptors(count):
    """Lets this process have that many descriptors, and what it starts too; yields False when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard >= count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard >= count
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(port, data, receive_buffer=None):
    """A socket that has sent data; the caller closes it."""
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(20)
    s.connect(("127.0.0.1", port))
    s.sendall(data)
    return s


def answered(sockets):
    """Reads the small answer ("{}", 200) of each."""
    for s in sockets:
        text = b""
        while not text.endswith(b"{}"):
            piece = s.recv(4096)
            assert piece
            text += piece
        assert text.startswith(b"HTTP/1.1 200")
