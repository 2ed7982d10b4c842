"""Squid in the place of the connectivity proxy: an ordinary forward proxy that takes absolute-form requests.

It leads one virtual host ("name:port") to a registry and refuses every other, caches nothing and keeps its files out
of /var.  Run by root it drops to the user `proxy`, which needs no access to the directory.
"""
import pathlib

from . import ports
from .process import Process, find, starting

_CONFIG = """http_port 127.0.0.1:{port}
visible_hostname localhost
pid_filename none
access_log none
cache_log /dev/null
cache_store_log none
coredump_dir none
pinger_enable off
cache deny all
shutdown_lifetime 1 seconds
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
        self.port = port or ports.free_port()
        self.address = f"127.0.0.1:{self.port}"
        name, _, vport = host.partition(":")
        tls = ""
        if registry.certificate:  # Debian's squid 5.7 (GnuTLS) gives up on a TLS 1.3 session ticket: "read error"
            tls = f" tls tls-cafile={registry.certificate} tls-domain={name} tls-options=NORMAL:-VERS-TLS1.3"
        config = self.dir / "squid.conf"
        config.write_text(_CONFIG.format(port=self.port, name=name, vport=vport, backend=registry.port, tls=tls))
        self.process = Process(["squid", "-N", "-d1", "-f", config], log=self.dir / "squid.log", name="squid")
        with starting(self.process):
            self.process.wait_port(self.port)

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
