"""nginx: the reverse proxy that regrelay replaces, configured as in SAP's sample for private registries.

The directives that matter are the sample's (proxy_http_version, proxy_socket_keepalive, proxy_redirect, Host and
X-Forwarded-Host, proxy_pass); around them only what nginx needs to run privately in one directory.
"""
import os
import pathlib

from . import ports
from .process import Process, find, starting

_CONFIG = """daemon off;
pid {dir}/nginx.pid;
{user}worker_processes {workers};
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/tmp-body;
	proxy_temp_path {dir}/tmp-proxy;
	fastcgi_temp_path {dir}/tmp-fastcgi;
	uwsgi_temp_path {dir}/tmp-uwsgi;
	scgi_temp_path {dir}/tmp-scgi;
	server {{
		listen 127.0.0.1:{port};
		listen [::1]:{port};
		location / {{
			proxy_http_version 1.1;
			proxy_socket_keepalive on;
			proxy_redirect off;
			proxy_set_header Host "{host}";
			proxy_set_header X-Forwarded-Host "{host}";
			proxy_pass http://{proxy};
		}}
	}}
}}
"""


def available():
    return find("nginx") is not None


class Nginx:
    """A running nginx: localhost:port relays to proxy ("127.0.0.1:20003") for the virtual host ("name:port")."""

    def __init__(self, directory, *, proxy, host, workers=1, port=None, survive=False):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or ports.free_port()
        config = self.dir / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""  # workers must reach a directory of mode 0700
        config.write_text(_CONFIG.format(dir=self.dir, port=self.port, proxy=proxy, host=host, workers=workers,
                                         user=user))
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
