"""containerd: a private daemon and its `ctr` client, beside whatever containerd the machine runs.

    with Containerd(dir) as c:
        done = c.pull("localhost:32000/team/app:t1", credentials="user:pass")

Root only (see missing()).  No CRI plugin; layers are unpacked with the native snapshotter, which works inside
containers too.
"""
import os
import pathlib

from .process import Process, find, run, starting

_CONFIG = """version = 2
root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{dir}/sock"
"""


def missing():
    """Why containerd cannot be used here, as words for a person; None when it can."""
    if not (find("containerd") and find("ctr")):
        return "containerd is not installed"
    return None if os.geteuid() == 0 else "containerd needs root"


def trusting(directory, host, ca_file):
    """A hosts_dir by which containerd speaks TLS with host ("localhost:32000", which it would take for plain HTTP), and checks
    its certificate."""
    directory = pathlib.Path(directory)
    (directory / host).mkdir(parents=True)
    (directory / host / "hosts.toml").write_text(f'server = "https://{host}"\n[host."https://{host}"]\n'
                                                 f'capabilities = ["pull", "resolve"]\nca = "{ca_file}"\n')
    return directory


class Containerd:
    """A running containerd.  dir should be short: its socket's path must fit 107 bytes."""

    def __init__(self, directory, *, survive=False):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "config.toml").write_text(_CONFIG.format(dir=self.dir))
        self.process = Process(["containerd", "-c", self.dir / "config.toml"], log=self.dir / "containerd.log",
                               name="containerd", survive=survive)
        with starting(self.process):
            self.process.wait_line("containerd successfully booted")

    @property
    def socket(self):
        return self.dir / "sock"

    @property
    def store(self):
        """Where content lands, half-done downloads included."""
        return self.dir / "root/io.containerd.content.v1.content"

    def command(self, *args):
        """Argument list of `ctr` for this daemon."""
        return ["ctr", "-a", str(self.socket), *args]

    def ctr(self, *args, timeout=120):
        """Runs ctr; never raises for a failure: see returncode and stderr."""
        return run(self.command(*args), timeout=timeout)

    def pull_command(self, reference, *, credentials=None, hosts_dir=None, downloads=None):
        options = (["--user", credentials] if credentials else []) + \
                  (["--hosts-dir", str(hosts_dir)] if hosts_dir else ["--plain-http"]) + \
                  (["--max-concurrent-downloads", str(downloads)] if downloads else [])
        return self.command("images", "pull", *options, "--snapshotter", "native", reference)

    def pull(self, reference, *, credentials=None, hosts_dir=None, downloads=None, timeout=120):
        """Pulls and unpacks an image.  hosts_dir: a directory with hosts.toml files, instead of plain HTTP.
        downloads: how many blobs at once (default: all)."""
        return run(self.pull_command(reference, credentials=credentials, hosts_dir=hosts_dir, downloads=downloads),
                   timeout=timeout)

    def fetch(self, reference, *, credentials=None, timeout=120):
        """Downloads an image's content without unpacking it."""
        return self.ctr("content", "fetch", "--plain-http", *(["--user", credentials] if credentials else []),
                        reference, timeout=timeout)

    def digests(self):
        """Digests of everything in the content store (containerd verified each when it stored it)."""
        return set(self.ctr("content", "ls", "-q").stdout.split())

    def images(self):
        """{reference: digest of the image's top}."""
        lines = self.ctr("images", "ls").stdout.splitlines()[1:]
        return {line.split()[0]: line.split()[2] for line in lines}

    def remove(self, reference):
        """Forgets an image and all content only it used, before it returns."""
        return self.ctr("images", "rm", "--sync", reference)

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def reason(done):
    """What a failed ctr said."""
    lines = [line for line in done.stderr.strip().splitlines() if line.startswith("ctr:")]
    return (lines or done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
