"""peers: what a benchmark of relaying compares: regrelay as it is shipped, nginx twice, HAProxy, and the limit.

All of two processes or threads, before one backend; each has port, pids() (its whole tree) and can be left as a context.
With logs each writes a line per request, as it does by default; without, none does.
"""
import pathlib

from backend import VHOST
from tools import census, ports
from tools.nginx import Nginx
from tools.process import Process, starting
from tools.relay import BUILD, Relay

WORKERS = 2


class Peer:
    """A process and what it started.  Attributes: port, process."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def pids(self):
        return [pid for pid, state in census.session(self.process.pid).items() if state != "Z"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stop()


class RegrelayPeer(Peer):
    """A Relay of two workers, in the attribute relay."""

    def __init__(self, relay):
        self.relay = relay
        super().__init__(relay.process, relay.port)

    def __exit__(self, *exc):
        self.relay.__exit__(*exc)  # asserts sessions and descriptors gone, nothing alarming logged


class Regrelay(RegrelayPeer):
    """The defaults of every key; only where it listens and what it leads to are its own."""

    def __init__(self, directory, backend, logs):
        super().__init__(Relay(directory, proxy=backend.address, registries={"default": {"host": VHOST}}, workers=WORKERS,
                               settings={"proxy": {"probe_interval": "30s"}, "log": {"access": "yes" if logs else "no"}}))


class NginxSample(Peer):
    """The sample's directives, which regrelay replaces: a connection for each request, temporary files."""

    _HTTP = """	access_log {log};
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		location / {{
			proxy_http_version 1.1;
			proxy_socket_keepalive on;
			proxy_redirect off;
			proxy_set_header Host "{host}";
			proxy_set_header X-Forwarded-Host "{host}";
			proxy_pass http://{backend};
		}}
	}}
"""

    def __init__(self, directory, backend, logs):
        port = ports.free_port()
        http = self._HTTP.format(port=port, host=VHOST, backend=backend.address,
                                 log=pathlib.Path(directory) / "access.log" if logs else "off")
        super().__init__(Nginx(directory, port=port, http=http, workers=WORKERS).process, port)


class NginxTuned(NginxSample):
    """What an expert makes of it."""

    _HTTP = """	access_log {log};
	tcp_nopush on;
	keepalive_requests 1000000000;
	upstream registry {{
		server {backend};
		keepalive 256;
		keepalive_requests 1000000000;
	}}
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		location / {{
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host "{host}";
			proxy_buffer_size 16k;
			proxy_buffers 8 256k;
			proxy_busy_buffers_size 512k;
			proxy_max_temp_file_size 0;
			proxy_pass http://registry;
		}}
	}}
"""


class Haproxy(Peer):
    """splice-auto: it splices when it thinks that this pays."""

    _CONFIG = """global
	maxconn 4096
	nbthread {workers}
	{log}
defaults
	mode http
	{option}
	option splice-auto
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend relay
	bind 127.0.0.1:{port} backlog 4096
	default_backend registry
backend registry
	http-reuse always
	http-request set-header Host {host}
	server registry {backend}
"""

    def __init__(self, directory, backend, logs):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True)
        port, config = ports.free_port(), directory / "haproxy.cfg"
        config.write_text(self._CONFIG.format(
            workers=WORKERS, port=port, host=VHOST, backend=backend.address,
            log="log stdout format raw local0" if logs else "", option="log global\n\toption httplog" if logs else ""))
        super().__init__(Process(["haproxy", "-db", "-f", config], log=directory / "haproxy.log"), port)
        with starting(self.process):
            self.process.wait_port(port)


class Splicer(Peer):
    """The limit: splicer.c, which knows nothing of HTTP and writes no log."""

    def __init__(self, directory, backend, logs):  # pylint: disable=unused-argument
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True)
        port = ports.free_port()
        super().__init__(Process([BUILD / "tests/bench/splicer", port, backend.address.rpartition(":")[2], WORKERS],
                                 log=directory / "splicer.log"), port)
        with starting(self.process):
            self.process.wait_port(port)


PEERS = {"splicer": Splicer, "regrelay": Regrelay, "nginx-tuned": NginxTuned, "HAProxy": Haproxy,
         "nginx-sample": NginxSample}
