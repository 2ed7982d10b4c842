"""Registries whose tokens and blobs come from other hosts, on real components: containerd's ctr and skopeo pull through
the relay, with nothing but the pull secret, from docker-registry with a token server and a storage behind it."""
import concurrent.futures
import contextlib
import json
import re

import pytest
from tools import rawhttp, skopeo
from tools.landscape import AUTH, AUTH_VHOST, REGISTRY, STORAGE, STORAGE_VHOST, Landscape
from tools.process import wait_until
from tools.standin import VHOST

LAYERS = [2_000_000, 1_000_000, 300_000, 200_000, 1000]
BLOBS = len(LAYERS) + 1
LEEWAY = 60  # seconds for which docker-registry takes a token that has expired
INITIAL = {
    "auth": {"post": "ok", "expires_in": 300, "padding": 0, "grants": {},
             "fields": ["token", "access_token", "expires_in", "issued_at", "refresh_token"]},
    "front": {"to": f"https://{STORAGE}", "form": "absolute", "hops": 1, "expired": 0, "expires": 300},
}


# --- who plays ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def start_landscape(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield lambda **kw: Landscape(tmp_path_factory.mktemp("landscape"), stack, layers=LAYERS, **kw)


@pytest.fixture(scope="module")
def plain_land(start_landscape):
    """docker-registry itself; its token server has no TLS."""
    return start_landscape(realm=f"http://{AUTH}/token", auth_tls=False, redirects=False)


@pytest.fixture(scope="module")
def full_land(start_landscape):
    """TLS everywhere; blobs are redirected to the storage."""
    return start_landscape(realm=f"https://{AUTH}/token")


@pytest.fixture(scope="module")
def own_land(start_landscape):
    """As Harbor does it: the realm is a path of the registry itself, by the name that it has on premise."""
    return start_landscape(realm=f"https://{REGISTRY}/token")


@contextlib.contextmanager
def played(land):
    """A landscape as it was born, whatever the test before did to it; no credentials may stray."""
    for server in (land.auth, land.front, land.storage):
        server.heal()
    land.auth.set(**INITIAL["auth"])
    land.front.set(**INITIAL["front"])
    land.begin()
    yield land
    assert not land.strays()


@pytest.fixture(params=["plain", "full"])
def land(request):
    with played(request.getfixturevalue(f"{request.param}_land")) as one:
        yield one


@pytest.fixture
def full(full_land):
    with played(full_land) as one:
        yield one


@pytest.fixture
def relay_of(start_relay):
    """relay_of(landscape, keys of [registry]...) -> a relay that brings along what belongs to the registry."""
    def start(land, **registry):
        relay = start_relay(proxy=land.standin.address, registries={"default": land.section(**registry)})
        relay.secrets.append(land.auth.password)
        return relay
    return start


class Ctr:
    name, shows_text = "ctr", True

    def __init__(self, ctrd, downloads=None):
        self._ctrd, self._downloads = ctrd, downloads

    def pull(self, reference, image, credentials):
        done = self._ctrd.pull(reference, credentials=credentials, downloads=self._downloads)
        if done.returncode == 0:
            assert self._ctrd.images()[reference] == image.digest
            assert {image.config, *image.layers} <= self._ctrd.digests()
        self._ctrd.remove(reference)
        return done


class Skopeo:
    name, shows_text = "skopeo", False  # Debian 12's shows nothing but the number of a failed token or blob

    def __init__(self, directory):
        self._directory, self._count = directory, iter(range(100))

    def pull(self, reference, image, credentials):
        out = self._directory / f"out{next(self._count)}"
        done = skopeo.pull(reference, out, credentials=credentials)
        if done.returncode == 0:
            assert skopeo.pulled_digests(out) == (image.manifest_digest, image.config, list(image.layers))
        return done


@pytest.fixture(params=["ctr", "skopeo"])
def client(request, tmp_path):
    return Ctr(request.getfixturevalue("ctrd")) if request.param == "ctr" else Skopeo(tmp_path)


def pull(client, relay, land, *, credentials="secret", repository="team/app"):
    """One pull with the pull secret, or other credentials; what came is what was pushed.  What the client did."""
    if credentials == "secret":
        credentials = land.registry.credentials
    done = client.pull(f"localhost:{relay.port}/{repository}:t1", land.image, credentials)
    relay.secrets += land.tokens()
    assert relay.status()["state"] == "serving"
    return done


def assert_pulled(client, relay, land, **kwargs):
    done = pull(client, relay, land, **kwargs)
    assert done.returncode == 0, done.stderr
    assert land.authorizations(VHOST) == {None, "Bearer"}


def fails_with(client, relay, land, words):
    """The client fails and shows these words, or a number where it shows no text; the log has them."""
    done = pull(client, relay, land)
    assert done.returncode != 0
    assert (words if client.shows_text else "invalid status code from registry 50") in done.stderr, done.stderr
    relay.wait_log(re.escape(words))


# --- tokens -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("post", ["ok", 405, 404, 401])
def test_a_pull_with_tokens(land, relay_of, ctrd, post):
    """containerd posts a form, and asks by GET where that is refused."""
    land.auth.set(post=post)
    assert_pulled(Ctr(ctrd), relay_of(land), land)
    asked = land.heard(land.auth)
    assert {request.method for request in asked} == ({"POST"} if post == "ok" else {"POST", "GET"})
    assert {request.header("Host") for request in asked} == {AUTH}
    assert land.authorizations(AUTH_VHOST) == ({None} if post == "ok" else {None, "Basic"})


def test_nodes_without_a_pull_secret(land, relay_of, client, tmp_path):
    """The relay has the credentials: nobody else needs any, and the token server is asked by the relay alone."""
    file = tmp_path / ".dockerconfigjson"
    file.write_text(json.dumps({"auths": {VHOST: {"username": land.auth.user, "password": land.auth.password}}}))
    relay = relay_of(land, authorization=f"file:{file}", allow="team/**")
    for _ in range(2):
        done = pull(client, relay, land, credentials=None)
        assert done.returncode == 0, done.stderr
    asked = land.heard(land.auth)
    assert {request.method for request in asked} == {"GET"} and land.authorizations(AUTH_VHOST) == {"Basic"}
    assert len(asked) <= 2 * 2  # two workers; one token for /v2/, one for the repository


def test_skopeo_asks_by_get(land, relay_of, tmp_path):
    assert_pulled(Skopeo(tmp_path), relay_of(land), land)
    assert [request.method for request in land.heard(land.auth)] == ["GET"]
    assert land.authorizations(AUTH_VHOST) == {"Basic"}


def test_a_post_that_is_forbidden_stays_so(full, relay_of, ctrd):
    full.auth.set(post=403)
    done = pull(Ctr(ctrd), relay_of(full), full)
    assert done.returncode != 0 and "failed to fetch oauth token: unexpected status: 403 Forbidden" in done.stderr


@pytest.mark.parametrize("post", ["ok", 405])
def test_a_realm_on_the_registry_itself(own_land, relay_of, client, post):
    with played(own_land) as own:
        own.auth.set(post=post)
        assert_pulled(client, relay_of(own, token_hosts=f"{REGISTRY}/token={VHOST}"), own)
        assert own.heard(own.auth) and own.authorizations(AUTH_VHOST) == set()
        assert {request.header("Host") for request in own.heard(own.auth)} == {REGISTRY}


def test_nobody_in_particular(full, relay_of, client):
    full.auth.set(grants={"": ["team/*"]})
    assert_pulled(client, relay_of(full), full, credentials=None)
    assert full.authorizations(AUTH_VHOST) == {None}


def test_a_prefix_that_the_token_server_does_not_know(full, relay_of, client):
    """containerd asks for what it sees, mirror/team/app; the server grants team/app."""
    full.auth.set(grants={full.auth.user: ["team/app"]})
    assert_pulled(client, relay_of(full, prefix="mirror"), full, repository="mirror/team/app")
    texts = [request.target + request.body for request in full.heard(full.auth)]
    assert texts and not any("mirror" in text for text in texts)


def test_a_wrong_password_is_unauthorized(land, relay_of, client):
    done = pull(client, relay_of(land), land, credentials=f"{land.auth.user}:wrong")
    assert done.returncode != 0 and "unauthorized" in done.stderr.lower()
    assert land.authorizations(VHOST) == {None}


def test_a_repository_without_a_grant_is_refused_by_the_registry(land, relay_of, client):
    land.auth.set(grants={land.auth.user: ["other/*"]})
    relay = relay_of(land)
    done = pull(client, relay, land)
    assert done.returncode != 0
    words = {"ctr": "insufficient_scope: authorization failed", "skopeo": "requested access to the resource is denied"}
    assert words[client.name] in done.stderr
    assert relay.stat("regrelay_upstream_errors_total") == 0, "nothing was wrong on the way"


@pytest.mark.parametrize("keys, words", [
    ({"token_hosts": ""}, f"the registry wants a token from {AUTH}: add it to token_hosts"),
    ({"token_hosts": AUTH}, f"virtual host {AUTH} is not exposed in the Cloud Connector: add the mapping"),
])
def test_a_token_server_that_cannot_be_asked(full, relay_of, client, keys, words):
    fails_with(client, relay_of(full, **keys), full, words)
    assert not full.heard(full.auth)


def test_a_token_longer_than_the_proxy_takes(full, relay_of, client):
    full.auth.set(padding=9000)
    done = pull(client, relay_of(full), full)
    assert done.returncode != 0
    assert "Authorization is longer than the 8192 bytes the connectivity proxy takes" in done.stderr


def test_a_token_that_expires_during_the_pull(full, relay_of, ctrd):
    """containerd 1.6 asks for no other one and ends the pull, with the word of the registry."""
    full.auth.set(expires_in=6 - LEEWAY, fields=["token", "access_token"])
    full.storage.set(hold=True)
    client, relay = Ctr(ctrd, downloads=2), relay_of(full)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pulling = pool.submit(pull, client, relay, full)
        wait_until(lambda: full.heard(full.storage), 10, "the first blob")
        old = full.tokens()
        wait_until(lambda: all(is_refused(full, token) for token in old), 20, "the end of the first tokens")
        full.auth.set(expires_in=300)
        full.storage.heal()
        done = pulling.result(60)
    assert (done.returncode == 0) == bool(full.tokens() - old)
    assert done.returncode == 0 or "server message: invalid_token: authorization failed" in done.stderr, done.stderr
    assert_pulled(client, relay, full)


def is_refused(land, token):
    """Does the registry say 401 to it by now?"""
    answer = rawhttp.get(land.standin.port, "/v2/", host=VHOST, headers=[("Authorization", f"Bearer {token}")])
    return answer.status == 401


# --- redirects ----------------------------------------------------------------------------------------------------

def blobs_asked(land):
    """Requests for blobs that came to the registry with a token."""
    return [request for request in land.heard(land.front)
            if "/blobs/" in request.target and request.header("Authorization")]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_blobs_from_a_storage(full, relay_of, client, scheme):
    full.front.set(to=f"{scheme}://{STORAGE}")
    relay = relay_of(full)
    assert_pulled(client, relay, full)
    asked = full.heard(full.storage)
    assert sorted(request.target.partition("?")[0] for request in asked) == sorted(
        f"/bucket/{digest}" for digest in (full.image.config, *full.image.layers))
    assert {request.header("Host") for request in asked} == {STORAGE}
    assert full.authorizations(STORAGE_VHOST) == {None}
    relay.secrets += [re.search("X-Amz-Signature=([0-9a-f]+)", request.target)[1] for request in asked]


def test_through_other_paths_of_the_registry(full, relay_of, client):
    full.front.set(hops=3)
    assert_pulled(client, relay_of(full), full)
    hops = [request for request in full.heard(full.front) if request.target.startswith("/hop/")]
    assert len(hops) == 2 * BLOBS and all(request.header("Authorization") for request in hops)
    assert len(full.heard(full.storage)) == BLOBS


def test_signatures_that_have_expired(full, relay_of, client):
    """The relay asks the registry for fresh ones; the client never learns of it."""
    before = len(full.storage.statuses())
    full.front.set(expired=2)
    assert_pulled(client, relay_of(full), full)
    assert sorted(full.storage.statuses()[before:]) == [200] * BLOBS + [403] * 2
    assert len(blobs_asked(full)) >= BLOBS + 2


@pytest.mark.parametrize("front, words", [
    ({"to": "https://unlisted.corp:9000"},
     f"{VHOST} redirects to unlisted.corp:9000: add it to redirect_hosts or redirect_pass"),
    ({"form": "loop"}, f"{VHOST} redirects more than 5 times"),
    ({"expires": -1}, f"{STORAGE_VHOST}, where the registry redirects to, answered 403 Forbidden"),
    ({"form": "none"}, f"{VHOST} redirects to what is no http(s) URL"),
])
def test_redirects_that_lead_nowhere(full, relay_of, client, front, words):
    full.front.set(**front)
    fails_with(client, relay_of(full), full, words)


def test_a_storage_that_is_not_exposed(full, relay_of, client):
    full.standin.expose(STORAGE_VHOST, False)
    try:  # now a Location stays as the registry wrote it
        fails_with(client, relay_of(full), full,
                   f"virtual host {STORAGE_VHOST} is not exposed in the Cloud Connector: add the mapping")
    finally:
        full.standin.expose(STORAGE_VHOST)
