"""What the stand-in does to heads: what must change changes, everything else passes byte by byte."""
import pytest
from tools.origin import ok
from tools.standin import VHOST

OURS = (b"GET /v2/a/manifests/t1?x=%20 HTTP/1.1\r\nhost: " + VHOST.encode() + b"\r\nAccept: a/b\r\nAccept:c/d;q=0.5\r\n"
        b"AUTHORIZATION:  Basic dTpw \r\nRange: bytes=5-\r\nX-Odd:\xe4\r\n")


def test_requests_pass_byte_by_byte(stage):
    s = stage(mapping={"host_mode": "virtual"}, settings={"ssl_client_cert": False})
    with s.connect() as c:
        c.send(OURS + b"SAP-Connectivity-SCC-Location_ID: \r\nSAP-Connectivity-Authentication: x\r\n"
               b"Proxy-Authorization: Bearer x\r\n\r\n")
        c.answer()
    assert s.backend.requests[0].raw == OURS + b"\r\n"


def test_internal_host_and_injected_headers(stage):
    s = stage()
    s.get(headers=[("X-Forwarded-Host", "evil")])
    got = s.backend.requests[0]
    assert got.all("Host") == ["registry.corp:5000"]
    assert got.all("X-Forwarded-Host") == [VHOST]
    assert got.header("SSL_CLIENT_CERT") == ""


@pytest.mark.parametrize("given,expected", [
    ("https://registry.corp:5000/v2/x?y=z", f"https://{VHOST}/v2/x?y=z"),
    ("http://REGISTRY.corp:5000/v2/x", f"https://{VHOST}/v2/x"),
    ("https://other.corp/blob", "https://other.kyma:443/blob"),
    ("https://storage.example/blob?sig=1%2F", "https://storage.example/blob?sig=1%2F"),
    ("/v2/relative", "/v2/relative")])
def test_location_is_led_back(stage, given, expected):
    s = stage()
    s.backend.answer("/v2/", ok(b"", status="307 Temporary Redirect", headers=[("Location", given)]))
    assert s.get().header("Location") == expected


def test_cookie_domains_are_led_back_and_challenges_are_not(stage):
    challenge = 'Bearer realm="https://registry.corp:5000/token",service="x"'
    s = stage()
    s.backend.answer("/v2/", ok(b"", status="401 Unauthorized", headers=[
        ("WWW-Authenticate", challenge), ("Set-Cookie", "a=b; Domain=registry.corp; Path=/"), ("Set-Cookie", "c=d")]))
    answer = s.get()
    assert answer.status == 401 and answer.header("WWW-Authenticate") == challenge
    assert answer.all("Set-Cookie") == ["a=b; Domain=myregistry.kyma; Path=/", "c=d"]


@pytest.mark.parametrize("head,body", [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"abcde"),
    (b"HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\n", b"abcde")])
def test_body_framings(stage, head, body):
    s = stage()

    def handler(_request, send):
        send(head + body)
        return "close" if b"close" in head else None
    s.backend.route("/v2/", handler)
    answer = s.get()
    assert answer.complete and answer.body == b"abcde"


def test_answers_without_body(stage):
    s = stage()
    s.backend.answer("/v2/", b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", method="HEAD")
    s.backend.answer("/v2/none", b"HTTP/1.1 204 No Content\r\n\r\n")
    s.backend.answer("/v2/same", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")
    with s.connect() as c:
        assert c.get("/v2/", method="HEAD", host=VHOST).header("Content-Length") == "77"
        assert c.get("/v2/none", host=VHOST).status == 204
        assert c.get("/v2/same", host=VHOST).status == 304
    assert s.backend.connections == 1


@pytest.mark.parametrize("body", [b"Content-Length: 5\r\n\r\nhello",
                                  b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
def test_request_bodies_pass(stage, body):
    s = stage()
    s.backend.bodies = True
    s.backend.answer("/token", ok())
    with s.connect() as c:
        c.send(b"POST /token HTTP/1.1\r\nHost: " + VHOST.encode() + b"\r\n" + body)
        assert c.answer().status == 200
    request, = s.backend.requests
    assert body.partition(b"\r\n")[0] + b"\r\n" in request.raw
    assert request.body == body.partition(b"\r\n\r\n")[2]


def test_interim_answers_pass(stage):
    s = stage()
    s.backend.answer("/v2/", b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"{}"))
    with s.connect() as c:
        c.request("/v2/", host=VHOST, headers=[("Expect", "100-continue")])
        assert c.head()[0] == 100
        assert c.answer().status == 200
    assert s.backend.requests[0].header("Expect") == "100-continue"


def test_audit_keeps_raw_heads_and_connections(stage):
    s = stage()
    s.backend.answer("/v2/", ok(b"{}"))
    with s.connect() as c:
        c.send(b"GET /v2/ HTTP/1.1\r\nhOsT: " + VHOST.encode() + b"\r\n\r\n")
        c.answer()
        c.get("/v2/", host=VHOST)
    s.get(host="none:1")
    first, second, third = s.standin.requests()
    assert first.raw == f"GET /v2/ HTTP/1.1\r\nhOsT: {VHOST}\r\n\r\n" and first.headers == [("hOsT", VHOST)]
    assert (first.connection, second.connection, third.connection) == (1, 1, 2)
    answers = s.standin.audit("answer")
    assert [(a["status"], a["by"]) for a in answers] == [(200, "backend"), (200, "backend"), (403, "connector")]
    assert answers[0]["bytes"] == 2 and answers[0]["end"] == "complete"
