"""TLS towards the registry, on every way where the relay speaks it: without a proxy, through SOCKS5, through CONNECT.

What is refused is refused with its reason; what breaks off is gone on with; and nothing is taken from a server that has not
proved its name."""
import contextlib
import random
import ssl
import threading
import time

import pytest
from tools import certs, containerd, ports, rawhttp, skopeo, ways
from tools.flaky import Flaky
from tools.images import make_image
from tools.landscape import Landscape
from tools.origin import ok
from tools.process import wait_until
from tools.registry import Registry
from tools.tlsserver import Step, TlsServer
from tools.ways import BLOB, MANIFEST, digest, get

SIZE = 1_000_000
DATA = random.Random(9).randbytes(SIZE)
MIB = 1 << 20


@pytest.fixture(params=ways.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def start(start_relay, site):
    """start(kind, server=..., proxy={keys}, **keys of [registry]) -> a relay on that way, before anybody has used it."""
    def start(kind, server=None, **more):
        relay = start_relay(**site.way(kind, server=server, **more))
        site.settle(kind, server)
        return relay
    return start


def assert_refused(answer, *words, error="tls-failed"):
    """An error of the relay's own that says one of these words."""
    assert answer.header("X-Regrelay-Error") == error, (answer.status, answer.reason)
    assert answer.status == (504 if error.endswith("timeout") else 503)
    assert any(word in answer.reason.lower() for word in words), answer.reason
    assert answer.reason in answer.header("Warning")


# --- certificates ----------------------------------------------------------------------------------------------------------

BAD = {
    "expired": (dict(dates=certs.PAST), "expired"),
    "not yet valid": (dict(dates=certs.FUTURE), "not yet valid"),
    "other name": (dict(name="other.corp"), "name"),
    "part of the name": (dict(name="*.corp"), "name"),
    "name in the subject alone": (dict(san=False), "name"),
    "weak key": (dict(key=certs.WEAK), "weak"),
    "for clients": (dict(client=True), "purpose"),
}


@pytest.mark.parametrize("wrong", [*BAD, "self-signed", "foreign"])
def test_certificates_that_are_refused(start_relay, site, kind, wrong, tmp_path):
    name = "localhost" if kind == "direct" else "registry.corp"
    if wrong == "self-signed":
        pair, words = certs.self_signed(tmp_path / "self", name), ("self-signed", "self signed")
    elif wrong == "foreign":
        pair, words = certs.Authority(tmp_path / "foreign", "foreign").issue(name), ("not in the ca file",)
    else:
        how, word = BAD[wrong]
        how, words = {"name": name, **how}, (word,)
        pair = site.ca.issue(how.pop("name"), **how)
    server = site.serve(pair)
    relay = start_relay(**site.way(kind, server=server))
    for method in ("GET", "HEAD"):
        answer = get(relay, method=method, headers=[("Authorization", "Basic canary")])
        assert_refused(answer, *words)
    assert not site.origin.requests, "not a byte of a request went to a server that had not proved its name"
    server.wait(lambda: server.refusals)  # it may hear of it later than the client
    assert server.full == server.resumed == 0
    assert relay.wait_log('"level": ?"warning"')
    good = start_relay(**site.way("direct", server=site.tls)) if kind == "direct" else None
    assert good is None or get(good).status == 200


def test_a_good_one_and_what_the_server_was_told(start, site, kind):
    relay = start(kind)
    assert get(relay).status == 200
    assert site.tls.names == ["localhost" if kind == "direct" else "registry.corp"]
    request, = site.origin.requests
    assert request.target == MANIFEST and request.header("Host") == (
        f"localhost:{site.tls.port}" if kind == "direct" else "registry.corp")


def test_another_name_than_the_host(start_relay, site, kind):
    """tls_name: what the certificate must say, where the host is another (a virtual one)."""
    server = site.serve(site.ca.issue("inner.corp"))
    assert_refused(get(start_relay(**site.way(kind, server=server))), "name")
    assert get(start_relay(**site.way(kind, server=server, tls_name="inner.corp"))).status == 200
    assert set(server.names) == {"localhost" if kind == "direct" else "registry.corp", "inner.corp"}


def test_an_address_wants_an_address_in_the_certificate(start_relay, site):
    for names, good in ((("127.0.0.1",), True), (("localhost",), False)):
        server = site.serve(site.ca.issue(*names))
        server.forget()
        answer = get(start_relay(**site.way("direct", server=server, host=f"127.0.0.1:{server.port}")))
        assert (answer.status == 200) == good, answer.reason
        if good:
            assert set(server.names) == {None}, "an address is no server name (RFC 6066)"
        else:
            assert_refused(answer, "address", "name")


def test_a_wildcard_stands_for_one_label(start_relay, site, kind):
    server = site.serve(site.ca.issue("*.images.corp"))
    assert get(start_relay(**site.way(kind, server=server, tls_name="eu.images.corp"))).status == 200
    assert_refused(get(start_relay(**site.way(kind, server=server, tls_name="a.eu.images.corp"))), "name")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate(start_relay, site, kind, version):
    server = site.serve(client_ca=site.ca.certificate, least=version, most=version)
    answer = get(start_relay(**site.way(kind, server=server)))
    assert_refused(answer, "certificate", "handshake failure")
    assert not site.origin.requests
    pair = site.ca.issue("relay", client=True)
    relay = start_relay(**site.way(kind, server=server, tls_client_certificate=pair.certificate, tls_client_key=pair.key))
    assert get(relay).status == 200


def test_no_certificate_of_ours_for_who_does_not_ask(start, site, kind):
    pair = site.ca.issue("relay", client=True)
    relay = start(kind, tls_client_certificate=pair.certificate, tls_client_key=pair.key)
    assert get(relay).status == 200


# --- versions, stalls, garbage ---------------------------------------------------------------------------------------------

def test_old_versions_are_refused(start_relay, site, kind):
    server = site.serve(least=ssl.TLSVersion.TLSv1_1, most=ssl.TLSVersion.TLSv1_1)
    assert_refused(get(start_relay(**site.way(kind, server=server))), "version", "protocol")
    assert not site.origin.requests


def test_garbage_instead_of_tls(start, site, kind):
    relay = start(kind)
    site.tls.script(*[Step(say=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")] * 20)
    answer = get(relay)
    assert_refused(answer, "tls", "version", "wrong")
    assert b"evil" not in answer.body


@pytest.mark.parametrize("raw", [0, 90])
def test_a_stalled_handshake_has_its_time(start, site, raw):
    """The budget of a request counts what TLS takes; the thread of another request is not held up meanwhile."""
    relay = start("connect", proxy={"header_budget": "4s"})
    site.tls.script(*[Step(raw=raw, how="stall")] * 4)
    begin = time.monotonic()
    results = []
    stuck = threading.Thread(target=lambda: results.append(get(relay)))
    stuck.start()
    site.tls.wait(lambda: site.tls.accepted >= 1)
    site.tls.script()
    assert get(relay).status == 200
    stuck.join()
    assert results[0].status in (200, 504) and time.monotonic() - begin < 20
    site.tls.wait(lambda: site.tls.open <= 1)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("raw", [0, 1, 90, 500])
def test_a_handshake_that_breaks_off_is_tried_again(start, site, raw, how):
    relay = start("direct")
    site.tls.script(Step(raw=raw, how=how))
    assert get(relay).status == 200
    assert site.tls.accepted == 2 and len(site.origin.requests) == 1


# --- bodies that break off -------------------------------------------------------------------------------------------------

def serve_blob(site, steps=(), data=DATA, **more):
    return Flaky(site.origin, BLOB, data, steps, **more)


def assert_whole(answer, data=DATA):
    ways.assert_whole(answer, data)


def test_a_large_body(start, site, kind):
    data = random.Random(10).randbytes(24 * MIB)
    serve_blob(site, data=data)
    relay = start(kind)
    for _ in range(3):
        assert_whole(get(relay, BLOB), data)
    assert site.tunnels(kind) == 1, "all went over one connection"


@pytest.mark.parametrize("how", ["fin", "rst", "notify"])
def test_cuts_at_random_bytes(start, site, kind, how):
    """Of the body, with and without a word; then of TLS itself, handshakes included: after each of these bytes come, for the pauses
    between attempts that bring nothing grow."""
    source = random.Random(f"{kind}{how}")
    serve_blob(site)
    relay = start(kind)
    steps = [Step(after=source.randrange(1, SIZE // 6), how=how) for _ in range(5)]
    steps[0] = Step(after=100_000, how=how)  # before the head there are three attempts, within the body as many as it takes
    site.tls.script(*steps)
    assert_whole(get(relay, BLOB))
    assert site.tls.accepted == 6
    # on the connection of before, which the first answer may have left in the pool
    site.tls.cut()
    within = [0, 1, source.randrange(2, 1500)]
    steps = [Step(raw=raw, how=how) for early in within for raw in (source.randrange(100_000, SIZE // 5), early)]
    site.tls.script(*steps)
    assert_whole(get(relay, BLOB))
    assert relay.stat("regrelay_resumes_failed_total") == 0 and relay.stat("regrelay_aborted_transfers_total") == 0


def test_a_changed_byte_is_noticed_and_gone_on_with(start, site):
    """What no plain connection can see: TLS refuses a record that was changed on its way."""
    serve_blob(site)
    relay = start("socks5")
    site.standin.fault("corrupt", at=300_000, count=1)
    assert_whole(get(relay, BLOB))
    assert site.tunnels("socks5") == 2


@pytest.mark.parametrize("how", ["fin", "rst", "notify"])
def test_a_body_that_only_its_end_ends(start, site, how):
    """No length, no chunks: without close_notify its end is no end (RFC 8446, 6.1; RFC 9112, 9.8)."""
    body = DATA[:50_000]
    site.origin.route(BLOB, lambda request, send: send(b"HTTP/1.1 200 OK\r\n\r\n" + body) or "close")
    relay = start("direct")
    site.tls.script(*[Step(end=how)] * 10)
    answer = get(relay, BLOB)
    if how == "notify":
        assert answer.status == 200 and answer.complete and answer.body == body
    elif how == "fin" or answer.status == 200:  # RST may overtake the head
        assert not answer.complete and answer.error == "reset" and body.startswith(answer.body)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_no_close_notify_behind_a_whole_body_is_no_harm(start, site, kind, how):
    site.origin.route(BLOB, lambda request, send: send(ok(DATA, headers=[("Connection", "close")])) or "close")
    relay = start(kind)
    site.tls.script(*[Step(end=how)] * 3)
    assert_whole(get(relay, BLOB))
    if how == "fin":  # RST may overtake the last bytes
        assert relay.stat("regrelay_resumes_total") == 0


def test_garbage_within_a_body(start, site, kind):
    serve_blob(site)
    relay = start(kind)
    site.tls.script(Step(after=200_000, say=b"HTTP/1.1 200 OK\r\n\r\nevil" * 100, how="fin"))
    assert_whole(get(relay, BLOB))
    assert site.tls.accepted == 2


def test_what_cannot_be_saved_never_looks_complete(start, site):
    """A tag without validator cannot be resumed: the client gets a reset, not a clean end."""
    serve_blob(site)
    site.origin.route(MANIFEST, lambda request, send: send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(5000)) or "close")
    relay = start("direct")
    answer = get(relay, MANIFEST)
    assert not answer.complete and answer.error == "reset"


def test_gone_for_a_while(start, site, kind):
    """All connections cut at once while several bodies are under way."""
    data = random.Random(11).randbytes(16 * MIB)
    serve_blob(site, data=data)
    relay = start(kind, workers=2)
    with contextlib.ExitStack() as stack:
        pulls = [stack.enter_context(rawhttp.Connection(relay.port, timeout=30, receive_buffer=65536)) for _ in range(4)]
        for c in pulls:
            c.request(BLOB)
            assert c.head()[0] == 200
        for turn in range(1, 4):
            for c in pulls:
                c.rest_of(turn * MIB)
            site.tls.cut("rst")
        for c in pulls:
            c.rest_of(len(data))
            assert digest(c.data) == digest(data)
    assert relay.stat("regrelay_resumes_total") >= len(pulls)


# --- connections and sessions ----------------------------------------------------------------------------------------------

def test_one_connection_for_many_requests(start, site, kind):
    relay = start(kind)
    with rawhttp.Connection(relay.port) as c:
        for _ in range(5):
            assert c.get(MANIFEST).status == 200
    for _ in range(5):
        assert get(relay).status == 200
    assert site.tunnels(kind) == site.tls.accepted == 1 and site.tls.full == 1
    assert len(site.origin.requests) == 10 and len({r.connection for r in site.origin.requests}) == 1


def test_sessions_are_resumed_on_new_connections(start, site, kind):
    site.origin.answer(MANIFEST, ok(headers=[("Connection", "close")]))
    relay = start(kind)
    for _ in range(4):
        assert get(relay).status == 200
    assert (site.tls.full, site.tls.resumed) == (1, 3)


def test_without_tickets_all_handshakes_are_full(start, site):
    server = site.serve(tickets=False)
    site.origin.answer(MANIFEST, ok(headers=[("Connection", "close")]))
    relay = start("direct", server=server)
    for _ in range(3):
        assert get(relay).status == 200
    assert (server.full, server.resumed) == (3, 0)


@pytest.mark.parametrize("differs", ["ca_file", "tls_name", "tls_client_certificate"])
def test_registries_share_no_connection_and_no_session(start_relay, site, kind, tmp_path, differs):
    """Two sections for one and the same server: what the one has proved, or shown, is nothing for the other."""
    way = site.way(kind)
    keys = way["registries"]["default"]
    pair = site.ca.issue("relay", client=True)
    other = {"ca_file": {"ca_file": certs.Authority(tmp_path / "foreign", "foreign").certificate},
             "tls_name": {"tls_name": "other.corp"},
             "tls_client_certificate": {"tls_client_certificate": pair.certificate, "tls_client_key": pair.key}}[differs]
    way["registries"] = {"default": {**keys, "default": "yes"}, "other": {**keys, **other, "prefix": "other"}}
    relay = start_relay(**way)
    if kind == "direct":  # the keeper looks at both
        wait_until(lambda: site.tls.accepted == 2 and len(site.origin.requests) + len(site.tls.refusals) == 2, 10, "its looks")
        site.settle(kind)
    assert get(relay).status == 200
    answer = get(relay, "/v2/other/team/app/manifests/t1")
    if differs == "tls_client_certificate":
        assert answer.status == 200
        assert (site.tls.full, site.tls.resumed) == (2, 0)
        assert len({r.connection for r in site.origin.requests}) == 2, site.origin.requests
    else:
        assert_refused(answer, "name", "signed by")
        assert len(site.origin.requests) == 1
    assert get(relay).status == 200 and site.origin.requests[-1].connection == site.origin.requests[0].connection


def test_a_server_that_closes_idle_connections(start, site, kind):
    """Found out at the next request: asked again on a new connection, by nobody noticed."""
    relay = start(kind)
    for how in ("fin", "rst"):
        assert get(relay).status == 200
        site.tls.cut(how)
        site.tls.wait(lambda: site.tls.open == 0)
        assert get(relay).status == 200
        site.tls.cut(how)
        site.tls.wait(lambda: site.tls.open == 0)


def test_bytes_behind_an_answer_never_reach_another_client(start, site, kind):
    relay = start(kind)
    site.origin.answer(MANIFEST, ok(b"{}") + ok(b'{"evil":1}'), times=1)
    assert get(relay).body == b"{}"
    assert get(relay).body == b"{}"
    assert site.tls.accepted == 2


# --- slow clients ----------------------------------------------------------------------------------------------------------

def test_a_client_that_reads_little_at_a_time(start, site, kind):
    """What was read for it and its socket did not take waits in a pipe, and comes before what is read next."""
    data = random.Random(13).randbytes(8 * MIB)
    serve_blob(site, data=data)
    relay, sizes = start(kind), random.Random(14)
    with rawhttp.Connection(relay.port, timeout=20, receive_buffer=16384) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        parts = [c.data]
        while sum(map(len, parts)) < len(data):
            piece = c.sock.recv(sizes.randint(1, 100_000))
            assert piece
            parts.append(piece)
    assert digest(b"".join(parts)) == digest(data)
    assert relay.stat("regrelay_spliced_bytes_total") > 0, "some of it waited"
    assert relay.stat("regrelay_pipes") <= 1


@pytest.mark.parametrize("way", ["socks5", "connect"])
def test_a_client_that_stops_reading_holds_nothing(start, site, way):
    data = random.Random(12).randbytes(24 * MIB)
    serve_blob(site, data=data)
    relay, patience = start(way, proxy={"stall_grace": "500ms"}), 4
    if site.standin:
        site.standin.set(write_timeout=patience)
    with rawhttp.Connection(relay.port, timeout=20, receive_buffer=65536) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        while len(c.data) < MIB:
            assert c.more()
        wait_until(lambda: relay.stat("regrelay_parked") == 1, 10, "the client to be parked")
        site.tls.wait(lambda: site.tls.open == 0)
        stop = time.monotonic() + (patience + 0.5 if site.standin else 0)
        wait_until(lambda: time.monotonic() > stop, 10, "the proxy's patience to end")
        parts = [c.data]
        while sum(map(len, parts)) < len(data):
            piece = c.sock.recv(1 << 20)
            assert piece
            parts.append(piece)
    assert digest(b"".join(parts)) == digest(data)
    assert relay.stat("regrelay_resumes_total", cause="client") >= 1
    assert not site.standin or "write timeout" not in [entry["why"] for entry in site.standin.audit("close")]


# --- other hosts -----------------------------------------------------------------------------------------------------------

def test_https_never_leads_to_http(start, site, kind):
    """Neither a redirect nor a realm of a registry that is spoken to with TLS goes without."""
    relay = start(kind, redirect_hosts="plain.corp:80", token_hosts="plain.corp:80")
    site.origin.answer(BLOB, ok(b"", status="307 Temporary Redirect", headers=[("Location", "http://plain.corp/bucket/a")]))
    answer = get(relay, BLOB)
    assert answer.status in (502, 503) and answer.header("X-Regrelay-Error") == "redirect-plain"
    site.origin.answer("/v2/", ok(b"", status="401 Unauthorized", headers=[
        ("WWW-Authenticate", 'Bearer realm="http://plain.corp/token",service="r"')]))
    answer = get(relay, "/v2/")
    if answer.status == 401:  # refused when it is used
        realm = answer.header("WWW-Authenticate").split('"')[1]
        answer = get(relay, realm[realm.index("/_regrelay"):] + "?service=r")
    assert answer.header("X-Regrelay-Error", ).startswith("token-"), answer.reason
    assert {r.target for r in site.origin.requests} <= {BLOB, "/v2/"}


class Puller:
    """skopeo and ctr, what they have pulled compared with what it is."""

    def __init__(self, directory, stack):
        self._out, self._ctrd, self._dir, self._stack = iter(range(100)), None, directory, stack

    def skopeo(self, relay, land):
        out = self._dir / f"out{next(self._out)}"
        done = skopeo.pull(f"localhost:{relay.port}/team/app:t1", out, credentials=land.front.credentials)
        assert done.returncode == 0, done.stderr
        assert skopeo.pulled_digests(out) == (land.image.manifest_digest, land.image.config, list(land.image.layers))

    def ctr(self, relay, land):
        self._ctrd = self._ctrd or self._stack.enter_context(containerd.Containerd(self._dir / "c"))
        reference = f"localhost:{relay.port}/team/app:t1"
        done = self._ctrd.pull(reference, credentials=land.front.credentials)
        assert done.returncode == 0, done.stderr
        assert {land.image.config, *land.image.layers} <= self._ctrd.digests()
        self._ctrd.remove(reference)


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """Registry, token server and storage, each with TLS, by address."""
    with contextlib.ExitStack() as stack:
        yield Landscape(tmp_path_factory.mktemp("land"), stack, layers=[20_000_000, 3_000_000, 1000])


@pytest.mark.parametrize("client", ["skopeo", "ctr"])
def test_pull_without_a_proxy(start_relay, land, client, tmp_path, stack, tmp_path_factory):
    """The realm is https, the storage is https; each certificate is checked for its own name."""
    if client == "ctr" and containerd.missing():
        pytest.skip(containerd.missing())
    land.begin()
    relay = start_relay(registries={"default": land.direct_section()})
    relay.secrets.append(land.auth.password)
    getattr(Puller(tmp_path_factory.mktemp("p"), stack), client)(relay, land)
    assert land.heard(land.auth) and len(land.heard(land.storage)) == 4 and not land.strays()


def test_skopeo_pulls_over_connections_that_are_cut(start_relay, stack, tmp_path):
    """skopeo resumes nothing itself; docker-registry behind a server that ends at any byte of TLS."""
    image, ca = make_image(tmp_path / "image", layers=[9_000_000, 2_000_000, 1000]), certs.Authority(tmp_path / "ca")
    registry = stack.enter_context(Registry(tmp_path / "registry"))
    registry.push(image, "team/app:t1")
    server = stack.enter_context(TlsServer(registry.port, ca.issue("localhost")))
    relay = start_relay(registries={"default": {"host": f"localhost:{server.port}", "scheme": "https", "proxy": "none",
                                                "ca_file": ca.certificate}})
    source = random.Random(19)
    server.script(*[Step(raw=source.randrange(1 << 21), how=source.choice(["fin", "rst"])) for _ in range(10)])
    done = skopeo.pull(f"localhost:{relay.port}/team/app:t1", tmp_path / "out", credentials=registry.credentials)
    assert done.returncode == 0, done.stderr
    assert skopeo.pulled_digests(tmp_path / "out") == (image.manifest_digest, image.config, list(image.layers))
    assert server.accepted > 3


@pytest.mark.parametrize("key", ["token_hosts", "redirect_hosts"])
def test_a_host_that_is_not_listed_is_not_gone_to(start_relay, land, key):
    section = land.direct_section()
    del section[key]
    relay = start_relay(registries={"default": section})
    land.begin()
    done = skopeo.pull(f"localhost:{relay.port}/team/app:t1", relay.dir / "out", credentials=land.front.credentials)
    assert done.returncode != 0
    assert not land.heard(land.auth if key == "token_hosts" else land.storage)


def test_nobody_listens(start_relay, site):
    relay = start_relay(**site.way("direct", host=f"localhost:{ports.free_port()}"))
    answer = get(relay)
    assert_refused(answer, "refused", error="registry-unreachable")
    assert "connectivity proxy" not in answer.reason, "there is none on this way"
