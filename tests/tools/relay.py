"""Relay: a regrelayd under test, in one directory, on free loopback ports.

    with Relay(dir, proxy="127.0.0.1:20003", registries={"default": {"host": "myregistry.kyma:25002"}}) as relay:
        relay.port, relay.admin_port, relay.status(), relay.stat("regrelay_draining")

The binaries are those of $REGRELAY_BUILD (default: build/ of this tree).  check() asserts what must hold after every
scenario; leaving the with block does too, unless an exception is on its way.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import socket

from . import ports
from .process import Process, ProcessError, run, starting, wait_until, whole_lines

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REGRELAY_BUILD") or TOP / "build").resolve()
REGRELAYD, REGCTL = BUILD / "regrelayd", BUILD / "regctl"
_ALARMING = re.compile(r"Sanitizer|the sandbox denied|runtime error:|Assertion|assertion|\balert\b|stack smashing|double free|corrupted")


def is_sanitized():
    """Was the daemon built with AddressSanitizer?"""
    return b"__asan_init" in REGRELAYD.read_bytes()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Relay:
    """Attributes: port, admin_port, control (socket path), config (path), process, secrets (a list to add to)."""

    def __init__(self, directory, *, proxy=None, registries=None, settings=None, text=None, workers=2, env=None,
                 wrapper=(), start=True, host="127.0.0.1", survive=False):
        """proxy: "host:port" of [proxy].  registries: {name: {key: value}}.  settings: {section: {key: value}} laid
        over what is made here.  text: a whole configuration instead; {port}, {admin} and {control} are filled in.
        wrapper: a command to run it under (valgrind, strace).  start=False: only writes the file."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port = ports.free_ports(2)
        self.control = self.dir / "control.sock"
        self.config = self.dir / "regrelay.ini"
        self.log = self.dir / "regrelay.log"
        self.secrets = []
        self.allowed_alarms = None
        self._env, self._wrapper, self._survive = env, tuple(wrapper), survive
        if text is None:
            text = _ini(self._sections(proxy, registries, settings, workers, host))
        else:
            text = text.format(port=self.port, admin=self.admin_port, control=self.control)
        self.config.write_text(text)
        self.process = None
        if start:
            self.start()

    def _sections(self, proxy, registries, settings, workers, host):
        sections = {
            "master": {"workers": workers, "control": self.control, "drain_timeout": "20s"},
            "listen": {"address": f"{host}:{self.port}"},
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
            "log": {"level": "info", "format": "json"},
        }
        if proxy:
            sections["proxy"] = {"address": proxy}
        for name, keys in (registries or {"default": {"host": "myregistry.kyma:25002"}}).items():
            sections["registry" if name == "default" else f"registry {name}"] = dict(keys)
        for section, keys in (settings or {}).items():
            sections[section] = {**sections.get(section, {}), **keys}
        for section, keys in sections.items():
            if section.split()[0] == "proxy":
                keys.setdefault("probe_interval", 0)  # scenarios count what goes upstream
        return sections

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self, *, wait=True):
        """Starts the daemon; with wait, until its workers serve."""
        argv = [*self._wrapper, REGRELAYD, "-c", self.config]
        self.process = Process(argv, log=self.log, name="regrelayd", env=self._env, stop_timeout=30,
                               survive=self._survive)
        if wait:
            with starting(self.process):
                self.wait_serving()
                self._fds = self._count_fds()
        return self

    def wait_serving(self, timeout=30):
        """Also for a daemon that a test has started itself with this configuration."""
        def serving():
            try:
                return self.status()["state"] == "serving"
            except (OSError, http.client.HTTPException):
                return False
        if self.process:
            self.process._wait(serving, timeout, "the state serving")
        else:  # somebody else's
            wait_until(serving, timeout, "the state serving")

    def stop(self, number=signal.SIGTERM, timeout=30):
        """Sends TERM (or another signal) and waits for the end; the exit status."""
        if self.process.alive():
            self.process.signal(number)
        return self.process.wait(timeout)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                self.check()
        finally:
            self.process.stop()
        if kind is None:
            self._check_output()

    # --- asking --------------------------------------------------------------------------------------------------

    def api(self, method, path, body=None, timeout=20):
        """(status, parsed JSON) of the control API."""
        connection = _UnixConnection(self.control, timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def status(self):
        return self.api("GET", "/v1/status")[1]

    def workers(self):
        return self.api("GET", "/v1/workers")[1]["workers"]

    def worker_pids(self):
        return [w["pid"] for w in self.workers()]

    def stats(self):
        """All series as {name with labels: value}."""
        return self.api("GET", "/v1/stats")[1]

    def stat(self, name, **labels):
        """Sum of a family over the series that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for series, value in self.stats().items()
                   if series.split("{")[0] == name and all(label in series for label in wanted))

    def wait_stat(self, name, least, timeout=10, **labels):
        wait_until(lambda: self.stat(name, **labels) >= least, timeout, f"{name}{labels} >= {least}")

    def regctl(self, *args, timeout=20):
        """Runs regctl against this daemon: CompletedProcess."""
        return run([REGCTL, "-s", self.control, *args], timeout=timeout)

    def admin(self, path, timeout=20):
        """(status, text) of the admin endpoint."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def lines(self):
        """Log lines as dicts (what is not JSON comes as {"raw": line}); one that is being written is none yet."""
        found = []
        for line in whole_lines(self.process.text()):
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"raw": line})
        return found

    def wait_log(self, pattern, timeout=10):
        """Waits for a whole log line that matches: lines() has it then."""
        return self.process.wait_line(pattern, timeout)

    # --- what must hold -------------------------------------------------------------------------------------------

    def _count_fds(self):
        found = {}
        for worker in self.workers():
            try:
                found[worker["pid"]] = len(os.listdir(f"/proc/{worker['pid']}/fd"))
            except OSError:
                continue
        return found

    def _fds_settled(self):
        idle = self.stat("regrelay_upstream_connections")
        now = self._count_fds()
        pipes = 2 * self.stat("regrelay_pipes")
        return all(now[pid] <= fds + idle + pipes for pid, fds in self._fds.items() if pid in now)

    def check(self):
        """What holds after every scenario while the daemon still runs: sessions gone, descriptors back."""
        if not self.process.alive() or not self.control.exists():
            return
        try:
            wait_until(lambda: sum(w["sessions"] for w in self.workers()) == 0, 10, "all sessions to end")
            wait_until(self._fds_settled, 10, "descriptors back at their number of the start")
        except (OSError, ProcessError):
            if self.process.alive():
                raise

    def _check_output(self):
        text = self.process.text()
        alarms = [line for line in text.splitlines() if _ALARMING.search(line)]
        assert not alarms, "alarming output:\n" + "\n".join(alarms[:20])
        for secret in self.secrets:
            assert secret not in text, "a secret shows in the log"
        assert not self.process.left_behind, "processes left behind"


def _ini(sections):
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{key} = {one}")
    return "\n".join(lines) + "\n"
