"""Landscape: a registry and what belongs to it on other hosts of its network, behind one stand-in; and an image in it.

    with contextlib.ExitStack() as stack:
        land = Landscape(dir, stack, realm="https://auth.corp:8443/token")
        Relay(dir / "relay", proxy=land.standin.address, registries={"default": land.section()})

The token server is auth.corp:8443, the storage minio.corp:9000; the Cloud Connector exposes both under other names.
"""
from . import certs
from .images import make_image
from .redirector import Redirector
from .registry import Registry
from .standin import VHOST, Standin, mapping
from .storage import Storage
from .tokenserver import TokenServer

AUTH, AUTH_VHOST = "auth.corp:8443", "auth.kyma:8443"
STORAGE, STORAGE_VHOST = "minio.corp:9000", "minio.kyma:9000"


class Landscape:
    """Attributes: auth (TokenServer), registry, storage, front (Redirector), standin, image."""

    def __init__(self, directory, stack, *, realm=None, auth_tls=True, to=None, layers=(300_000, 1000),
                 repository="team/app", tag="t1", standin=None):
        """realm: what the registry announces (default: where the token server really is).  auth_tls=False: the token
        server speaks plain HTTP.  to: where the front redirects to, as Redirector has it.  layers: sizes of the
        image's.  standin: further arguments of Standin."""
        start = stack.enter_context
        ca = certs.Authority(directory / "ca")
        self.auth = start(TokenServer(directory / "token", authority=ca if auth_tls else None))
        self.registry = start(Registry(directory / "registry", authority=ca, token=self.auth, realm=realm))
        self.storage = start(Storage(directory / "storage", registry=self.registry, authority=ca))
        self.front = start(Redirector(directory / "front", registry=self.registry, storage=self.storage, to=to,
                                      authority=ca))
        self.standin = start(Standin(directory / "standin", registry=self.front, mappings=[
            mapping(AUTH_VHOST, self.auth, internal=AUTH), mapping(STORAGE_VHOST, self.storage, internal=STORAGE)],
            **(standin or {})))
        self.image = make_image(directory / "image", layers=list(layers), seed=1)
        self.registry.push(self.image, f"{repository}:{tag}")

    @staticmethod
    def section(**more):
        """Keys of a relay's [registry] that make it complete, more of them over it."""
        return {"host": VHOST, "token_hosts": f"{AUTH}={AUTH_VHOST}", "redirect_hosts": f"{STORAGE}={STORAGE_VHOST}",
                **more}

    # --- what must hold -------------------------------------------------------------------------------------------

    def seen(self, since=0):
        """{virtual host: the requests that came for it} of those after the first so many."""
        found = {}
        for request in self.standin.requests()[since:]:
            found.setdefault(request.header("Host"), []).append(request)
        return found

    def authorizations(self, host, since=0):
        """Kinds of credentials that came for a virtual host: a set of "Basic", "Bearer", None."""
        values = [request.header("Authorization") for request in self.seen(since).get(host, [])]
        return {value and value.partition(" ")[0] for value in values}
