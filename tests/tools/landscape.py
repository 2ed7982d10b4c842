"""Landscape: a registry and what belongs to it on other hosts of its network, behind one stand-in; and an image in it.

    with contextlib.ExitStack() as stack:
        land = Landscape(dir, stack, realm="https://auth.corp:8443/token")
        Relay(dir / "relay", proxy=land.standin.address, registries={"default": land.section()})

On premise they are called registry.corp:5000, auth.corp:8443 and minio.corp:9000; the Cloud Connector exposes each
under another name.  The front serves the token server too.

Through the stand-in's SOCKS5 port, or another proxy that makes tunnels, they go by their own names (raw_section(), raw),
and without any proxy by address (direct_section(); realm and to as they are by default).
"""
import base64

from . import certs
from .images import make_image
from .redirector import Redirector
from .registry import Registry
from .standin import VHOST, Standin, mapping
from .storage import Storage
from .tokenserver import TokenServer

REGISTRY = "registry.corp:5000"
AUTH, AUTH_VHOST = "auth.corp:8443", "auth.kyma:8443"
STORAGE, STORAGE_VHOST = "minio.corp:9000", "minio.kyma:9000"
AUTH_TUNNEL, STORAGE_TUNNEL = "auth.tunnel:1443", "minio.tunnel:1900"  # what a mapping for TCP may call them


class Landscape:
    """Attributes: auth (TokenServer), registry, storage, front (Redirector), standin, image, certificate (the CA's), raw
    ({"name:port": port of 127.0.0.1} of all three)."""

    def __init__(self, directory, stack, *, realm=None, auth_tls=True, redirects=True, to=None, layers=(300_000, 1000),
                 repository="team/app", tag="t1", standin=None):
        """realm: what the registry announces (default: where the token server really is).  auth_tls=False: the token
        server speaks plain HTTP.  redirects=False: no front, the registry itself is exposed; to: where the front
        redirects to, as Redirector has it.  layers: sizes of the image's.  standin: further arguments of Standin."""
        start = stack.enter_context
        ca, name = certs.Authority(directory / "ca"), REGISTRY.partition(":")[0]
        self.auth = start(TokenServer(directory / "token", authority=ca if auth_tls else None, wait=False))
        self.registry = start(Registry(directory / "registry", authority=ca, name=name, token=self.auth, realm=realm))
        self.storage = start(Storage(directory / "storage", registry=self.registry, authority=ca, wait=False))
        self.front = start(Redirector(directory / "front", registry=self.registry, storage=self.storage,
                                      token=self.auth, to=to, authority=ca, name=name, wait=False))
        self.certificate, self._entry = ca.certificate, self.front if redirects else self.registry
        behind = {REGISTRY: self._entry, AUTH: self.auth, STORAGE: self.storage}
        self.raw = {host: server.port for host, server in behind.items()}
        self.standin = start(Standin(directory / "standin", wait=False, mappings=[
            mapping(VHOST, self._entry, internal=REGISTRY),
            mapping(AUTH_VHOST, self.auth, internal=AUTH),
            mapping(STORAGE_VHOST, self.storage, internal=STORAGE),
            mapping(AUTH_TUNNEL, self.auth, raw=True), mapping(STORAGE_TUNNEL, self.storage, raw=True),
            *(mapping(host, server, raw=True) for host, server in behind.items())], **(standin or {})))
        self.image = make_image(directory / "image", layers=list(layers), seed=1)
        self.registry.push(self.image, f"{repository}:{tag}")
        for one in (self.auth, self.storage, self.front, self.standin):
            one.ready()
        self.begin()

    @staticmethod
    def section(**more):
        """Keys of a relay's [registry] that make it complete, more of them over it."""
        return {"host": VHOST, "token_hosts": f"{AUTH}={AUTH_VHOST}", "redirect_hosts": f"{STORAGE}={STORAGE_VHOST}",
                **more}

    def raw_section(self, **more):
        """The same for a proxy that makes tunnels: the relay itself speaks TLS, with the names on premise."""
        return {"host": REGISTRY, "scheme": "https", "ca_file": self.certificate, "token_hosts": AUTH,
                "redirect_hosts": STORAGE, **more}

    def direct_section(self, **more):
        """The same without a proxy (or for one that makes tunnels to whatever it can resolve)."""
        return {"host": f"localhost:{self._entry.port}", "scheme": "https", "ca_file": self.certificate,
                "token_hosts": f"127.0.0.1:{self.auth.port}", "redirect_hosts": f"127.0.0.1:{self.storage.port}",
                "proxy": "none", **more}

    # --- what came ------------------------------------------------------------------------------------------------

    def begin(self):
        """What came so far does not count any more."""
        self._before = {one: len(one.requests()) for one in (self.auth, self.storage, self.front, self.standin)}

    def heard(self, server):
        """Requests that came to auth, storage, front or standin since begin()."""
        return server.requests()[self._before[server]:]

    def authorizations(self, host):
        """Schemes of the credentials that came for a virtual host: a set of "Basic", "Bearer" and None."""
        values = [request.header("Authorization") for request in self._seen(host)]
        return {value and value.partition(" ")[0] for value in values}

    def tokens(self):
        """Tokens that came to the registry."""
        values = [request.header("Authorization") or "" for request in self._seen(VHOST)]
        return {value.partition(" ")[2] for value in values if value.startswith("Bearer ")}

    def strays(self):
        """Credentials that came where they do not belong, as words; none when all is well."""
        password = {self.auth.password,
                    base64.b64encode(f"{self.auth.user}:{self.auth.password}".encode()).decode()}
        texts = {"the registry": [request.raw for request in self._seen(VHOST)],
                 "the token server": [request.raw + request.body for request in self.heard(self.auth)],
                 "the storage": [request.raw for request in self.heard(self.storage)]}
        found = [f"the password at {where}" for where in ("the registry", "the storage")
                 if any(word in text for word in password for text in texts[where])]
        found += [f"a token at {where}" for where in ("the token server", "the storage")
                  if any(token in text for token in self.tokens() for text in texts[where])]
        return found + [f"{name} at the storage" for name in ("Authorization", "Cookie")
                        if any(request.header(name) for request in self.heard(self.storage))]

    def _seen(self, host):
        """What came for a virtual host; of the registry's, without what its front has passed to the token server."""
        return [request for request in self.heard(self.standin) if request.header("Host") == host
                and (host != VHOST or request.target.partition("?")[0] != self.auth.path)]
