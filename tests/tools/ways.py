"""Ways: a scripted registry with TLS, and the ways on which the relay itself speaks TLS with it.

    site = Site(dir, stack)
    relay = start_relay(**site.way("socks5"))    # or "connect", "direct"
    site.origin.answer("/v2/", ok())             # what the registry says, inside TLS
    site.tls.script(Step(after=1000))            # what happens to connections of the registry
    site.standin, site.proxy                     # the SOCKS5 and the CONNECT server
"""
import hashlib

from . import certs, rawhttp
from .connectproxy import ConnectProxy
from .origin import Origin, ok
from .standin import Standin, mapping
from .tlsserver import TlsServer

HOST = "registry.corp:443"
KINDS = ("socks5", "connect", "direct")
MANIFEST = "/v2/team/app/manifests/t1"
BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64


def get(relay, path=MANIFEST, headers=(), timeout=30, method="GET"):
    with rawhttp.Connection(relay.port, timeout=timeout) as c:
        return c.get(path, headers=headers, method=method)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def assert_whole(answer, data):
    """The answer is all of data."""
    assert answer.status == 200 and answer.complete and digest(answer.body) == digest(data)


class Site:
    """Attributes: origin, ca (Authority), tls (TlsServer), standin and proxy (once a way needs them)."""

    def __init__(self, directory, stack, **tls):
        """tls: further arguments of TlsServer; pair: a certificate instead of a good one."""
        self.dir, self._stack = directory, stack
        self.ca = certs.Authority(directory / "ca")
        self.origin = stack.enter_context(Origin())
        self.origin.answer("/v2/", ok())
        self.tls = self.serve(**tls)
        self.standin = self.proxy = None

    def serve(self, pair=None, **tls):
        """One more TLS server in front of the origin."""
        pair = pair or self.ca.issue("registry.corp", "localhost", "127.0.0.1")
        return self._stack.enter_context(TlsServer(self.origin.port, pair, certificate=self.ca.certificate, **tls))

    def way(self, kind, *, server=None, workers=1, proxy=None, **registry):
        """Arguments of a Relay.  server: another than tls.  proxy: further keys of [proxy] (not for "direct"); registry: of
        [registry]."""
        server = server or self.tls
        keys = {"host": HOST, "scheme": "https", "ca_file": self.ca.certificate}
        if kind == "direct":
            keys.update(host=f"localhost:{server.port}", proxy="none")
            return {"workers": workers, "registries": {"default": {**keys, **registry}}}
        address = self._socks(server) if kind == "socks5" else self._connect(server)
        return {"workers": workers, "proxy": address, "registries": {"default": {**keys, **registry}},
                "settings": {"proxy": {"protocol": kind, **(proxy or {})}}}

    def _socks(self, server):
        if not self.standin:
            self.standin = self._stack.enter_context(Standin(self.dir / "standin", mappings=[
                mapping(HOST, server, raw=True), mapping("plain.corp:80", self.origin, raw=True),
                mapping("10.1.2.3:443", server, raw=True)]))
        return self.standin.socks

    def _connect(self, server):
        if not self.proxy:
            self.proxy = self._stack.enter_context(ConnectProxy({HOST: server.port, "plain.corp:80": self.origin.port,
                                                                 "10.1.2.3:443": server.port}))
        return self.proxy.address

    def settle(self, kind, server=None):
        """Waits until the keeper has had its look at a registry without a proxy (that of a proxy can be switched off), and
        forgets it."""
        if kind != "direct":
            return
        self.origin.wait(lambda: any("(probe)" in (r.header("User-Agent") or "") for r in self.origin.requests))
        (server or self.tls).forget()
        with self.origin.moved:
            self.origin.requests.clear()

    def tunnels(self, kind):
        """How many connections a way has made so far."""
        if kind == "socks5":
            return len(self.standin.tunnels(reply=0))
        return len(self.proxy.requests) if kind == "connect" else self.tls.accepted
