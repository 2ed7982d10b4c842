"""mapping: what the Cloud Connectors expose: locations, virtual hosts, backends, allowed paths."""
import dataclasses
import pathlib
import ssl
import urllib.parse

from pipe import Pipe


class Wrong(ValueError):
    """The configuration is wrong; the text says where."""


@dataclasses.dataclass(frozen=True)
class Resource:
    """An allowed path: itself only, or as a string prefix; case counts, the query does not."""
    path: str
    exact: bool = False

    def allows(self, path):
        return path == self.path if self.exact else path.startswith(self.path)


@dataclasses.dataclass
class Mapping:
    """One access control entry."""
    host: str                     # virtual "host:port"
    backend: str                  # "http(s)://address:port": where the connection goes; "tcp://...": protocol TCP
    internal: str = ""            # "host:port" as the Cloud Connector knows it; default: the virtual one
    ca: str = ""                  # PEM file, the backend trust store
    host_mode: str = "internal"   # Host towards the backend: "internal" (and X-Forwarded-Host) or "virtual"
    resources: list = dataclasses.field(default_factory=lambda: [Resource("/")])
    upgrade: bool = False         # "Upgrade Allowed"
    exposed: bool = True

    def __post_init__(self):
        url = urllib.parse.urlsplit(self.backend)
        self.raw = url.scheme in ("tcp", "tls")
        if url.scheme not in ("http", "https", "tcp", "tls") or not url.hostname or ":" not in self.host:
            raise Wrong(f"mapping of {self.host!r}: want host:port and a backend http(s)://address:port or "
                        "tcp://, tls://")
        if self.raw and not url.port:
            raise Wrong(f"mapping of {self.host}: {self.backend} has no port")
        if self.host_mode not in ("internal", "virtual"):
            raise Wrong(f"mapping of {self.host}: host_mode is internal or virtual, not {self.host_mode!r}")
        self.address = url.hostname, url.port or (443 if url.scheme == "https" else 80)
        self.internal = self.internal or self.host
        self.name = self.internal.rpartition(":")[0]
        self.tls = _tls_context(self.ca) if url.scheme in ("https", "tls") else None

    def allows(self, path):
        return any(resource.allows(path) for resource in self.resources)


@dataclasses.dataclass
class Location:
    """A Cloud Connector: connected, disconnected or opening (it takes requests for a tunnel and never answers)."""
    id: str = ""
    tunnel: str = "connected"
    mappings: list = dataclasses.field(default_factory=list)
    up: list = dataclasses.field(default_factory=list)     # Pipes, one a physical connection
    down: list = dataclasses.field(default_factory=list)

    def find(self, host, raw=False):
        """The exposed mapping of a virtual host:port, or None; raw: of protocol TCP.  Host names have no case."""
        return next((m for m in self.mappings if m.exposed and m.raw == raw and m.host.lower() == host.lower()), None)

    def virtual_of(self, internal):
        """Virtual host:port of an internal one, the first if several lead there, or None."""
        return next((m.host for m in self.mappings
                     if m.exposed and not m.raw and m.internal.lower() == internal.lower()), None)

    def pipes(self, connection):
        """(up, down) of the physical connection that carries a logical one."""
        number = connection % len(self.up)
        return self.up[number], self.down[number]


def resource_of(value):
    """A Resource from "/v2" (with all sub-paths) or {"path": "/v2/", "exact": true}."""
    return Resource(value) if isinstance(value, str) else Resource(value["path"], bool(value.get("exact", False)))


def mapping_of(values):
    """A Mapping from its JSON object."""
    values = {k: v for k, v in values.items() if k != "location"}
    if "resources" in values:
        values["resources"] = [resource_of(v) for v in values["resources"]]
    try:
        return Mapping(**values)
    except TypeError as e:
        raise Wrong(f"mapping {values.get('host')!r}: {e}") from None


def location_of(values):
    """A Location without mappings from its JSON object: id, rtt_ms, mbit, connections, tunnel."""
    unknown = set(values) - {"id", "rtt_ms", "mbit", "connections", "tunnel"}
    if unknown:
        raise Wrong(f"location {values.get('id')!r}: unknown {', '.join(sorted(unknown))}")
    rtt, bandwidth = values.get("rtt_ms", 0) / 1000, values.get("mbit", 0) * 1e6 / 8
    count = values.get("connections", 1)
    return Location(values.get("id", ""), values.get("tunnel", "connected"), [],
                    [Pipe(rtt, bandwidth) for _ in range(count)], [Pipe(rtt, bandwidth) for _ in range(count)])


def _tls_context(ca):
    if ca and not pathlib.Path(ca).is_file():
        raise Wrong(f"ca: no file {ca}")
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
