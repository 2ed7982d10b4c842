"""The relay's own credentials (`authorization = file:`): it answers the registry's challenges itself, for that host only."""
import base64
import json
import re
import threading
import urllib.parse

import pytest
from tools import rawhttp
from tools.flaky import Break, Flaky
from tools.listener import linger_off
from tools.origin import ok
from tools.process import run, wait_until
from tools.relay import REGRELAYD

VHOST, AUTH = "myregistry.kyma:25002", "auth.corp:8443"
PASSWORD = "canary-password"
BASIC = "Basic " + base64.b64encode(f"relay:{PASSWORD}".encode()).decode()
CLIENT = "Basic " + base64.b64encode(b"client:other-secret").decode()
REALM = f"https://{AUTH}/token?a=b"
MANIFEST = "/v2/team/app/manifests/t1"


class Registry:
    """A registry that wants credentials, and its token server, both behind `origin`."""

    def __init__(self, origin):
        self.origin = origin
        self.challenges = ['Basic realm="r"']
        self.good = {BASIC}                # values of Authorization that it takes
        self.expires_in = 300
        self.token_status = "200 OK"
        self.issued = 0
        self.worthless = False             # its tokens are not taken
        self.held = None                   # an event: the token server answers when it is set
        origin.route(r"/v2/.*", self._serve)
        origin.route(r"/token\?.*", self._token)

    def bearer(self, realm=REALM, more=""):
        self.good = set()
        self.challenges = [f'Bearer realm="{realm}",service="reg istry",scope="repository:team/app:pull"{more}']

    def _serve(self, request, send):
        if request.header("Authorization") in self.good:
            send(ok(b'{"it":"is"}' if request.method == "GET" else b""))
            return
        headers = [("WWW-Authenticate", c) for c in self.challenges]
        body = b'{"errors":[{"code":"UNAUTHORIZED"}]}' if request.method == "GET" else b""
        send(ok(body, status="401 Unauthorized", headers=headers))

    def _token(self, request, send):
        if self.held:
            self.held.wait(20)
        self.issued += 1
        token = f"token-{self.issued}"
        if not self.worthless:
            self.good.add(f"Bearer {token}")
        body = {"token": token, "expires_in": self.expires_in} if self.token_status[0] == "2" else {"details": "wrong password"}
        send(ok(json.dumps(body).encode(), status=self.token_status))

    def asked(self, host=VHOST):
        return [r for r in self.origin.requests if r.header("Host") == host]

    def shown(self, host=VHOST):
        return [r.header("Authorization") for r in self.asked(host)]


@pytest.fixture
def registry(origin):
    return Registry(origin)


@pytest.fixture
def start(start_relay, origin, tmp_path):
    def start(workers=1, content=BASIC, **keys):
        file = tmp_path / "login"
        file.write_text(content)
        relay = start_relay(proxy=origin.address, workers=workers, registries={"default": {
            "host": VHOST, "authorization": f"file:{file}", "allow": "team/**", "token_hosts": AUTH, **keys}})
        relay.secrets += [PASSWORD, BASIC.partition(" ")[2], "token-1", "other-secret"]
        return relay
    return start


def error(answer):
    return answer.header("X-Regrelay-Error"), answer.reason


def test_basic_is_answered_inside(registry, start):
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST, headers=[("Authorization", CLIENT), ("Cookie", "a=b")])
    assert (answer.status, answer.body) == (200, b'{"it":"is"}')
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.shown() == [None, BASIC, BASIC]      # what the client sent went nowhere
    assert all(r.header("Cookie") is None for r in registry.asked())
    assert rawhttp.get(relay.port, "/v2/team/b/manifests/t1", method="HEAD").status == 200
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert registry.shown()[3:] == [None, BASIC, None, BASIC]


def test_a_registry_that_asks_nothing_is_shown_nothing(registry, start):
    registry.good = {None}
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST, headers=[("Authorization", CLIENT)]).status == 200
    assert registry.shown() == [None]


def test_a_token_is_fetched_once_and_shown(registry, start):
    registry.bearer()
    relay = start()
    for _ in range(3):
        assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.shown() == [None, *["Bearer token-1"] * 3]
    asked = registry.asked(AUTH)
    assert [r.header("Authorization") for r in asked] == [BASIC]
    path, _, query = asked[0].target.partition("?")
    assert (asked[0].method, path) == ("GET", "/token")
    assert urllib.parse.parse_qs(query) == {"a": ["b"], "service": ["reg istry"], "scope": ["repository:team/app:pull"]}
    assert asked[0].header("Accept") == "application/json"
    assert relay.stat("regrelay_registry_token_fetches_total", result="ok") == 1


def test_a_token_that_expires_within_a_body(registry, start):
    registry.bearer()
    relay = start()
    blob, data = "/v2/team/app/blobs/sha256:" + "a" * 64, bytes(range(256)) * 1000
    flaky = Flaky(registry.origin, blob, data, [Break(1000), Break(500)])

    def serve(request, send):
        if request.header("Authorization") not in registry.good:
            return registry._serve(request, send)
        if not request.header("Range"):
            registry.good.clear()
        return flaky.serve(request, send)
    registry.origin.route(re.escape(blob), serve)
    answer = rawhttp.get(relay.port, blob)
    assert answer.complete and answer.body == data
    assert registry.shown() == [None, "Bearer token-1", "Bearer token-1", *["Bearer token-2"] * 2]
    assert flaky.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_many_clients_share_a_token_request(registry, start):
    registry.bearer()
    registry.held = threading.Event()
    relay = start()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(rawhttp.get(relay.port, MANIFEST).status))
               for _ in range(16)]
    for thread in threads:
        thread.start()
    relay.wait_stat("regrelay_client_connections", 16, state="active")
    registry.origin.wait(lambda: registry.asked(AUTH))
    registry.held.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * 16
    assert registry.issued == 1


def test_repositories_have_tokens_of_their_own(registry, start):
    registry.bearer()
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert rawhttp.get(relay.port, "/v2/team/other/manifests/t1").status == 200
    assert registry.issued == 2
    assert registry.shown() == [None, "Bearer token-1", None, "Bearer token-2"]


def test_a_token_is_renewed_before_it_expires(registry, start):
    registry.bearer()
    registry.expires_in = 1
    relay = start()

    def two():
        rawhttp.get(relay.port, MANIFEST)
        return registry.issued >= 2
    relay.process._wait(two, 10, "a second token")
    assert registry.shown().count(None) == 1             # the registry did not have to ask again


def test_a_token_that_is_revoked_is_replaced(registry, start):
    registry.bearer()
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    registry.good.clear()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.shown() == [None, "Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_registry_that_takes_no_token(registry, start):
    registry.bearer()
    relay = start()
    registry.worthless = True
    for _ in range(2):
        answer = rawhttp.get(relay.port, MANIFEST)
        assert answer.status == 503
        assert error(answer) == ("registry-credentials-rejected", f"{VHOST} rejects the relay's own credentials: "
                                 "it answered 401 to a new token of its token server")
    assert registry.issued == 2                          # and none for the second client


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_wrong_password_at_the_token_server_is_not_tried_again_at_once(registry, start, status):
    registry.bearer()
    registry.token_status = status
    relay = start()
    for path in (MANIFEST, MANIFEST, "/v2/team/other/manifests/t1"):
        answer = rawhttp.get(relay.port, path)
        assert answer.status == 503
        assert error(answer) == ("registry-credentials-rejected", f"{VHOST} rejects the relay's own credentials: "
                                 f"{AUTH} answered {status[:3]}: wrong password")
    assert registry.issued == 1
    assert relay.stat("regrelay_registry_token_fetches_total", result="failed") == 1


def test_a_wrong_password_at_the_registry_is_not_tried_again_at_once(registry, start):
    registry.good = set()
    relay = start()
    for path in (MANIFEST, MANIFEST, "/v2/team/other/manifests/t1"):
        answer = rawhttp.get(relay.port, path)
        assert (answer.status, answer.all("WWW-Authenticate")) == (503, [])
        assert error(answer) == ("registry-credentials-rejected",
                                 f"{VHOST} rejects the relay's own credentials: it answered 401")
    assert registry.shown() == [None, BASIC, None]


def test_a_repository_may_be_refused_when_others_are_not(registry, start):
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    registry.origin.route(r"/v2/team/secret/.*", lambda request, send: send(
        ok(b"{}", status="401 Unauthorized", headers=[("WWW-Authenticate", 'Basic realm="r"')])))
    assert rawhttp.get(relay.port, "/v2/team/secret/manifests/t1").status == 503
    assert rawhttp.get(relay.port, MANIFEST).status == 200


@pytest.mark.parametrize("realm, id, says", [
    ("https://evil.corp/token", "token-host-not-listed", "evil.corp:443"),
    (f"https://{VHOST}/v2/x/blobs/uploads/", "token-realm-refused", "where the registry has its content"),
    ("nonsense", "token-realm-refused", "no http(s) URL"),
])
def test_credentials_go_to_no_other_token_server(registry, start, realm, id, says):
    registry.bearer(realm)
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503 and error(answer)[0] == id and says in answer.reason
    assert registry.shown() == [None] and len(registry.origin.requests) == 1


def test_a_token_server_that_moves_to_one_that_is_not_listed(registry, start):
    registry.bearer()
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    registry.bearer("https://evil.corp/token")
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503 and error(answer)[0] == "token-host-not-listed" and "evil.corp:443" in answer.reason
    assert registry.shown() == [None, "Bearer token-1", "Bearer token-1"]


def test_a_registry_that_comes_to_want_tokens(registry, start):
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    registry.bearer()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.shown() == [None, BASIC, BASIC, "Bearer token-1"]


def test_a_registry_that_comes_to_want_tokens_of_nobody_we_know(registry, start):
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    registry.bearer("https://evil.corp/token")
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503 and error(answer)[0] == "token-host-not-listed" and "evil.corp:443" in answer.reason


def test_basic_where_the_token_server_is_not_listed(registry, start):
    registry.bearer("https://evil.corp/token", more=', Basic realm="r"')
    registry.good = {BASIC}
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.shown() == [None, BASIC]


def test_a_token_server_at_the_registry_itself(registry, start):
    registry.bearer("/token?x")
    relay = start()
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert [r.target.partition("&")[0] for r in registry.asked() if r.header("Authorization") == BASIC] == ["/token?x"]


def test_a_token_of_the_file(registry, start):
    registry.bearer()
    registry.good = {"Bearer canary-password"}
    relay = start(content="Bearer canary-password")
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.issued == 0
    registry.challenges = ['Basic realm="r"']
    answer = rawhttp.get(relay.port, "/v2/team/other/manifests/t1")
    assert answer.status == 503 and error(answer)[0] == "registry-credentials-rejected" and "it takes no token" in answer.reason


@pytest.mark.parametrize("challenges", [[], ["Negotiate"], ["Bogus \x01"]])
def test_challenges_that_cannot_be_met(registry, start, challenges):
    registry.challenges = challenges
    registry.good = set()
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status in (502, 503)
    assert registry.shown() == [None]


def test_credentials_do_not_follow_a_redirect(registry, start):
    registry.origin.route(r"/v2/team/app/blobs/.*", lambda request, send: send(
        ok(b"", status="307 Temporary Redirect", headers=[("Location", "https://s3.corp/blob?sig=1")])
        if request.header("Authorization") == BASIC else
        ok(b"", status="401 Unauthorized", headers=[("WWW-Authenticate", 'Basic realm="r"')])))
    registry.origin.serve_blob("/blob?sig=1", b"bytes")
    relay = start(redirect_hosts="s3.corp")
    answer = rawhttp.get(relay.port, "/v2/team/app/blobs/sha256:" + "0" * 64)
    assert (answer.status, answer.body) == (200, b"bytes")
    assert registry.shown("s3.corp:443") == [None]


def test_a_token_server_that_fails(registry, start):
    registry.bearer()
    registry.token_status = "500 Oops"
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503
    assert error(answer)[0] == "registry-token-missing" and f"{AUTH} answered 500" in answer.reason


def test_a_token_server_that_is_not_exposed_is_named(registry, start):
    registry.bearer()
    registry.origin.route(r"/token\?.*", lambda request, send: send(
        ok(b"Access denied to system auth.corp:8443", status="403 Forbidden", content_type="text/plain")))
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503 and error(answer)[0] == "registry-token-missing"
    assert AUTH in answer.reason and "Cloud Connector" in answer.reason


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"token":"a b"}', b'{"token":"' + b"x" * 70000 + b'"}'])
def test_a_token_server_that_talks_nonsense(registry, start, body):
    registry.bearer()
    registry.origin.route(r"/token\?.*", lambda request, send: send(ok(body)))
    relay = start()
    answer = rawhttp.get(relay.port, MANIFEST)
    assert answer.status == 503 and error(answer)[0] == "registry-token-missing"


def test_only_what_is_allowed_is_pulled_with_them(registry, start):
    relay = start()
    assert rawhttp.get(relay.port, "/v2/other/app/manifests/t1").status == 403
    assert registry.asked() == []


def test_a_client_that_hangs_up_while_the_token_is_fetched(registry, start):
    registry.bearer()
    registry.held = threading.Event()
    relay = start()
    with rawhttp.Connection(relay.port) as c:
        c.send(f"GET {MANIFEST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        registry.origin.wait(lambda: registry.asked(AUTH))
        linger_off(c.sock)  # after a FIN it might still read
    wait_until(lambda: relay.stat("regrelay_client_connections", state="active") == 0, what="the hang-up to be noticed")
    registry.held.set()
    wait_until(lambda: registry.issued == 1, what="the token")
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert registry.issued == 1


def test_a_drain_while_the_token_is_fetched(registry, start):
    registry.bearer()
    registry.held = threading.Event()
    relay = start()
    with rawhttp.Connection(relay.port) as c:
        c.send(f"GET {MANIFEST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        registry.origin.wait(lambda: registry.asked(AUTH))
        relay.process.signal(15)
        registry.held.set()
        assert c.answer().status == 200
    assert relay.process.wait(20) == 0


# --- the configuration ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("keys, says", [
    ({"authorization": "file:{file}"}, "authorization: allow must say what anyone who reaches the port may pull"),
    ({"authorization": "Basic abc", "allow": "team/**"}, "authorization: pass, or file: and an absolute path"),
    ({"authorization": "file:/nonexistent", "allow": "team/**"}, "authorization: /nonexistent: No such file"),
])
def test_what_the_check_refuses(start_relay, origin, tmp_path, keys, says):
    file = tmp_path / "login"
    file.write_text(BASIC)
    keys = {k: v.format(file=file) for k, v in keys.items()}
    relay = start_relay(proxy=origin.address, registries={"default": {"host": VHOST}})
    lines = relay.config.read_text().splitlines()
    at = lines.index("[registry]") + 1
    relay.config.write_text("\n".join([*lines[:at], *(f"{k} = {v}" for k, v in keys.items()), *lines[at:]]) + "\n")
    checked = run([REGRELAYD, "-t", "-c", relay.config])
    assert checked.returncode == 78
    assert re.search(rf"{re.escape(str(relay.config))}:\d+: {re.escape(says)}", checked.stderr), checked.stderr
