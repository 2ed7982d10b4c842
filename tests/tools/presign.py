"""presign: URLs that carry their own permission, as S3 and MinIO check them (AWS Signature Version 4 in the query).

    target = presign.sign(keys, "minio.corp:9000", "/bucket/sha256:...", method="GET", expires=300)
    presign.check(keys, "minio.corp:9000", target, method="GET")       # raises Denied

The signature covers method, path, query and the Host that will be sent.
"""
import dataclasses
import datetime
import hashlib
import hmac
import secrets
import urllib.parse

_FORM = "%Y%m%dT%H%M%SZ"


@dataclasses.dataclass(frozen=True)
class Keys:
    """Who signs."""
    access: str
    secret: str

    @classmethod
    def make(cls):
        return cls("AK" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))


class Denied(Exception):
    """code and message, in S3's words."""


def sign(keys, host, path, *, method="GET", expires=300, age=0, padding=0):
    """The target "path?query" for host ("name:port", or "name" where the port is the scheme's own).

    age: it was made so many seconds ago.  padding makes it longer.  No two are the same, as with session tokens."""
    made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
    query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{keys.access}/{_scope(made)}",
             "X-Amz-Date": made.strftime(_FORM), "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host",
             "X-Amz-Security-Token": secrets.token_urlsafe(12) + "x" * padding}
    query["X-Amz-Signature"] = _signature(keys, host, path, query, method, made)
    return f"{path}?{_coded(query)}"


def check(keys, host, target, *, method="GET"):
    """Raises Denied when target is not what keys signed for this method and host, or is too old."""
    path, _, text = target.partition("?")
    query = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
    signature = query.pop("X-Amz-Signature", None)
    if signature is None:
        raise Denied("AccessDenied", "Access Denied")
    try:
        made = datetime.datetime.strptime(query["X-Amz-Date"], _FORM).replace(tzinfo=datetime.UTC)
        ends = made + datetime.timedelta(seconds=int(query["X-Amz-Expires"]))
    except (KeyError, ValueError):
        raise Denied("AuthorizationQueryParametersError", "X-Amz-Date or X-Amz-Expires is wrong") from None
    if datetime.datetime.now(datetime.UTC) > ends:
        raise Denied("AccessDenied", "Request has expired")
    hosts = {host, host.removesuffix(":443"), host.removesuffix(":80")}  # a client may write the scheme's own port
    if not any(hmac.compare_digest(signature, _signature(keys, one, path, query, method, made)) for one in hosts):
        raise Denied("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you "
                     "provided. Check your key and signing method.")


def _signature(keys, host, path, query, method, made):
    canonical = "\n".join([method, urllib.parse.quote(urllib.parse.unquote(path), safe="/~"), _coded(query),
                           f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", made.strftime(_FORM), _scope(made),
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + keys.secret.encode()
    for part in (*_scope(made).split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _scope(made):
    return f"{made:%Y%m%d}/us-east-1/s3/aws4_request"


def _coded(query):
    return urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-_.~")
