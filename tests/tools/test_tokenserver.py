"""The token server: what docker-registry and skopeo make of it, and each of its knobs."""
import base64
import json
import ssl
import urllib.parse

import pytest

from . import certs, containerd, jwt, rawhttp, skopeo
from .images import make_image
from .registry import Registry
from .tokenserver import TokenServer, scope_of

SCOPE = "repository:team/app:pull"
QUERY = f"/token?service=registry&scope={SCOPE}"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with TokenServer(tmp_path_factory.mktemp("token"), users={"puller": "secret", "guest": "g"},
                     grants={"guest": ["public/*"], "": ["public/*"]}) as server:
        yield server


@pytest.fixture
def auth(running):
    """The server as it was born, whatever the last test did to it."""
    yield running
    running.heal()
    running.set(post="ok", expires_in=300, padding=0,
                fields=["token", "access_token", "expires_in", "issued_at", "refresh_token"])


@pytest.fixture(scope="module")
def registry(running, tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory / "registry", token=running) as r:
        r.image = make_image(directory / "image", layers=[100_000], seed=1)
        r.push(r.image, "team/app:t1")
        yield r


def basic(user="puller", password="secret"):
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def post(auth, *more, headers=(), chunked=False, **form):
    """Sends an OAuth2 form; the answer."""
    values = {"client_id": "test", "service": "registry", "scope": SCOPE, "grant_type": "password",
              "username": "puller", "password": "secret", **form}
    body = urllib.parse.urlencode(values).encode()
    headers = [("Content-Type", "application/x-www-form-urlencoded"), *headers,
               ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", len(body))]
    if chunked:
        body = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    with rawhttp.Connection(auth.port) as c:
        c.request("/token", "POST", headers)
        c.send(body)
        return c.answer()


def access_of(answer):
    assert answer.status == 200, answer
    return jwt.claims_of(json.loads(answer.body)["token"])["access"]


def test_skopeo_pulls_with_a_token(auth, registry, tmp_path):
    done = skopeo.pull(f"127.0.0.1:{registry.port}/team/app:t1", tmp_path / "out", credentials=registry.credentials)
    assert done.returncode == 0, done.stderr
    assert skopeo.pulled_digests(tmp_path / "out")[0] == registry.image.manifest_digest
    asked = [r for r in auth.requests() if r.header("User-Agent").startswith("skopeo")]
    assert asked and all("service=registry" in r.target and "account=puller" in r.target for r in asked)


def test_skopeo_with_a_wrong_password(auth, registry, tmp_path):
    done = skopeo.pull(f"127.0.0.1:{registry.port}/team/app:t1", tmp_path / "out", credentials="puller:wrong")
    assert done.returncode != 0 and "unauthorized" in done.stderr.lower()


@pytest.mark.skipif(bool(containerd.missing()), reason="containerd cannot be used here")
def test_containerd_posts_and_falls_back_to_get(auth, registry, tmp_path_factory):
    def methods():
        before = len(auth.requests())
        done = ctrd.fetch(reference, credentials=registry.credentials)
        asked = {r.method for r in auth.requests()[before:]}
        ctrd.remove(reference)
        return done.returncode, asked
    reference = f"127.0.0.1:{registry.port}/team/app:t1"
    with containerd.Containerd(tmp_path_factory.mktemp("c")) as ctrd:
        assert methods() == (0, {"POST"})
        for status in (401, 404, 405):
            auth.set(post=status)
            assert methods() == (0, {"POST", "GET"})
        auth.set(post=403)
        assert methods() == (1, {"POST"})


def test_the_registry_takes_and_refuses_tokens(auth, registry):
    path = f"/v2/team/app/blobs/{registry.image.layers[0]}"
    answer = rawhttp.get(registry.port, path)
    challenge = answer.header("WWW-Authenticate")
    assert answer.status == 401 and challenge == f'Bearer realm="{auth.realm}",service="registry",scope="{SCOPE}"'

    def status(token):
        return rawhttp.get(registry.port, path, headers=[("Authorization", f"Bearer {token}")]).status
    for _ in range(8):  # numbers of a signature come in several lengths
        assert status(json.loads(rawhttp.get(auth.port, QUERY, headers=[basic()]).body)["token"]) == 200
    assert status(json.loads(rawhttp.get(auth.port, QUERY).body)["token"]) == 401
    auth.set(expires_in=-300)
    assert status(json.loads(rawhttp.get(auth.port, QUERY, headers=[basic()]).body)["token"]) == 401
    assert status(auth.token("team/other", "pull")) == 401


def test_a_registry_announces_another_realm(auth, tmp_path):
    realm = "https://auth.corp:8443/token"
    for options in {"token": auth, "realm": realm}, {"settings": auth.registry_settings(realm=realm)}:
        with Registry(tmp_path, **options) as r:
            challenge = rawhttp.get(r.port, "/v2/").header("WWW-Authenticate")
            assert challenge == f'Bearer realm="{realm}",service="registry"'
            assert r.user == (auth.user if "token" in options else None)


def test_get(auth):
    answer = rawhttp.get(auth.port, QUERY + "&account=puller", headers=[basic()])
    assert access_of(answer) == [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
    body = json.loads(answer.body)
    assert body["token"] == body["access_token"] and body["expires_in"] == 300 and "refresh_token" not in body
    claims = jwt.claims_of(body["token"])
    assert claims["sub"] == "puller" and claims["aud"] == "registry" and claims["exp"] == claims["iat"] + 300


def test_get_refused(auth):
    assert rawhttp.get(auth.port, QUERY, headers=[basic("puller", "wrong")]).status == 401
    assert rawhttp.get(auth.port, QUERY, headers=[("Authorization", "Bearer x")]).status == 401
    assert rawhttp.get(auth.port, QUERY + "&account=guest", headers=[basic()]).status == 400
    assert rawhttp.get(auth.port, QUERY.replace("registry", "other"), headers=[basic()]).status == 400
    assert rawhttp.get(auth.port, "/token?service=registry&scope=nonsense", headers=[basic()]).status == 400
    assert rawhttp.get(auth.port, "/other", headers=[basic()]).status == 404
    assert rawhttp.get(auth.port, QUERY, method="PUT").status == 405


def test_grants(auth):
    both = QUERY + "&scope=repository:public/app:pull"
    assert [one["name"] for one in access_of(rawhttp.get(auth.port, both, headers=[basic()]))] == \
        ["team/app", "public/app"]
    for headers in [[], [basic("guest", "g")]]:
        assert [one["name"] for one in access_of(rawhttp.get(auth.port, both, headers=headers))] == ["public/app"]


@pytest.mark.parametrize("chunked", [False, True])
def test_post(auth, chunked):
    before = len(auth.requests())
    assert access_of(post(auth, chunked=chunked))[0]["name"] == "team/app"
    request = auth.requests()[before]
    assert request.method == "POST" and "grant_type=password" in request.body and "\r\n" not in request.body
    assert (request.header("Transfer-Encoding") == "chunked") is chunked
    assert post(auth, password="wrong").status == 401
    assert post(auth, grant_type="other").status == 400


def test_post_waits_for_continue(auth):
    assert access_of(post(auth, headers=[("Expect", "100-continue")]))


def test_refresh_token(auth):
    fresh = json.loads(post(auth, access_type="offline").body)["refresh_token"]
    assert access_of(post(auth, grant_type="refresh_token", refresh_token=fresh))
    assert post(auth, grant_type="refresh_token", refresh_token="other").status == 401
    answer = rawhttp.get(auth.port, QUERY + "&offline_token=true", headers=[basic()])
    assert access_of(post(auth, grant_type="refresh_token", refresh_token=json.loads(answer.body)["refresh_token"]))


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_post_that_is_not_there(auth, status):
    auth.set(post=status)
    assert post(auth).status == status
    assert rawhttp.get(auth.port, QUERY, headers=[basic()]).status == 200


def test_fields_and_padding(auth):
    auth.set(fields=["access_token"], padding=9000)
    body = json.loads(rawhttp.get(auth.port, QUERY, headers=[basic()]).body)
    assert list(body) == ["access_token"] and len(body["access_token"]) > 12000


def test_scripted_answers(auth):
    auth.fail(503, count=2, method="GET")
    auth.redirect("https://elsewhere.corp/", method="POST", count=1)
    assert post(auth).header("Location") == "https://elsewhere.corp/"
    assert [rawhttp.get(auth.port, QUERY).status for _ in range(3)] == [503, 503, 200]
    auth.answer(200, body="<html>", size=100_000)
    answer = rawhttp.get(auth.port, QUERY)
    assert answer.header("Content-Type") == "text/html" and len(answer.body) == 100_006
    auth.heal()
    assert rawhttp.get(auth.port, QUERY).status == 200
    assert auth.statuses()[-5:] == [503, 503, 200, 200, 200]


def test_hold(auth):
    auth.set(hold=True)
    before, answers = len(auth.requests()), auth.statuses()
    with rawhttp.Connection(auth.port) as c:
        c.request(QUERY)
        auth.wait_requests(before + 1)
        assert auth.statuses() == answers
        auth.heal()
        assert c.answer().status == 200


def test_unknown_setting(auth):
    with pytest.raises(ValueError, match="no such setting: 'pots'"):
        auth.set(pots=405)


def test_keep_alive_and_close(auth):
    with rawhttp.Connection(auth.port) as c:
        assert c.get(QUERY).status == c.get(QUERY).status == 200
        assert c.get(QUERY, headers=[("Connection", "close")]).header("Connection") == "close"
        assert c.rest() == b""
    assert len({r.connection for r in auth.requests()[-3:]}) == 1


def test_tls(tmp_path):
    authority = certs.Authority(tmp_path / "ca")
    with TokenServer(tmp_path / "token", authority=authority, path="/v2/token") as auth:
        assert auth.realm == f"https://127.0.0.1:{auth.port}/v2/token" and auth.certificate == authority.certificate
        with rawhttp.Connection(auth.port) as c:
            trust = ssl.create_default_context(cafile=auth.certificate)
            c.sock = trust.wrap_socket(c.sock, server_hostname="auth.corp")
            assert c.get("/v2/token?service=registry").status == 200


def test_scope():
    assert scope_of("repository:host:5000/app:pull,push") == {"type": "repository", "name": "host:5000/app",
                                                              "actions": ["pull", "push"]}
