"""What the distribution-spec asks of pulls and of content discovery, from a real registry through the relay.

Its conformance suite was read for what it looks at; words and code are our own.  docker-registry 2.8 has no referrers and no
pages of tags: for those a scripted registry stands in.
"""
import base64
import hashlib
import json

import pytest
from tools import certs, rawhttp
from tools.images import make_image
from tools.origin import ok
from tools.registry import Registry
from tools.standin import Standin

NAME, TAGS = "team/app", ["v1", "v2", "v3", "v4"]
ABSENT = "sha256:" + "0" * 64
OCI = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = [("Accept", t) for t in (OCI, "application/vnd.oci.image.index.v1+json",
                                  "application/vnd.docker.distribution.manifest.v2+json",
                                  "application/vnd.docker.distribution.manifest.list.v2+json")]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory / "registry", authority=certs.Authority(directory / "ca")) as r:
        r.image = make_image(directory / "image", layers=[300_000], seed=7)
        for tag in TAGS:
            r.push(r.image, f"{NAME}:{tag}")
        yield r


@pytest.fixture
def ask(tmp_path, stack, start_relay, registry):
    """ask(path, headers, method) -> the answer, as the registry's user."""
    standin = stack.enter_context(Standin(tmp_path / "standin", registry=registry))
    relay = start_relay(proxy=standin.address)
    basic = ("Authorization", "Basic " + base64.b64encode(registry.credentials.encode()).decode())

    def ask(path, headers=(), method="GET"):
        return rawhttp.get(relay.port, path, headers=[basic, *ACCEPT, *headers], method=method)
    ask.relay, ask.standin = relay, standin
    return ask


def errors(answer):
    return [e["code"] for e in json.loads(answer.body)["errors"]]


# --- pull: manifests ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_manifest_by_tag_and_by_digest(ask, registry, method):
    digest = registry.image.manifest_digest
    for reference in (TAGS[0], digest):
        answer = ask(f"/v2/{NAME}/manifests/{reference}", method=method)
        assert answer.status == 200
        assert answer.header("Docker-Content-Digest") == digest
        assert answer.header("Content-Type") in dict.fromkeys(v for _, v in ACCEPT)
        assert int(answer.header("Content-Length")) > 0
        if method == "GET":
            assert "sha256:" + hashlib.sha256(answer.body).hexdigest() == digest
            assert json.loads(answer.body)["schemaVersion"] == 2
        else:
            assert answer.body == b""


@pytest.mark.parametrize("reference", ["nosuchtag", ABSENT])
def test_manifest_that_is_not_there(ask, reference):
    answer = ask(f"/v2/{NAME}/manifests/{reference}")
    assert answer.status == 404 and errors(answer) == ["MANIFEST_UNKNOWN"]
    assert answer.header("X-Regrelay-Error") is None, "the registry said it"
    answer = ask(f"/v2/{NAME}/manifests/{reference}", method="HEAD")
    assert answer.status == 404 and answer.body == b""


def test_name_that_is_not_there(ask):
    answer = ask("/v2/team/nothing/manifests/v1")
    assert answer.status == 404 and errors(answer)[0] in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN")


# --- pull: blobs -------------------------------------------------------------------------------------------------------------

def test_blobs(ask, registry):
    for digest in (registry.image.config, *registry.image.layers):
        answer = ask(f"/v2/{NAME}/blobs/{digest}")
        assert answer.status == 200 and "sha256:" + hashlib.sha256(answer.body).hexdigest() == digest
        assert answer.header("Docker-Content-Digest") == digest
        head = ask(f"/v2/{NAME}/blobs/{digest}", method="HEAD")
        assert head.status == 200 and head.body == b"" and int(head.header("Content-Length")) == len(answer.body)


def test_blob_that_is_not_there(ask):
    answer = ask(f"/v2/{NAME}/blobs/{ABSENT}")
    assert answer.status == 404 and errors(answer) == ["BLOB_UNKNOWN"]
    assert ask(f"/v2/{NAME}/blobs/{ABSENT}", method="HEAD").status == 404


RANGES = {                                     # what is asked: what comes, of n bytes
    "bytes=0-0": lambda n: (0, 0),
    "bytes=0-99": lambda n: (0, 99),
    "bytes=1000-1999": lambda n: (1000, 1999),
    "bytes=5000-": lambda n: (5000, n - 1),
    "bytes=-100": lambda n: (n - 100, n - 1),
    "bytes=100-99999999": lambda n: (100, n - 1),
}


@pytest.mark.parametrize("asked", RANGES)
def test_ranges(ask, registry, asked):
    path = f"/v2/{NAME}/blobs/{registry.image.layers[0]}"
    whole = ask(path).body
    first, last = RANGES[asked](len(whole))
    answer = ask(path, headers=[("Range", asked)])
    assert answer.status == 206 and answer.body == whole[first:last + 1]
    assert answer.header("Content-Range") == f"bytes {first}-{last}/{len(whole)}"
    assert int(answer.header("Content-Length")) == last - first + 1


def test_range_beyond_the_end(ask, registry):
    path = f"/v2/{NAME}/blobs/{registry.image.layers[0]}"
    size = len(ask(path).body)
    answer = ask(path, headers=[("Range", f"bytes={size}-")])
    assert answer.status == 416 and answer.header("Content-Range") in (None, f"bytes */{size}")
    assert ask(path).status == 200, "and nothing is broken by it"


# --- content discovery -------------------------------------------------------------------------------------------------------

def test_tags(ask):
    answer = ask(f"/v2/{NAME}/tags/list")
    assert answer.status == 200
    said = json.loads(answer.body)
    assert said["name"] == NAME and sorted(said["tags"]) == TAGS


def test_tags_in_pages(relay, origin):
    """docker-registry 2.8 gives all tags whatever is asked, in no order: another one stands in."""
    def answer(request, send):
        last = request.target.rpartition("last=")[2] if "last=" in request.target else ""
        page = [t for t in TAGS if t > last][:3]
        more = [] if page[-1] == TAGS[-1] else [("Link", f'</v2/{NAME}/tags/list?n=3&last={page[-1]}>; rel="next"')]
        send(ok(json.dumps({"name": NAME, "tags": page}).encode(), headers=more))
    origin.route(".*", answer)
    found, path, pages = [], f"/v2/{NAME}/tags/list?n=3", 0
    while path:
        got = rawhttp.get(relay.port, path)
        assert got.status == 200
        found += json.loads(got.body)["tags"]
        link, pages = got.header("Link"), pages + 1
        path = link[link.index("<") + 1:link.index(">")] if link else None
    assert (found, pages) == (TAGS, 2)


def test_referrers_and_their_pages(relay, origin):
    def index(*names):
        return json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            {"mediaType": OCI, "digest": "sha256:" + n * 64, "size": 2, "artifactType": "a/b"} for n in names]}).encode()
    kind = "application/vnd.oci.image.index.v1+json"
    path = f"/v2/{NAME}/referrers/sha256:{'a' * 64}"
    origin.route(".*", lambda r, send: send(
        ok(index("c"), content_type=kind) if "next" in r.target else
        ok(index("b"), content_type=kind, headers=[
            ("OCI-Filters-Applied", "artifactType"),
            ("Link", f"<https://myregistry.kyma:25002{path}?artifactType=a%2Fb&next=1>; rel=\"next\"")])))
    answer = rawhttp.get(relay.port, path + "?artifactType=a%2Fb")
    assert answer.status == 200 and answer.header("Content-Type") == kind
    assert answer.header("OCI-Filters-Applied") == "artifactType"
    assert origin.requests[-1].target == path + "?artifactType=a%2Fb"
    link = answer.header("Link")
    assert link == f'<{path}?artifactType=a%2Fb&next=1>; rel="next"'
    answer = rawhttp.get(relay.port, link[1:link.index(">")])
    assert json.loads(answer.body)["manifests"][0]["digest"] == "sha256:" + "c" * 64
    assert answer.header("Link") is None


def test_referrers_of_a_registry_without_them(ask, registry):
    answer = ask(f"/v2/{NAME}/referrers/{registry.image.manifest_digest}")
    assert answer.status == 404 and answer.header("X-Regrelay-Error") is None, "clients fall back to a tag"


# --- what is none of a pull's ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method,path", [
    ("PUT", f"/v2/{NAME}/manifests/v9"), ("DELETE", f"/v2/{NAME}/manifests/v1"), ("POST", f"/v2/{NAME}/blobs/uploads/"),
    ("PATCH", f"/v2/{NAME}/blobs/uploads/1"), ("DELETE", f"/v2/{NAME}/blobs/{ABSENT}")])
def test_what_changes_a_registry_is_refused(ask, method, path):
    answer = ask(path, method=method)
    assert answer.status == 405 and errors(answer) == ["UNSUPPORTED"]
    assert {m.strip() for m in answer.header("Allow").split(",")} == {"GET", "HEAD"}
    assert not ask.standin.requests(), "and never asked for"


def test_get_with_a_body_is_refused_cleanly(ask):
    with rawhttp.Connection(ask.relay.port) as c:
        c.send(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
               b"GET /v2/smuggled/manifests/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = c.answer()
        assert answer.status == 413 and answer.header("Connection") == "close"
        assert c.answer() is None
    assert not ask.standin.requests()
