"""connector: the Cloud Connector's part: access control, header treatment, one backend connection a logical one."""
import re
import ssl
import urllib.parse

import faults
import link
import texts
import wire


class Refused(Exception):
    """The request gets an answer that no backend made."""

    def __init__(self, status, text, by="connector", close=False):
        super().__init__(text)
        self.status, self.text, self.by, self.close = status, text, by, close


def authority(head):
    """(virtual host:port, path with query) of a request in origin-form or absolute-form; Refused when it has none."""
    target = head.words()[1]
    if target.startswith("/"):
        hosts = head.all("Host")
        if len(hosts) != 1 or not hosts[0]:
            raise Refused(400, "Bad Request: a request needs one Host", "proxy")
        host, path = hosts[0], target
    else:
        url = urllib.parse.urlsplit(target)
        if url.scheme.lower() != "http" or not url.netloc:
            raise Refused(400, "Bad Request: no such request target", "proxy")
        host = url.netloc.rpartition("@")[2]
        path = target[target.index("://") + 3 + len(url.netloc):] or "/"
    return (host if re.search(r":\d+$", host) else host + ":80"), path


def admit(location, host, path, head):
    """The Mapping that a request is for; Refused when access control says no."""
    if "_" in host:
        raise Refused(400, "Bad Request: invalid virtual host")
    mapping = location.find(host)
    if mapping is None:
        raise Refused(403, texts.no_system(host))
    bare = path.partition("?")[0]
    if not mapping.allows(bare):
        raise Refused(403, texts.no_resource(bare, host))
    if head.get("Upgrade") is not None and not mapping.upgrade:
        raise Refused(403, "Forbidden: upgrade is not allowed for this resource")
    return mapping


def towards_backend(head, mapping, path, settings):
    """The request's head as the backend gets it: everything untouched but what the documentation says is not."""
    method, _, version = head.words()
    out = wire.Head(b"", f"{method} {path} {version}".encode("latin-1"), list(head.fields))
    out.fields = [f for f in out.fields
                  if not f.name.lower().startswith(("sap-connectivity-", "sap-cp-")) and
                  f.name.lower() != "proxy-authorization"]
    if mapping.host_mode == "internal":
        out.put("Host", mapping.internal)
        if settings.forwarded_host == "replace" or out.get("X-Forwarded-Host") is None:
            out.put("X-Forwarded-Host", mapping.host)
    else:
        out.put("Host", mapping.host)
    if settings.ssl_client_cert:
        out.put("SSL_CLIENT_CERT", "")
    return out


def towards_client(head, location, settings):
    """The answer's head as the caller gets it: Location and cookie domains are led back to virtual hosts."""
    out = wire.Head(b"", head.start, [])
    for one in head.fields:
        name = one.name.lower()
        if name == "location":
            one = _redirect(one, location, settings.redirect_scheme)
        elif name == "set-cookie":
            one = _cookie(one, location)
        out.fields.append(one)
    return out


def _redirect(one, location, scheme):
    url = urllib.parse.urlsplit(one.value)
    if not url.netloc:
        return one
    port = {"https": ":443", "http": ":80"}.get(url.scheme, "")
    host = url.netloc if re.search(r":\d+$", url.netloc) else url.netloc + port
    virtual = location.virtual_of(host)
    return wire.field(one.name, url._replace(scheme=scheme, netloc=virtual).geturl()) if virtual else one


def _cookie(one, location):
    found = re.search(r";\s*domain=([^;]+)", one.value, re.IGNORECASE)
    for mapping in location.mappings if found else ():
        if mapping.name.lower() == found[1].strip().lower():
            value = one.value[:found.start(1)] + mapping.host.rpartition(":")[0] + one.value[found.end(1):]
            return wire.field(one.name, value)
    return one


class Backend:
    """The connection to a backend that belongs to one client connection."""

    def __init__(self, connection, mapping, number):
        self.link, self.mapping, self.number = connection, mapping, number

    @classmethod
    async def open(cls, mapping, audit):
        try:
            connection = await link.connect(*mapping.address, mapping.tls, mapping.name if mapping.tls else None)
        except (OSError, ssl.CertificateError) as e:
            audit.note("backend-failed", host=mapping.host, error=str(e))
            raise Refused(502, texts.no_backend(mapping.host)) from None
        audit.backends += 1
        return cls(connection, mapping, audit.backends)

    async def ask(self, head):
        await self.link.send(head.render())

    async def body(self, pieces, kind):
        """Passes a request's body on."""
        if kind == "none":
            return
        async for piece in pieces:
            await self.link.send(wire.framed(piece, kind))
        await self.link.send(wire.end(kind))

    async def answer(self, settings):
        """The head of the backend's answer; Incomplete when it ended its connection, Refused when it is too long."""
        head = await wire.read_head(self.link.reader)
        if head is None:
            raise wire.Incomplete
        if sum(len(f.line) + 2 for f in head.fields) > settings.answer_head_limit:
            raise Refused(settings.answer_head_status, "Bad Gateway: the backend's headers are too long", close=True)
        return head


def outward(framing, method, head, active):
    """(framing kind towards the client, head adapted to it) under the faults `chunked` and `close`."""
    kind = framing[0]
    if method == "HEAD" or kind == "none":
        return kind, head
    if faults.struck(active, "chunked"):
        kind = "chunked"
        head.drop("Content-Length")
        head.put("Transfer-Encoding", "chunked")
    elif faults.struck(active, "close"):
        kind = "close"
        head.drop("Content-Length", "Transfer-Encoding")
        head.put("Connection", "close")
    return kind, head
