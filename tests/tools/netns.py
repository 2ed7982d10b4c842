"""netns: network namespaces of a test's own; they vanish with the test's process and touch no network but their own.

    node, pod = Namespace(), Namespace()
    node.link(pod, "10.85.1.1", "10.85.1.2")     # a pair of interfaces; the second one's default route leads to the first
    with pod.inside():
        ...                                      # sockets and processes that are made here live in there, for good

No name is taken anywhere: a descriptor holds the namespace.  missing() says why there can be none here, or "".
"""
import contextlib
import ctypes
import os
import pathlib
import threading

from .process import ProcessError, find, run

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)
_NAT = """table ip try {
	chain out { type nat hook output priority -100;
		fib daddr type local tcp dport 1 dnat to numgen inc mod 2 map { 0 : 10.0.0.1 . 1, 1 : 10.0.0.2 . 1 }; }
	chain post { type nat hook postrouting priority 100; ip saddr 127.0.0.0/8 masquerade; }
}
"""


def missing():
    """Why no namespace with rules for addresses can be made here; "" when it can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not find(program):
            return f"{package} is not installed"
    try:
        with Namespace() as one, Namespace() as other:
            one.link(other, "10.85.0.1", "10.85.0.2")
            with one.inside():
                run(["nft", "-f", "-"], stdin=_NAT, check=True)
    except (OSError, ProcessError) as e:
        return f"no network namespaces with NAT here: {e}"
    return ""


class Namespace:
    """A new network namespace with its loopback interface up."""

    def __init__(self):
        self._fd, error, self._links = -1, None, 0

        def make():
            nonlocal error
            try:
                _call(_libc.unshare, _CLONE_NEWNET)
                self._fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as e:
                error = e

        thread = threading.Thread(target=make)  # one of its own: the namespace we are in stays as it is
        thread.start()
        thread.join()
        if error:
            raise error
        self.ip("link", "set", "lo", "up")

    @contextlib.contextmanager
    def inside(self):
        """The block's new sockets and processes belong in here: this thread's only."""
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.setns, self._fd, _CLONE_NEWNET)
            try:
                yield self
            finally:
                _call(_libc.setns, before, _CLONE_NEWNET)
        finally:
            os.close(before)

    @property
    def path(self):
        """What other programs open to join it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def ip(self, *args):
        """Runs ip in here."""
        with self.inside():
            return run(["ip", *args], check=True)

    def sysctl(self, name, value):
        """Sets net.ipv4.NAME in here."""
        with self.inside():
            pathlib.Path("/proc/sys/net/ipv4", *name.split(".")).write_text(f"{value}\n")

    def link(self, other, here, there):
        """A pair of interfaces; other gets the address there and a default route to here.  Both are in one /24."""
        self._links += 1
        name = f"pod{self._links}"
        self.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", other.path)
        for side, device, address in ((self, name, here), (other, "eth0", there)):
            side.ip("address", "add", f"{address}/24", "dev", device)
            side.ip("link", "set", device, "up")
        other.ip("route", "add", "default", "via", here)

    def close(self):
        """Lets go of it: it ends with the last process and socket in it."""
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _call(function, *args):
    if function(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
