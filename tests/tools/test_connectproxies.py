"""Proxies for CONNECT, ours with its script and the foreign ones, asked by curl and by hand."""
import socket

import pytest

from . import certs, squid, tinyproxy
from .connectproxy import ESTABLISHED, LONG_HEAD, NO_GATEWAY, ConnectProxy, Say, Tunnel
from .origin import Origin, ok
from .process import run, wait_until
from .registry import Registry
from .tlsserver import TlsServer

BODY = bytes(range(256)) * 2000


@pytest.fixture
def origin():
    with Origin() as o:
        o.answer("/", ok(BODY))
        yield o


@pytest.fixture
def proxy(origin):
    with ConnectProxy({"registry.corp:80": origin.port, "down.corp:80": 9}) as p:
        yield p


class Client:
    """A client that has asked for a target."""

    def __init__(self, proxy, target="registry.corp:80"):
        self.sock = socket.create_connection(("127.0.0.1", proxy.port), 10)
        self.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read(self, count):
        """So many bytes; fewer at the end; "reset" when it is one."""
        data = b""
        try:
            while len(data) < count and (piece := self.sock.recv(min(count - len(data), 65536))):
                data += piece
        except ConnectionResetError:
            return "reset"
        return data

    def get(self, count=len(ok(BODY))):
        """So many bytes of the answer."""
        assert self.read(len(ESTABLISHED)) == ESTABLISHED
        self.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return self.read(count)


def test_tunnel_and_refusals(proxy, origin):
    with Client(proxy) as c:
        assert c.get() == ok(BODY)
        assert proxy.open == 1
    proxy.wait(lambda: proxy.open == 0)
    with Client(proxy, "elsewhere.corp:80") as c:
        assert c.read(12) == b"HTTP/1.1 403"
    with Client(proxy, "down.corp:80") as c:
        assert c.read(12) == b"HTTP/1.1 502"
    assert proxy.targets() == ["registry.corp:80", "elsewhere.corp:80", "down.corp:80"]
    assert len(origin.requests) == 1 and proxy.down == len(ok(BODY))


def test_credentials(origin):
    with ConnectProxy({"registry.corp:80": origin.port}, credentials="u:p") as proxy:
        curl = ["curl", "-sS", "--proxytunnel", "-x", f"http://{proxy.address}", "-o", "/dev/null", "-w", "%{http_connect}",
                "http://registry.corp/"]
        assert run(curl).stdout == "407"
        done = run([*curl, "--proxy-user", "u:p"])
        assert (done.returncode, done.stdout) == (0, "200"), done.stderr


def test_what_is_said_instead(proxy):
    for said in (NO_GATEWAY, LONG_HEAD, b"HTTP/1.1 200 OK\r\nX-Half", b"hello, this is HTTP/0.9"):
        proxy.script(Say(said, "fin"))
        with Client(proxy) as c:
            assert c.read(len(said) + 1) == said
    assert len(LONG_HEAD) > 1 << 20
    proxy.script(Say(b"HTTP/1.1 2"))
    with Client(proxy) as c:
        assert c.read(10) == b"HTTP/1.1 2"
        c.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            c.read(1)
    proxy.wait(lambda: proxy.open == 0)


def test_ways_to_say_yes(proxy):
    early = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + ESTABLISHED
    proxy.script(Tunnel(early=early), Tunnel(head=interim), Tunnel(pace=0.001))
    with Client(proxy) as c:
        assert c.read(len(ESTABLISHED + early)) == ESTABLISHED + early
    with Client(proxy) as c:
        assert c.read(len(interim)) == interim
    with Client(proxy) as c:
        assert c.get() == ok(BODY)


@pytest.mark.parametrize("cut", [0, 1, 70_000])
def test_cut_after_bytes(proxy, cut):
    proxy.script(Tunnel(cut=cut), Tunnel(cut=cut, how="rst"), Tunnel(cut=cut, how="stall"))
    with Client(proxy) as c:
        assert c.get() == ok(BODY)[:cut]
    with Client(proxy) as c:
        assert c.get() == "reset"
    with Client(proxy) as c:
        assert c.get(cut) == ok(BODY)[:cut]
        c.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            c.read(1)
    with Client(proxy) as c:
        assert c.get() == ok(BODY), "the script is over"


@pytest.fixture
def registry(tmp_path):
    """A registry with TLS, and its authority."""
    ca = certs.Authority(tmp_path / "ca")
    with Registry(tmp_path / "registry", auth=False) as plain:
        with TlsServer(plain.port, ca.issue("registry.corp", "localhost"), certificate=ca.certificate) as tls:
            yield tls


def asks(proxy, registry, name, credentials=None):
    """What curl has of proxy and registry: "CONNECT's status, the answer's status"."""
    user = ["--proxy-user", credentials] if credentials else []
    return run(["curl", "-s", "-x", f"http://{proxy.address}", *user, "--cacert", registry.certificate, "-o", "/dev/null",
                "-w", "%{http_connect} %{http_code}", f"https://{name}:{registry.port}/v2/"]).stdout


@pytest.mark.skipif(not tinyproxy.available(), reason="tinyproxy is not installed")
@pytest.mark.parametrize("credentials", [None, "user:secret"])
def test_tinyproxy(registry, tmp_path, credentials):
    with tinyproxy.Tinyproxy(tmp_path / "tiny", ports=[registry.port], credentials=credentials) as proxy:
        assert asks(proxy, registry, "localhost", credentials) == "200 200"
        if credentials:
            assert asks(proxy, registry, "localhost") == "407 000"
        assert run(["curl", "-s", "-p", "-x", f"http://{proxy.address}", *(["-U", credentials] if credentials else []),
                    "-w", "%{http_connect}", "http://localhost:9/"]).stdout == "403"
        assert f"localhost:{registry.port}" in proxy.connects()


@pytest.mark.skipif(not squid.available(), reason="squid is not installed")
@pytest.mark.parametrize("credentials", [None, "user:secret"])
def test_squid(registry, tmp_path, credentials):
    with squid.Tunnels(tmp_path / "squid", names=["registry.corp"], ports=[registry.port],
                       credentials=credentials) as proxy:
        assert asks(proxy, registry, "registry.corp", credentials) == "200 200"
        if credentials:
            assert asks(proxy, registry, "registry.corp") == "407 000"
        wait_until(lambda: any("TCP_TUNNEL/200" in line for line in proxy.connects()), what="squid's line")
