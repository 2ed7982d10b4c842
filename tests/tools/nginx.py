"""nginx: the reverse proxy that regrelay replaces, configured as in SAP's sample for private registries.

The directives that matter are the sample's (proxy_http_version, proxy_socket_keepalive, proxy_redirect, Host and
X-Forwarded-Host, proxy_pass); around them only what nginx needs to run privately in one directory.  With lines of
one's own instead it is whatever they make of it.
"""
import os
import pathlib

from . import ports
from .process import Process, find, starting

_FRAME = """daemon off;
pid {dir}/nginx.pid;
{user}worker_processes {workers};
error_log {dir}/error.log;
{main}events {{ worker_connections {connections}; }}
http {{
	client_body_temp_path {dir}/tmp-body;
	proxy_temp_path {dir}/tmp-proxy;
	fastcgi_temp_path {dir}/tmp-fastcgi;
	uwsgi_temp_path {dir}/tmp-uwsgi;
	scgi_temp_path {dir}/tmp-scgi;
{http}}}
"""
_SAMPLE = """	access_log {dir}/access.log;
	server {{
{listen}
		location / {{
			proxy_http_version 1.1;
			proxy_socket_keepalive on;
			proxy_redirect off;
			proxy_set_header Host "{host}";
			proxy_set_header X-Forwarded-Host "{host}";
			proxy_pass http://{proxy};
		}}
	}}
"""


def sample(directory, *, port, proxy, host, addresses=("127.0.0.1", "[::1]")):
    """The sample's lines for the http block."""
    listen = "\n".join(f"\t\tlisten {address}:{port};" for address in addresses)
    return _SAMPLE.format(dir=directory, listen=listen, proxy=proxy, host=host)


def configuration(directory, http, *, workers=1, user="", main="", connections=4096):
    """A whole one; all that nginx writes is in the directory."""
    return _FRAME.format(dir=directory, workers=workers, user=user, main=main, http=http, connections=connections)


def available():
    return find("nginx") is not None


class Nginx:
    """A running nginx: localhost:port relays to proxy ("127.0.0.1:20003") for the virtual host ("name:port").

    http: lines for the http block instead of the sample's; they must listen on 127.0.0.1:port.  main: lines above it.
        addresses: where the sample's server listens.  connections: of a worker, on both sides."""

    def __init__(self, directory, *, proxy=None, host=None, http=None, main="", workers=1, port=None, survive=False,
                 connections=4096, addresses=("127.0.0.1", "[::1]")):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or ports.free_port()
        config = self.dir / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""  # workers must reach a directory of mode 0700
        if http is None:
            http = sample(self.dir, port=self.port, proxy=proxy, host=host, addresses=addresses)
        config.write_text(configuration(self.dir, http, workers=workers, user=user, main=main, connections=connections))
        self.process = Process(["nginx", "-p", self.dir, "-c", config, "-e", self.dir / "error.log"],
                               log=self.dir / "nginx.log", name="nginx", survive=survive)
        with starting(self.process):
            self.process.wait_port(self.port)

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
