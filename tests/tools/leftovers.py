"""leftovers: what a test run that was killed leaves behind although its processes end with it: containers.

    record("regrelay-77-pod", runc=dir / "runc", containers=["regrelay-77-pod-run"], directories=[...])
    ...
    end("regrelay-77-pod")          # what was recorded, in the usual way
    sweep()                         # and what runs that are gone have recorded; the names that it ended

runc and containerd's shim let go of a container, so it outlives whoever started it.  A record, written before the container is
started, says whose it is; it lies below the build, so nobody's but this tree's own are ever touched.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal

from .process import run, started_at, wait_until
from .relay import BUILD

RECORDS = BUILD / "containers"
_GROUPS = pathlib.Path("/sys/fs/cgroup")


def record(name, *, runc, containers, group, directories=(), containerd=None):
    """Before something is started that end() has to end.  runc: its root.  group: the control group.  directories: to remove.
    containerd: the socket of the daemon whose shim it is under."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    what = {"owner": os.getpid(), "started": started_at(os.getpid()), "runc": str(runc), "containers": list(containers),
            "group": group, "directories": list(map(str, directories)), "containerd": containerd and str(containerd)}
    new = RECORDS / f".{name}.{os.getpid()}"
    new.write_text(json.dumps(what))
    new.rename(_path(name))


def end(name):
    """Ends what was recorded, as far as it is still there, and forgets it."""
    with contextlib.suppress(FileNotFoundError):
        what = json.loads(_path(name).read_text())
        for one in what["containers"]:
            run(["runc", "--root", what["runc"], "delete", "--force", one])
        if what["containerd"]:
            _kill(lambda: shims(what["containerd"]))
            for where in _mounts(pathlib.Path(what["containerd"]).parent):
                run(["umount", "-l", where])
        _kill(lambda: _members(what["group"]))  # runc knows nothing any more when its directory was removed
        for directory in reversed([where for where in _GROUPS.glob(f"*/{what['group']}")] + [_GROUPS / what["group"]]):
            with contextlib.suppress(OSError):
                directory.rmdir()
        for directory in what["directories"]:
            shutil.rmtree(directory, ignore_errors=True)
        _path(name).unlink()


def sweep():
    """Ends what runs that are gone have left; their names."""
    gone = []
    for path in sorted(RECORDS.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # another run may sweep too
            what = json.loads(path.read_text())
            if started_at(what["owner"]) != what["started"]:
                end(path.stem)
                gone.append(path.stem)
    return gone


def shims(socket):
    """Pids of the shims of the daemon with this socket."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0") if entry.name.isdigit() else [""]
            if pathlib.Path(argv[0]).name.startswith("containerd-shim") and socket in argv:
                found.add(int(entry.name))
    return found


def _mounts(directory):
    """Mount points below it, innermost first."""
    rows = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    return [where for where in reversed(rows) if where.startswith(f"{directory}/")]


def _path(name):
    return RECORDS / f"{name}.json"


def _members(group):
    """Pids in the control group, of either version."""
    found = set()
    for where in [*_GROUPS.glob(f"*/{group}/cgroup.procs"), _GROUPS / group / "cgroup.procs"]:
        with contextlib.suppress(OSError):
            found |= set(map(int, where.read_text().split()))
    return found


def _kill(pids):
    """KILL for all that pids() finds, until it finds none."""
    def none_left():
        found = pids()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found
    wait_until(none_left, 10, "the end of a container's processes")
