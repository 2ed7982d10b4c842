"""Ports: pick free loopback ports and ask whether one accepts."""
import random
import socket

_FIRST, _LAST = 20000, 32000  # below the kernel's ephemeral range, where outgoing connections would take them
_random = random.SystemRandom()
_given = set()


def free_port():
    """A TCP port that nobody listens on, on any address; never the same twice in one process.

    It is free now, not reserved: pass it on soon."""
    while True:
        port = _random.randrange(_FIRST, _LAST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def free_ports(count):
    """Several of them."""
    return [free_port() for _ in range(count)]


def accepts(port, host="127.0.0.1", timeout=1):
    """True when a TCP connection to host:port succeeds."""
    try:
        socket.create_connection((host, port), timeout).close()
        return True
    except OSError:
        return False


def _is_free(port):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as s:
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((host, port))
                s.listen(1)
        except OSError as e:
            if family == socket.AF_INET6 and e.errno in (97, 99):  # no IPv6 here
                continue
            return False
    return True
