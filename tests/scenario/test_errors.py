"""Errors of the path: each has one text that names cause and fix, and it reaches the client whatever it asked with."""
import concurrent.futures
import json
import re
import socket

import pytest
from tools import errortable, ports, rawhttp
from tools.origin import Cut, ok
from tools.relay import TOP, run

VHOST = "myregistry.kyma:25002"
MANIFEST = "/v2/team/app/manifests/t1"
ROWS = {row["id"]: row for row in errortable.rows()}


def expected(error, **values):
    """The text of a row with its placeholders filled in; {detail} matches anything."""
    pattern = re.escape(ROWS[error]["text"])
    values.setdefault("location", "")
    for key, value in values.items():
        pattern = pattern.replace(re.escape("{%s}" % key), re.escape(value))
    return re.compile(pattern.replace(re.escape("{detail}"), ".+"))


def assert_error(answer, error, method="GET", **values):
    row = ROWS[error]
    text = expected(error, **values)
    assert answer.status == int(row["status"]), (answer.status, answer.reason)
    assert answer.header("X-Regrelay-Error") == error
    assert text.fullmatch(answer.reason), answer.reason
    assert len(answer.reason) <= 160 and answer.reason.isascii()
    assert answer.reason in answer.header("Warning") and answer.header("Warning").startswith("299 ")
    assert answer.header("Content-Type") == "application/json"
    if answer.status in (503, 504):
        assert int(answer.header("Retry-After")) > 0
    if method == "GET":
        body = json.loads(answer.body)["errors"][0]
        assert body["code"] == row["code"] and body["message"] == answer.reason and body["detail"]


def cp(status, text, content_type="text/plain"):
    """An answer of the connectivity proxy, for GET and without its body for HEAD."""
    def handler(request, send):
        whole = ok(text.encode(), status=status, content_type=content_type)
        send(whole if request.method == "GET" else whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    return handler


PATH_ERRORS = [
    ("mapping-missing", "403 Forbidden", f"Access denied to system {VHOST}. In case this was a valid request, ensure to "
     "expose the system correctly in your cloud connector.", {"vhost": VHOST}),
    ("path-not-exposed", "403 Forbidden", f"Access denied to resource {MANIFEST} on system {VHOST}. In case this was a "
     "valid request, ensure to expose the resource correctly in your cloud connector.",
     {"vhost": VHOST, "path": MANIFEST}),
    ("tunnel-down", "503 Service Unavailable", "There is no SAP Cloud Connector (SCC) connected to your subaccount "
     "matching the requested tunnel for subaccount 'x' and SCC location ID ''", {}),
    ("tunnel-open-timeout", "503 Service Unavailable", "Timed out waiting for tunnel to open", {}),
    ("backend-unreachable", "502 Bad Gateway", f"Unable to open connection to backend system {VHOST}", {"vhost": VHOST}),
    ("proxy-wants-token", "407 Proxy Authentication Required", "Missing or empty header: proxy-authorization", {}),
    ("proxy-refused", "405 Method Not Allowed", "HTTPS proxying is not supported", {}),
    ("upstream-error", "503 Service Unavailable", "upstream connect error or disconnect/reset before headers", {"vhost": VHOST}),
    ("not-a-registry", "404 Not Found", "<html><body>nothing here</body></html>", {"vhost": VHOST}),
]


@pytest.mark.parametrize("error,status,text,values", PATH_ERRORS, ids=[e[0] for e in PATH_ERRORS])
def test_error_of_the_path(relay, origin, error, status, text, values):
    kind = "text/html" if text.startswith("<") else "text/plain"
    origin.route(".*", cp(status, text, kind))
    if "{proxy}" in ROWS[error]["text"]:
        values = {**values, "proxy": origin.address}

    def twice(method):
        with rawhttp.Connection(relay.port) as c:
            return [c.get(MANIFEST, method=method) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for method, answers in zip(("GET", "HEAD"), pool.map(twice, ("GET", "HEAD"))):
            for answer in answers:
                assert_error(answer, error, method, **values)
    warnings = [line for line in relay.lines() if line.get("level") == "warning" and error in json.dumps(line)]
    assert warnings, "nothing in the log"
    upstream = relay.status()["upstreams"][0]
    assert upstream["last_error"]["id"] == error
    origin.answer(MANIFEST, ok())
    assert rawhttp.get(relay.port, MANIFEST).status == 200
    assert relay.status()["upstreams"][0]["state"] == "up"


def test_location_id_is_named(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"location_id": "PLANT7"}})
    origin.route(".*", cp("503 Service Unavailable", "There is no SAP Cloud Connector (SCC) connected to your subaccount"))
    assert_error(rawhttp.get(relay.port, MANIFEST), "tunnel-down", location=" for location id PLANT7")


def test_name_that_does_not_resolve(start_relay):
    relay = start_relay(proxy="connectivity-proxy.invalid:20003")
    for method in ("GET", "HEAD"):
        answer = rawhttp.get(relay.port, MANIFEST, method=method)
        assert_error(answer, "proxy-name-unresolved", method, proxy="connectivity-proxy.invalid:20003")
    assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 200


def test_name_that_appears_later(start_relay, origin, tmp_path):
    """The relay starts before the proxy's name exists, and follows it when it moves."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    probe = run(["unshare", "-m", "true"])
    if probe.returncode != 0:
        pytest.skip("needs mount namespaces")
    wrapper = ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
    relay = start_relay(proxy=f"cp.test:{origin.port}", wrapper=wrapper)
    assert_error(rawhttp.get(relay.port, MANIFEST), "proxy-name-unresolved", proxy=f"cp.test:{origin.port}")
    origin.answer(MANIFEST, ok())
    hosts.write_text("127.0.0.1 localhost cp.test\n")
    from tools.process import wait_until
    wait_until(lambda: rawhttp.get(relay.port, MANIFEST).status == 200, 20, "the name to resolve")


def test_proxy_down(start_relay):
    port = ports.free_port()
    relay = start_relay(proxy=f"127.0.0.1:{port}")
    assert_error(rawhttp.get(relay.port, MANIFEST), "proxy-unreachable", proxy=f"127.0.0.1:{port}")
    assert "refused" in rawhttp.get(relay.port, MANIFEST).reason


def test_proxy_that_does_not_accept(start_relay):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    filler = [socket.socket() for _ in range(3)]
    for s in filler:
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    relay = start_relay(proxy="127.0.0.1:%d" % full.getsockname()[1], settings={"proxy": {"connect_timeout": "500ms"}})
    assert_error(rawhttp.get(relay.port, MANIFEST), "proxy-connect-timeout", proxy="127.0.0.1:%d" % full.getsockname()[1])
    for s in (*filler, full):
        s.close()


@pytest.mark.parametrize("reset", [False, True])
def test_connection_that_breaks_before_an_answer(relay, origin, reset):
    def handler(request, send):
        raise Cut(reset)
    origin.route(".*", handler)
    assert_error(rawhttp.get(relay.port, MANIFEST), "upstream-closed", vhost=VHOST)


def test_line_longer_than_the_proxy_takes(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"listen": {"head_size": "32K"}})
    answer = rawhttp.get(relay.port, MANIFEST, headers=[("Authorization", "Bearer " + "t" * 8190)])
    assert answer.status == 431
    assert not origin.requests


STICKY = ("One of the headers [SAP-Connectivity-ConsumerAccount, SAP-Connectivity-SCC-Location_ID] was set with a "
          "different value compared to the value which was already used for this connection. Original tunnel ID: "
          "account:///x/y")


@pytest.mark.parametrize("status,text", [("400 Bad Request", STICKY),
                                         ("403 Forbidden", f"Access denied to system {VHOST}. In case")])
def test_sticky_answer_on_a_used_connection_is_retried_on_a_fresh_one(start_relay, origin, status, text):
    relay = start_relay(proxy=origin.address, workers=1)

    def handler(request, send):
        if request.number > 1:
            cp(status, text)(request, send)
        else:
            send(ok())
    origin.route(".*", handler)
    for _ in range(4):
        assert rawhttp.get(relay.port, MANIFEST).status == 200


def test_ping_of_a_client_that_shows_no_error_of_it(relay, origin):
    """skopeo and its kin show of a failed ping only its number; they come to the manifest's request, and show that."""
    origin.route(".*", cp(*PATH_ERRORS[0][1:3]))
    field = ("Docker-Distribution-Api-Version", "registry/2.0")
    answer = rawhttp.get(relay.port, "/v2/", headers=[field])
    assert answer.status == 200 and answer.header("X-Regrelay-Error") == "mapping-missing"
    assert "add the mapping" in answer.header("Warning")
    # With credentials it is a login, which must not seem to work; and nobody else gets such an answer.
    for headers in ([field, ("Authorization", "Basic eA==")], []):
        assert_error(rawhttp.get(relay.port, "/v2/", headers=headers), "mapping-missing", vhost=VHOST)
    assert_error(rawhttp.get(relay.port, MANIFEST, headers=[field]), "mapping-missing", vhost=VHOST)


def test_errors_of_the_registry_are_not_touched(relay, origin):
    for status, code in (("404 Not Found", "MANIFEST_UNKNOWN"), ("403 Forbidden", "DENIED"),
                         ("503 Service Unavailable", "UNAVAILABLE"), ("429 Too Many Requests", "TOOMANYREQUESTS"),
                         ("500 Internal Server Error", "UNKNOWN")):
        body = json.dumps({"errors": [{"code": code, "message": "the registry's own"}]})
        origin.route(".*", cp(status, body, "application/json; charset=utf-8"))
        answer = rawhttp.get(relay.port, MANIFEST)
        assert (answer.status, answer.body.decode()) == (int(status[:3]), body)
        assert answer.header("X-Regrelay-Error") is None
        head = rawhttp.get(relay.port, MANIFEST, method="HEAD")
        assert head.status == int(status[:3]) and head.header("X-Regrelay-Error") is None


def test_referrers_404_always_passes(relay, origin):
    path = "/v2/team/app/referrers/sha256:" + "a" * 64
    origin.route(".*", cp("404 Not Found", "404 page not found", "text/plain"))
    answer = rawhttp.get(relay.port, path)
    assert (answer.status, answer.body) == (404, b"404 page not found")


def test_the_readme_has_the_table():
    done = run(["/usr/bin/python3", TOP / "tests/tools/errortable.py", "--check"])
    assert done.returncode == 0, done.stdout


def test_every_row_fits_a_status_line():
    for row in ROWS.values():
        assert row["text"].isascii() and len(row["text"]) <= 110, row["id"]
