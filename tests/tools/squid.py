"""Squid in the place of the connectivity proxy: an ordinary forward proxy, for requests in absolute-form or for CONNECT.

The first leads one virtual host ("name:port") to a registry and refuses every other.  Both cache nothing and keep their
files out of /var.  Run by root squid drops to the user `proxy`, which needs no access to the directory.
"""
import pathlib
import shutil
import signal
import tempfile

from . import ports as free
from .process import Process, find, run, starting

_CONFIG = """http_port 127.0.0.1:{port}
visible_hostname localhost
pid_filename none
access_log none
cache_log /dev/null
cache_store_log none
coredump_dir none
pinger_enable off
cache deny all
cache_peer 127.0.0.1 parent {backend} 0 no-query no-digest originserver name=registry login=PASSTHRU{tls}
acl ours dstdomain {name}
acl ours_port port {vport}
cache_peer_access registry allow ours
never_direct allow all
http_access allow ours ours_port
http_access deny all
"""


def available():
    return find("squid") is not None


class Squid:
    """A running squid at address ("127.0.0.1:port"), leading host ("name:port") to a registry.Registry."""

    def __init__(self, directory, *, host, registry, port=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or free.free_port()
        self.address = f"127.0.0.1:{self.port}"
        name, _, vport = host.partition(":")
        tls = ""
        if registry.certificate:  # Debian's squid 5.7 (GnuTLS) gives up on a TLS 1.3 session ticket: "read error"
            tls = f" tls tls-cafile={registry.certificate} tls-domain={name} tls-options=NORMAL:-VERS-TLS1.3"
        config = self.dir / "squid.conf"
        config.write_text(_CONFIG.format(port=self.port, name=name, vport=vport, backend=registry.port, tls=tls))
        self.process = Process(["squid", "-N", "-d1", "-f", config], log=self.dir / "squid.log", name="squid",
                               stop_signal=signal.SIGINT)  # TERM waits for connections, and then for a tick of its clock
        with starting(self.process):
            self.process.wait_port(self.port)

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


_TUNNELS = """http_port 127.0.0.1:{port}
visible_hostname localhost
pid_filename none
access_log stdio:{open}/access.log
cache_log /dev/null
cache_store_log none
coredump_dir none
pinger_enable off
cache deny all
hosts_file {open}/hosts
buffered_logs off
acl connect method CONNECT
acl wanted port {ports}
{auth}http_access deny !connect
http_access deny !wanted
{allow}http_access deny all
"""
_AUTH = """auth_param basic program /usr/lib/squid/basic_ncsa_auth {open}/users
auth_param basic children 1
acl known proxy_auth REQUIRED
"""


class Tunnels:
    """A squid for CONNECT alone.  It resolves names as it is told, so a pull that works has gone through it."""

    def __init__(self, directory, *, names, ports, credentials=None):
        """names: what it takes for 127.0.0.1.  ports: those that may be connected to.  credentials: "user:password" that
        it wants, by Basic."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = free.free_port()
        self.address = f"127.0.0.1:{self.port}"
        users = ""
        if credentials:
            user, password = credentials.split(":", 1)
            users = run(["htpasswd", "-ni", user], stdin=password, check=True).stdout
        self._open = pathlib.Path(tempfile.mkdtemp(prefix="squid-"))  # what the user `proxy` must read and write
        self._open.chmod(0o777)
        (self._open / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in names))
        (self._open / "users").write_text(users)
        config = self.dir / "squid.conf"
        config.write_text(_TUNNELS.format(port=self.port, open=self._open, ports=" ".join(map(str, ports)),
                                          auth=_AUTH.format(open=self._open) if credentials else "",
                                          allow=f"http_access allow {'known' if credentials else 'all'}\n"))
        self.process = Process(["squid", "-N", "-d1", "-f", config], log=self.dir / "squid.log", name="squid",
                               stop_signal=signal.SIGINT)  # TERM waits for connections, and then for a tick of its clock
        with starting(self.process):
            self.process.wait_port(self.port)

    def connects(self):
        """Lines of its access log: "... TCP_TUNNEL/200 ... CONNECT host:port ...", written when a tunnel ends."""
        log = self._open / "access.log"
        return [line for line in log.read_text().splitlines() if " CONNECT " in line] if log.exists() else []

    def stop(self):
        status = self.process.stop()
        shutil.rmtree(self._open, ignore_errors=True)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
