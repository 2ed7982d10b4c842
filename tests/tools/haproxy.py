"""HAProxy in the place of the connectivity proxy: takes origin-form requests for one virtual host, asks a registry.

A foreign implementation of the path: what passes here does not depend on our own stand-in.  Requests for another
Host get 403.
"""
import pathlib

from . import ports
from .process import Process, find, starting

_CONFIG = """global
	log stdout format raw local0
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend proxy
	bind 127.0.0.1:{port}
	http-request deny deny_status 403 unless {{ hdr(host) -i {host} }}
	default_backend registry
backend registry
	server registry {backend}{tls}
"""

_SHARING = """global
	log stdout format raw local0
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 60s
	timeout server 60s
listen sidecar
	bind 127.0.0.1:{port}
	http-reuse always
	server proxy {server}
"""


def available():
    return find("haproxy") is not None


class Haproxy:
    """A running haproxy at address ("127.0.0.1:port"), leading host ("name:port") to a registry.Registry."""

    def __init__(self, directory, *, host, registry, port=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or ports.free_port()
        self.address = f"127.0.0.1:{self.port}"
        name = host.partition(":")[0]
        tls = ""
        if registry.certificate:
            tls = f" ssl verify required ca-file {registry.certificate} verifyhost {name} sni str({name})"
        config = self.dir / "haproxy.cfg"
        config.write_text(_CONFIG.format(port=self.port, host=host, backend=f"127.0.0.1:{registry.port}", tls=tls))
        self.process = Process(["haproxy", "-db", "-f", config], log=self.dir / "haproxy.log", name="haproxy")
        with starting(self.process):
            self.process.wait_port(self.port)

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Sharing:
    """A haproxy in front of server ("host:port") that uses each connection for whoever comes next, as a sidecar's pool
    does.  Attribute: address."""

    def __init__(self, directory, *, server):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        port = ports.free_port()
        self.address = f"127.0.0.1:{port}"
        config = self.dir / "haproxy.cfg"
        config.write_text(_SHARING.format(port=port, server=server))
        self.process = Process(["haproxy", "-db", "-f", config], log=self.dir / "haproxy.log", name="haproxy")
        with starting(self.process):
            self.process.wait_port(port)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stop()
