"""relays: regrelay, nginx and HAProxy in the same place: two workers (threads) in front of one backend, reloadable.

Each is set so that a reload under load costs as little as it can, and so that none is measured at a limit of its
configuration: pulls may end in their own time (10 minutes), upstream connections are kept and plenty, no access log.
The rest is default.  All have

    port, pids(), reload() (returns when new workers have taken over; ProcessError when they did not)
"""
import pathlib
import re
import signal
import socket

from backend import VHOST
from peers import WORKERS, Peer, RegrelayPeer
from tools import ports
from tools.nginx import Nginx
from tools.process import Process, ProcessError, starting, wait_until
from tools.relay import Relay

_PATIENCE = 30  # seconds for one reload


class Regrelay(RegrelayPeer):
    """`regctl reload`, which itself returns when the new generation serves."""

    def __init__(self, directory, backend):
        # max_generations stays 3: what the large pulls keep alive, what just ends, what serves.
        settings = {
            "master": {"drain_timeout": "10min", "reload_timeout": f"{_PATIENCE}s"},
            "proxy": {"max_connections": 512}, "log": {"level": "notice", "access": "no"}}
        super().__init__(Relay(directory, proxy=backend.address, registries={"default": {"host": VHOST}}, workers=WORKERS,
                               settings=settings))

    def reload(self):
        done = self.relay.regctl("reload", timeout=2 * _PATIENCE)
        if done.returncode != 0:
            raise ProcessError(f"regctl reload: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")


# keepalive_requests: the default of 1000 would close connections of both sides all the time.  Buffers: no blob goes
# through a temporary file, in which nginx would otherwise have the whole of a large pull long before its client.
# Without reuseport there is one queue, which outlives every worker.
_NGINX_MAIN = "worker_shutdown_timeout 10m;\n"
_NGINX_HTTP = """	access_log off;
	tcp_nopush on;
	keepalive_requests 1000000000;
	send_timeout 5m;
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
			proxy_buffers 16 64k;
			proxy_max_temp_file_size 0;
			proxy_read_timeout 5m;
			proxy_pass http://registry;
		}}
	}}
"""


class NginxRelay(Peer):
    """HUP to the master, as `nginx -s reload` sends it.  It returns at once, so the titles of the workers are read:
    all that serve are new.  (The master itself waits 100 ms before it retires the old ones.)"""

    def __init__(self, directory, backend):
        port = ports.free_port()
        http = _NGINX_HTTP.format(port=port, backend=backend.address, host=VHOST)
        super().__init__(Nginx(directory, port=port, workers=WORKERS, main=_NGINX_MAIN, http=http).process, port)
        with starting(self.process):
            wait_until(lambda: len(self._serving()) == WORKERS, _PATIENCE, "nginx's workers")

    def _serving(self):
        master = self.process.pid
        found = set()
        for pid in pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split():
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ")
            except OSError:
                continue
            if title == b"nginx: worker process":  # the others: "... is shutting down"
                found.add(pid)
        return found

    def reload(self):
        before = self._serving()

        def taken_over():
            now = self._serving()
            return len(now) == WORKERS and not now & before
        self.process.signal(signal.SIGHUP)
        wait_until(taken_over, _PATIENCE, "nginx's new workers", interval=0.005)


# expose-fd listeners: the new process gets the listening sockets themselves.  idle-close-on-response: a retiring
# process answers one more request on a kept connection instead of closing it under the client's hands.
_HAPROXY = """global
	maxconn 8192
	nbthread 2
	hard-stop-after 10m
	stats socket {dir}/stats.sock mode 600 level admin expose-fd listeners
defaults
	mode http
	timeout connect 5s
	timeout client 5m
	timeout server 5m
	timeout http-keep-alive 60s
frontend relay
	bind 127.0.0.1:{port} backlog 4096
	option idle-close-on-response
	default_backend registry
backend registry
	http-reuse always
	http-request set-header Host {host}
	server registry {backend}
"""


class HaproxyRelay(Peer):
    """USR2 to the master of the master-worker mode; then the master's command line is asked until the worker that
    answers is another one."""

    def __init__(self, directory, backend):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True)
        port = ports.free_port()
        self._master = directory / "master.sock"
        config = directory / "haproxy.cfg"
        config.write_text(_HAPROXY.format(dir=directory, port=port, backend=backend.address, host=VHOST))
        super().__init__(Process(["haproxy", "-W", "-S", self._master, "-f", config], log=directory / "haproxy.log"), port)
        with starting(self.process):
            self.process.wait_port(port)
            wait_until(self._worker, _PATIENCE, "HAProxy's worker")

    def _worker(self):
        """Pid of the worker that answers now; None while there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(str(self._master))
                s.sendall(b"@1 show info\n")
                answer = b""
                while not (pid := re.search(rb"^Pid: (\d+)\n", answer, re.MULTILINE)):  # it does not end by itself
                    piece = s.recv(65536)
                    if not piece:
                        return None
                    answer += piece
                return int(pid[1])
        except OSError:  # the master executes itself anew
            return None

    def reload(self):
        before = self._worker()
        self.process.signal(signal.SIGUSR2)
        wait_until(lambda: self._worker() not in (None, before), _PATIENCE, "HAProxy's new worker", interval=0.005)


RELAYS = {"regrelay": Regrelay, "nginx": NginxRelay, "HAProxy": HaproxyRelay}
