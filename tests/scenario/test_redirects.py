"""Redirects of the registry are followed inside, for nodes cannot reach where they lead to."""
import re

import pytest
from tools import rawhttp
from tools.origin import Cut, ok

VHOST, STORE, CDN = "myregistry.kyma:25002", "minio.corp:9000", "cdn.example.com"
BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
SIGNED = f"https://{STORE}/bucket/aa?X-Amz-Signature=canary-signature"
BASIC = "Basic cHVsbGVyOnB3"


@pytest.fixture
def relay(start_relay, origin):
    return start_relay(proxy=origin.address, registries={"default": {
        "host": VHOST, "redirect_hosts": f"{STORE}, second.corp=vh2.kyma:7000", "redirect_pass": CDN}})


def to(location, status="307 Temporary Redirect", body=b""):
    return ok(body, status=status, headers=[("Location", location)] if location else ())


def serves(origin, target, data=b"layer", **kw):
    origin.answer(target, ok(data, content_type="application/octet-stream", **kw))


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_to_a_listed_host(relay, origin, status):
    origin.answer(BLOB, to(SIGNED, status))
    serves(origin, "/bucket/aa?X-Amz-Signature=canary-signature")
    answer = rawhttp.get(relay.port, BLOB, headers=[("Authorization", BASIC), ("Cookie", "a=b"), ("Range", "bytes=1-"),
                                                    ("Accept", "*/*")])
    assert (answer.status, answer.body) == (200, b"layer")
    first, second = origin.requests
    assert first.header("Host") == VHOST and first.header("Authorization") == BASIC
    assert second.header("Host") == STORE and second.target == "/bucket/aa?X-Amz-Signature=canary-signature"
    assert second.header("Authorization") is None and second.header("Cookie") is None
    assert second.header("Range") == "bytes=1-" and second.header("Accept") == "*/*"
    assert second.header("X-Forwarded-Host") is None
    assert first.connection != second.connection, "another virtual host, another connection"
    relay.wait_log('"termination"')  # written after the answer
    line = next(line for line in relay.lines() if line.get("termination"))
    assert line["upstream.redirects"] == 1
    assert not [line for line in relay.lines() if "canary-signature" in str(line)], "a signature is a secret"


def test_head_stays_head(relay, origin):
    origin.route(re.escape(BLOB), lambda request, send: send(to(SIGNED, "303 See Other")))
    origin.route("/bucket/.*", lambda request, send: send(ok(b"layer").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))
    with rawhttp.Connection(relay.port) as c:
        answer = c.get(BLOB, method="HEAD")
    assert answer.status == 200 and answer.header("Content-Length") == "5"
    assert [request.method for request in origin.requests] == ["HEAD", "HEAD"]


def test_within_the_registry(relay, origin):
    other = BLOB.replace("team/app", "library/app")
    origin.answer(BLOB, to(f"https://{VHOST}{other}"))
    origin.answer(other, to("/v2/library/other/blobs/x"))
    serves(origin, "/v2/library/other/blobs/x")
    assert rawhttp.get(relay.port, BLOB, headers=[("Authorization", BASIC)]).body == b"layer"
    assert [r.header("Authorization") for r in origin.requests] == [BASIC] * 3
    assert len({r.connection for r in origin.requests}) == 1, "the connection is kept over a redirect without a body"


def test_credentials_do_not_come_back(relay, origin):
    origin.answer(BLOB, to(SIGNED))
    origin.route("/bucket/.*", lambda request, send: send(to(f"https://{VHOST}/v2/x")))
    serves(origin, "/v2/x")
    assert rawhttp.get(relay.port, BLOB, headers=[("Authorization", BASIC)]).status == 200
    assert [r.header("Authorization") for r in origin.requests] == [BASIC, None, None]


@pytest.mark.parametrize("location", [
    "http://second.corp:443/x",
    "https://vh2.kyma:7000/x",  # the Cloud Connector has led it back to the virtual host
    "http://VH2.kyma:7000/x",
])
def test_a_virtual_host_of_another_name(relay, origin, location):
    origin.answer(BLOB, to(location))
    serves(origin, "/x")
    assert rawhttp.get(relay.port, BLOB).body == b"layer"
    assert origin.requests[-1].header("Host") == "vh2.kyma:7000"


def test_to_a_host_for_the_client(relay, origin):
    origin.answer(BLOB, to(f"https://{CDN}/x?sig=1"))
    answer = rawhttp.get(relay.port, BLOB)
    assert answer.status == 307 and answer.header("Location") == f"https://{CDN}/x?sig=1"


@pytest.mark.parametrize("location, status, error, words", [
    ("https://s3.amazonaws.com/x?X-Amz-Signature=canary-signature", 503, "redirect-host-not-listed",
     f"{VHOST} redirects to s3.amazonaws.com:443: add it to redirect_hosts or redirect_pass"),
    (f"https://{STORE.split(':')[0]}/x", 503, "redirect-host-not-listed",
     f"{VHOST} redirects to minio.corp:443: add it to redirect_hosts or redirect_pass"),
    ("https://169.254.169.254/x", 503, "redirect-host-not-listed",
     f"{VHOST} redirects to 169.254.169.254:443: add it to redirect_hosts or redirect_pass"),
    (f"https://a@{STORE}/x", 502, "redirect-malformed", None),
    ("ftp://minio.corp:9000/x", 502, "redirect-malformed", None),
    ("//minio.corp:9000/x", 502, "redirect-malformed", None),
    ("elsewhere", 502, "redirect-malformed", None),
    (None, 502, "redirect-malformed", None),
])
def test_redirects_that_are_refused(relay, origin, location, status, error, words):
    origin.answer(BLOB, to(location))
    for _ in range(2):  # the second time on a kept connection
        answer = rawhttp.get(relay.port, BLOB)
        assert answer.status == status and answer.header("X-Regrelay-Error") == error
        assert answer.reason == (words or f"{VHOST} redirects to what is no http(s) URL")
    assert {request.header("Host") for request in origin.requests} == {VHOST}


def test_a_loop_ends(relay, origin):
    origin.answer(BLOB, to(BLOB))
    answer = rawhttp.get(relay.port, BLOB)
    assert answer.status == 502 and answer.header("X-Regrelay-Error") == "redirect-loop"
    assert len(origin.requests) == 6


def test_an_expired_signature_is_asked_for_again(relay, origin):
    count = iter(range(100))
    origin.route(re.escape(BLOB), lambda request, send: send(to(f"https://{STORE}/bucket/{next(count)}")))
    origin.answer("/bucket/0", ok(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden", content_type="application/xml"))
    serves(origin, "/bucket/1")
    answer = rawhttp.get(relay.port, BLOB, headers=[("Authorization", BASIC)])
    assert (answer.status, answer.body) == (200, b"layer")
    assert [r.header("Authorization") for r in origin.requests] == [BASIC, None, BASIC, None]


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "401 Unauthorized", "410 Gone"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_storage_that_refuses(relay, origin, status, method):
    """Its 401, 403 or 404 is not the registry's, and must not look so."""
    origin.answer(BLOB, to(SIGNED))

    def handler(request, send):
        whole = ok(b"<Error/>", status=status, content_type="application/xml")
        send(whole if request.method == "GET" else whole[:-len(b"<Error/>")])
    origin.route("/bucket/.*", handler)
    with rawhttp.Connection(relay.port) as c:
        answer = c.get(BLOB, method=method)
    assert answer.status == 503 and answer.header("X-Regrelay-Error") == "redirect-refused"
    assert answer.reason.startswith(f"{STORE}, where the registry redirects to, answered {status}")


def test_416_of_a_storage_is_an_answer(relay, origin):
    origin.answer(BLOB, to(SIGNED))
    origin.route("/bucket/.*", lambda request, send: send(ok(b"", status="416 x", headers=[("Content-Range", "bytes */5")])))
    answer = rawhttp.get(relay.port, BLOB, headers=[("Range", "bytes=9-")])
    assert answer.status == 416 and answer.header("Content-Range") == "bytes */5"


def test_a_mapping_that_is_missing_is_named(relay, origin):
    origin.answer(BLOB, to(SIGNED))
    text = f"Access denied to system {STORE}. In case this was a valid request, ensure to expose the system correctly."
    origin.route("/bucket/.*", lambda request, send: send(ok(text.encode(), status="403 Forbidden", content_type="text/plain")))
    answer = rawhttp.get(relay.port, BLOB)
    assert answer.header("X-Regrelay-Error") == "mapping-missing"
    assert answer.reason.startswith(f"virtual host {STORE} is not exposed")


def test_a_stale_connection_on_the_second_hop(relay, origin):
    origin.answer(BLOB, to(SIGNED))
    served = iter(range(100))

    def handler(request, send):
        if next(served) == 1:
            raise Cut(reset=True)
        send(ok(b"layer"))
    origin.route("/bucket/.*", handler)
    for _ in range(2):
        assert rawhttp.get(relay.port, BLOB).body == b"layer"


def test_a_url_longer_than_the_proxy_takes(relay, origin):
    origin.answer(BLOB, to(f"https://{STORE}/x?" + "s" * 9000))
    answer = rawhttp.get(relay.port, BLOB)
    assert answer.status == 431 and "the URL that the registry redirects to" in answer.reason
