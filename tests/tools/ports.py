"""Ports: pick free loopback ports and ask whether one accepts."""
import random
import socket

_FIRST, _LAST = 20000, 32000  # below the kernel's ephemeral range, where outgoing connections would take them
_SLICE = 200
_random = random.SystemRandom()
_claims = []    # a socket for each slice of the range that is this process's
_left = []      # ports of these that were not given yet


def free_port():
    """A TCP port that nobody listens on, on any address; never the same twice in one process, and none that another suite
    on this machine may give.

    It is free now, not reserved: pass it on soon."""
    while True:
        if not _left:
            _left.extend(_claim_slice())
        port = _left.pop()
        if _is_free(port):
            return port


def _claim_slice():
    """A part of the range that is no other suite's as long as this process lives: the name of a socket says so."""
    for start in _random.sample(range(_FIRST, _LAST, _SLICE), (_LAST - _FIRST) // _SLICE):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0ports of the tests of regrelay from {start}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return _random.sample(range(start, start + _SLICE), _SLICE)
    raise RuntimeError(f"all ports from {_FIRST} to {_LAST - 1} were given to suites that still run")


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
