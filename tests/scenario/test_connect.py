"""Through a proxy that makes tunnels by CONNECT: what it may answer, what of it reaches a client (nothing), and tunnels that
break; then real clients through squid and tinyproxy."""
import concurrent.futures
import contextlib
import json
import random
import time

import pytest
from tools import rawhttp, skopeo, squid, tinyproxy, ways
from tools.connectproxy import (ESTABLISHED, FORBIDDEN, LONG_HEAD, NO_GATEWAY, PAGE, WANTS_AUTH, WANTS_WHAT, ConnectProxy,
                                Say, Tunnel, answer)
from tools.flaky import Flaky
from tools.landscape import Landscape
from tools.process import wait_until
from tools.ways import BLOB, MANIFEST, digest, get

SIZE = 1_000_000
DATA = random.Random(16).randbytes(SIZE)
PLAIN = {"host": "plain.corp:80", "scheme": "http", "ca_file": ""}
EVIL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nevil"


@pytest.fixture
def start(start_relay, site):
    """start(proxy={keys}, **keys of [registry]) -> a relay through site.proxy."""
    def start(proxy=None, workers=1, **registry):
        return start_relay(**site.way("connect", workers=workers, proxy=proxy, **registry))
    return start


def assert_whole(answer, data=DATA):
    ways.assert_whole(answer, data)


def assert_nothing_of(said, *texts):
    whole = repr((said.reason, said.headers, said.body))
    for text in texts:
        assert text not in whole, whole


# --- what is said ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
def test_what_the_proxy_sees(start, site, registry):
    relay = start(**registry)
    secret = "Basic Y2FuYXJ5OmNhbmFyeQ=="
    assert get(relay, headers=[("Authorization", secret), ("User-Agent", "canary/1")]).status == 200
    request, = site.proxy.requests
    host = registry.get("host", ways.HOST)
    assert request.raw.startswith(f"CONNECT {host} HTTP/1.1\r\n") and request.header("Host") == host
    assert secret not in request.raw and "canary" not in request.raw, "what a client says is for the registry"
    inside, = site.origin.requests
    assert inside.target == MANIFEST and inside.header("Authorization") == secret
    assert not [n for n, _ in inside.headers if n.lower().startswith("proxy-")]


def test_credentials_for_the_proxy(start_relay, site, tmp_path, stack):
    users = tmp_path / "users"
    users.write_text("relay:pass:word é\n")
    site.proxy = stack.enter_context(ConnectProxy({ways.HOST: site.tls.port}, credentials="relay:pass:word é"))
    relay = start_relay(**site.way("connect", proxy={"auth": "basic", "auth_file": users}))
    relay.secrets += ["pass:word", "cmVsYXk6cGFzczp3b3Jk"]
    assert get(relay).status == 200 and len(site.proxy.requests) == 1, "they are shown at once"
    assert site.origin.requests[0].header("Proxy-Authorization") is None
    for answer_of in (relay.api("GET", "/v1/config")[1], relay.status(), relay.stats()):
        assert "pass:word" not in json.dumps(answer_of)


def test_wrong_and_missing_credentials(start_relay, site, tmp_path, stack):
    site.proxy = stack.enter_context(ConnectProxy({ways.HOST: site.tls.port}, credentials="relay:right"))
    users = tmp_path / "users"
    users.write_text("relay:wrong\n")
    errors = []
    for keys in ({}, {"auth": "basic", "auth_file": users}):
        relay = start_relay(**site.way("connect", proxy=keys))
        for method in ("GET", "HEAD"):
            said = get(relay, method=method)
            assert said.status == 503
            assert_nothing_of(said, "own page", "wrong")
        errors.append(said.header("X-Regrelay-Error"))
    assert errors == ["proxy-wants-credentials", "proxy-credentials-refused"], "two mistakes, with two remedies"
    assert not site.origin.requests and len(site.proxy.requests) <= 8, "nobody hammers a proxy that says no"


# --- answers to CONNECT (F41) ----------------------------------------------------------------------------------------------

NO = {
    "407 with a challenge": Say(WANTS_AUTH), "407 without": Say(WANTS_WHAT), "403": Say(FORBIDDEN),
    "502 and a body": Say(NO_GATEWAY),
    "503": Say(answer("503 Service Unavailable", PAGE)), "504": Say(answer("504 Gateway Timeout", PAGE)),
    "302": Say(answer("302 Found", PAGE, "Location: http://login.corp/")), "204": Say(b"HTTP/1.1 204 No Content\r\n\r\nevil"),
    "502 without length": Say(b"HTTP/1.1 502 Bad Gateway\r\n\r\n" + PAGE, "fin"),
    "HTTP/0.9": Say(PAGE, "fin"), "1 MB head": Say(LONG_HEAD), "garbage": Say(bytes(range(256)) * 8),
    "TLS": Say(b"\x15\x03\x01\x00\x02\x02\x46", "fin"), "a chunked no": Say(
        b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"),
    "interim answers without end": Say(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, "fin"),
    "half a head and an end": Say(b"HTTP/1.1 200 Connection est", "fin"),
    "a bare line feed": Say(b"HTTP/1.1 200 OK\nX: evil\n\n"), "a folded line": Say(b"HTTP/1.1 200 OK\r\nX: a\r\n evil\r\n\r\n"),
}


@pytest.mark.parametrize("which", NO)
@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
def test_no(start, site, which, registry):
    relay = start(proxy={"header_budget": "2s"}, **registry)
    site.proxy.script(*[NO[which]] * 50)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda method: get(relay, method=method), ("GET", "HEAD")))
    for said in answers:
        assert said.status in (502, 503, 504), (said.status, said.reason)
        assert said.header("X-Regrelay-Error"), said.reason
        assert_nothing_of(said, "own page", "evil", "login.corp", "X-Filler", "Proxy-Authenticate")
    assert not site.origin.requests, "there was no tunnel"
    site.proxy.script()
    wait_until(lambda: get(relay).status == 200, 10, "the way to be good again")


@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
@pytest.mark.parametrize("which", ["early bytes", "a body"])
def test_a_yes_with_more_behind_it(start, site, registry, which):
    """RFC 9110, 9.3.6: a 2xx to CONNECT has no body, whatever its head says; what follows is the tunnel's, and nobody has
    asked anything there yet."""
    relay = start(proxy={"header_budget": "2s"}, **registry)
    head = ESTABLISHED if which == "early bytes" else \
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(EVIL)
    site.proxy.script(*[Tunnel(head=head, early=EVIL)] * 50)
    said = get(relay)
    assert said.status in (502, 503, 504) and said.header("X-Regrelay-Error"), (said.status, said.body)
    assert_nothing_of(said, "evil")
    site.proxy.script()
    wait_until(lambda: get(relay).status == 200, 10, "the way to be good again")


YES = {
    "byte by byte": Tunnel(pace=0.005),
    "an interim answer first": Tunnel(head=b"HTTP/1.1 100 Continue\r\n\r\n" + ESTABLISHED),
    "HTTP/1.0": Tunnel(head=b"HTTP/1.0 200 Connection established\r\n\r\n"), "no reason": Tunnel(head=b"HTTP/1.1 200 \r\n\r\n"),
    "fields": Tunnel(head=b"HTTP/1.1 200 OK\r\nProxy-Agent: x/1\r\nVia: 1.1 proxy\r\nDate: now\r\n\r\n"),
    "another 2xx": Tunnel(head=b"HTTP/1.1 201 Created\r\n\r\n"),
    "length 0": Tunnel(head=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "Connection: close": Tunnel(head=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
}


@pytest.mark.parametrize("which", YES)
def test_yes(start, site, which):
    """All of these are legal, and begin a tunnel like any other."""
    Flaky(site.origin, BLOB, DATA)
    relay = start()
    site.proxy.script(YES[which])
    assert_whole(get(relay, BLOB))
    assert get(relay).status == 200
    assert len(site.proxy.requests) == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX-Half"])
def test_silence_has_its_time(start, site, said):
    relay = start(proxy={"header_budget": "1s"})
    site.proxy.script(*[Say(said)] * 10)
    begin = time.monotonic()
    got = get(relay)
    assert got.status == 504 and got.header("X-Regrelay-Error"), (got.status, got.reason)
    assert 0.5 < time.monotonic() - begin < 15
    site.proxy.wait(lambda: site.proxy.open == 0)
    site.proxy.script()
    wait_until(lambda: get(relay).status == 200, 10, "the way to be good again")  # the budget is small


def test_a_no_that_is_over_soon_is_no_error(start, site):
    relay = start()
    for steps in ((Say(NO_GATEWAY), Say(answer("503 Service Unavailable"))), (Say(b"", "rst"), Say(b"HTTP/1.1 200", "fin"))):
        site.proxy.script(*steps)
        assert get(relay).status == 200
        site.proxy.cut()
        site.proxy.wait(lambda: site.proxy.open == 0)
    assert len(site.proxy.requests) == 6


# --- tunnels ---------------------------------------------------------------------------------------------------------------

def test_one_tunnel_for_many_requests(start, site):
    relay = start()
    for _ in range(5):
        assert get(relay).status == 200
    assert len(site.proxy.requests) == 1 and site.tls.full == 1


def test_tunnels_are_not_shared(start_relay, site):
    way = site.way("connect")
    keys = way["registries"]["default"]
    way["registries"] = {"default": {**keys, "default": "yes"},
                         "b": {**keys, "prefix": "b", "host": "10.1.2.3:443", "tls_name": "registry.corp"},
                         "c": {**keys, **PLAIN, "prefix": "c"}}
    relay = start_relay(**way)
    for _ in range(3):
        for prefix in ("", "/b", "/c"):
            assert get(relay, MANIFEST.replace("/v2", "/v2" + prefix)).status == 200
    assert sorted(site.proxy.targets()) == ["10.1.2.3:443", "plain.corp:80", ways.HOST]


@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_cuts_at_random_bytes(start, site, registry, how):
    source = random.Random(f"{registry}{how}")
    Flaky(site.origin, BLOB, DATA)
    relay = start(**registry)
    # The first after the head, for before it there are three attempts; and then in turn, for the pauses between attempts that
    # bring nothing grow.
    early = [0, 1, 600, source.randrange(2, 1500)]
    steps = [Tunnel(cut=cut, how=how) for one in early for cut in (source.randrange(100_000, SIZE // 6), one)]
    site.proxy.script(*steps)
    assert_whole(get(relay, BLOB))
    assert relay.stat("regrelay_resumes_failed_total") == 0 and 2 <= len(site.proxy.requests) <= len(steps) + 1


def test_a_tunnel_that_falls_silent(start, site):
    Flaky(site.origin, BLOB, DATA)
    relay = start(proxy={"stall_timeout": "500ms"})
    site.proxy.script(Tunnel(cut=300_000, how="stall"))
    assert_whole(get(relay, BLOB))
    # Where the machine stands still there are more; all are of this kind.
    assert relay.stat("regrelay_resumes_total", cause="stall") == relay.stat("regrelay_resumes_total") >= 1


def test_a_proxy_that_dies_within_a_transfer(start, site):
    data = random.Random(17).randbytes(16 << 20)
    Flaky(site.origin, BLOB, data)
    relay = start()
    with rawhttp.Connection(relay.port, timeout=30, receive_buffer=65536) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        for _ in range(3):
            before = len(c.data)
            # A break is seen when all that came before it was taken, and that may be a mebibyte.
            while len(c.data) < before + (1 << 20) or site.proxy.open == 0:
                assert c.more()
            site.proxy.cut("rst")
        while len(c.data) < len(data):
            assert c.more()
        assert digest(c.data) == digest(data)


# --- real clients, foreign proxies -----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """Registry, token server and storage, each with TLS, by names or addresses that the proxies can resolve."""
    with contextlib.ExitStack() as stack:
        yield Landscape(tmp_path_factory.mktemp("land"), stack, layers=[20_000_000, 3_000_000, 1000])


@pytest.fixture(params=["squid", "squid, users", "tinyproxy", "tinyproxy, users"])
def foreign(request, land, tmp_path, stack):
    """(address, keys of [proxy], host of the registry)"""
    name, _, users = request.param.partition(", ")
    ports = [land.front.port, land.auth.port, land.storage.port]
    credentials = "relay:s3cret" if users else None
    keys = {"protocol": "connect"}
    if users:
        (tmp_path / "users").write_text(credentials + "\n")
        keys.update(auth="basic", auth_file=tmp_path / "users")
    if name == "squid":
        if not squid.available():
            pytest.skip("squid is not installed")
        proxy = stack.enter_context(squid.Tunnels(tmp_path / "squid", names=["registry.corp"], ports=ports,
                                                  credentials=credentials))
        return proxy, keys, "registry.corp"  # which nobody but squid can resolve
    if not tinyproxy.available():
        pytest.skip("tinyproxy is not installed")
    proxy = stack.enter_context(tinyproxy.Tinyproxy(tmp_path / "tiny", ports=ports, credentials=credentials))
    return proxy, keys, "localhost"


def test_skopeo_pulls_through_tunnels_that_are_cut(start_relay, land, stack, tmp_path):
    """skopeo resumes nothing itself."""
    section = land.direct_section()
    del section["proxy"]
    hosts = {section["host"]: land.front.port, section["token_hosts"]: land.auth.port,
             section["redirect_hosts"]: land.storage.port}
    proxy = stack.enter_context(ConnectProxy(hosts))
    relay = start_relay(proxy=proxy.address, registries={"default": section}, settings={"proxy": {"protocol": "connect"}})
    source = random.Random(18)
    proxy.script(*[Tunnel(cut=source.randrange(1 << 21), how=source.choice(["fin", "rst"])) for _ in range(10)])
    done = skopeo.pull(f"localhost:{relay.port}/team/app:t1", tmp_path / "out", credentials=land.front.credentials)
    assert done.returncode == 0, done.stderr
    image = land.image
    assert skopeo.pulled_digests(tmp_path / "out") == (image.manifest_digest, image.config, list(image.layers))
    assert set(proxy.targets()) == set(hosts) and len(proxy.requests) > 3


@pytest.mark.parametrize("client", ["skopeo", "ctr"])
def test_pull_through_a_foreign_proxy(start_relay, land, foreign, client, request, tmp_path):
    """With a token server (https realm) and a storage (https redirect) behind the same proxy."""
    proxy, keys, name = foreign
    land.begin()
    section = land.direct_section(host=f"{name}:{land.front.port}")
    del section["proxy"]
    relay = start_relay(proxy=proxy.address, registries={"default": section}, settings={"proxy": keys})
    relay.secrets += [land.auth.password, "s3cret"]
    reference = f"localhost:{relay.port}/team/app:t1"
    if client == "skopeo":
        done = skopeo.pull(reference, tmp_path / "out", credentials=land.front.credentials)
        assert done.returncode == 0, done.stderr
        image = land.image
        assert skopeo.pulled_digests(tmp_path / "out") == (image.manifest_digest, image.config, list(image.layers))
    else:
        ctrd = request.getfixturevalue("ctrd")
        done = ctrd.pull(reference, credentials=land.front.credentials)
        assert done.returncode == 0, done.stderr
        assert {land.image.config, *land.image.layers} <= ctrd.digests()
        ctrd.remove(reference)
    assert land.heard(land.auth) and land.heard(land.storage) and not land.strays()
    if name == "localhost":
        assert set(proxy.connects()) == {f"localhost:{land.front.port}", f"127.0.0.1:{land.auth.port}",
                                         f"127.0.0.1:{land.storage.port}"}
