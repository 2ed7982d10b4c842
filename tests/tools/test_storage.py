"""The storage: what it gives for a presigned URL, and what it refuses."""
import hashlib
import ssl
import types
import urllib.parse

import pytest

from . import certs, presign, rawhttp
from .storage import Storage, host_of, range_of

CONTENT = bytes(range(256)) * 10
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
BASE = "https://minio.corp:9000"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Of a registry only its directory is needed."""
    blobs = tmp_path_factory.mktemp("blobs")
    file = blobs / DIGEST[7:9] / DIGEST[7:] / "data"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return types.SimpleNamespace(blobs=blobs)


@pytest.fixture(scope="module")
def storage(registry, tmp_path_factory):
    with Storage(tmp_path_factory.mktemp("storage"), registry=registry) as s:
        yield s


def ask(storage, url=None, *, method="GET", host="minio.corp:9000", headers=()):
    target = (url or storage.sign(DIGEST, base=BASE, method=method)).removeprefix(BASE)
    return rawhttp.get(storage.port, target, method=method, host=host, headers=headers)


def says(answer, status, code, words=""):
    assert answer.status == status and answer.header("Content-Type") == "application/xml"
    assert f"<Code>{code}</Code>" in answer.body.decode() and words in answer.body.decode()


def test_blob(storage):
    answer = ask(storage)
    assert answer.status == 200 and answer.body == CONTENT and answer.header("Accept-Ranges") == "bytes"
    head = ask(storage, method="HEAD")
    assert head.status == 200 and head.header("Content-Length") == str(len(CONTENT)) and head.body == b""
    assert storage.requests("HEAD")[-1].target.startswith(f"/bucket/{DIGEST}?X-Amz-")


def test_two_urls_differ(storage):
    assert storage.sign(DIGEST) != storage.sign(DIGEST)
    assert len(storage.sign(DIGEST, padding=9000)) > 9000


@pytest.mark.parametrize("text,first,last", [("bytes=0-", 0, 2559), ("bytes=100-199", 100, 199),
                                             ("bytes=-1", 2559, 2559), ("bytes=2000-9999", 2000, 2559)])
def test_range(storage, text, first, last):
    answer = ask(storage, headers=[("Range", text)])
    assert answer.status == 206 and answer.body == CONTENT[first:last + 1]
    assert answer.header("Content-Range") == f"bytes {first}-{last}/2560"


def test_range_outside(storage):
    answer = ask(storage, headers=[("Range", "bytes=2560-")])
    assert answer.status == 416 and answer.header("Content-Range") == "bytes */2560"
    assert [range_of(text, 10) for text in ("bytes=-0", "bytes=5-4", "bytes=1-2,4-5", "bytes=-", None)] == \
        ["bad", None, None, None, None]


def test_conditions(storage):
    etag = ask(storage).header("ETag")
    part = ("Range", "bytes=1-1")
    assert ask(storage, headers=[part, ("If-Range", etag)]).status == 206
    assert ask(storage, headers=[part, ("If-Range", '"other"')]).status == 200
    assert ask(storage, headers=[part, ("If-Match", etag)]).status == 206
    assert ask(storage, headers=[part, ("If-Match", '"other"')]).status == 412


def test_wrong_signatures(storage):
    mismatch = "SignatureDoesNotMatch"
    url = storage.sign(DIGEST, base=BASE)
    says(ask(storage, url, host="myregistry.kyma:25002"), 403, mismatch)
    says(ask(storage, url.replace("Expires=300", "Expires=900")), 403, mismatch)
    says(ask(storage, url.replace(DIGEST, "sha256:" + "0" * 64)), 403, mismatch)
    assert ask(storage, url, method="HEAD").status == 403
    assert ask(storage, url).status == 200
    says(ask(storage, BASE + f"/bucket/{DIGEST}"), 403, "AccessDenied")
    says(ask(storage, url.replace("X-Amz-Date", "X-Amz-Day")), 403, "AuthorizationQueryParametersError")


def test_other_spelling_of_the_query_is_the_same(storage):
    path, _, query = storage.sign(DIGEST, base=BASE).removeprefix(BASE).partition("?")
    assert ask(storage, f"{path.replace(':', '%3A')}?{urllib.parse.unquote(query)}").status == 200


def test_expired(storage):
    says(ask(storage, storage.sign(DIGEST, base=BASE, expires=10, age=11)), 403, "AccessDenied", "Request has expired")
    used, unused = storage.sign(DIGEST, base=BASE), storage.sign(DIGEST, base=BASE)
    assert ask(storage, used).status == 200
    storage.expire()
    says(ask(storage, used), 403, "AccessDenied", "Request has expired")
    assert ask(storage, unused).status == 200
    storage.expire()
    says(ask(storage, unused), 403, "AccessDenied", "Request has expired")


def test_authorization_is_refused(storage):
    says(ask(storage, headers=[("Authorization", "Bearer x")]), 400, "InvalidArgument", "Only one auth mechanism")


def test_what_is_not_there(storage):
    says(ask(storage, storage.sign("sha256:" + "0" * 64, base=BASE)), 404, "NoSuchKey")
    says(ask(storage, method="PUT"), 405, "MethodNotAllowed")


def test_cut(storage):
    storage.cut(at=1000)
    answer = ask(storage)
    assert answer.status == 200 and not answer.complete and answer.body == CONTENT[:1000]
    assert ask(storage).complete


def test_default_port_of_the_scheme(storage):
    assert host_of("https://minio.corp:443") == host_of("https://minio.corp") == "minio.corp"
    assert host_of("http://minio.corp:443") == "minio.corp:443"
    target = presign.sign(storage.keys, "minio.corp", f"/bucket/{DIGEST}")
    for host in ("minio.corp", "minio.corp:443"):
        presign.check(storage.keys, host, target)
    with pytest.raises(presign.Denied):
        presign.check(storage.keys, "minio.corp:9000", target)


def test_tls(registry, tmp_path):
    with Storage(tmp_path / "storage", registry=registry, authority=certs.Authority(tmp_path / "ca")) as storage:
        with rawhttp.Connection(storage.port) as c:
            trust = ssl.create_default_context(cafile=storage.certificate)
            c.sock = trust.wrap_socket(c.sock, server_hostname="minio.corp")
            target = storage.sign(DIGEST, base=BASE).removeprefix(BASE)
            assert c.get(target, host="minio.corp:9000").body == CONTENT
