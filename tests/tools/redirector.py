"""Redirector: a registry whose blobs lie elsewhere: docker-registry behind a front that redirects to a Storage.

    with Redirector(dir / "front", registry=registry, storage=storage, to="https://minio.corp:9000") as front:
        Standin(dir / "standin", registry=front)     # it stands for the registry
        front.set(form="loop")

GET and HEAD of a blob that the registry would serve (it is asked first, with the client's credentials) get a redirect
to a freshly signed URL; everything else passes, byte by byte, on one registry connection a client connection.  Under
its own name it also serves /hop/N/<digest> (the middle of a chain), the storage's /bucket/, and a token server's path.
"""
import re
import socket
import ssl
import urllib.parse

from . import httpd, presign, storage
from .registry import VIRTUAL_NAME
from .service import Service

_BLOB = re.compile(r"/v2/.+/blobs/(sha256:[0-9a-f]{64})")
_HOP = re.compile(r"/hop/(\d+)/(sha256:[0-9a-f]{64})")


class Redirector(Service):
    """A running front.  Attributes besides Service's: registry, storage; user, password, credentials: the registry's.

    Settings:
      to        base URL that clients shall use for the storage (default: where it really is); any other host will do
      status    301, 302, 303, 307 or 308
      form      of Location: "absolute" (to); "network" (the same without its scheme); "same" (absolute, our own
                authority as the Host header says); "relative" (a path of ours); "loop" (the blob itself); "none"
      location  taken verbatim when not empty
      hops      how many redirects lead to the storage
      via       base URL of those in the middle, "" for our own authority
      expired   the next so many URLs are too old already
      expires   seconds that a URL holds
      padding   bytes that make URLs longer"""

    def __init__(self, directory, *, registry, storage, token=None, to=None, authority=None, name=VIRTUAL_NAME,
                 status=307, form="absolute", hops=1, via="", port=None, survive=False, wait=True):
        """token: a TokenServer whose path it serves as well."""
        self.registry, self.storage = registry, storage
        self.user, self.password, self.credentials = registry.user, registry.password, registry.credentials
        behind = {one: {"port": server.port, "ca": str(server.certificate or "")}
                  for one, server in (("registry", registry), ("storage", storage), ("token", token)) if server}
        super().__init__(directory, "tools.redirector", name=name, authority=authority, port=port, survive=survive, wait=wait,
                         config={"behind": behind, "keys": vars(storage.keys), "token": token.path if token else None,
                                 "scheme": "https" if authority else "http"},
                         settings={"to": to or storage.url, "status": status, "form": form, "location": "",
                                   "hops": hops, "via": via, "expired": 0, "expires": 300, "padding": 0})


class _Unreachable(Exception):
    """What is behind does not answer."""


class _Front:
    """The application, in the server's process."""
    streams_bodies = True

    def __init__(self, config, settings):
        self._behind, self._scheme, self._settings = config["behind"], config["scheme"], settings
        self._token_path = config["token"]
        self._keys = presign.Keys(**config["keys"])
        self._tls = {name: ssl.create_default_context(cafile=one["ca"]) if one["ca"] else None
                     for name, one in self._behind.items()}

    def answer(self, request, reply):
        reads = request.method in ("GET", "HEAD")
        blob, hop = _BLOB.fullmatch(request.path), _HOP.fullmatch(request.path)
        try:
            if reads and hop:
                self._redirect(request, reply, hop[2], int(hop[1]))
            elif reads and blob and self._has(request):
                self._redirect(request, reply, blob[1], 1)
            else:
                self._pass(request, reply, self._where(request.path))
        except _Unreachable:
            reply.keep = False
            reply.error(502, "UNKNOWN", "no way to what is behind")

    def _where(self, path):
        if path == self._token_path:
            return "token"
        return "storage" if path.startswith(storage.BUCKET) else "registry"

    # --- redirects ------------------------------------------------------------------------------------------------

    def _redirect(self, request, reply, digest, number):
        """Answers with the redirect that is the number-th of its chain."""
        location = self._location(request, digest, number)
        headers = [("Docker-Distribution-Api-Version", "registry/2.0")]
        if location is None:
            reply.plain(self._settings["status"], "", headers, "text/html; charset=utf-8")
        else:
            reply.redirect(self._settings["status"], location, headers)

    def _location(self, request, digest, number):
        form, to = self._settings["form"], self._settings["to"]
        host = request.header("Host") or ""
        own = "" if form == "relative" else f"{self._scheme}://{host}"
        if self._settings["location"] or form == "none":
            return self._settings["location"] or None
        if form == "loop":
            return own + request.target
        if number < self._settings["hops"]:
            return f"{self._settings['via'] or own}/hop/{number + 1}/{digest}"
        base, host = (own, host) if form in ("same", "relative") else (to, storage.host_of(to))
        if form == "network":
            base = "//" + urllib.parse.urlsplit(to).netloc
        age = self._settings["expires"] + 1 if self._settings.spend("expired") else 0
        return base + presign.sign(self._keys, host, storage.BUCKET + digest, method=request.method, age=age,
                                   expires=self._settings["expires"], padding=self._settings["padding"])

    def _has(self, request):
        """True when the registry would serve that blob to that client: only then it redirects."""
        lines = [f"HEAD {request.target} HTTP/1.1"]
        lines += [f"{n}: {v}" for n, v in request.head.fields if n.lower() in ("host", "authorization")]
        head, _ = self._ask(request, "registry", ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return head.start.split(" ")[1] == "200"

    # --- passing --------------------------------------------------------------------------------------------------

    def _pass(self, request, reply, where):
        head, stream = self._ask(request, where, request.head.raw, request.pieces(), request.framing[0])
        status = int(head.start.split(" ")[1])
        framing = head.framing(("close", 0))
        if request.method == "HEAD" or status in (204, 304):
            framing = "none", 0
        if framing[0] == "close" or head.has("Connection", "close"):
            reply.keep = False
        reply.raw(status, head.raw)
        for piece in stream.body(framing):
            reply.send(httpd.framed(piece, framing[0]))
        reply.send(httpd.end_of(framing[0]))

    def _ask(self, request, where, raw, pieces=(), kind="none"):
        """Sends a request; (head of the answer, the stream it came from)."""
        kept = where in request.session
        try:
            if not kept:
                request.session[where] = self._connect(where)
            stream = request.session[where]
            stream.send(raw)
            for piece in pieces:
                stream.send(httpd.framed(piece, kind))
            stream.send(httpd.end_of(kind))
            head = stream.head()
            while head.start.split(" ")[1] == "100":  # the client has had ours
                head = stream.head()
            return head, stream
        except (OSError, httpd.Ended) as e:
            if where in request.session:
                request.session.pop(where).close()
            if kept and kind == "none":  # it ended while nobody used it: once more on a new one
                return self._ask(request, where, raw)
            raise _Unreachable from e

    def _connect(self, where):
        sock = socket.create_connection(("127.0.0.1", self._behind[where]["port"]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls[where]:
            sock = self._tls[where].wrap_socket(sock, server_hostname="127.0.0.1")
        return httpd.Stream(sock)


if __name__ == "__main__":
    httpd.main(_Front)
