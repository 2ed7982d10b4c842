"""Through the connectivity proxy's SOCKS5 port: bytes, tokens, location ids, replies, and a tunnel per (host, identity)."""
import contextlib
import random
import threading
import time

import pytest
from tools import certs, containerd, rawhttp, skopeo, ways
from tools.flaky import Flaky
from tools.landscape import AUTH, AUTH_TUNNEL, REGISTRY, STORAGE, STORAGE_TUNNEL, Landscape
from tools.oauth import OAuth
from tools.origin import ok
from tools.process import wait_until
from tools.ways import BLOB, MANIFEST, digest, get

SIZE = 1_000_000
DATA = random.Random(13).randbytes(SIZE)
PLAIN = {"host": "plain.corp:80", "scheme": "http", "ca_file": ""}


@pytest.fixture
def start(start_relay, site):
    """start(proxy={keys}, **keys of [registry]) -> a relay through the stand-in's SOCKS5 port."""
    def start(proxy=None, workers=1, **registry):
        return start_relay(**site.way("socks5", workers=workers, proxy=proxy, **registry))
    return start


def assert_whole(answer, data=DATA):
    ways.assert_whole(answer, data)


def assert_refused(answer, *errors, words=()):
    assert answer.header("X-Regrelay-Error") in errors, (answer.status, answer.reason, answer.header("X-Regrelay-Error"))
    assert answer.status in (502, 503, 504) and (not words or any(word in answer.reason for word in words)), answer.reason


# --- what is said ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
def test_trusted_mode(start, site, registry):
    """Method 00 alone, the host by name; inside it is HTTP in origin-form, with or without TLS."""
    relay = start(**registry)
    assert get(relay, headers=[("Authorization", "Basic cHVsbGVyOnB3")]).status == 200
    tunnel, = site.standin.tunnels()
    assert (tunnel.methods, tunnel.method, tunnel.atyp, tunnel.reply) == ([0], 0, 3, 0)
    assert tunnel.host == registry.get("host", ways.HOST) and tunnel.token is None
    request, = site.origin.requests
    assert request.target == MANIFEST and request.header("Host") == tunnel.host.removesuffix(":443").removesuffix(":80")
    assert request.header("Authorization") == "Basic cHVsbGVyOnB3"
    assert not [n for n, _ in request.headers if n.lower().startswith(("proxy-", "sap-"))]


def test_an_address_goes_as_four_bytes(start, site):
    relay = start(host="10.1.2.3:443", tls_name="registry.corp")
    assert get(relay).status == 200
    tunnel, = site.standin.tunnels()
    assert (tunnel.atyp, tunnel.host) == (1, "10.1.2.3:443")


@pytest.mark.parametrize("configured,offered", [("00", [0]), ("80", [0x80]), ("00, 80", [0, 0x80]), ("80, 00", [0x80, 0])])
def test_methods_are_offered_as_configured(start, site, tmp_path, configured, offered):
    token = tmp_path / "token"
    token.write_text("a.b.c\n")
    relay = start(proxy={"socks_methods": configured, "auth": "bearer", "token_file": token})
    site.standin.set(socks_methods=[offered[0]])
    assert get(relay).status == 200
    tunnel, = site.standin.tunnels()
    assert tunnel.methods == offered and tunnel.method == offered[0]
    assert tunnel.token == ("a.b.c" if tunnel.method == 0x80 else None)


def test_a_location_id_goes_in_base64(start, site, tmp_path):
    token = tmp_path / "token"
    token.write_text("a.b.c")
    relay = start(proxy={"auth": "bearer", "token_file": token, "location_id": "Wörk 7+/ä"})
    site.standin.set(socks_methods=[0x80])
    assert_refused(get(relay), "tunnel-down", words=["location id"])
    assert site.standin.tunnels()[0].location == "Wörk 7+/ä"


# --- replies ---------------------------------------------------------------------------------------------------------------

REPLIES = {2: "mapping-missing", 3: "tunnel-down", 4: "backend-unreachable", 5: "proxy-token-refused"}


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 9, 255])
def test_each_reply_is_an_error_of_its_own(start, site, code):
    relay = start()
    site.standin.fault("refuse", code=code)
    answers = [get(relay, method=method) for method in ("GET", "HEAD")]
    for answer in answers:
        if code in REPLIES:
            assert_refused(answer, REPLIES[code])
        else:
            assert answer.status in (502, 503) and answer.header("X-Regrelay-Error") not in (None, *REPLIES.values())
            assert "SOCKS" in answer.reason or "socks" in answer.reason, answer.reason
    assert not site.origin.requests
    site.standin.heal()
    wait_until(lambda: get(relay).status == 200, 10, "the way to be good again")


def test_replies_that_are_made_up_by_nobody(start, site):
    """As the stand-in itself comes to them: no mapping, no Cloud Connector, no backend."""
    site.way("socks5")
    site.standin.ask("POST", "/v1/mapping", {"host": ways.HOST, "exposed": False})
    relay = start()
    assert_refused(get(relay), "mapping-missing", words=[ways.HOST.partition(":")[0]])
    site.standin.expose(ways.HOST)
    site.standin.tunnel(connected=False)
    assert_refused(get(relay), "tunnel-down")
    site.standin.tunnel()
    site.tls.close()
    assert_refused(get(relay), "backend-unreachable")


def test_a_reply_that_is_over_soon_is_no_error(start, site):
    """A Cloud Connector that fails over is asked again within the budget."""
    relay = start()
    site.standin.fault("refuse", code=3, count=1)
    site.standin.fault("refuse", code=1, count=1)
    assert get(relay).status == 200
    assert [t.reply for t in site.standin.tunnels()][-1] == 0


def test_no_method_that_both_know(start, site):
    relay = start()
    site.standin.set(mode="untrusted")
    assert_refused(get(relay), "proxy-wants-token")
    assert wait_until(site.standin.tunnels, what="the record")[0].method == 0xFF  # written behind the answer


# --- shapes of bytes -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bound", ["ipv4", "name"])
@pytest.mark.parametrize("writes", ["whole", "bytes"])
def test_answers_in_any_pieces(start, site, tmp_path, bound, writes):
    token = tmp_path / "token"
    token.write_text("a.b.c")
    relay = start(proxy={"auth": "bearer", "token_file": token})
    site.standin.set(socks_bound=bound, socks_writes=writes, socks_methods=[0x80])
    Flaky(site.origin, BLOB, DATA)
    assert_whole(get(relay, BLOB))
    assert site.tls.full == 1


GARBAGE = {
    "another version": ("method", "0400"), "http": ("method", b"HTTP/1.1 400 Bad Request\r\n\r\nevil".hex()),
    "a method not offered": ("method", "0502"), "another version of the reply": ("reply", "04000001000000000000"),
    "an unknown kind of address": ("reply", "05000009000000000000"), "six": ("reply", "05000004" + "00" * 18),
}


@pytest.mark.parametrize("which", GARBAGE)
def test_garbage(start, site, which):
    step, data = GARBAGE[which]
    relay = start(proxy={"header_budget": "2s"} if which == "six" else None)  # silence follows
    site.standin.fault("speak", step=step, hex=data)
    if which == "six":  # an address of six groups is not what is documented, and well-formed (RFC 1928)
        answer = get(relay)
        assert answer.status == 200 or answer.header("X-Regrelay-Error")
        return
    answer = get(relay)
    assert answer.status in (502, 503) and answer.header("X-Regrelay-Error"), (answer.status, answer.reason)
    assert b"evil" not in answer.body and not site.origin.requests


@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
def test_bytes_behind_the_reply_reach_nobody(start, site, registry):
    """With TLS it breaks the handshake, without it would be an answer that nobody asked for."""
    relay = start(**registry)
    site.standin.fault("early", hex=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".hex(), count=1)
    answer = get(relay)
    assert b"evil" not in answer.body
    assert answer.status == 200 or answer.header("X-Regrelay-Error")
    assert get(relay).status == 200


@pytest.mark.parametrize("step", ["method", "token", "reply"])
def test_silence_has_its_time(start, site, tmp_path, step):
    token = tmp_path / "token"
    token.write_text("a.b.c")
    relay = start(proxy={"header_budget": "1s", "auth": "bearer", "token_file": token})
    site.standin.set(socks_methods=[0x80])
    site.standin.fault("speak", step=step)
    begin = time.monotonic()
    answer = get(relay)
    assert answer.status == 504 and answer.header("X-Regrelay-Error"), (answer.status, answer.reason)
    assert 0.5 < time.monotonic() - begin < 15
    wait_until(lambda: site.standin.state()["open"] == 0, what="the silent connections to be given up")
    site.standin.heal()
    wait_until(lambda: get(relay).status == 200, 10, "the way to be good again")  # the budget is small


@pytest.mark.parametrize("step", ["method", "reply"])
@pytest.mark.parametrize("then", ["fin", "rst"])
def test_ends_within_the_conversation_are_tried_again(start, site, step, then):
    relay = start()
    site.standin.fault("speak", step=step, hex="05", then=then, count=1)
    assert get(relay).status == 200
    assert len(site.standin.audit("open")) == 2 and len(site.origin.requests) == 1


# --- tokens ----------------------------------------------------------------------------------------------------------------

@pytest.fixture
def uaa(tmp_path, stack, site):
    return stack.enter_context(OAuth(tmp_path / "uaa", authority=site.ca))


@pytest.fixture
def start_with_token(tmp_path, start, site, uaa):
    def start_with(workers=1, **proxy):
        relay = start(workers=workers, proxy={"auth": "bearer", "credentials": uaa.bind(tmp_path / "binding"),
                                              "ca_file": site.ca.certificate, **proxy})
        relay.secrets += [uaa.secret, uaa.token()[:40]]
        return relay
    site.way("socks5")
    site.standin.set(mode="untrusted", token_key=uaa.key, token_clients=[uaa.client])
    return start_with


def test_one_token_for_all(start_with_token, site, uaa):
    site.origin.answer(MANIFEST, ok(headers=[("Connection", "close")]))
    relay = start_with_token(workers=2)
    for _ in range(4):
        assert get(relay).status == 200
    assert len(uaa.requests()) == 1
    assert len({t.serial for t in site.standin.tunnels()}) == 1 and site.standin.tunnels()[0].methods == [0x80]
    assert all(r.header("Proxy-Authorization") is None for r in site.origin.requests), "the token stays with the proxy"


def test_a_refused_token_is_renewed_at_once(start_with_token, site, uaa):
    relay = start_with_token()
    assert get(relay).status == 200
    site.standin.set(tokens_since=time.time())
    site.tls.cut()
    assert get(relay).status == 200
    assert len(uaa.requests()) == 2
    assert len({t.serial for t in site.standin.tunnels(reply=0)}) == 2


def test_a_new_token_is_a_new_tunnel(start_with_token, site, uaa):
    uaa.set(expires_in=4)
    relay = start_with_token()
    assert get(relay).status == 200
    wait_until(lambda: len(uaa.requests()) >= 3, 20, "renewals")
    assert get(relay).status == 200
    opened = site.standin.tunnels(reply=0)  # a token that comes too late is refused, and another one shown
    assert len(opened) == 2 and len({t.serial for t in opened}) == 2


def test_a_proxy_that_refuses_every_token(start_with_token, site, uaa):
    site.standin.set(token_clients=["somebody else"])
    relay = start_with_token()
    assert_refused(get(relay), "proxy-token-refused")
    shown = wait_until(lambda: (t := site.standin.tunnels()) and len(t) >= 2 and t, what="the record, written behind the answer")
    assert len(shown) == len({t.serial for t in shown}) == 2, "one of the forced renewal, and no third"
    site.standin.set(token_clients=[])
    wait_until(lambda: get(relay).status == 200, 20, "the mended proxy")


def test_no_token_to_be_had(start_with_token, site, uaa):
    uaa.set(clients={uaa.client: "another"})
    relay = start_with_token()
    assert_refused(get(relay), "proxy-token-missing")
    assert not site.standin.audit("socks"), "without a token nobody knocks"


# --- connections -----------------------------------------------------------------------------------------------------------

def test_tunnels_are_not_shared(start_relay, site, tmp_path, stack):
    """Hosts, location ids and kinds of speech have each their own."""
    way = site.way("socks5")
    keys = way["registries"]["default"]
    token = tmp_path / "token"
    token.write_text("a.b.c")
    site.standin.set(socks_methods=[0x80, 0])
    way["settings"]["proxy"].update(auth="bearer", token_file=token)
    way["registries"] = {"default": {**keys, "default": "yes"},
                         "b": {**keys, "prefix": "b", "host": "10.1.2.3:443", "tls_name": "registry.corp"},
                         "c": {**keys, **PLAIN, "prefix": "c"},
                         "d": {**keys, "prefix": "d", "location_id": "Berlin"}}
    relay = start_relay(**way)
    for _ in range(3):
        for prefix in ("", "/b", "/c"):
            assert get(relay, MANIFEST.replace("/v2", "/v2" + prefix)).status == 200
    assert get(relay, MANIFEST.replace("/v2", "/v2/d")).header("X-Regrelay-Error") == "tunnel-down"
    good = site.standin.tunnels(reply=0)
    assert sorted(t.host for t in good) == ["10.1.2.3:443", "plain.corp:80", ways.HOST]
    assert {t.location for t in good} == {""} and "Berlin" in {t.location for t in site.standin.tunnels()}


def test_outage_of_the_proxy(start, site):
    relay = start(proxy={"breaker_failures": 0})
    assert get(relay).status == 200
    site.standin.outage("refuse")
    assert_refused(get(relay), "proxy-unreachable")
    site.standin.outage("none")
    wait_until(lambda: get(relay).status == 200, 10, "the proxy to be back")


@pytest.mark.parametrize("registry", [{}, PLAIN], ids=["https", "http"])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_cuts_at_random_bytes(start, site, registry, how):
    """Of what the tunnel carries, handshakes and records included."""
    source = random.Random(f"{registry}{how}")
    Flaky(site.origin, BLOB, DATA)
    relay = start(**registry)
    # of several the first byte strikes first: one before the head, where there are three attempts, the others within the body
    for at in (source.choice([0, 1, 600]), *(source.randrange(100_000, SIZE // 5) for _ in range(5))):
        site.standin.fault("cut", at=at, how=how, count=1)
    assert_whole(get(relay, BLOB))
    assert relay.stat("regrelay_resumes_failed_total") == 0
    assert len(site.standin.tunnels(reply=0)) >= 2


def test_a_stall_is_a_break(start, site):
    Flaky(site.origin, BLOB, DATA)
    relay = start(proxy={"stall_timeout": "500ms"})
    site.standin.fault("stall", at=300_000, seconds=60, count=1)
    assert_whole(get(relay, BLOB))
    # Where the machine stands still there are more; all are of this kind.
    assert relay.stat("regrelay_resumes_total", cause="stall") == relay.stat("regrelay_resumes_total") >= 1


def test_gone_for_a_while_in_the_middle_of_several_pulls(start, site):
    data = random.Random(14).randbytes(8 << 20)
    Flaky(site.origin, BLOB, data)
    relay = start(workers=2)
    site.standin.fault("slow", rate=8 << 20)
    with contextlib.ExitStack() as clients:
        pulls = [clients.enter_context(rawhttp.Connection(relay.port, timeout=60)) for _ in range(3)]
        for c in pulls:
            c.request(BLOB)
            assert c.head()[0] == 200
        threads = [threading.Thread(target=lambda c=c: c.rest_of(len(data))) for c in pulls]
        for one in threads:
            one.start()
        site.standin.outage("refuse", seconds=0.5)
        wait_until(lambda: site.standin.bytes_down() > 4 << 20, 30, "the pulls to go on")
        site.standin.outage("503", seconds=0.5)
        for one in threads:
            one.join()
        assert [digest(c.data) for c in pulls] == [digest(data)] * 3


# --- real clients ----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def land(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Landscape(tmp_path_factory.mktemp("land"), stack, realm=f"https://{AUTH}/token", to=f"https://{STORAGE}",
                        layers=[20_000_000, 3_000_000, 1000], standin={"rtt_ms": 5})


@pytest.fixture
def real(request, start_relay, land, tmp_path, stack):
    """A relay through SOCKS5 with a token, to a registry with a token server and a storage of their own, all with TLS.
    request.param: keys of [registry]."""
    ca = certs.Authority(tmp_path / "ca")
    uaa = stack.enter_context(OAuth(tmp_path / "uaa", authority=ca))
    land.standin.set(mode="untrusted", token_key=uaa.key, token_clients=[uaa.client])
    land.standin.heal()
    land.begin()
    relay = start_relay(proxy=land.standin.socks, registries={"default": land.raw_section(**getattr(request, "param", {}))}, settings={"proxy": {
        "protocol": "socks5", "auth": "bearer", "credentials": uaa.bind(tmp_path / "binding"), "ca_file": ca.certificate}})
    relay.secrets += [land.auth.password, uaa.secret]
    return relay


def assert_pulled(done, land, out):
    assert done.returncode == 0, done.stderr
    assert skopeo.pulled_digests(out) == (land.image.manifest_digest, land.image.config, list(land.image.layers))


def test_skopeo_pulls(real, land, tmp_path):
    done = skopeo.pull(f"localhost:{real.port}/team/app:t1", tmp_path / "out", credentials=land.front.credentials)
    assert_pulled(done, land, tmp_path / "out")
    assert {t.host for t in land.standin.tunnels(reply=0)} == set(land.raw) and not land.strays()


@pytest.mark.parametrize("real", [{"token_hosts": f"{AUTH}={AUTH_TUNNEL}", "redirect_hosts": f"{STORAGE}={STORAGE_TUNNEL}"}],
                         indirect=True, ids=["mapped"])
def test_hosts_that_the_cloud_connector_calls_otherwise(real, land, tmp_path):
    """The tunnel leads to the name of the mapping; what the certificate must be for is the name that the registry told."""
    before = len(land.standin.tunnels(reply=0))
    done = skopeo.pull(f"localhost:{real.port}/team/app:t1", tmp_path / "out", credentials=land.front.credentials)
    assert_pulled(done, land, tmp_path / "out")
    assert {t.host for t in land.standin.tunnels(reply=0)[before:]} == {REGISTRY, AUTH_TUNNEL, STORAGE_TUNNEL} and not land.strays()


def test_ctr_pulls(real, land, stack, tmp_path_factory):
    if containerd.missing():
        pytest.skip(containerd.missing())
    ctrd = stack.enter_context(containerd.Containerd(tmp_path_factory.mktemp("c")))
    reference = f"localhost:{real.port}/team/app:t1"
    done = ctrd.pull(reference, credentials=land.front.credentials)
    assert done.returncode == 0, done.stderr
    assert {land.image.config, *land.image.layers} <= ctrd.digests()
    ctrd.remove(reference)
    assert not land.strays()


def test_skopeo_pulls_through_tunnels_that_are_cut(real, land, tmp_path):
    source = random.Random(15)
    for _ in range(8):
        land.standin.fault("cut", at=source.randrange(1 << 20), how=source.choice(["fin", "rst"]), count=1)
    done = skopeo.pull(f"localhost:{real.port}/team/app:t1", tmp_path / "out", credentials=land.front.credentials)
    assert_pulled(done, land, tmp_path / "out")
