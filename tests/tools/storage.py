"""Storage: the object storage behind a registry, in the manner of S3 and MinIO, in a process of its own.

    with Storage(dir / "storage", registry=registry) as storage:
        url = storage.sign(image.layers[0])      # what a registry redirects to
        storage.expire()                         # whatever was used so far: "Request has expired"
        storage.cut(at=1000)

It serves what is in the registry's directory as /bucket/<digest> to GET and HEAD of presigned URLs: single ranges,
ETag, If-Range, If-Match.  An Authorization header is refused, as S3 does.  Errors are S3's XML.
"""
import pathlib
import re
import threading
import urllib.parse
from xml.sax.saxutils import escape

from . import httpd, presign
from .service import Service

BUCKET = "/bucket/"


class Storage(Service):
    """A running storage.  Attributes besides Service's: keys (presign.Keys).

    Settings: cut_at, cut_count (see cut()); epoch (see expire())."""

    def __init__(self, directory, *, registry, authority=None, name="minio.corp", port=None, survive=False, wait=True):
        self.keys = presign.Keys.make()
        super().__init__(directory, "tools.storage", name=name, authority=authority, port=port, survive=survive, wait=wait,
                         config={"blobs": str(registry.blobs), "keys": vars(self.keys)},
                         settings={"cut_at": 0, "cut_count": 0, "epoch": 0})

    def sign(self, digest, *, base=None, **options):
        """A fresh URL of a blob; base: how the client names us ("https://minio.corp:9000"); options: presign.sign's."""
        base = base or self.url
        return base + presign.sign(self.keys, host_of(base), BUCKET + digest, **options)

    def expire(self):
        """Every URL that was used so far has expired now."""
        self._epoch = getattr(self, "_epoch", 0) + 1
        self.set(epoch=self._epoch)

    def cut(self, at, count=1):
        """The next count bodies end after at bytes, and the connection with them."""
        self.set(cut_at=at, cut_count=count)


def host_of(base):
    """The Host that a client sends for a URL: without the port that is the scheme's own."""
    url = urllib.parse.urlsplit(base)
    return url.netloc.removesuffix({"https": ":443", "http": ":80"}[url.scheme])


def range_of(text, size):
    """(first, last) of a single range, "bad" when it lies outside, None when all is to be sent."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text or "")
    if not found or found[0] == "bytes=-" or (found[1] and found[2] and int(found[1]) > int(found[2])):
        return None
    if not found[1]:
        return (max(size - int(found[2]), 0), size - 1) if int(found[2]) and size else "bad"
    first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return (first, last) if first < size else "bad"


class _Refused(Exception):
    """status, code, message of the answer."""


class _Bucket:
    """The application, in the server's process."""
    streams_bodies = False

    def __init__(self, config, settings):
        self._blobs, self._settings = pathlib.Path(config["blobs"]), settings
        self._keys = presign.Keys(**config["keys"])
        self._used, self._lock = {}, threading.Lock()  # target -> epoch of its first use

    def answer(self, request, reply):
        try:
            self._permit(request)
            self._serve(request, reply, self._find(request.path))
        except _Refused as e:
            status, code, message = e.args
            text = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}'
                    f"</Message><Resource>{escape(request.path)}</Resource></Error>")
            reply.plain(status, text, content_type="application/xml")

    def _permit(self, request):
        if request.method not in ("GET", "HEAD"):
            raise _Refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        if request.header("Authorization") is not None:
            raise _Refused(400, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                           "parameter, Signature query string parameter or the Authorization header should be "
                           "specified")
        try:
            presign.check(self._keys, request.header("Host") or "", request.target, method=request.method)
        except presign.Denied as e:
            raise _Refused(403, *e.args) from None
        epoch = self._settings["epoch"]
        with self._lock:
            if self._used.setdefault(request.target, epoch) < epoch:
                raise _Refused(403, "AccessDenied", "Request has expired")

    def _find(self, path):
        found = re.fullmatch(re.escape(BUCKET) + "sha256:([0-9a-f]{64})", urllib.parse.unquote(path))
        file = found and self._blobs / found[1][:2] / found[1] / "data"
        if not file or not file.is_file():
            raise _Refused(404, "NoSuchKey", "The specified key does not exist.")
        return file

    def _serve(self, request, reply, file):
        size, etag = file.stat().st_size, f'"{file.parent.name[:32]}"'
        if request.header("If-Match") not in (None, "*", etag):
            raise _Refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        wanted = range_of(request.header("Range"), size) if request.header("If-Range") in (None, etag) else None
        if wanted == "bad":
            reply.plain(416, "", [("Content-Range", f"bytes */{size}")], "application/xml")
            return
        first, last = wanted or (0, size - 1)
        headers = [("Server", "MinIO"), ("Accept-Ranges", "bytes"), ("Content-Type", "application/octet-stream"),
                   ("ETag", etag), ("Content-Length", last - first + 1)]
        if wanted:
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        reply.head(206 if wanted else 200, headers)
        if request.method == "GET":
            self._send(reply, file, first, last + 1 - first)

    def _send(self, reply, file, first, length):
        cut = self._settings.spend("cut_count")
        left = min(length, self._settings["cut_at"]) if cut else length
        with file.open("rb") as f:
            f.seek(first)
            while left and (piece := f.read(min(left, httpd.PIECE))):
                reply.send(piece)
                left -= len(piece)
        if cut:
            raise httpd.Ended


if __name__ == "__main__":
    httpd.main(_Bucket)
