"""Several registries behind one connectivity proxy: nothing of one reaches the other, and who mixes them up is named."""
import base64
import concurrent.futures
import json

import pytest
from tools import haproxy, rawhttp
from tools.origin import Origin, ok
from tools.process import wait_until
from tools.standin import Standin, mapping

# registry of the relay: (virtual host, location id); two differ in the host alone, two in the location id alone.
PLACES = {"one": ("one.kyma:25002", ""), "two": ("two.kyma:25002", ""), "far": ("one.kyma:25002", "FAR"),
          "default": ("default.kyma:25002", "")}
KEYS = {"one": {"prefix": "one"}, "two": {"ns": "two.corp"}, "far": {"match_host": "far.corp"}, "default": {"default": "yes"}}
CLIENTS, ROUNDS = 16, 25
DENIED = ok(b"{}", status="401 Unauthorized", headers=[("WWW-Authenticate", 'Basic realm="r"')])


class Backend(Origin):
    """A registry that says who it is, whom it was asked by, and how."""

    def __init__(self, name):
        super().__init__()
        self.name, self.certificate, self.url = name, None, f"http://{self.address}"
        self.wants = None           # the Authorization that it answers to; None = any
        self.route("/.*", lambda r, send: send(ok(self.says(r)) if self.wants in (None, r.header("Authorization")) else DENIED))

    def says(self, request):
        return json.dumps({"registry": self.name, "authorization": request.header("Authorization"),
                           "target": request.target, "filler": self.name * 3000}).encode()


@pytest.fixture
def backends(stack):
    return {name: stack.enter_context(Backend(name)) for name in PLACES}


def start_standin(tmp_path, stack, backends, **settings):
    return stack.enter_context(Standin(
        tmp_path / "standin", locations=[{"id": "FAR", "rtt_ms": 0, "mbit": 0, "connections": 1}], settings=settings,
        mappings=[mapping(host, backends[name], location=location) for name, (host, location) in PLACES.items()]))


def registries():
    return {name: {"host": host, **({"location_id": location} if location else {}), **KEYS[name]}
            for name, (host, location) in PLACES.items()}


def request_of(name, tail="manifests/t1"):
    """(path, host) of a request that belongs to that registry."""
    path = f"/v2/one/team/app/{tail}" if name == "one" else f"/v2/team/app/{tail}"
    return path + ("?ns=two.corp" if name == "two" else ""), "far.corp" if name == "far" else "localhost"


def own(name):
    """The relay's own credentials for that registry."""
    return "Basic " + base64.b64encode(f"{name}:own-{name}".encode()).decode()


def pull(relay, number, shown=None):
    """One client that asks all registries in turn over one connection; what came out wrong.  shown: what registries are
    to see of it, by their name (default: what the client sends)."""
    names, wrong = list(PLACES), []
    with rawhttp.Connection(relay.port, timeout=30) as c:
        for turn in range(ROUNDS):
            name = names[(number + turn) % len(names)]
            tail = ("manifests/t1", "blobs/sha256:" + "a" * 64)[turn % 2]
            path, host = request_of(name, tail)
            secret = f"Basic {name}{number}"
            answer = c.get(path, headers=[("Authorization", secret)], host=host)
            said = json.loads(answer.body)
            if (answer.status, said.get("registry"), said.get("authorization"), said.get("target")) != \
                    (200, name, shown(name) if shown else secret, f"/v2/team/app/{tail}"):
                wrong.append((name, answer.status, said))
    return wrong


@pytest.mark.parametrize("other_host", ["serve", "refuse"])
def test_sixteen_clients_and_nothing_crosses_over(tmp_path, stack, start_relay, backends, other_host):
    """"serve" is the hardest judge: a socket that two registries share brings the first one's bytes, silently."""
    standin = start_standin(tmp_path, stack, backends, other_host=other_host)
    relay = start_relay(proxy=standin.address, registries=registries())
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [w for ws in pool.map(lambda n: pull(relay, n), range(CLIENTS)) for w in ws]
    assert not wrong, wrong[:3]
    by_connection = {}
    for r in standin.requests():
        by_connection.setdefault(r.connection, set()).add(
            (r.header("Host"), r.header("SAP-Connectivity-SCC-Location_ID") or ""))
    assert all(len(keys) == 1 for keys in by_connection.values())
    assert set().union(*by_connection.values()) == set(PLACES.values())
    assert len(standin.requests()) == CLIENTS * ROUNDS, "nothing had to be asked twice"
    assert len(by_connection) < CLIENTS * ROUNDS, "connections are used again"
    for name, backend in backends.items():
        assert {r.header("Authorization")[:-1].rstrip("0123456789") for r in backend.requests} == {f"Basic {name}"}


def test_sixteen_clients_and_credentials_that_are_the_relays(tmp_path, stack, start_relay, backends):
    """Each registry is shown its own, and never a client's."""
    standin = start_standin(tmp_path, stack, backends, other_host="serve")
    sections = registries()
    for name, backend in backends.items():
        backend.wants = own(name)
        (tmp_path / name).write_text(own(name))
        sections[name] |= {"authorization": f"file:{tmp_path / name}", "allow": "team/**"}
    relay = start_relay(proxy=standin.address, registries=sections)
    relay.secrets += [own(name).partition(" ")[2] for name in backends]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [w for ws in pool.map(lambda n: pull(relay, n, shown=own), range(CLIENTS)) for w in ws]
    assert not wrong, wrong[:3]
    for name, backend in backends.items():
        assert {r.header("Authorization") for r in backend.requests} == {None, own(name)}


def test_an_unknown_ns_is_no_registry_of_ours(start_relay, origin):
    """The default one only when it has no ns of its own: a mirror of everything would be surprising."""
    origin.route(".*", lambda r, send: send(ok()))
    relay = start_relay(proxy=origin.address, registries={"default": {"host": "a.kyma:1", "ns": "a.corp"}})
    answer = rawhttp.get(relay.port, "/v2/team/app/manifests/t1?ns=docker.io")
    assert answer.status == 404 and json.loads(answer.body)["errors"][0]["code"] == "NAME_UNKNOWN"
    assert not origin.requests
    answer = rawhttp.get(relay.port, "/v2/team/app/manifests/t1?ns=a.corp")
    assert answer.status == 200 and answer.header("OCI-Namespace") == "a.corp"
    assert origin.requests[-1].target == "/v2/team/app/manifests/t1"
    relay = start_relay(proxy=origin.address, registries={"default": {"host": "a.kyma:1"}})
    assert rawhttp.get(relay.port, "/v2/team/app/manifests/t1?ns=docker.io").status == 200


# --- a path that shares connections ------------------------------------------------------------------------------------------

def failures(relay, names, rounds):
    """Asks the registries in turn; {(error id, text)} of what failed."""
    found = set()
    for turn in range(rounds):
        path, host = request_of(names[turn % len(names)])
        answer = rawhttp.get(relay.port, path, host=host)
        if answer.status != 200:
            found.add((answer.header("X-Regrelay-Error"), json.loads(answer.body)["errors"][0]["message"]))
    return found


@pytest.mark.skipif(not haproxy.available(), reason="haproxy is not installed")
@pytest.mark.parametrize("names", [["one", "far"], ["one", "two"]], ids=["400", "403"])
def test_a_pool_in_between_is_named(tmp_path, stack, start_relay, backends, names):
    standin = start_standin(tmp_path, stack, backends)
    between = stack.enter_context(haproxy.Sharing(tmp_path / "haproxy", server=standin.address))
    relay = start_relay(proxy=between.address, registries=registries())
    found = set()

    def named():
        # Several at once: the pool then has connections of both, and one that is refused is served a moment later.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found.update(*pool.map(lambda n: failures(relay, names[n % 2:] + names[:n % 2], 4), range(8)))
        return any(error == "path-shares-connections" for error, _ in found)

    def last():
        # Each worker finds out by itself; until all have, the last failure may be another one's missing mapping.
        return named() and "path-shares-connections" in relay.regctl("status").stdout
    wait_until(last, 60, "the error's id, last")
    text = next(text for error, text in found if error == "path-shares-connections")
    assert f"connections get mixed up on the way to the connectivity proxy {between.address}" in text
    assert {error for error, _ in found} <= {"path-shares-connections", "mapping-missing"}
    relay.wait_log("path-shares-connections")


def test_a_mapping_that_is_taken_away_stays_a_missing_mapping(tmp_path, stack, start_relay, backends):
    standin = start_standin(tmp_path, stack, backends)
    relay = start_relay(proxy=standin.address, registries=registries(), workers=1)
    assert not failures(relay, ["one", "two"], 4)
    standin.ask("POST", "/v1/mapping", {"host": PLACES["one"][0], "exposed": False})
    for _ in range(3):
        assert {error for error, _ in failures(relay, ["one", "two"], 4)} == {"mapping-missing"}
