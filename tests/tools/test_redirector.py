"""The redirecting front, alone and in one landscape with token server, storage and stand-in."""
import base64
import contextlib
import json
import urllib.parse

import pytest

from . import rawhttp, skopeo
from .images import make_image
from .landscape import STORAGE, Landscape
from .redirector import Redirector
from .registry import Registry
from .storage import Storage

INITIAL = {"status": 307, "form": "absolute", "location": "", "hops": 1, "via": "", "expired": 0, "padding": 0}


class Land(Landscape):
    """A landscape that is asked by hand."""

    def __init__(self, directory, stack):
        super().__init__(directory, stack)
        self.path = f"/v2/team/app/blobs/{self.image.layers[0]}"
        self.bearer = [("Authorization", f"Bearer {self.auth.token('team/app', 'pull')}")]

    def get(self, path=None, *, host="myregistry.kyma:25002", method="GET", headers=None):
        """One request through the stand-in."""
        return rawhttp.get(self.standin.port, path or self.path, host=host, method=method,
                           headers=self.bearer if headers is None else headers)

    def follow(self, answer, method="GET"):
        """What the stand-in has behind an answer's Location, asked for without credentials."""
        url = urllib.parse.urlsplit(answer.header("Location"))
        return self.get(url._replace(scheme="", netloc="").geturl(), host=url.netloc, method=method, headers=())


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Land(tmp_path_factory.mktemp("landscape"), stack)


@pytest.fixture
def land(running):
    running.front.set(to=f"https://{STORAGE}", **INITIAL)
    return running


def test_skopeo_pulls_through_token_redirect_and_storage(land, tmp_path):
    land.front.set(to=land.storage.url)
    before = len(land.storage.requests())
    done = skopeo.pull(f"127.0.0.1:{land.front.port}/team/app:t1", tmp_path / "out",
                       credentials=land.front.credentials)
    assert done.returncode == 0, done.stderr
    manifest, config, layers = skopeo.pulled_digests(tmp_path / "out")
    assert (manifest, config, tuple(layers)) == (land.image.manifest_digest, land.image.config, land.image.layers)
    assert len(land.storage.requests()) - before == 3  # config and layers


def test_skopeo_pushes_through_the_front(land, tmp_path):
    image = make_image(tmp_path / "image", layers=[400_000], seed=2)
    skopeo.push(image, f"127.0.0.1:{land.front.port}/team/pushed:t1", credentials=land.front.credentials)
    done = skopeo.pull(f"127.0.0.1:{land.registry.port}/team/pushed:t1", tmp_path / "out",
                       credentials=land.registry.credentials)
    assert done.returncode == 0, done.stderr


def test_token_through_the_standin(land):
    basic = base64.b64encode(land.registry.credentials.encode()).decode()
    answer = land.get("/token?service=registry&scope=repository:team/app:pull", host="auth.kyma:8443",
                      headers=[("Authorization", f"Basic {basic}")])
    assert answer.status == 200
    token = json.loads(answer.body)["token"]
    assert land.get(headers=[("Authorization", f"Bearer {token}")]).status == 307


def test_redirect_through_the_standin(land):
    for method in ("GET", "HEAD"):
        answer = land.get(method=method)
        assert answer.status == 307 and "://minio.kyma:9000/bucket/" in answer.header("Location")
        got = land.follow(answer, method)
        assert got.status == 200 and len(got.body) == (land.image.sizes[land.image.layers[0]] if method == "GET" else 0)
    assert land.storage.requests()[-1].header("Host") == "minio.corp:9000"


def test_credentials_that_stray(land):
    land.begin()
    land.follow(land.get())
    assert not land.strays() and land.authorizations("myregistry.kyma:25002") == {"Bearer"}
    land.get("/bucket/x", host="minio.kyma:9000")
    assert land.strays() == ["a token at the storage", "Authorization at the storage"]
    land.begin()
    basic = base64.b64encode(land.front.credentials.encode()).decode()
    land.get(headers=[("Authorization", f"Basic {basic}")])
    assert land.strays() == ["the password at the registry"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_status(land, status):
    land.front.set(status=status)
    assert land.get().status == status


def test_who_may_not_is_not_redirected(land):
    assert land.get(headers=()).status == 401
    assert json.loads(land.get(headers=()).body)["errors"][0]["code"] == "UNAUTHORIZED"
    answer = land.get("/v2/team/app/blobs/sha256:" + "0" * 64)
    assert answer.status == 404 and json.loads(answer.body)["errors"][0]["code"] == "BLOB_UNKNOWN"


def test_manifests_pass(land):
    path = f"/v2/team/app/manifests/{land.image.manifest_digest}"
    accept = [*land.bearer, ("Accept", "application/vnd.oci.image.manifest.v1+json")]
    with rawhttp.Connection(land.standin.port) as c:
        for method in ("GET", "HEAD", "GET"):
            answer = c.get(path, method=method, headers=accept, host="myregistry.kyma:25002")
            assert answer.status == 200 and answer.header("Docker-Content-Digest") == land.image.manifest_digest
            assert bool(answer.body) is (method == "GET")
    assert len({r.connection for r in land.front.requests()[-3:]}) == 1


def test_same_host_and_relative(land):
    land.front.set(form="same")
    answer = land.get()
    assert "://myregistry.kyma:25002/bucket/" in answer.header("Location")
    assert land.follow(answer).status == 200
    land.front.set(form="relative")
    location = land.get().header("Location")
    assert location.startswith("/bucket/")
    assert land.get(location, headers=()).status == 200
    assert land.get(location).status == 400  # credentials must not go to a storage


def test_other_locations(land):
    land.front.set(form="network", to="https://unlisted.corp:9000")
    assert land.get().header("Location").startswith("//unlisted.corp:9000/bucket/")
    land.front.set(form="loop")
    assert land.get().header("Location").endswith(f"myregistry.kyma:25002{land.path}")
    land.front.set(form="none")
    answer = land.get()
    assert answer.status == 307 and answer.header("Location") is None
    land.front.set(location="ftp://nowhere/")
    assert land.get().header("Location") == "ftp://nowhere/"
    land.front.set(location="", form="absolute")
    assert land.get().header("Location").startswith("https://unlisted.corp:9000/bucket/")


def test_chain(land):
    land.front.set(hops=3)
    answer, seen = land.get(), []
    while answer.status == 307:
        seen.append(urllib.parse.urlsplit(answer.header("Location")).path.split("/")[1:-1])
        answer = land.follow(answer)
    assert seen == [["hop", "2"], ["hop", "3"], ["bucket"]] and answer.status == 200
    land.front.set(via="https://cdn.corp")
    assert land.get().header("Location") == f"https://cdn.corp/hop/2/{land.image.layers[0]}"


def test_expired_and_padded(land):
    land.front.set(expired=1)
    assert [land.follow(land.get()).status for _ in range(2)] == [403, 200]
    land.front.set(padding=5000)
    assert len(land.get().header("Location")) > 5000


def test_registry_restarts_and_goes(tmp_path):
    with Registry(tmp_path / "registry", auth=False) as registry, \
            Storage(tmp_path / "storage", registry=registry) as storage, \
            Redirector(tmp_path / "front", registry=registry, storage=storage) as front, \
            rawhttp.Connection(front.port) as c:
        assert c.get("/v2/").status == 200
        registry.restart()
        assert c.get("/v2/").status == 200
        registry.stop()
        answer = c.get("/v2/")
        assert answer.status == 502 and answer.header("Connection") == "close"
        assert front.statuses() == [200, 200, 502]
