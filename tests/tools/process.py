"""Processes: start one, wait until it is ready, end it by pid.

    with Process(["docker-registry", "serve", conf], log=dir / "registry.log") as p:
        p.wait_port(port)
        ...

stdout and stderr go to the log file.  The child leads a session of its own, so leftovers() finds what it left behind,
and the kernel kills it when the thread that started it ends: start processes from the main thread, or pass
survive=True for one that shall outlive its parent (then somebody else must end it by its pid).
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from . import ports
from .sockets import readable

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")     # before a command, by root
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class ProcessError(RuntimeError):
    """A process did not start, did not become ready or did not end in time; the text has the end of its log."""


def find(program):
    """Absolute path of a program, sbin included; None when it is not installed."""
    return shutil.which(program, path=_PATH)


def run(argv, *, timeout=120, check=False, env=None, stdin=None, cwd=None):
    """Runs a short command to its end, output captured as text (stdout and stderr apart).

    stdin is text or None (/dev/null).  With check a failure raises ProcessError with the command's own words."""
    extra = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run([find(argv[0]) or argv[0], *map(str, argv[1:])], capture_output=True, text=True,
                              timeout=timeout, env=_environment(env), cwd=cwd, errors="replace", **extra)
    except subprocess.TimeoutExpired as e:
        raise ProcessError(f"{argv[0]}: still running after {timeout} s") from e
    if check and done.returncode != 0:
        raise ProcessError(f"{argv[0]}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def whole_lines(text):
    """The lines of what a process has written so far, without the one that it is writing: that has no end yet."""
    return text.split("\n")[:-1]


def wait_until(condition, timeout=10, what="a condition", interval=0.02):
    """Polls until condition() is true and returns its value; ProcessError after timeout seconds.

    Every interval seconds; more often in the beginning, for most of what is waited for comes soon."""
    end, pause = time.monotonic() + timeout, interval / 10
    while True:
        late = time.monotonic() > end  # before the look: the machine may stand still in between
        value = condition()
        if value:
            return value
        if late:
            raise ProcessError(f"waited {timeout} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, interval)


def started_at(pid):
    """Start time of a pid in clock ticks since boot, or None: with the pid it names a process for good."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def end_pid(pid, start, timeout=5):
    """Ends the process pid if it is still the one that started at start: TERM, then KILL to its whole session.

    For processes whose parent is gone; does nothing when the pid now belongs to somebody else."""
    if start is None or started_at(pid) != start:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(ProcessError):
        wait_until(lambda: started_at(pid) != start or _stat(pid)[0] == "Z", timeout, "the end of a process")
    _kill_session(pid)


@contextlib.contextmanager
def starting(process):
    """For constructors that wait until what they started is ready: ends it when the block fails."""
    try:
        yield process
    except BaseException:
        process.stop()
        raise


class Process:
    """One running program.  Attributes: name, pid, log (path), argv, left_behind (pids of its session that were alive when it had
    ended by itself with 0)."""

    def __init__(self, argv, *, log, name=None, env=None, cwd=None, survive=False, stop_signal=signal.SIGTERM,
                 stop_timeout=10):
        self.name = name or pathlib.Path(argv[0]).name
        self.argv = [find(argv[0]) or argv[0], *map(str, argv[1:])]
        self.log, self.left_behind = pathlib.Path(log), []
        self.stop_signal, self.stop_timeout = stop_signal, stop_timeout
        parent = os.getpid()

        def in_child():
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        with self.log.open("ab") as out:
            try:
                self._child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                               env=_environment(env), cwd=cwd, start_new_session=True,
                                               preexec_fn=None if survive else in_child)
            except OSError as e:
                raise ProcessError(f"cannot start {self.name}: {e}") from e
        self.pid = self._child.pid
        self.start = started_at(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def alive(self):
        """True until it has ended."""
        return self._child.poll() is None

    def wait_port(self, port, host="127.0.0.1", timeout=20):
        """Waits until something accepts on host:port; fails at once when the process ends before."""
        self._wait(lambda: ports.accepts(port, host), timeout, f"port {port}")
        return self

    def wait_line(self, pattern, timeout=20):
        """Waits for a log line that matches the regular expression; returns the match."""
        wanted = re.compile(pattern, re.MULTILINE)

        def look():
            return wanted.search("".join(f"{line}\n" for line in whole_lines(self.text())))
        return self._wait(look, timeout, f"a log line like {pattern!r}")

    def wait_path(self, path, timeout=20):
        """Waits until a path (a socket, a pid file) exists."""
        self._wait(pathlib.Path(path).exists, timeout, str(path))
        return self

    def text(self):
        """All it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number):
        """Sends a signal to the process itself (not to its children)."""
        self._child.send_signal(number)

    def wait(self, timeout=10):
        """Waits for the end; returns the exit status (negative: the signal)."""
        if not self._ends(timeout):
            raise ProcessError(f"{self.name} (pid {self.pid}) has not ended in {timeout} s{self._tail()}")
        return self._child.wait()

    def stop(self):
        """Ends it: stop_signal, after stop_timeout KILL, in the end KILL for its session.  Returns the exit status."""
        if self._child.poll() is None:
            self._child.send_signal(self.stop_signal)
            if not self._ends(self.stop_timeout):
                self._child.kill()
            self._child.wait()
        if self._child.returncode == 0:  # one that was killed cannot have seen to it
            self.left_behind += self.leftovers()
        _kill_session(self.pid)
        return self._child.returncode

    def leftovers(self):
        """Pids of its session that are alive, itself excluded (zombies do not count)."""
        return [pid for pid in _session_pids(self.pid) if pid != self.pid]

    def _ends(self, timeout):
        """Does it end within timeout seconds?  Known at the moment when it does, where Popen.wait looks from time to time."""
        if self._child.poll() is not None:
            return True
        fd = os.pidfd_open(self.pid)
        try:
            return bool(readable([fd], timeout))
        finally:
            os.close(fd)

    def _wait(self, condition, timeout, what):
        def step():
            value = condition()
            if not value and not self.alive():
                raise ProcessError(f"{self.name} ended (status {self._child.returncode}) before {what} came"
                                   f"{self._tail()}")
            return value
        try:
            return wait_until(step, timeout, what)
        except ProcessError as e:
            raise e if self.name in str(e) else ProcessError(f"{self.name}: {e}{self._tail()}") from None

    def _tail(self, lines=15):
        end = self.text().strip().splitlines()[-lines:]
        return "".join(f"\n    {line}" for line in end)


def _environment(extra):
    """Ours without what would send loopback traffic elsewhere, plus extra."""
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env.update(PATH=_PATH, LC_ALL="C.UTF-8")
    env.update(extra or {})
    return env


def _stat(pid):
    """Fields of /proc/PID/stat from the state on, or None."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _session_pids(session):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        fields = _stat(entry.name) if entry.name.isdigit() else None
        if fields and fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(entry.name))
    return found


def _kill_session(session):
    """A session id is the leader's pid and stays taken while a member lives, so no stranger can be hit."""
    for pid in _session_pids(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
