"""regctl doctor names the hop of a pull that is broken, and what mends it."""
import base64
import contextlib
import json
import re
import socket
import threading

import pytest
from tools import errortable, ways
from tools.connectproxy import ConnectProxy
from tools.images import make_image
from tools.landscape import AUTH, AUTH_VHOST, STORAGE, STORAGE_VHOST, VHOST, Landscape
from tools.origin import Cut, ok
from tools.process import run
from tools.registry import Registry
from tools.relay import REGCTL
from tools.standin import Standin

ROWS = {row["id"]: row for row in errortable.rows()}
HOPS = ["image", "secret", "name", "proxy", "tunnel", "mapping", "registry", "challenge", "token", "manifest", "blob", "redirect"]
REALM, BUCKET = f"https://{AUTH}/token", f"https://{STORAGE}"


def secret(directory, key, user="puller", password="canary-password", **more):
    """A file that holds a pull secret for key."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path = directory / "config.json"
    path.write_text(json.dumps({"auths": {"registry.corp": {"auth": "Y2FuYXJ5Om90aGVy"}, key: {"auth": auth}, **more}}))
    return path


class Doctor:
    """A relay in front of a landscape, and its doctor."""

    def __init__(self, land, relay, directory):
        self.land, self.relay, self.dir = land, relay, directory
        relay.secrets += [land.auth.password, "canary-password",
                          base64.b64encode(f"{land.auth.user}:{land.auth.password}".encode()).decode()]

    def ask(self, image="team/app:t1", *, key=None, password=None, secrets=True):
        """(exit status, the document) of a walk."""
        host = f"localhost:{self.relay.port}"
        args = ["--json", "doctor", f"{host}/{image}"]
        if secrets:
            args += ["--docker-config", secret(self.dir, key or host, self.land.auth.user, password or self.land.auth.password)]
        return asked(self.relay, *args)


def asked(relay, *args):
    done = relay.regctl(*args, timeout=60)
    assert done.stdout, done.stderr
    for word in relay.secrets:
        assert word not in done.stdout + done.stderr, "a secret shows in an answer"
    return done.returncode, json.loads(done.stdout)


def steps(document, registry=0):
    return {s["step"]: s for s in document["registries"][registry]["steps"]}


def assert_broken(answer, step, error, *words):
    """The first broken hop is that one; what mends it has the words."""
    status, document = answer
    hops = document["registries"][0]
    assert status == 1 and document["exit"] == 1 and document["result"] == "broken"
    assert hops["broken"] == step, json.dumps(document, indent=1)
    found = next(s for s in hops["steps"] if s["step"] == step and s["state"] == "broken")
    assert found["error"] == error
    assert found["cause"] == ROWS[error]["cause"] and found["fix"] == ROWS[error]["fix"]
    assert [s["step"] for s in hops["steps"]] == sorted((s["step"] for s in hops["steps"]), key=HOPS.index)
    assert not [s for s in hops["steps"] if s["state"] == "broken" and HOPS.index(s["step"]) < HOPS.index(step)]
    text = json.dumps([found, document["snippets"]])
    for word in words:
        assert word in text, (word, text)
    return found


class Lands:
    """The landscape that the tests share, as long as all of its servers run; one of a test's own when it wants another tag."""

    def __init__(self, directory, stack):
        self._dir, self._stack, self._count, self._kept = directory, stack, 0, None

    def new(self, **more):
        self._count += 1
        return Landscape(self._dir / str(self._count), self._stack, realm=REALM, to=BUCKET, layers=(30_000, 1000), **more)

    def good(self):
        """As it was in the beginning, and nothing has come."""
        land = self._kept
        if not land or not all(one.process.alive() for one in (land.auth, land.registry, land.storage, land.front, land.standin)):
            self._kept = self.new()
            return self._kept
        land.standin.heal()
        land.standin.tunnel()
        land.standin.set(mode="trusted")
        for host in (VHOST, AUTH_VHOST, STORAGE_VHOST):
            land.standin.expose(host)
        land.front.set(expired=0)
        land.auth.set(users={land.auth.user: land.auth.password})
        land.begin()
        return land


@pytest.fixture(scope="module")
def lands(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Lands(tmp_path_factory.mktemp("lands"), stack)


@pytest.fixture
def doctor(tmp_path, lands, start_relay):
    def start(section=None, settings=None, before=None, tag="t1"):
        landscape = lands.good() if tag == "t1" else lands.new(tag=tag)
        if before:
            before(landscape)
        keys = landscape.section(**(section or {}))
        relay = start_relay(proxy=landscape.standin.address, settings=settings,
                            registries={"default": {k: v for k, v in keys.items() if v is not None}})
        return Doctor(landscape, relay, tmp_path)
    return start


# --- all is well --------------------------------------------------------------------------------------------------

def test_a_good_walk(doctor):
    d = doctor()
    d.land.begin()
    status, document = d.ask()
    assert (status, document["result"], document["exit"], document["snippets"]) == (0, "ok", 0, [])
    found = steps(document)
    assert list(found) == HOPS
    assert {s["state"] for s in found.values()} == {"ok", "skipped"} and found["name"]["state"] == "skipped"
    assert all(found[s]["ms"] is not None for s in ("proxy", "registry", "token", "manifest", "blob"))
    assert AUTH_VHOST in found["challenge"]["text"] and STORAGE_VHOST in found["redirect"]["text"]
    assert "2 layers" in found["manifest"]["text"]
    assert d.land.strays() == []
    assert [r.header("Range") for r in d.land.heard(d.land.storage)] == ["bytes=0-0"]


def test_the_page(doctor):
    d = doctor()
    host = f"localhost:{d.relay.port}"
    done = d.relay.regctl("doctor", f"{host}/team/app:t1", "--docker-config",
                          secret(d.dir, host, d.land.auth.user, d.land.auth.password))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "registry default" and lines[-1] == "all hops are well"
    assert [line.split()[1] for line in lines[1:13]] == HOPS
    assert re.search(r"^  ok       token      +\d+m?s  auth.kyma:8443 gives a token", done.stdout, re.M)
    d.land.standin.expose(VHOST, False)
    done = d.relay.regctl("doctor", f"{host}/team/app:t1")
    assert done.returncode == 1
    assert re.search(r"^  BROKEN   mapping .* add the mapping$", done.stdout, re.M)
    assert re.search(r"^ +cause +The Cloud Connector has no access control entry", done.stdout, re.M)
    assert f"    Virtual Host            {VHOST}\n" in done.stdout
    assert done.stdout.endswith("\nbroken: mapping of registry default\n")


def test_without_an_image_every_registry_is_asked_as_far_as_its_challenge(doctor):
    d = doctor(settings={"registry second": {"host": "second.kyma:1", "prefix": "second"}, "registry": {"default": "yes"}})
    status, document = asked(d.relay, "--json", "doctor")
    first, second = document["registries"]
    assert (status, first["registry"], first["broken"], second["registry"]) == (1, "default", None, "second")
    assert [s["step"] for s in first["steps"]] == ["name", "proxy", "tunnel", "mapping", "registry", "challenge"]
    assert second["broken"] == "mapping" and document["image"] is None
    assert "second.kyma:1" in json.dumps(document["snippets"])
    d.land.standin.expose(VHOST)
    assert not [r for r in d.land.heard(d.land.auth)], "nobody logs in without an image"


@pytest.mark.parametrize("image", ["team/app:t1", "team/app@{digest}", "team/app:other@{digest}", "team/app"])
def test_how_an_image_is_named(doctor, image):
    d = doctor(tag="latest" if image == "team/app" else "t1")
    status, document = d.ask(image.format(digest=d.land.image.digest))
    assert (status, document["result"]) == (0, "ok"), document


def test_prefix_and_ns(doctor):
    d = doctor(section={"prefix": "corp", "ns": "registry.corp:5000", "default": "yes"},
               settings={"registry other": {"host": "other.kyma:1", "match_host": "pull.corp"}})
    assert d.ask("corp/team/app:t1")[0] == 0
    name = "registry.corp:5000/team/app:t1"
    status, document = asked(d.relay, "--json", "doctor", name, "--docker-config",
                             secret(d.dir, "registry.corp:5000", d.land.auth.user, d.land.auth.password))
    assert status == 0 and "by ns=registry.corp:5000" in steps(document)["image"]["text"]
    text = document["snippets"][0]["text"]
    assert "/etc/containerd/certs.d/registry.corp:5000/hosts.toml" in text
    assert f'[host."http://localhost:{d.relay.port}"]' in text
    assert_broken(asked(d.relay, "--json", "doctor", "elsewhere.corp/team/app:t1"), "image", "ns-unknown")
    answer = asked(d.relay, "--json", "doctor", "pull.corp/team/app:t1")
    assert_broken(answer, "mapping", "mapping-missing", "other.kyma:1")
    assert not [one for one in answer[1]["snippets"] if "hosts.toml" in one["text"]], "nodes come here by themselves"


@pytest.mark.parametrize("image, error", [
    ("http://localhost:1/a:b", "image-name"), ("localhost:1/UPPER:b", "name-invalid"), ("localhost:1/a:b c", "image-name"),
    ("localhost:1/a@sha256:1", "digest-invalid"), ("localhost:1/denied/x:1", "denied"),
])
def test_images_that_nobody_can_pull(doctor, image, error):
    d = doctor(section={"deny": "denied/**"})
    assert_broken(asked(d.relay, "--json", "doctor", image), "image", error)
    assert not d.land.heard(d.land.standin)


def test_a_registry_without_redirects_and_with_basic_login(tmp_path, stack, start_relay):
    registry = stack.enter_context(Registry(tmp_path / "registry"))
    registry.push(make_image(tmp_path / "image", layers=[1000], index=True), "team/app:t1")
    standin = stack.enter_context(Standin(tmp_path / "standin", registry=registry))
    relay = start_relay(proxy=standin.address)
    relay.secrets.append(registry.password)
    host = f"localhost:{relay.port}"
    status, document = asked(relay, "--json", "doctor", f"{host}/team/app:t1", "--docker-config",
                             secret(tmp_path, host, registry.user, registry.password))
    found = steps(document)
    assert status == 0 and found["challenge"]["text"].startswith("Basic")
    assert found["token"]["state"] == found["redirect"]["state"] == "skipped"
    assert "for linux/" in found["manifest"]["text"]
    answer = asked(relay, "--json", "doctor", f"{host}/team/app:t1", "--docker-config",
                   secret(tmp_path, host, registry.user, "wrong"))
    assert_broken(answer, "manifest", "credentials-refused", f"--docker-server={host}")
    assert_broken(asked(relay, "--json", "doctor", f"{host}/team/app:t1"), "manifest", "credentials-missing")


# --- every hop, broken --------------------------------------------------------------------------------------------

def hide(host):
    return lambda d: d.land.standin.expose(host, False)


BROKEN = [
    # what is done to a good landscape, the hop and error that are named, words of the fix
    ("mapping missing", {}, hide(VHOST), {}, "mapping", "mapping-missing", [f"Virtual Host            {VHOST}", "/v2"]),
    ("no tunnel", {}, lambda d: d.land.standin.tunnel(False), {}, "tunnel", "tunnel-down", ["start it"]),
    ("location id unknown", {"settings": {"proxy": {"location_id": "PLANT7"}}}, None, {}, "tunnel", "tunnel-down",
     ["for location id PLANT7"]),
    ("the proxy wants a token", {}, lambda d: d.land.standin.set(mode="untrusted"), {}, "proxy", "proxy-wants-token", ["set auth"]),
    ("registry down", {}, lambda d: d.land.front.process.stop(), {}, "registry", "backend-unreachable", ["trust store"]),
    ("realm not listed", {"section": {"token_hosts": None}}, None, {}, "challenge", "token-host-not-listed",
     [f"token_hosts = {AUTH}", f"Virtual Host            {AUTH}"]),
    ("realm not mapped", {}, hide(AUTH_VHOST), {}, "token", "mapping-missing",
     [f"Virtual Host            {AUTH_VHOST}", f"Internal Host           {AUTH}"]),
    ("token server down", {}, lambda d: d.land.auth.process.stop(), {}, "token", "backend-unreachable", [AUTH_VHOST]),
    ("wrong password", {}, None, {"password": "canary-password"}, "token", "credentials-refused",
     ["incorrect username or password", "--docker-server=localhost:"]),
    ("no secret", {}, None, {"secrets": False}, "manifest", "credentials-missing", ["--docker-server=localhost:"]),
    ("key of the registry", {}, None, {"key": VHOST}, "secret", "secret-key", [VHOST, "registry.corp", "--docker-server=localhost:"]),
    ("key of another port", {}, None, {"key": "localhost:1"}, "secret", "secret-key", ["localhost:1"]),
    ("manifest unknown", {}, None, {"image": "team/app:none"}, "manifest", "manifest-unknown", ["team/app:none"]),
    ("redirect host not listed", {"section": {"redirect_hosts": None}}, None, {}, "redirect", "redirect-host-not-listed",
     [f"redirect_hosts = {STORAGE_VHOST}"]),
    ("redirect host not mapped", {}, hide(STORAGE_VHOST), {}, "redirect", "mapping-missing",
     [f"Virtual Host            {STORAGE_VHOST}", f"Internal Host           {STORAGE}"]),
    ("redirect refused", {}, lambda d: d.land.front.set(expired=100), {}, "redirect", "redirect-refused", [STORAGE_VHOST]),
]


@pytest.mark.parametrize("start, breaks, asks, step, error, words", [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_the_broken_hop_is_named(doctor, start, breaks, asks, step, error, words):
    d = doctor(**start)
    if breaks:
        breaks(d)
    assert_broken(d.ask(**asks), step, error, *words)
    assert d.land.strays() == []


def test_a_secret_that_does_not_fit_still_lets_the_way_be_walked(doctor):
    d = doctor()
    found = steps(d.ask(key="localhost:1")[1])
    assert found["challenge"]["state"] == "ok" and "token" not in found
    assert not d.land.heard(d.land.auth), "no credentials, no login"


@pytest.mark.parametrize("entry, words", [
    ({"auth": "canary-password"}, "base64 of user:password"), ({"identitytoken": "canary-password"}, "neither"),
    ({"auth": ""}, "neither"),
])
def test_an_entry_that_is_no_use(doctor, tmp_path, entry, words):
    d = doctor()
    host = f"localhost:{d.relay.port}"
    (tmp_path / "c.json").write_text(json.dumps({"auths": {host: entry}}))
    answer = asked(d.relay, "--json", "doctor", f"{host}/team/app:t1", "--docker-config", tmp_path / "c.json")
    assert_broken(answer, "secret", "secret-entry", words)


@pytest.mark.parametrize("key", ["http://{host}", "https://{host}/v2/", "{host}/v1/", "{host}/team", "loc*:{port}"])
def test_keys_that_the_kubelet_takes(doctor, key):
    d = doctor()
    key = key.format(host=f"localhost:{d.relay.port}", port=d.relay.port)
    assert d.ask(key=key)[0] == 0


# --- proxies that are no proxy ------------------------------------------------------------------------------------

@contextlib.contextmanager
def full_backlog():
    """A listener whose queue is full: SYNs are dropped."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filler = [socket.socket() for _ in range(3)]
        for s in filler:
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        yield "127.0.0.1:%d" % full.getsockname()[1]
        for s in filler:
            s.close()


@contextlib.contextmanager
def silent():
    """Accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])
        threading.Thread(target=accept, daemon=True).start()
        yield "127.0.0.1:%d" % listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for s in held:
            s.close()


@contextlib.contextmanager
def nobody():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield "127.0.0.1:%d" % s.getsockname()[1]


@contextlib.contextmanager
def unresolvable():
    yield "connectivity-proxy.invalid:20003"


@pytest.mark.parametrize("proxy, step, error", [
    (unresolvable, "name", "proxy-name-unresolved"), (full_backlog, "proxy", "proxy-connect-timeout"),
    (nobody, "proxy", "proxy-unreachable"), (silent, "registry", "upstream-timeout"),
])
def test_proxies_that_are_none(start_relay, stack, proxy, step, error):
    address = stack.enter_context(proxy())
    relay = start_relay(proxy=address, settings={"proxy": {"connect_timeout": "300ms", "header_budget": "1s"}})
    answer = asked(relay, "--json", "doctor", "localhost:1/team/app:t1")
    assert_broken(answer, step, error, VHOST if step == "registry" else address)
    if step == "registry":
        found = steps(answer[1])
        assert (found["proxy"]["state"], found["tunnel"]["state"], found["mapping"]["state"]) == ("ok", "unknown", "unknown")


def test_the_doctor_tries_however_often_it_failed(start_relay, stack):
    address = stack.enter_context(nobody())
    relay = start_relay(proxy=address, settings={"proxy": {"breaker_failures": 2}})
    for _ in range(4):
        found = assert_broken(asked(relay, "--json", "doctor"), "proxy", "proxy-unreachable")
        assert found["text"].endswith("Connection refused"), "tried now, not remembered"


def refused_path(request, send):
    send(ok(f"Access denied to resource {request.target} on system {VHOST}. In case this was a valid request".encode(),
            status="403 Forbidden", content_type="text/plain"))


def reset(request, send):
    raise Cut(True)


@pytest.mark.parametrize("handler, step, error, words", [
    (refused_path, "mapping", "path-not-exposed", ["Resource                /v2"]),
    (reset, "registry", "upstream-closed", ["Connection reset"]),
    (lambda q, send: send(ok(b"<html>", status="404 Not Found", content_type="text/html")), "registry", "not-a-registry", []),
    (lambda q, send: send(ok(b"{}", status="403 Forbidden")), "registry", "registry-answer", ["403"]),
    (lambda q, send: send(ok(b"{}", status="401 Unauthorized")), "challenge", "challenge-unknown", []),
    (lambda q, send: send(ok(b"{}", status="401 Unauthorized", headers=[("WWW-Authenticate", "Negotiate")])), "challenge",
     "challenge-unknown", []),
])
def test_answers_of_the_way(relay, origin, handler, step, error, words):
    origin.route(".*", handler)
    assert_broken(asked(relay, "--json", "doctor", "localhost:1/team/app:t1"), step, error, *words)


def test_a_registry_without_a_proxy(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(registries={"default": {"host": origin.address, "proxy": "none", "scheme": "http"}})
    status, document = asked(relay, "--json", "doctor")
    found = steps(document)
    assert status == 0 and found["proxy"]["state"] == found["registry"]["state"] == "ok"
    assert found["tunnel"]["state"] == found["mapping"]["state"] == "skipped"


@pytest.fixture
def site(tmp_path, stack):
    one = ways.Site(tmp_path, stack)
    one.origin.answer("/v2/", ok())
    return one


@pytest.mark.parametrize("kind", ways.KINDS)
def test_ways_on_which_the_relay_speaks_tls(start_relay, site, kind):
    status, document = asked(start_relay(**site.way(kind)), "--json", "doctor")
    found = steps(document)
    assert status == 0, document
    assert {name: found[name]["state"] for name in ("proxy", "tunnel", "mapping", "registry")} == {
        "proxy": "ok", "registry": "ok", "tunnel": "ok" if kind == "socks5" else "skipped",
        "mapping": "skipped" if kind == "direct" else "ok"}


@pytest.mark.parametrize("kind", ways.KINDS)
def test_a_certificate_that_is_not_trusted(start_relay, site, kind):
    server = site.serve(site.ca.issue("other.corp"))
    answer = asked(start_relay(**site.way(kind, server=server)), "--json", "doctor")
    assert_broken(answer, "registry", "tls-failed", "it is for other.corp", "tls_name")


@pytest.mark.parametrize("kind", ways.KINDS)
def test_a_mapping_is_asked_for_only_where_there_is_a_cloud_connector(start_relay, site, kind):
    site.origin.answer("/v2/", ok(status="401 Unauthorized", headers=[("WWW-Authenticate", 'Bearer realm="https://auth.corp/t"')]))
    _, document = asked(start_relay(**site.way(kind)), "--json", "doctor")
    assert steps(document)["challenge"]["error"] == "token-host-not-listed"
    texts = [one["text"] for one in document["snippets"]]
    assert any("token_hosts = auth.corp:443" in text for text in texts)
    assert any("Back-end Type" in text for text in texts) == (kind == "socks5")


def test_a_mapping_that_is_missing_is_one_of_bytes(start_relay, site):
    relay = start_relay(**site.way("socks5"))
    site.standin.ask("POST", "/v1/mapping", {"host": ways.HOST, "exposed": False})
    assert_broken(asked(relay, "--json", "doctor"), "mapping", "mapping-missing", "TCP", ways.HOST)


def test_a_proxy_that_wants_credentials(start_relay, site, stack):
    site.proxy = stack.enter_context(ConnectProxy({ways.HOST: site.tls.port}, credentials="relay:right"))
    assert_broken(asked(start_relay(**site.way("connect")), "--json", "doctor"), "proxy", "proxy-wants-credentials", "auth_file")


def test_marks_of_something_in_between(relay, origin):
    fields = [("Server", "istio-envoy"), ("x-envoy-upstream-service-time", "7"), ("Via", "1.1 squid")]
    origin.route("/v2/", lambda q, send: send(ok(headers=fields)))
    status, document = asked(relay, "--json", "doctor")
    assert status == 0
    assert len(document["warnings"]) == 1
    for word in ("Server: istio-envoy", "x-envoy-upstream-service-time", "Via: 1.1 squid", "appProtocol: tcp"):
        assert word in document["warnings"][0]
    assert "warning: answers bear the marks" in relay.regctl("doctor").stdout
    origin.route("/v2/", lambda q, send: send(ok(b"upstream connect error", status="503 Service Unavailable",
                                                 content_type="text/plain", headers=fields)))
    status, document = asked(relay, "--json", "doctor")
    assert status == 1 and "istio-envoy" in document["warnings"][0], "an error shows them as well"


def test_a_repository_that_wants_a_login_behind_an_open_registry(relay, origin):
    def manifest(request, send):
        if request.header("Authorization") != "Bearer abc":
            send(ok(b"{}", status="401 Unauthorized",
                    headers=[("WWW-Authenticate", f'Bearer realm="http://{VHOST}/token?a=b",service="s"')]))
        else:
            send(ok(b'{"schemaVersion":2,"layers":[]}'))
    origin.answer("/v2/", ok())
    origin.route(re.escape("/v2/team/app/manifests/t1"), manifest)
    origin.answer("/token?a=b&service=s&scope=repository%3Ateam%2Fapp%3Apull", ok(b'{"access_token":"abc"}'))
    status, document = asked(relay, "--json", "doctor", "localhost:1/team/app:t1")
    assert status == 0
    came = [(s["step"], s["state"]) for s in document["registries"][0]["steps"]]
    assert came[-6:] == [("challenge", "ok"), ("token", "skipped"), ("challenge", "ok"), ("token", "ok"), ("manifest", "ok"),
                         ("blob", "skipped")]


def test_layers_that_nodes_fetch_themselves(doctor):
    d = doctor(section={"redirect_hosts": None, "redirect_pass": STORAGE_VHOST})
    status, document = d.ask()
    assert status == 0 and steps(document)["redirect"]["state"] == "unknown"
    assert STORAGE_VHOST in steps(document)["redirect"]["text"]


def test_the_relays_own_credentials(doctor, tmp_path):
    file = tmp_path / "own"
    file.mkdir()
    d = doctor(section={"authorization": f"file:{file}", "allow": "**"}, before=lambda land: [
        (file / name).write_text(text) for name, text in (("username", land.auth.user), ("password", land.auth.password))])
    status, document = d.ask(secrets=False)
    found = steps(document)
    assert (status, found["secret"]["state"], found["token"]["state"]) == (0, "skipped", "skipped")
    assert "the relay's own credentials" in found["challenge"]["text"]
    d.land.auth.set(users={d.land.auth.user: "another"})
    assert d.relay.regctl("reload").returncode == 0, "the keeper forgets its tokens"
    assert_broken(d.ask(secrets=False), "token", "registry-credentials-rejected", "Correct that file")


def test_a_port_that_is_not_the_relays(doctor):
    d = doctor(settings={"listen": {"public_port": 30085}})
    status, document = d.ask()
    assert status == 0 and "public_port of the relay is 30085" in document["warnings"][0]
    status, document = asked(d.relay, "--json", "doctor", "team/app:t1")
    assert "nodes ask docker.io" in document["warnings"][0]


# --- forms of a pull secret ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["config", "secret", "string data", "base64", "lines"])
def test_forms_of_a_pull_secret(doctor, form):
    d = doctor()
    host = f"localhost:{d.relay.port}"
    text = secret(d.dir, host, d.land.auth.user, d.land.auth.password).read_text()
    coded = base64.b64encode(text.encode()).decode()
    given = {"config": text, "secret": json.dumps({"kind": "Secret", "data": {".dockerconfigjson": coded}}),
             "string data": json.dumps({"kind": "Secret", "stringData": {".dockerconfigjson": text}}),
             "base64": coded + "\n", "lines": base64.encodebytes(text.encode()).decode()}[form]
    done = run([REGCTL, "-s", d.relay.control, "doctor", f"{host}/team/app:t1", "--docker-config", "-"], stdin=given)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", ["", "{}", "nothing of it", '{"auths": []}', '{"data": {".dockerconfigjson": "!"}}'])
def test_what_is_no_pull_secret(relay, tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    done = relay.regctl("doctor", "localhost:1/a:b", "--docker-config", path)
    assert done.returncode == 2 and str(path) in done.stderr and done.stdout == ""
