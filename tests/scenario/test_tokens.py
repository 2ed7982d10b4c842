"""Challenges and token requests: the client asks the relay, the relay asks the token server that the registry named."""
import base64
import json
import re
import urllib.parse

import pytest
from tools import rawhttp
from tools.origin import ok

VHOST, AUTH = "myregistry.kyma:25002", "auth.corp:8443"
MANIFEST = "/v2/team/app/manifests/t1"
BASIC = "Basic " + base64.b64encode(b"puller:canary-secret").decode()
REALM = f"https://{AUTH}/realms/x/token"
TOKEN = json.dumps({"token": "abc", "expires_in": 300}).encode()


def token_path(realm, registry="default"):
    encoded = base64.urlsafe_b64encode(realm.encode()).decode().rstrip("=")
    return f"/_regrelay/token/{registry}/{encoded}"


@pytest.fixture
def start(start_relay, origin):
    def start(**registry):
        relay = start_relay(proxy=origin.address,
                            registries={"default": {"host": VHOST, "token_hosts": f"{AUTH}/realms", **registry}})
        relay.secrets.append("canary-secret")
        return relay
    return start


@pytest.fixture
def relay(start):
    return start()


def challenge(origin, *values):
    body = b'{"errors":[{"code":"UNAUTHORIZED"}]}'
    origin.answer(MANIFEST, ok(body, status="401 Unauthorized", headers=[("WWW-Authenticate", v) for v in values]))


def tokens(origin, data=None, path="/realms/x/token"):
    """The token server: these bytes for whatever is asked there."""
    origin.route(re.escape(path) + r"(\?.*)?", lambda request, send: send(data or ok(TOKEN)))


def post(relay, path, body, *, headers=(), content_type="application/x-www-form-urlencoded"):
    with rawhttp.Connection(relay.port) as c:
        lines = [f"POST {path} HTTP/1.1", "Host: localhost:30085", f"Content-Type: {content_type}",
                 *(f"{n}: {v}" for n, v in headers)]
        c.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return c.answer()


def form(relay, path, body=b"grant_type=password&service=reg&scope=repository%3Ateam%2Fapp%3Apull&username=u&password=p"):
    return post(relay, path, body, headers=[("Content-Length", len(body)), ("Authorization", BASIC)])


def test_every_challenge_leads_to_the_clients_own_authority(relay, origin):
    challenge(origin, f'Bearer realm="{REALM}",service="reg",scope="repository:team/app:pull"', 'Basic realm="r"',
              'Bearer realm="http://elsewhere/"')
    with rawhttp.Connection(relay.port) as c:
        answer = c.get(MANIFEST, host="localhost:30085")
    base = "http://localhost:30085"
    assert answer.all("WWW-Authenticate") == [
        f'Bearer realm="{base}{token_path(REALM)}",service="reg",scope="repository:team/app:pull"', 'Basic realm="r"',
        f'Bearer realm="{base}{token_path("http://elsewhere/")}"']


def test_a_token_by_get(relay, origin):
    tokens(origin)
    answer = rawhttp.get(relay.port, token_path(REALM + "?client=k") + "?service=reg&scope=repository%3Ateam%2Fapp%3Apull",
                         headers=[("Authorization", BASIC), ("Accept", "application/json"), ("User-Agent", "containerd/2"),
                                  ("Cookie", "a=b"), ("X-Other", "c"), ("Proxy-Authorization", "d")])
    assert (answer.status, answer.body) == (200, TOKEN)
    seen = origin.requests[-1]
    assert (seen.method, seen.target) == ("GET", "/realms/x/token?client=k&service=reg&scope=repository%3Ateam%2Fapp%3Apull")
    assert seen.header("Host") == AUTH and seen.header("Authorization") == BASIC
    names = {name.lower() for name, _ in seen.headers}
    assert names == {"host", "accept-encoding", "x-request-id", "authorization", "accept", "user-agent"}
    assert relay.stat("regrelay_http_requests_total", route="token", method="GET", code="200") == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_token_by_post(relay, origin, chunked):
    bodies = []

    def handler(request, send):
        bodies.append(request)
        send(ok(TOKEN))
    origin.bodies = True
    origin.route(re.escape("/realms/x/token"), handler, method="POST")
    body = b"grant_type=refresh_token&service=reg&client_id=containers%2Fimage&refresh_token=canary-secret"
    if chunked:
        half = len(body) // 2
        data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:half], body[half:])) + b"0\r\n\r\n"
        answer = post(relay, token_path(REALM), data, headers=[("Transfer-Encoding", "chunked")])
    else:
        answer = post(relay, token_path(REALM), body, headers=[("Content-Length", len(body))])
    assert (answer.status, answer.body) == (200, TOKEN)
    seen = origin.requests[-1]
    assert seen.method == "POST" and seen.header("Content-Type") == "application/x-www-form-urlencoded"
    assert seen.header("Content-Length") == str(len(body)) and seen.body == body
    assert seen.header("Transfer-Encoding") is None


def test_a_form_may_wait_for_leave(relay, origin):
    origin.bodies = True
    tokens(origin)
    body = b"grant_type=password&username=u"
    with rawhttp.Connection(relay.port) as c:
        c.send(f"POST {token_path(REALM)} HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        status, _, _ = c.head()
        assert status == 100
        c.send(body)
        assert c.answer().body == TOKEN
    assert origin.requests[-1].body == body and origin.requests[-1].header("Expect") is None


def test_http_1_0_knows_no_leave(relay, origin):
    """RFC 9110 10.1.1, 15.2: no 1xx for such a client, whatever it says."""
    origin.bodies = True
    tokens(origin)
    body = b"grant_type=password&username=u"
    with rawhttp.Connection(relay.port) as c:
        c.send(f"POST {token_path(REALM)} HTTP/1.0\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        relay.wait_stat("regrelay_http_requests_in_flight", 1, route="token")
        c.send(body)
        assert c.head()[0] == 200


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "404 Not Found", "401 Unauthorized", "400 Bad Request"])
@pytest.mark.parametrize("html", [False, True])
def test_a_refusal_keeps_its_status(relay, origin, status, html):
    """containerd asks by GET after these, and after no others."""
    origin.bodies = True
    tokens(origin, ok(b"<html>" if html else b'{"error":"x"}', status=status,
                      content_type="text/html" if html else "application/json"))
    answer = form(relay, token_path(REALM))
    assert answer.status == int(status[:3])
    assert answer.body == (b"" if html else b'{"error":"x"}') and answer.complete


@pytest.mark.parametrize("data, words", [
    (ok(b"<html>", content_type="text/html"), "200 and no JSON"),
    (ok(b"", status="302 Found", headers=[("Location", "https://login.corp/")]), "302 \\(a redirect\\)"),
])
def test_what_is_no_token_server(relay, origin, data, words):
    tokens(origin, data)
    answer = rawhttp.get(relay.port, token_path(REALM))
    assert answer.status == 502 and answer.header("X-Regrelay-Error") == "token-answer"
    assert re.fullmatch(f"{AUTH} answered {words} where a token was expected", answer.reason), answer.reason
    assert answer.header("Location") is None


@pytest.mark.parametrize("realm, error", [
    ("https://10.0.0.1/token", "token-host-not-listed"),
    ("https://auth.corp/realms/x/token", "token-host-not-listed"),
    ("https://auth.corp:8443/admin", "token-host-not-listed"),
    (f"https://good@{AUTH}/realms/x", "token-realm-refused"),
    ("https://auth.corp.:8443/realms/x", "token-realm-refused"),
    (f"https://{AUTH}/realms/x\r\nHost: evil", "token-realm-refused"),
    (f"https://{AUTH}/realms/../admin", "token-realm-refused"),
    (f"https://{VHOST}/v2/x/blobs/uploads/", "token-realm-refused"),
    (f"http://{VHOST}/v2/_catalog", "token-realm-refused"),
])
def test_realms_that_are_refused(relay, origin, realm, error):
    for answer in (rawhttp.get(relay.port, token_path(realm)), form(relay, token_path(realm))):
        assert answer.status == 503 and answer.header("X-Regrelay-Error") == error
    assert origin.connections == 0, "nothing was dialled"
    host = urllib.parse.urlsplit(realm).netloc
    if error == "token-host-not-listed":
        assert answer.reason.startswith(f"the registry wants a token from {host.split(':')[0]}")


def test_an_endless_realm(relay, origin):
    challenge(origin, 'Bearer realm="https://%s"' % ("a" * 20000))
    realm = rawhttp.get(relay.port, MANIFEST).header("WWW-Authenticate")
    assert realm == 'Bearer realm="http://localhost/_regrelay/token/default/"'
    answer = rawhttp.get(relay.port, "/_regrelay/token/default/")
    assert answer.status == 503 and answer.header("X-Regrelay-Error") == "token-realm-refused"


@pytest.mark.parametrize("body, headers, content_type, status, error", [
    (b"a=b", [("Content-Length", 3)], "application/x-www-form-urlencoded", 400, "token-request"),
    (b"{}", [("Content-Length", 2)], "application/json", 400, "token-request"),
    (b"", [("Content-Length", 0)], "application/x-www-form-urlencoded", 400, "token-request"),
    (b"", [("Content-Length", 65537)], "application/x-www-form-urlencoded", 413, "request-body"),
    (b"x\r\n", [("Transfer-Encoding", "chunked")], "application/x-www-form-urlencoded", 400, "request-malformed"),
    (b"10001\r\n" + b"a" * 0x10001, [("Transfer-Encoding", "chunked")], "application/x-www-form-urlencoded", 413, "request-body"),
])
def test_forms_that_are_refused(relay, origin, body, headers, content_type, status, error):
    answer = post(relay, token_path(REALM), body, headers=headers, content_type=content_type)
    assert answer.status == status and answer.header("X-Regrelay-Error") == error
    assert origin.connections == 0


def test_a_form_that_does_not_come(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_timeout": "3s"}},  # also for the head to come
                        registries={"default": {"host": VHOST, "token_hosts": AUTH}})
    answer = post(relay, token_path(REALM), b"grant_type=", headers=[("Content-Length", 50)])
    assert answer.status == 408 and origin.connections == 0


def test_other_methods_and_bodies_stay_refused(relay, origin):
    with rawhttp.Connection(relay.port) as c:
        assert c.get(token_path(REALM), method="HEAD").status == 405
    assert form(relay, MANIFEST).status == 413
    with rawhttp.Connection(relay.port) as c:
        assert c.get(MANIFEST, method="POST").status == 405
    assert origin.connections == 0


def test_a_prefix_is_taken_out_of_scopes(start, origin):
    relay = start(prefix="mirror")
    origin.bodies = True
    tokens(origin)
    rawhttp.get(relay.port, token_path(REALM) + "?scope=repository%3Amirror%2Fteam%2Fapp%3Apull&service=s")
    assert origin.requests[-1].target.endswith("?scope=repository%3Ateam%2Fapp%3Apull&service=s")
    form(relay, token_path(REALM), b"grant_type=password&scope=repository%3Amirror%2Fteam%2Fapp%3Apull&username=mirror")
    assert origin.requests[-1].body == b"grant_type=password&scope=repository%3Ateam%2Fapp%3Apull&username=mirror"


def test_a_broken_post_is_not_sent_twice(relay, origin):
    origin.bodies = True
    origin.route(re.escape("/realms/x/token"), lambda request, send: "close")
    answer = form(relay, token_path(REALM))
    assert answer.status == 503 and answer.header("X-Regrelay-Error") == "upstream-closed"
    assert len(origin.requests) == 1


@pytest.mark.parametrize("status,sent", [("502 Bad Gateway", 1), ("504 Gateway Timeout", 1), ("503 Service Unavailable", 3)])
def test_a_post_that_may_have_been_acted_upon_is_not_sent_twice(relay, origin, status, sent):
    """A gateway that says so had passed it on; one that is unavailable had not."""
    origin.bodies = True
    tokens(origin, ok(b"<html>", status=status, content_type="text/html"))
    answer = form(relay, token_path(REALM))
    assert answer.status == 503 and answer.header("X-Regrelay-Error") == "upstream-error"
    assert len(origin.requests) == sent


def test_the_virtual_host_of_a_token_server(start, origin):
    relay = start(token_hosts="login.corp=auth-vh.kyma:44300")
    tokens(origin, path="/oauth")
    assert rawhttp.get(relay.port, token_path("https://login.corp/oauth")).body == TOKEN
    assert origin.requests[-1].header("Host") == "auth-vh.kyma:44300"
