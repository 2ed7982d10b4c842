"""What the stand-in lets through and what it says to the rest, word for word."""
import json
import subprocess
import sys

import pytest
from tools.origin import ok
from tools.standin import VHOST

BODY = b'{"answer":"of the backend"}'


@pytest.mark.parametrize("target,host", [("/v2/", VHOST), (f"http://{VHOST}/v2/", "ignored.example:1"),
                                         (f"http://{VHOST.upper()}/v2/", VHOST)])
def test_both_request_forms(stage, target, host):
    s = stage()
    s.backend.answer("/v2/", ok(BODY))
    answer = s.get(target, host=host)
    assert (answer.status, answer.body) == (200, BODY)
    assert s.backend.requests[0].target == "/v2/"


@pytest.mark.parametrize("method,target", [("CONNECT", VHOST), ("GET", f"https://{VHOST}/v2/")])
def test_no_https(stage, method, target):
    s = stage()
    answer = s.get(target, method=method)
    assert (answer.status, answer.body) == (405, b"HTTPS proxying is not supported")
    assert not s.backend.requests


def test_host_without_mapping(stage):
    s = stage()
    answer = s.get(host="nobody.kyma:25002")
    assert (answer.status, answer.body) == (
        403, b"Access denied to system nobody.kyma:25002. In case this was a valid request, ensure to expose the "
             b"system correctly in your cloud connector.")
    assert s.get(host="myregistry.kyma:25003").status == 403, "the port belongs to the mapping"
    assert s.get(host="my_registry.kyma:25002").status == 400


def test_mapping_taken_away_and_back(stage):
    s = stage()
    s.backend.answer("/v2/", ok(BODY))
    s.standin.expose(VHOST, False)
    assert s.get().status == 403
    s.standin.expose(VHOST)
    assert s.get().status == 200


@pytest.mark.parametrize("path,allowed", [
    ("/v2/", True), ("/v2/a/tags/list?n=1", True), ("/v2-more", True), ("/V2/", False), ("/", False),
    ("/token", True), ("/token?scope=/v2/", True), ("/token/", False)])
def test_resources(stage, path, allowed):
    s = stage(mapping={"resources": ["/v2", {"path": "/token", "exact": True}]})
    s.backend.route(".*", lambda request, send: send(ok(BODY)))
    answer = s.get(path)
    if allowed:
        assert answer.status == 200
    else:
        bare = path.partition("?")[0]
        assert (answer.status, answer.body.decode()) == (
            403, f"Access denied to resource {bare} on system {VHOST}. In case this was a valid request, ensure to "
                 "expose the resource correctly in your cloud connector.")


def test_untrusted_mode_wants_a_token(stage):
    s = stage(mode="untrusted", settings={"tokens": ["good"]})
    s.backend.answer("/v2/", ok(BODY))
    for headers in ((), [("Proxy-Authorization", "")]):
        answer = s.get(headers=headers)
        assert (answer.status, answer.body) == (407, b"Missing or empty header: proxy-authorization")
    assert s.get(headers=[("Proxy-Authorization", "Bearer bad")]).status == 407
    assert s.get(headers=[("Proxy-Authorization", "Bearer good")]).status == 200
    assert s.backend.requests[0].header("Proxy-Authorization") is None
    s.standin.set(mode="trusted")
    assert s.get().status == 200


def test_service_token_mode(stage):
    s = stage(mode="service-token")
    s.backend.answer("/v2/", ok(BODY))
    assert s.get().status == 407
    assert s.get(headers=[("SAP-CP-Connectivity-Service-Token", "x")]).status == 200
    assert s.backend.requests[0].header("SAP-CP-Connectivity-Service-Token") is None


def test_upgrade_is_forbidden_unless_allowed(stage):
    headers = [("Upgrade", "TLS/1.2"), ("Connection", "upgrade")]
    s = stage()
    assert s.get(headers=headers).status == 403
    s = stage(mapping={"upgrade": True})
    s.backend.answer("/v2/", ok(BODY))
    assert s.get(headers=headers).status == 200


def test_limits_of_lines_and_heads(stage):
    s = stage()
    s.backend.route(".*", lambda request, send: send(ok(BODY)))
    name = "X-Long"
    fits = 8192 - len(f"{name}: ")
    assert s.get(headers=[(name, "a" * fits)]).status == 200
    assert s.get(headers=[(name, "a" * (fits + 1))]).status == 431
    s.standin.set(line_status=414)
    assert s.get("/v2/" + "a" * 8192).status == 414
    assert s.get(headers=[(f"X-{n}", "a" * 8000) for n in range(9)]).status == 431


def test_answer_head_over_8k(stage):
    s = stage()
    s.backend.answer("/v2/", ok(BODY, headers=[("X-Long", "a" * 7000)]))
    assert s.get().status == 200
    s.backend.answer("/v2/", ok(BODY, headers=[("X-Long", "a" * 8192)]))
    assert s.get().status == 502


def test_malformed_requests(stage):
    s = stage()
    for data in (b"GET /v2/\r\n\r\n", b"GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", b"GET /v2/ HTTP/1.1\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n"):
        with s.connect() as c:
            c.send(data)
            assert c.answer().status == 400
    assert not s.backend.requests


def test_unknown_configuration_is_refused(tmp_path, stage):
    program = stage().standin.process.argv[1]
    for config in ({"mapping": []}, {"mappings": [{"host": "x"}]}, {"settings": {"line_limits": 1}},
                   {"mappings": [{"host": "a:1", "backend": "https://b:1", "ca": "/none"}]}):
        (tmp_path / "c.json").write_text(json.dumps(config))
        done = subprocess.run([sys.executable, program, "--config", tmp_path / "c.json"], capture_output=True,
                              text=True, timeout=20, check=False)
        assert done.returncode == 2 and done.stderr.startswith("standin: ") and "Traceback" not in done.stderr
