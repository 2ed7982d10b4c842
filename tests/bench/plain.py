"""plain: regrelay, nginx and HAProxy as plain reverse proxies of one upstream ("host:port"), for what is about meaning and
memory: two workers (threads), room for many clients, long patience, the rest as it comes.  All have

    port, pids() (of all processes)

and take settings ({section: {key: value}}), which only regrelay heeds.
"""
import pathlib

from tools import haproxy, nginx, ports
from tools.nginx import Nginx
from tools.process import Process, starting
from tools.relay import Relay

VHOST = "myregistry.kyma:25002"
ROOM = 8192   # connections


class _Peer:
    """Around a tools.process.Process in self._process."""

    def pids(self):
        return [self._process.pid, *self._process.leftovers()]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stop()


class RegrelayPeer(_Peer):
    """Budgets are a second: what an answer is worth shall show soon.  No breaker: bad answers are the point."""

    def __init__(self, directory, upstream, settings=None):
        keys = {"listen": {"idle_timeout": "5min", "head_timeout": "5s", "max_connections": ROOM},
                "proxy": {"header_budget": "1s", "resume_timeout": "0", "breaker_failures": 0},
                "log": {"level": "notice", "access": "no"}}
        for section, more in (settings or {}).items():
            keys[section] |= more
        self._relay = Relay(directory, proxy=upstream, registries={"default": {"host": VHOST}}, settings=keys)
        self.port, self._process = self._relay.port, self._relay.process
        self.wait_stat = self._relay.wait_stat

    def __exit__(self, *exc):
        self._relay.__exit__(*exc)  # asserts sessions and descriptors gone, nothing alarming logged


# proxy_ignore_client_abort: a client that half-closes after its request still wants the answer.  proxy_max_temp_file_size:
# nothing goes to the disk, as at the others.
_NGINX = """	access_log off;
	keepalive_timeout 5m;
	send_timeout 5m;
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		location / {{
			proxy_http_version 1.1;
			proxy_ignore_client_abort on;
			proxy_max_temp_file_size 0;
			proxy_set_header Host "{host}";
			proxy_pass http://{upstream};
		}}
	}}
"""


class NginxPeer(_Peer):
    def __init__(self, directory, upstream, settings=None):
        self.port = ports.free_port()
        http = _NGINX.format(port=self.port, host=VHOST, upstream=upstream)
        self._process = Nginx(directory, port=self.port, workers=2, http=http).process


_HAPROXY = """global
	maxconn {room}
	nbthread 2
defaults
	mode http
	timeout connect 5s
	timeout client 5m
	timeout server 5m
	timeout http-keep-alive 5m
listen relay
	bind 127.0.0.1:{port} backlog 4096
	http-request set-header Host {host}
	server registry {upstream}
"""


class HaproxyPeer(_Peer):
    def __init__(self, directory, upstream, settings=None):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True)
        self.port = ports.free_port()
        config = directory / "haproxy.cfg"
        config.write_text(_HAPROXY.format(room=ROOM, port=self.port, host=VHOST, upstream=upstream))
        self._process = Process(["haproxy", "-db", "-f", config], log=directory / "haproxy.log")
        with starting(self._process):
            self._process.wait_port(self.port)


PEERS = {"regrelay": RegrelayPeer, "nginx": NginxPeer, "HAProxy": HaproxyPeer}


def missing():
    """Names of the peers whose programs are not installed."""
    return [name for name, tool in (("nginx", nginx), ("HAProxy", haproxy)) if not tool.available()]
