"""Machine: a small Debian with a real systemd, booted in systemd-nspawn from a tree that mmdebstrap made.

    with Machine(dir) as machine:
        machine.run("systemctl", "start", "regrelay", check=True)

It shares the network of the host, so servers of the test on 127.0.0.1 are reachable.  The tree is made once (`base`) and
copied for each machine.  missing() says why there can be none here, or "".
"""
import os
import pathlib
import re
import shutil

from .process import Process, ProcessError, find, run, wait_until
from .relay import BUILD

BASE = BUILD / "machine-base"
PACKAGES = "systemd,systemd-sysv,libhttp-parser2.9,libinih1,libjansson4,libc-ares2,libssl3,procps,util-linux"
SUITE = "bookworm"


def lacking(what, programs, sanitized):
    """Why what needs root, control groups and these programs cannot be had here, "" when it can; sanitized: why a build with
    sanitizers cannot be in it."""
    if os.geteuid() != 0:
        return f"{what} needs root"
    for program in programs:
        if not find(program):
            return f"{program} is not installed"
    if not os.access("/sys/fs/cgroup", os.W_OK):
        return "control groups cannot be made here"
    return sanitized if "san" in BUILD.name else ""


def missing():
    """Why no machine can be started here; "" when it can."""
    return lacking("a machine", ("mmdebstrap", "systemd-nspawn", "nsenter"),
                   "a build with sanitizers does not run under the unit's hardening")


def mirror():
    """The archive that this machine's own packages come from."""
    rows = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"])
    for row in rows.stdout.splitlines():
        uri, codename, component = (row.split() + ["", "", ""])[:3]
        if (codename, component) == (SUITE, "main"):
            return uri
    return "http://deb.debian.org/debian"


def base():
    """The tree that machines are copied from; made when it is not there."""
    if not (BASE / "made").exists():
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir(parents=True)
        run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", SUITE, BASE / "root", mirror()],
            check=True, timeout=900)
        (BASE / "made").touch()
    return BASE / "root"


class Machine:
    """Attributes: root (its tree on the host), leader (pid of its systemd)."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.root = self.dir / "root"
        run(["cp", "-a", "--reflink=auto", base(), self.root], check=True)
        run(["make", "-s", "-C", BUILD, "install", f"DESTDIR={self.root}"], check=True)
        argv = ["systemd-nspawn", "-D", self.root, "-b", "--register=no", "--keep-unit", "--console=pipe",
                # nspawn 252 does not know them; a machine of one's own does
                "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
        self._nspawn = Process(argv, log=self.dir / "machine.log", name="systemd-nspawn", stop_timeout=30)
        try:
            self.leader = wait_until(self._find_leader, 20, "the machine's first process")
            wait_until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), 60,
                       "the machine to be up", interval=0.2)
        except ProcessError:
            self.stop()
            raise

    def _find_leader(self):
        """The child that is process 1 in there; a helper of nspawn comes and goes before it."""
        for child in run(["pgrep", "-P", self._nspawn.pid]).stdout.split():
            try:
                status = pathlib.Path(f"/proc/{child}/status").read_text()
            except OSError:
                continue
            if re.search(r"^NSpid:.*\t1$", status, re.M) and "Name:\tsystemd\n" in status:
                return int(child)
        return None

    def run(self, *argv, check=False, timeout=120):
        """A command in the machine: CompletedProcess."""
        return run(["nsenter", "-t", self.leader, "-m", "-u", "-i", "-p", "--", *argv], check=check, timeout=timeout)

    def show(self, unit, prop):
        """One property of a unit, as systemctl show prints it."""
        return self.run("systemctl", "show", "-P", prop, unit, check=True).stdout.strip()

    def journal(self, unit, *options):
        return self.run("journalctl", "-u", unit, "--no-pager", *options).stdout

    def wait_journal(self, unit, text):
        """Waits until the text is in the journal, which may be a little behind what a unit has written."""
        wait_until(lambda: text in self.journal(unit), 20, f"{text!r} in the journal", interval=0.1)

    def stop(self):
        if self._nspawn.alive() and getattr(self, "leader", None):
            self.run("systemctl", "poweroff")
            try:
                self._nspawn.wait(30)
            except ProcessError:
                pass
        self._nspawn.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
