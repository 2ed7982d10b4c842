"""Relaying: what reaches the upstream, what reaches the client, byte by byte."""
import hashlib
import re
import socket
import threading

import pytest
from tools import rawhttp
from tools.origin import Cut, ok
from tools.process import wait_until

VHOST = "myregistry.kyma:25002"
DIGEST = "sha256:" + hashlib.sha256(b"layer").hexdigest()
BLOB = f"/v2/team/app/blobs/{DIGEST}"
MANIFEST = "/v2/team/app/manifests/t1"
OCI = "application/vnd.oci.image.manifest.v1+json"


# --- what leaves ------------------------------------------------------------------------------------------------------

def test_request_is_rebuilt_for_the_virtual_host(relay, origin):
    origin.answer(MANIFEST, ok(b"{}", content_type=OCI))
    relay.secrets.append("cHVsbGVyOnMzY3IzdC1jYW5hcnk=")
    answer = rawhttp.get(relay.port, MANIFEST, headers=[
        ("Accept", "application/vnd.docker.distribution.manifest.v2+json"), ("Accept", OCI), ("accept", "*/*;q=0.1"),
        ("Authorization", "Basic cHVsbGVyOnMzY3IzdC1jYW5hcnk="), ("User-Agent", "containerd/1.6.20"),
        ("Accept-Encoding", "gzip, zstd"), ("Connection", "keep-alive, X-Secret-Hop"), ("X-Secret-Hop", "1"),
        ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("Proxy-Authorization", "Bearer stolen"),
        ("Proxy-Connection", "keep-alive"), ("SAP-Connectivity-SCC-Location_ID", "evil"),
        ("SAP-Connectivity-Authentication", "Bearer x"), ("SAP-CP-Connectivity-Service-Token", "x"),
        ("X-Forwarded-Host", "evil"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"),
        ("Upgrade", "h2c"), ("SSL_CLIENT_CERT", "x"), ("x_custom", "1"), ("X-Request-Id", "abc-123"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("If-None-Match", '"e"')])
    assert answer.status == 200 and answer.body == b"{}"
    sent = origin.requests[0]
    assert sent.raw.startswith(b"GET /v2/team/app/manifests/t1 HTTP/1.1\r\n")
    assert sent.all("Host") == [VHOST]
    assert sent.all("Accept") == ["application/vnd.docker.distribution.manifest.v2+json", OCI, "*/*;q=0.1"]
    assert sent.all("Authorization") == ["Basic cHVsbGVyOnMzY3IzdC1jYW5hcnk="]
    assert sent.all("Accept-Encoding") == ["identity"]
    assert sent.all("X-Forwarded-Host") == [VHOST]
    assert sent.header("User-Agent") == "containerd/1.6.20"
    assert sent.header("X-Request-Id") == "abc-123"
    assert sent.header("traceparent").startswith("00-0af7")
    assert sent.header("If-None-Match") == '"e"'
    names = {name.lower() for name, _ in sent.headers}
    assert not [n for n in names if n.startswith(("proxy-", "sap-")) or "_" in n]
    assert not names & {"te", "upgrade", "keep-alive", "x-secret-hop", "x-forwarded-for", "x-forwarded-proto",
                        "transfer-encoding"}
    assert answer.header("X-Request-Id") == "abc-123"


def test_absolute_form_and_location_id(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"request_form": "absolute", "location_id": "Plant 7"},
                                                        "registry": {"forwarded_proto": "https"}})
    origin.answer(f"http://{VHOST}/v2/", ok())
    assert rawhttp.get(relay.port, "/v2/").status == 200
    sent = origin.requests[0]
    assert sent.raw.startswith(f"GET http://{VHOST}/v2/ HTTP/1.1\r\n".encode())
    assert sent.all("Host") == [VHOST]
    assert sent.header("SAP-Connectivity-SCC-Location_ID") == "Plant 7"
    assert "SAP-Connectivity-SCC-Location_ID" in [n for n, _ in sent.headers]
    assert sent.header("X-Forwarded-Proto") == "https"


def test_default_ports_in_the_host_field(start_relay, origin):
    relay = start_relay(proxy=origin.address, registries={"default": {"host": "reg.corp", "scheme": "https"}})
    origin.answer("/v2/", ok())
    rawhttp.get(relay.port, "/v2/")
    assert origin.requests[0].header("Host") == "reg.corp:443"


@pytest.mark.parametrize("path,forwarded", [
    ("/v2/", "/v2/"),
    ("/v2/a/manifests/latest", None), ("/v2/a/b/c/manifests/v1.2_3-x", None),
    (f"/v2/blobs/manifests/blobs/{DIGEST}", None),
    ("/v2/team/app/tags/list", None), ("/v2/team/app/tags/list?n=10&last=t1", None),
    (f"/v2/team/app/referrers/{DIGEST}", None),
    (f"/v2/team/app/referrers/{DIGEST}?artifactType=application%2Fvnd.x", None),
])
def test_paths_that_pass(relay, origin, path, forwarded):
    origin.route(".*", lambda r, send: send(ok()))
    assert rawhttp.get(relay.port, path).status == 200
    assert origin.targets() == [forwarded or path]


@pytest.mark.parametrize("path,status", [
    ("/", 404), ("/index.html", 404), ("/v1/", 404), ("/v2x/", 404),
    ("/v2/Team/app/manifests/t1", 400), ("/v2/team//app/manifests/t1", 400), ("/v2/../etc/manifests/t1", 400),
    ("/v2/team/app/manifests/%74", 400), ("/v2/team/app/blobs/sha256:short", 400),
    ("/v2/team/app/blobs/" + DIGEST.upper(), 400), ("/v2/team/./app/manifests/t", 400),
    ("/v2/team/app/manifests/" + "t" * 129, 400), ("/v2/" + "a" * 256 + "/manifests/t", 400),
])
def test_paths_that_do_not(relay, origin, path, status):
    answer = rawhttp.get(relay.port, path)
    assert answer.status == status
    assert not origin.requests
    import json
    error = json.loads(answer.body)["errors"][0]
    assert error["code"] in ("NAME_INVALID", "DIGEST_INVALID", "UNSUPPORTED") and error["message"]
    assert answer.header("X-Regrelay-Error") and answer.header("Content-Type") == "application/json"


def test_other_methods_are_405_with_allow(relay, origin):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = rawhttp.get(relay.port, BLOB, method=method)
        assert answer.status == 405 and answer.header("Allow") == "GET, HEAD"
    assert rawhttp.get(relay.port, "/v2/x/blobs/uploads/", method="POST").status == 405
    assert not origin.requests


def test_registries_by_prefix_host_ns_and_rules(start_relay, origin):
    relay = start_relay(proxy=origin.address, registries={
        "default": {"host": "one.corp:1", "default": "yes"},
        "two": {"host": "two.corp:2", "prefix": "mirror/two", "location_id": "L2"},
        "three": {"host": "three.corp:3", "match_host": "three.local"},
        "four": {"host": "four.corp:4", "ns": "four.io", "allow": "public/**", "deny": "public/secret/*"}})
    origin.route(".*", lambda r, send: send(ok()))

    def ask(path, host="localhost"):
        before = len(origin.requests)
        answer = rawhttp.get(relay.port, path, host=host)
        new = origin.requests[before:]
        return answer, (new[0].header("Host"), new[0].target) if new else None
    assert ask("/v2/team/app/manifests/t1")[1] == ("one.corp:1", "/v2/team/app/manifests/t1")
    assert ask("/v2/mirror/two/team/app/manifests/t1")[1] == ("two.corp:2", "/v2/team/app/manifests/t1")
    assert origin.requests[-1].header("SAP-Connectivity-SCC-Location_ID") == "L2"
    assert ask("/v2/mirror/twoteam/app/manifests/t1")[1][0] == "one.corp:1"
    assert ask("/v2/team/app/manifests/t1", host="three.local:80")[1][0] == "three.corp:3"
    answer, sent = ask("/v2/public/app/manifests/t1?ns=four.io")
    assert sent == ("four.corp:4", "/v2/public/app/manifests/t1")
    assert answer.header("OCI-Namespace") == "four.io"
    for repository in ("private/app", "public/secret/x"):
        answer, sent = ask(f"/v2/{repository}/manifests/t1?ns=four.io")
        assert answer.status == 403 and sent is None and b"DENIED" in answer.body
    # One upstream connection never carries two virtual hosts.
    hosts = {}
    for request in origin.requests:
        hosts.setdefault(request.connection, set()).add((request.header("Host"), request.header(
            "SAP-Connectivity-SCC-Location_ID")))
    assert all(len(keys) == 1 for keys in hosts.values())


def test_one_upstream_connection_carries_many_requests(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1)
    origin.answer(MANIFEST, ok())
    for _ in range(30):
        assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert origin.connections == 1
    assert [r.number for r in origin.requests] == list(range(1, 31))


# --- what comes back ----------------------------------------------------------------------------------------------------

def test_answer_keeps_what_clients_need_and_nothing_else(relay, origin):
    origin.answer(MANIFEST, ok(b"{}", content_type=OCI, headers=[
        ("Docker-Content-Digest", DIGEST), ("Docker-Distribution-Api-Version", "registry/2.0"), ("ETag", '"x"'),
        ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"), ("OCI-Subject", DIGEST), ("Warning", '299 - "old"'),
        ("Set-Cookie", "a=b"), ("Server", "secret/1"), ("X-Powered-By", "x"), ("Alt-Svc", "h2"),
        ("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=1"),
        ("Strict-Transport-Security", "max-age=1"), ("Link", '</v2/x>; rel="next"')]))
    answer = rawhttp.get(relay.port, MANIFEST)
    names = {n.lower() for n, _ in answer.headers}
    assert {"docker-content-digest", "content-type", "content-length", "docker-distribution-api-version", "etag",
            "last-modified", "oci-subject", "warning", "link"} <= names
    assert not names & {"set-cookie", "server", "x-powered-by", "alt-svc", "x-hop", "keep-alive", "connection",
                        "strict-transport-security"}


def test_registry_errors_pass_through(relay, origin):
    body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
    origin.answer(MANIFEST, ok(body, status="401 Unauthorized",
                               headers=[("WWW-Authenticate", 'Basic realm="basic-realm"'),
                                        ("WWW-Authenticate", 'Negotiate')]))
    answer = rawhttp.get(relay.port, MANIFEST)
    assert (answer.status, answer.body) == (401, body)
    assert answer.all("WWW-Authenticate") == ['Basic realm="basic-realm"',
                                              'Negotiate']
    assert answer.header("X-Regrelay-Error") is None


def test_head_keeps_length_and_has_no_body(relay, origin):
    origin.answer(MANIFEST, ok(b"", content_type=OCI, headers=[("Docker-Content-Digest", DIGEST)]).replace(
        b"Content-Length: 0", b"Content-Length: 1234"))
    with rawhttp.Connection(relay.port) as c:
        for _ in range(2):
            answer = c.get(MANIFEST, method="HEAD")
            assert answer.status == 200 and answer.header("Content-Length") == "1234"
            assert c.data == b""
    assert [r.method for r in origin.requests] == ["HEAD", "HEAD"]


def test_204_and_304_have_no_body(relay, origin):
    origin.answer(MANIFEST, b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n")
    origin.answer("/v2/", b"HTTP/1.1 204 No Content\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n")
    with rawhttp.Connection(relay.port) as c:
        assert c.get(MANIFEST).status == 304
        assert c.get("/v2/").status == 204
        assert c.get("/v2/").status == 204


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_chunked_upstream_body(relay, origin, version):
    data = bytes(range(256)) * 1000
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(p), p) for p in (data[:1], data[1:70000], data[70000:]))
    origin.answer(MANIFEST, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  + chunks + b"0\r\nX-Trailer: 1\r\n\r\n")
    with rawhttp.Connection(relay.port) as c:
        c.send(f"GET {MANIFEST} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        answer = c.answer()
    assert answer.complete and answer.body == data
    assert answer.header("Content-Length") is None
    assert (answer.header("Transfer-Encoding") == "chunked") == (version == "1.1")


def test_close_delimited_upstream_body(relay, origin):
    data = b"z" * 300000

    def handler(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" + data)
        return "close"
    origin.route(re.escape(BLOB), handler)
    answer = rawhttp.get(relay.port, BLOB)
    assert answer.complete and answer.body == data


def test_interim_answers_are_swallowed(relay, origin):
    origin.answer(MANIFEST, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(b"[]"))
    answer = rawhttp.get(relay.port, MANIFEST)
    assert (answer.status, answer.body) == (200, b"[]")


def test_ranges_pass(relay, origin):
    data = bytes(range(256)) * 400
    origin.serve_blob(BLOB, data)
    answer = rawhttp.get(relay.port, BLOB, headers=[("Range", "bytes=100-199"), ("Accept-Encoding", "zstd;q=1.0, gzip")])
    assert answer.status == 206 and answer.body == data[100:200]
    assert answer.header("Content-Range") == f"bytes 100-199/{len(data)}"
    assert origin.requests[0].all("Accept-Encoding") == ["identity"]


@pytest.mark.parametrize("cut_at", [1, 100, 65536, 999_999])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_broken_body_never_looks_complete(start_relay, origin, cut_at, reset, chunked):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"resume_timeout": "300ms"}})
    size = 1_000_000

    def handler(request, send):
        if chunked:
            send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size)
        else:
            send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        send(b"b" * cut_at)
        raise Cut(reset)
    origin.route(re.escape(BLOB), handler)
    answer = rawhttp.get(relay.port, BLOB)
    assert answer is None or not answer.complete
    relay.wait_stat("regrelay_aborted_transfers_total", 1, side="upstream")


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"HTTP/2.0 200 OK\r\n\r\n", b"hello\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
])
def test_malformed_answers_are_502(relay, origin, answer):
    origin.answer(MANIFEST, answer)
    got = rawhttp.get(relay.port, MANIFEST)
    assert got.status == 502 and got.header("X-Regrelay-Error") == "upstream-malformed"
    origin.answer(MANIFEST, ok())
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert origin.connections == 2, "a connection with a malformed answer was used again"


def test_bytes_after_an_answer_never_reach_another_client(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1)
    origin.answer(MANIFEST, ok(b"{}") + ok(b"forged"))
    for _ in range(3):
        assert rawhttp.get(relay.port, MANIFEST).body == b"{}"
    assert origin.connections == 3


def test_stale_pooled_connection_is_retried_once(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1)

    def once(request, send):
        if request.number > 1:
            raise Cut()
        send(ok())
    origin.route(re.escape(MANIFEST), once)
    for _ in range(5):
        assert rawhttp.get(relay.port, MANIFEST).status == 200


def test_large_blobs_in_parallel_with_bounded_memory(relay, origin):
    data = hashlib.sha256(b"seed").digest() * (1 << 20)   # 32 MiB
    origin.serve_blob(BLOB, data)
    wanted = hashlib.sha256(data).hexdigest()
    got = []

    def pull():
        got.append(hashlib.sha256(rawhttp.get(relay.port, BLOB).body).hexdigest())
    threads = [threading.Thread(target=pull) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert got == [wanted] * 8


def test_a_client_that_does_not_read_stops_the_upstream(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1)
    sent = 0

    def handler(request, send):
        nonlocal sent
        send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        piece = b"q" * 65536
        while True:
            send(piece)
            sent += len(piece)
    origin.route(re.escape(BLOB), handler)
    with rawhttp.Connection(relay.port, receive_buffer=65536) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        last = -1

        def settled():
            nonlocal last
            still, last = last == sent, sent
            return still and sent > 0
        wait_until(settled, 20, "the upstream to stand still", interval=0.5)
        assert sent < 16 << 20, f"{sent} bytes were taken for a client that reads nothing"
        assert relay.stat("process_resident_memory_bytes") < 200 << 20
    wait_until(lambda: origin.open == 0, 10, "the upstream connection to end with its client")


# --- clients newer than those of the machine ------------------------------------------------------------------------------

def test_tls_hello_on_the_plain_port(relay):
    import time
    hello = bytes.fromhex("16030100c8010000c40303") + b"\x5a" * 194

    def took():
        with rawhttp.Connection(relay.port) as c:
            began = time.monotonic()
            c.send(hello)
            data = c.rest()
            assert data.startswith(b"HTTP/1.1 400 ")
            assert c.eof == "eof", "a reset could destroy the answer"
            return time.monotonic() - began
    assert any(took() < 0.1 for _ in range(10)), "at once, where the machine is not slow each time"
    relay.wait_stat("regrelay_http_rejected_total", 1, reason="tls_hello")
    assert not [line for line in relay.lines()
                if line.get("level") in ("warning", "error") and line.get("process") != "master"]


def test_open_range_closed_early_moves_little(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1)
    size, chunk, sent = 256 << 20, 1 << 20, 0

    def handler(request, send):
        nonlocal sent
        send(b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\nContent-Range: bytes 0-%d/%d\r\n\r\n"
             % (size, size - 1, size))
        piece = b"r" * 16384
        while sent < size:
            send(piece)
            sent += len(piece)
    origin.route(re.escape(BLOB), handler)
    with rawhttp.Connection(relay.port, receive_buffer=131072) as c:
        c.request(BLOB, headers=[("Range", "bytes=0-")])
        c.head()
        taken = len(c._take(chunk))
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: origin.open == 0, 10, "the upstream connection to end")
    assert sent - taken < 8 << 20, f"{sent - taken} bytes more than the client took"


def test_pipelined_requests_are_answered_in_order(relay, origin):
    for n in range(5):
        origin.answer(f"/v2/app/manifests/t{n}", ok(b"%d" % n))
    with rawhttp.Connection(relay.port) as c:
        c.send(b"".join(b"GET /v2/app/manifests/t%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(5)))
        assert [c.answer().body for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_half_closed_client_gets_its_answer(relay, origin):
    origin.answer(MANIFEST, ok())
    with rawhttp.Connection(relay.port) as c:
        c.request(MANIFEST)
        c.sock.shutdown(socket.SHUT_WR)
        assert c.answer().status == 200


def test_http_10_client(relay, origin):
    origin.answer(MANIFEST, ok(b"{}"))
    with rawhttp.Connection(relay.port) as c:
        c.send(f"GET {MANIFEST} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert c.answer().body == b"{}"
        assert c.rest() == b"" and c.eof == "eof"
