"""cgroup: the memory of a control group, as the kernel counts it against the limit, of either version.

    with Watch("regrelay-77-pod") as memory:       # looks again and again, in a thread
        ...
    memory.peak, memory.held, memory.sockets, memory.oom_kills

Version 2 counts the buffers of TCP sockets against the limit; version 1 counts them apart from it, those of sockets that are made
or accepted after somebody has asked for that, as Watch does.  So `peak` has them in the one and not in the other, and `bound` is
what to compare with a limit.
"""
import contextlib
import dataclasses
import pathlib
import threading

_ROOT = pathlib.Path("/sys/fs/cgroup")
VERSION = 2 if (_ROOT / "cgroup.controllers").exists() else 1
_PERIOD = 0.1   # seconds


@dataclasses.dataclass
class Now:
    """Bytes.  held: what cannot be dropped, that is all but pages of files (and sockets' buffers)."""
    held: int
    files: int
    sockets: int


def now(group):
    """What it has at this moment."""
    stat = dict(line.split() for line in _read(group, "memory.stat").splitlines())
    if VERSION == 2:
        return Now(int(stat["anon"]) + int(stat["shmem"]) + int(stat["kernel"]), int(stat["file"]) - int(stat["shmem"]), int(stat["sock"]))
    shared = int(stat.get("total_shmem", 0))
    return Now(int(stat["total_rss"]) + shared + _number(group, "memory.kmem.usage_in_bytes"), int(stat["total_cache"]) - shared,
               _number(group, "memory.kmem.tcp.usage_in_bytes"))


def peak(group):
    """The most that ever counted against the limit."""
    return _number(group, "memory.peak" if VERSION == 2 else "memory.max_usage_in_bytes")


def limit(group):
    return _number(group, "memory.max" if VERSION == 2 else "memory.limit_in_bytes")


def oom_kills(group):
    """How many processes the kernel has killed in it for lack of memory."""
    text = _read(group, "memory.events" if VERSION == 2 else "memory.oom_control")
    return int(dict(line.split() for line in text.splitlines())["oom_kill"])


class Watch:
    """Attributes: peak, oom_kills, limit (kept when the group goes), held, files, sockets (the most seen of each)."""

    def __init__(self, group, sockets=1 << 40):
        """sockets: what their buffers may have, under version 1."""
        self._group, self._stop = group, threading.Event()
        if VERSION == 1:
            (_ROOT / "memory" / group / "memory.kmem.tcp.limit_in_bytes").write_text(str(sockets))
        self.limit, self.peak, self.oom_kills = limit(group), 0, 0
        self.held = self.files = self.sockets = 0
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @property
    def bound(self):
        """What it would at most have had counted under version 2."""
        return self.peak + (self.sockets if VERSION == 1 else 0)

    def look(self):
        seen = now(self._group)
        self.held, self.files, self.sockets = max(self.held, seen.held), max(self.files, seen.files), max(self.sockets, seen.sockets)
        self.peak, self.oom_kills = peak(self._group), oom_kills(self._group)

    def _follow(self):
        with contextlib.suppress(FileNotFoundError):  # the group has gone
            while not self._stop.wait(_PERIOD):
                self.look()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            self.look()


def _read(group, name):
    return (_ROOT / ("" if VERSION == 2 else "memory") / group / name).read_text()


def _number(group, name):
    return int(_read(group, name))
