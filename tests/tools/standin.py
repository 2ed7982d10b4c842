"""Standin: the emulator of connectivity proxy and Cloud Connector (tests/standin/) as an actor of a scenario.

    with Standin(dir, registry=registry, host="myregistry.kyma:25002") as standin:
        standin.address                              # "127.0.0.1:port", for [proxy] address
        ...                                          # more hosts: mappings=[mapping("auth.corp:8443", tokenserver)]
        standin.fault("cut", at=1000, count=1)
        standin.requests()                           # what came: Request(connection, method, target, headers, ...)

Its SOCKS5 port is standin.socks; what it exposes there are mappings with raw=True, and what came is standin.tunnels().
"""
import base64
import dataclasses
import http.client
import json
import pathlib
import sys

from . import ports
from .process import Process, starting, wait_until, whole_lines

VHOST = "myregistry.kyma:25002"  # what the sample and all of the tests call the registry
_PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "standin/standin.py"


@dataclasses.dataclass(frozen=True)
class Request:
    connection: int      # 1, 2, ... in order of accept
    number: int          # over all connections, from 1
    raw: str             # the head as it came
    method: str
    target: str
    headers: list        # (name, value), order and case kept

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """What a client of the SOCKS5 port said; None is what it did not come to say."""
    connection: int      # 1, 2, ... in order of accept, over both ports
    methods: list        # offered, as numbers
    method: int          # taken
    token: str
    location: str
    host: str            # "name:port" that it asked for
    atyp: int            # kind of that name: 1 or 3
    reply: int           # what it was told

    @property
    def serial(self):
        """jti of its token, None when that is no JWT of ours."""
        try:
            body = self.token.split(".")[1]
            return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).get("jti")
        except (AttributeError, IndexError, ValueError):
            return None


def mapping(host, server, *, location="", internal="", host_mode="internal", resources=("/",), raw=False, **more):
    """An entry of Standin's mappings: server (a Registry, TokenServer, Storage, Redirector: whatever has url and
    certificate) exposed as host.  internal: its "name:port" on premise, which TLS checks; default: host.
    raw: of the protocol TCP, for the SOCKS5 port; whoever asks there speaks TLS himself."""
    url = f"tcp://127.0.0.1:{server.port}" if raw else server.url
    return {"location": location, "host": host, "backend": url, "ca": "" if raw else str(server.certificate or ""),
            "internal": internal, "host_mode": host_mode, "resources": list(resources), **more}


class Standin:
    """A running stand-in.  Attributes: address, port, socks and socks_port (SOCKS5), control (its control port), dir,
    process."""

    def __init__(self, directory, *, registry=None, host=VHOST, resources=("/",), mode="trusted",
                 location="", rtt_ms=0, mbit=0, connections=1, host_mode="internal", mappings=(), locations=(),
                 settings=None, survive=False, address="127.0.0.1", wait=True):
        """registry: a registry.Registry, exposed as host with the resources (a path with all sub-paths, or
        {"path": ..., "exact": True}).  mappings (see mapping()), locations: further ones as in the program's
        configuration.  settings: knobs of tests/standin/settings.py.  address: where it listens.  wait=False: see ready()."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port, self.socks_port, self.control = ports.free_ports(3)
        self.address, self.socks = f"{address}:{self.port}", f"{address}:{self.socks_port}"
        self._audit = self.dir / "audit.jsonl"
        mappings = list(mappings)
        if registry:
            mappings.insert(0, mapping(host, registry, location=location, host_mode=host_mode, resources=resources))
        config = {"listen": self.address, "socks": self.socks, "control": f"127.0.0.1:{self.control}",
                  "audit": str(self._audit),
                  "locations": [{"id": location, "rtt_ms": rtt_ms, "mbit": mbit, "connections": connections},
                                *locations],
                  "mappings": mappings, "settings": {"mode": mode, **(settings or {})}}
        (self.dir / "standin.json").write_text(json.dumps(config, indent=1))
        self.process = Process([sys.executable, _PROGRAM, "--config", self.dir / "standin.json"],
                               log=self.dir / "standin.log", name="standin", survive=survive)
        if wait:
            self.ready()

    def ready(self):
        """Waits until it listens; for who starts others with wait=False, at the same time."""
        with starting(self.process):
            self.process.wait_line("^standin: listening on ")

    # --- what it saw ----------------------------------------------------------------------------------------------

    def audit(self, what=None):
        """Entries of the audit log as dicts (see tests/standin/audit.py), of one kind or all."""
        entries = [json.loads(line) for line in whole_lines(self._audit.read_text())]
        return [entry for entry in entries if what in (None, entry["what"])]

    def requests(self):
        """All request heads that came so far."""
        return [Request(e["connection"], e["request"], e["raw"], e["method"], e["target"],
                        [tuple(pair) for pair in e["headers"]]) for e in self.audit("request")]

    def tunnels(self, reply=None):
        """All conversations of the SOCKS5 port so far that came to a reply or ended; of one reply, or all."""
        names = [field.name for field in dataclasses.fields(Tunnel)]
        return [Tunnel(*(e[name] for name in names)) for e in self.audit("socks") if reply in (None, e["reply"])]

    def state(self):
        """Counters, settings, locations, faults."""
        return self.ask("GET", "/v1/state")

    def bytes_down(self, location=""):
        """Bytes of answers that went through the tunnel."""
        return next(one["bytes_down"] for one in self.state()["locations"] if one["id"] == location)

    def wait_requests(self, count, timeout=10):
        """Waits until so many requests have come."""
        return wait_until(lambda: len(self.requests()) >= count, timeout, f"{count} requests at the stand-in")

    # --- what it shall do -----------------------------------------------------------------------------------------

    def set(self, **settings):
        """Changes knobs."""
        self.ask("POST", "/v1/settings", settings)

    def tunnel(self, connected=True, *, location="", opening=False):
        """Connects or disconnects a Cloud Connector; opening=True: it never answers the request for a tunnel."""
        state = "opening" if opening else "connected" if connected else "disconnected"
        self.ask("POST", "/v1/tunnel", {"location": location, "state": state})

    def expose(self, host, exposed=True, *, location=""):
        """Takes a mapping away, or back."""
        self.ask("POST", "/v1/mapping", {"location": location, "host": host, "exposed": exposed})

    def fault(self, kind, **values):
        """Switches a fault on (tests/standin/faults.py has the kinds); returns its id."""
        return self.ask("POST", "/v1/faults", {"kind": kind, **values})["id"]

    def heal(self, number=None):
        """Switches one fault off, or all."""
        self.ask("DELETE", f"/v1/faults/{number}" if number else "/v1/faults")

    def outage(self, how="503", seconds=None):
        """ "refuse": nobody listens; "503": every request gets one; "none": it ends.  All connections are cut."""
        self.ask("POST", "/v1/outage", {"how": how, "seconds": seconds})

    def cut(self, how="fin"):
        """Ends every connection now; how many."""
        return self.ask("POST", "/v1/cut", {"how": how})["cut"]

    def stall(self, seconds, *, location=""):
        """Holds the whole pipe of a location for so long."""
        self.ask("POST", "/v1/stall", {"location": location, "seconds": seconds})

    def hold(self, at, *, location=""):
        """Lets no answers through the pipe of a location any more once bytes_down() is at or more; None: goes on."""
        self.ask("POST", "/v1/hold", {"location": location, "at": at})

    def ask(self, method, path, values=None):
        """One call of the control port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=10)
        try:
            connection.request(method, path, json.dumps(values) if values is not None else None)
            answer = connection.getresponse()
            result = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{method} {path}: {result['error']}")
        return result

    # --- life -----------------------------------------------------------------------------------------------------

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stop()
        if kind is None:
            assert "Traceback" not in self.process.text(), self.process.text()
