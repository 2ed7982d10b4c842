"""The connectivity proxy wants a token: fetched by the keeper for all workers, renewed, refused, late, in vain."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import time

import pytest
from tools import certs, rawhttp
from tools.load import Load
from tools.oauth import OAuth
from tools.origin import Origin, ok
from tools.process import Process, find, run, wait_until
from tools.relay import REGRELAYD
from tools.standin import Standin, mapping

VHOST = "myregistry.kyma:25002"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def uaa(tmp_path, stack, ca):
    return stack.enter_context(OAuth(tmp_path / "uaa", authority=ca))


class Backend(Origin):
    """The registry, over plain HTTP, answering everything."""

    def __init__(self):
        super().__init__()
        self.certificate = None
        self.url = f"http://{self.address}"
        self.answer("/v2/", ok())


@pytest.fixture
def standin(tmp_path, stack, uaa):
    backend = stack.enter_context(Backend())
    s = stack.enter_context(Standin(tmp_path / "standin", mappings=[mapping(VHOST, backend)]))
    s.set(mode="untrusted", token_key=uaa.key, token_clients=[uaa.client])
    s.backend = backend
    return s


@pytest.fixture
def start(tmp_path, start_relay, standin, uaa, ca):
    """start(**keys of [proxy]) -> a relay; without keys one with the binding of uaa."""
    def start(workers=2, **keys):
        if not keys:
            keys = {"credentials": uaa.bind(tmp_path / "binding"), "ca_file": ca.certificate}
        relay = start_relay(proxy=standin.address, workers=workers, settings={"proxy": {"auth": "bearer", **keys}})
        relay.secrets += [uaa.secret, uaa.token()[:40]]
        return relay
    return start


def ping(relay):
    return rawhttp.get(relay.port, "/v2/", headers=[("Authorization", "Basic dXNlcjpwdw==")])


def shown(standin):
    """What the proxy was shown, in order."""
    return [r.header("Proxy-Authorization") for r in standin.requests()]


# --- a token ---------------------------------------------------------------------------------------------------------------

def test_one_token_for_all_workers(start, standin, uaa):
    relay = start(workers=4)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert {a.status for a in pool.map(lambda _: ping(relay), range(64))} == {200}
    assert len(uaa.requests()) == 1
    request = uaa.requests()[0]
    assert request.method == "POST" and request.target == "/oauth/token"
    assert request.header("Content-Type") == "application/x-www-form-urlencoded"
    assert not request.header("Authorization")
    assert len(set(shown(standin))) == 1 and shown(standin)[0].startswith("Bearer ")
    assert all(not r.header("Proxy-Authorization") for r in standin.backend.requests)
    assert relay.stat("regrelay_proxy_token_fetches_total", result="ok") == 1


@pytest.mark.parametrize("how", ["json", "x509", "x509 in files", "secret and x509 in files", "ias", "full url"])
def test_shapes_of_bindings(how, tmp_path, stack, start, standin, ca):
    uaa = stack.enter_context(OAuth(tmp_path / "uaa2", authority=ca, mutual="x509" in how))
    standin.set(token_key=uaa.key)
    keys = {"ca_file": ca.certificate}
    pair = ca.issue("relay", client=True)
    if how == "json":
        keys["credentials"] = uaa.bind_json(tmp_path / "binding.json")
    elif how == "full url":
        keys["credentials"] = uaa.bind(tmp_path / "b", path="/oauth/token")
    elif how == "ias":
        uaa.set(path="/oauth2/token", resource="urn:sap:identity:application:service:id:1 &x")
        keys |= {"credentials": uaa.bind(tmp_path / "b", url="url"),
                 "token_resource": "urn:sap:identity:application:service:id:1 &x"}
    elif how == "secret and x509 in files":
        uaa.set(clients={uaa.client: uaa.secret})
        keys["credentials"] = uaa.bind(tmp_path / "b")
    elif how == "x509 in files":
        keys["credentials"] = bind_certificate(tmp_path / "b.json", uaa)
    else:
        keys["credentials"] = bind_certificate(tmp_path / "b.json", uaa, certificate=pair.certificate.read_text(),
                                               key=pair.key.read_text())
    if "files" in how:
        keys |= {"tls_client_certificate": pair.certificate, "tls_client_key": pair.key}
    relay = start(**keys)
    assert ping(relay).status == 200
    assert len(uaa.requests()) == 1
    assert ("client_secret" in uaa.requests()[0].body) == ("secret" in how or "x509" not in how)


def bind_certificate(path, uaa, **more):
    """A binding of a client that needs no secret."""
    path.write_text(json.dumps({"clientid": uaa.client, "certurl": uaa.url, "url": "https://unused.example", **more}))
    return path


# --- a certificate in files of its own -------------------------------------------------------------------------------------

@pytest.fixture
def mutual(tmp_path, stack, standin, ca):
    """A token service that wants a certificate, and a relay's keys: its own certificate is one of another CA."""
    uaa = stack.enter_context(OAuth(tmp_path / "mutual", authority=ca, mutual=True))
    standin.set(token_key=uaa.key)
    pair = certs.Authority(tmp_path / "other").issue("relay", client=True)
    uaa.keys = {"credentials": bind_certificate(tmp_path / "b.json", uaa), "ca_file": ca.certificate,
                "tls_client_certificate": pair.certificate, "tls_client_key": pair.key}
    return uaa


def test_a_changed_client_certificate_is_taken_over(start, mutual, ca):
    relay = start(**mutual.keys)
    status, error, text = failure(relay)
    assert (status, error) == (503, "proxy-token-missing") and "certificate" in text and not mutual.requests()
    assert relay.stat("regrelay_proxy_token_fetches_total", result="failed") < 4, "told at once, not when hope is given up"
    new = ca.issue("relay", client=True)
    new.key.rename(mutual.keys["tls_client_key"])
    new.certificate.rename(mutual.keys["tls_client_certificate"])
    relay.wait_stat("regrelay_config_reloads_total", 1, result="ok")
    wait_until(lambda: ping(relay).status == 200, 20, "a pull with the token for the new certificate")
    assert len(mutual.requests()) == 1


@pytest.mark.skipif(not find("strace"), reason="strace is not installed")
def test_a_refusal_is_heard_by_who_finds_the_connection_reset(start, mutual, tmp_path):
    """With TLS 1.3 a certificate is refused behind our last flight: a request that comes late meets the reset, and the alert is
    there to be read."""
    relay = start(**mutual.keys)
    relay.wait_log("the server refuses our client certificate")
    failed = relay.stat("regrelay_proxy_token_fetches_total", result="failed")
    argv = ["strace", "-o", tmp_path / "calls.txt", "-e", "trace=sendto,sendmsg", "-e", "inject=sendto,sendmsg:delay_enter=100000",
            "-p", relay.status()["keeper_pid"]]
    with Process(argv, log=tmp_path / "strace.log", stop_signal=signal.SIGINT) as strace:
        strace.wait_line("attached")
        relay.wait_stat("regrelay_proxy_token_fetches_total", failed + 2, timeout=60, result="failed")
    assert "does not take the request" not in relay.process.text()


def test_a_binding_that_gets_a_certificate_of_its_own_is_refused(start, mutual, ca, tmp_path):
    pair = ca.issue("relay", client=True)
    relay = start(**mutual.keys | {"tls_client_certificate": pair.certificate, "tls_client_key": pair.key})
    assert ping(relay).status == 200
    new = bind_certificate(tmp_path / "new.json", mutual, certificate=pair.certificate.read_text(), key=pair.key.read_text())
    new.rename(mutual.keys["credentials"])
    relay.wait_log("no new token for the connectivity proxy, the old one is valid: .*has a certificate and a key of its own")
    assert ping(relay).status == 200
    done = run([REGRELAYD, "-t", "-c", relay.config])
    assert done.returncode == 78 and f"{relay.config}:" in done.stderr and "tls_client_certificate is for one that has none" in done.stderr


def test_service_token_header(tmp_path, start_relay, standin, uaa, ca):
    standin.set(mode="service-token")
    relay = start_relay(proxy=standin.address, settings={"proxy": {
        "auth": "service-token", "credentials": uaa.bind(tmp_path / "b"), "ca_file": ca.certificate}})
    assert ping(relay).status == 200
    asked = standin.requests()[-1]
    assert asked.header("SAP-CP-Connectivity-Service-Token").count(".") == 2 and not asked.header("Proxy-Authorization")


def test_token_file_and_its_rotation(tmp_path, start, standin, uaa):
    path = tmp_path / "token"
    path.write_text(uaa.token() + "\n")
    relay = start(token_file=path)
    assert ping(relay).status == 200
    new = uaa.token(jti="new")
    (tmp_path / "new").write_text(new)
    (tmp_path / "new").rename(path)
    relay.wait_stat("regrelay_proxy_token_fetches_total", 2, result="ok")

    def last_shown():
        assert ping(relay).status == 200
        return shown(standin)[-1]
    wait_until(lambda: last_shown() == "Bearer " + new, what="the workers to have it")  # it is counted before it is given out
    assert not uaa.requests()


# --- renewed ---------------------------------------------------------------------------------------------------------------

def test_renewed_again_and_again_under_load(start, standin, uaa):
    uaa.set(expires_in=2)
    relay = start()
    with Load(relay.port) as load:
        wait_until(lambda: len(uaa.requests()) >= 5, 20, "tokens")
        load.more(50)
    load.check()
    wait_until(lambda: relay.stat("regrelay_proxy_token_fetches_total", result="ok") == len(uaa.requests()), 10,
               "a moment without a renewal, and each counted once")
    by_connection = {}
    for r in standin.requests():
        by_connection.setdefault(r.connection, set()).add(r.header("Proxy-Authorization"))
    assert all(len(t) == 1 for t in by_connection.values()), "a connection was used with two tokens"


def test_refused_token_is_renewed_at_once(start, standin, uaa):
    relay = start()
    with Load(relay.port) as load:
        load.more(20)
        for burst in range(1, 4):
            standin.set(tokens_since=time.time())
            wait_until(lambda: len(uaa.requests()) == 1 + burst, 20, "a forced renewal")
            load.renewed()  # a request is asked again once, and shall not meet two bursts
    load.check()
    assert len(uaa.requests()) == 4


def test_a_token_that_a_probe_finds_refused_is_renewed(tmp_path, start, standin, uaa, ca):
    """Nobody pulls: the keeper's own exchange is the first to be refused, and the only one that says so."""
    relay = start(credentials=uaa.bind(tmp_path / "binding"), ca_file=ca.certificate, probe_interval="200ms")
    assert ping(relay).status == 200
    standin.set(tokens_since=time.time())
    wait_until(lambda: len(uaa.requests()) == 2, 10, "a forced renewal")
    assert ping(relay).status == 200


def test_rotated_secret_is_read_again(tmp_path, start, standin, uaa):
    relay = start()
    assert ping(relay).status == 200
    uaa.secret = "another one"
    uaa.set(clients={uaa.client: uaa.secret}, expires_in=3)
    with Load(relay.port) as load:
        uaa.bind(tmp_path / "binding")
        wait_until(lambda: len(uaa.requests()) >= 3, 20, "renewals with the new secret")
        load.more(20)
    load.check()
    assert set(uaa.statuses()) == {200}


def test_token_service_that_is_down_for_a_while(start, standin, uaa):
    uaa.set(expires_in=2)
    relay = start()
    with Load(relay.port) as load:
        load.more(20)
        uaa.fail(503, count=3)
        relay.wait_stat("regrelay_proxy_token_fetches_total", 3, timeout=30, result="failed")
        wait_until(lambda: uaa.statuses()[-1] == 200, 30, "the token service to be back")
        load.more(50)
    load.check()
    relay.wait_log("no new token for the connectivity proxy.*answers 503")
    relay.wait_log("there is a token for the connectivity proxy again")


def test_a_token_is_used_after_a_reload_though_none_can_be_fetched(start, standin, uaa):
    relay = start()
    assert ping(relay).status == 200
    uaa.fail(503, count=1000)
    assert relay.regctl("reload").returncode == 0
    assert ping(relay).status == 200
    assert len(set(shown(standin))) == 1
    relay.wait_log("no new token for the connectivity proxy, the old one is valid: .*answers 503")


def test_requests_wait_for_the_first_token(start, standin, uaa):
    uaa.set(hold=True)
    relay = start()
    with rawhttp.Connection(relay.port, timeout=30) as c:
        c.request("/v2/")
        uaa.wait_requests(1)
        wait_until(lambda: any(p["waits_for"] == "a token for the proxy" for p in relay.api("GET", "/v1/pulls")[1]["pulls"]),
                   10, "the request to wait")
        uaa.set(hold=False)
        assert c.answer().status == 200


# --- in vain ---------------------------------------------------------------------------------------------------------------

def failure(relay):
    with rawhttp.Connection(relay.port, timeout=40) as c:
        answer = c.get("/v2/team/app/manifests/t1")
    return answer.status, answer.header("X-Regrelay-Error"), answer.body.decode()


def test_wrong_secret(tmp_path, start, uaa):
    uaa.set(clients={uaa.client: "another"})
    relay = start()
    status, error, text = failure(relay)
    assert (status, error) == (503, "proxy-token-missing")
    assert "localhost answers 401: unauthorized: Bad credentials" in text
    assert "proxy-token-missing" in relay.regctl("status").stdout


def test_proxy_that_refuses_every_token(start, standin, uaa):
    standin.set(token_clients=["somebody else"])
    relay = start()
    status, error, text = failure(relay)
    assert (status, error) == (503, "proxy-token-refused")
    assert "client_id is not allowed" in text
    assert len(shown(standin)) == len(set(shown(standin))) == 2     # one of the forced renewal, and no third
    standin.set(token_clients=[])
    wait_until(lambda: ping(relay).status == 200, 20, "the mended proxy")


def test_token_service_nobody_trusts(tmp_path, start, standin, uaa):
    other = certs.Authority(tmp_path / "other")
    relay = start(credentials=uaa.bind(tmp_path / "b"), ca_file=other.certificate)
    status, error, text = failure(relay)
    assert (status, error) == (503, "proxy-token-missing") and "certificate: " in text
    assert not uaa.requests()


@pytest.mark.parametrize("answer,why", [
    ({"body": "<html>login</html>"}, "something else than JSON"),
    ({"body": "{}", "content_type": "application/json"}, "without an access_token"),
    ({"body": '{"access_token":"a b"}'}, "malformed"),
    ({"body": '{"access_token":"' + "x" * 9000 + '"}'}, "longer than"),
    ({"size": 70000}, "more than 64 KiB"),
    ({"status": 302, "headers": [("Location", "https://elsewhere.example/")]}, "answers 302"),
])
def test_answers_that_are_none(start, uaa, standin, answer, why):
    uaa.answer(**answer)
    relay = start()
    relay.wait_log("no new token for the connectivity proxy: .*" + re.escape(why), timeout=20)
    assert relay.stat("regrelay_proxy_token_fetches_total", result="failed") >= 1
    uaa.heal()
    wait_until(lambda: ping(relay).status == 200, 30, "the token service's sane answer")


def test_trusted_proxy_wants_no_token_and_gets_none(start_relay, standin):
    standin.set(mode="trusted")
    relay = start_relay(proxy=standin.address)
    assert ping(relay).status == 200 and shown(standin) == [None]


# --- secrets ---------------------------------------------------------------------------------------------------------------

def test_no_secret_shows_anywhere(tmp_path, start, standin, uaa):
    relay = start()
    assert ping(relay).status == 200
    assert relay.regctl("log-level", "debug").returncode == 0
    standin.set(tokens_since=time.time())
    assert ping(relay).status == 200
    secrets = {uaa.secret, *(t.partition(" ")[2] for t in shown(standin))}
    assert len(secrets) == 3
    seen = [relay.regctl(*words).stdout for words in (["config"], ["status"], ["--json", "status"], ["stats"], ["pulls"])]
    seen += [relay.admin("/metrics")[1], run([REGRELAYD, "-T", "-c", relay.config]).stdout, relay.log.read_text()]
    for pid in (relay.process.pid, relay.status()["keeper_pid"], *relay.worker_pids()):
        seen += [pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace") for name in ("cmdline", "environ")]
    for secret in secrets:
        assert not any(secret in text for text in seen)


def test_wrong_configurations_say_what_is_missing(tmp_path, uaa, ca):
    binding = uaa.bind(tmp_path / "b")
    cases = [
        ("auth = bearer", "credentials or token_file must say where the token comes from"),
        (f"credentials = {binding}", "credentials: has no effect without auth = bearer or service-token"),
        ("auth = basic", "basic needs auth_file"),
        (f"auth = bearer\ncredentials = {tmp_path}/none", "none: No such file or directory"),
        (f"auth = bearer\ncredentials = {binding}\nca_file = /dev/null", "ca_file: /dev/null: no CA certificates"),
        (f"auth = bearer\ncredentials = {binding}\ntoken_file = {tmp_path}/t", "the token comes from credentials already"),
        (f"auth = bearer\ntoken_file = {binding}/clientsecret", "no token"),
        ("auth = bearer\ntoken_file = credential:cp", "$CREDENTIALS_DIRECTORY"),
        (f"auth = bearer\ntoken_file = {binding}/clientid\ntoken_resource = x", "token_resource: has no effect without credentials"),
        (f"auth = bearer\ncredentials = {binding}\ntls_client_key = {tmp_path}/k", "tls_client_key: needs tls_client_certificate"),
    ]
    config = tmp_path / "r.ini"
    for text, why in cases:
        config.write_text(f"[proxy]\naddress = cp:20003\n{text}\n[registry]\nhost = r:5000\n")
        done = run([REGRELAYD, "-t", "-c", config], env={k: v for k, v in os.environ.items() if k != "CREDENTIALS_DIRECTORY"})
        assert done.returncode == 78 and why in done.stderr, (text, done.stderr)
        assert f"{config}:" in done.stderr and uaa.secret not in done.stderr


def test_the_doctor_shows_the_token_and_says_when_it_is_refused(start, standin):
    relay = start()
    assert json.loads(relay.regctl("--json", "doctor").stdout)["result"] == "ok"
    standin.set(token_key="another")
    began = time.monotonic()
    done = relay.regctl("--json", "doctor")
    hops = json.loads(done.stdout)["registries"][0]
    assert done.returncode == 1 and hops["broken"] == "proxy" and hops["steps"][-1]["error"] == "proxy-token-refused"
    assert time.monotonic() - began < 20, "the keeper fetches another one at once, and that is refused, too"
