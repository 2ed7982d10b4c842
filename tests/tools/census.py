"""Census: the processes of a tree and what they hold, read from /proc.

A process that ends while one looks counts as not there.
"""
import contextlib
import os
import pathlib

_GONE = (FileNotFoundError, ProcessLookupError)


def session(leader):
    """{pid: state letter} of all processes in the session that `leader` leads, zombies included.

    /proc is not read at one instant: one that ended and its successor may both be there."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(*_GONE):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found[int(entry.name)] = fields[0]
    return found


def descriptors(pid):
    """How many descriptors it has open; 0 when it is gone."""
    with contextlib.suppress(*_GONE):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def unix_clients(path):
    """How many connections a listening Unix socket holds, those included that it has not accepted yet."""
    rows = (line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:])
    return sum(1 for row in rows if len(row) == 8 and row[7] == str(path) and row[3] == "00000000")


def pss_kib(pid):
    """Its memory, where what n processes share counts as an n-th; 0 when it is gone.

    Without the pages of files: another daemon on the machine may share those, and they change with its life."""
    rollup = f"/proc/{pid}/smaps_rollup"
    return _kib(rollup, "Pss_Anon:") + _kib(rollup, "Pss_Shmem:")


def rss_kib(pid):
    return _kib(f"/proc/{pid}/status", "VmRSS:")


def _kib(path, key):
    with contextlib.suppress(*_GONE):
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0
