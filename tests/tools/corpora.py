"""Corpora of HTTP messages: our own (tests/corpora) and, where they lie beside the tree, those of other projects.

    requests(), responses() -> Case(name, data, expected)

expected: "reject": no strict reader takes the message, so it must go no further; "accept": it is good; "either": it is
good, but nothing this relay has to take (a body, another method, another protocol), or it says nothing of the head.
EXCEPTIONS: cases that we treat otherwise than their corpus, each with the reason.  LAWFUL: "reject" by our rules alone.
"""
import dataclasses
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
OWN = TOP / "tests/corpora"
SHARED = TOP.parent / "shared/corpora"
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[rntf0\\])")
_BYTES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"f": b"\f", b"0": b"\0", b"\\": b"\\"}

EXCEPTIONS = {
    # refused by gunicorn, taken by gate and parser
    "gunicorn/invalid/006": "a limit of 4094 bytes a line; ours is 8192, and PUT goes no further than the method",
    "gunicorn/invalid/008": "a limit of 8190 bytes a field; ours is 8192, and PUT goes no further than the method",
    "gunicorn/invalid/041": "two Content-Type fields of a request without a body: neither is passed on",
    "gunicorn/invalid/limit_header_default_01": "a limit of 8190 bytes a field; ours is 8192",
    "gunicorn/invalid/rfc9112_target_asterisk_non_options_01": "the target is the router's business, which answers 400",
    # taken by gunicorn or llhttp, refused here
    "gunicorn/valid/002": "the Host is malformed (a '=')",
    "gunicorn/valid/003": "the Host is malformed (a '=')",
    "llhttp/request/sample/curl GET": "the Host is malformed (a '=')",
    "llhttp/request/sample/Firefox GET": "the Host is malformed (a '=')",
    "gunicorn/valid/014": "a quotation mark is no character of a URI (RFC 3986)",
    "gunicorn/valid/026": "a field longer than 8192 bytes, which the connectivity proxy would not take either",
    "gunicorn/valid/027": "bytes above 0x7f in the target are no characters of a URI",
    "gunicorn/valid/compat_obs_fold": "folded lines are refused (RFC 9112 5.2 allows that)",
    "gunicorn/valid/compat_obs_fold_huge": "folded lines are refused (RFC 9112 5.2 allows that)",
}

# Refused here, by a rule of ours, a limit, or an unknown method; HTTP itself lets a relay pass them on (RFC 9110, 9112).
LAWFUL = {
    "own/a request line of 8193 bytes", "own/header line of 8193 bytes", "own/two empty lines before", "own/version 1.2",
    "own/lower-case method", "own/transfer-encoding alone", "own/body with get", "own/two equal content-lengths",
    "own/content-length list", "own/content-length with a leading zero", "own/connection names host",
    "own/connection names authorization", "own/two lengths", "own/gzip", "own/gzip, chunked",
    "own/chunk extension of 257 bytes", "own/status 600", "gunicorn/invalid/003c",
    "gunicorn/invalid/rfc9112_smuggle_cl_list_form_01", "llhttp/request/invalid/Invalid method",
    "llhttp/request/invalid/HTTP protocol and ANNOUNCE method",
}


@dataclasses.dataclass
class Case:
    name: str
    data: bytes
    expected: str

    @property
    def head(self):
        return self.data.split(b"\r\n\r\n")[0]


def _unescape(text):
    return _ESCAPE.sub(lambda m: bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else _BYTES[m[1]], text)


def _own(kind):
    """Blocks of two lines: "reject NAME" or "accept NAME", and the message with escapes."""
    lines = [line for line in (OWN / f"{kind}.txt").read_bytes().split(b"\n") if line and not line.startswith(b"#")]
    for verdict, text in zip(lines[::2], lines[1::2], strict=True):
        expected, _, name = verdict.decode().partition(" ")
        assert expected in ("accept", "reject"), verdict
        text = re.sub(rb"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
        yield Case(f"own/{name}", _unescape(text), expected)


def _for_us(data):
    """Is it what a pull relay takes: GET or HEAD, HTTP/1.x, a path, a Host, no body?"""
    head = data.split(b"\r\n\r\n")[0].lstrip(b"\r\n")
    line, _, fields = head.partition(b"\r\n")
    parts = line.split(b" ")
    return (len(parts) == 3 and parts[0] in (b"GET", b"HEAD") and parts[1].startswith(b"/")
            and (parts[2] == b"HTTP/1.0" or parts[2] == b"HTTP/1.1" and re.search(rb"(?im)^host:", fields))
            and not re.search(rb"(?im)^(transfer-encoding|content-length:\s*[1-9])", fields))


def _gunicorn():
    for verdict, folder in (("reject", "invalid"), ("accept", "valid")):
        for path in sorted((SHARED / "gunicorn" / folder).glob("*.http")):
            data = _unescape(path.read_bytes().replace(b"\r", b"").replace(b"\n", b""))
            expected = verdict if verdict == "reject" or _for_us(data) else "either"
            yield Case(f"gunicorn/{folder}/{path.stem}", data, expected)


_HEADING = re.compile(r"^#{1,5} (.*)$", re.M)
_LLHTTP = re.compile(r"<!-- meta=(?P<meta>.*?) -->\s*```http\n(?P<http>.*?)```.*?```log\n(?P<log>.*?)```", re.S)


def _llhttp_sections(text):
    """(heading, the case below it) of a page."""
    parts = _HEADING.split(text)
    for name, section in zip(parts[1::2], parts[2::2], strict=True):
        for found in _LLHTTP.finditer(section):
            yield name, found


def _llhttp(kind):
    names = {}
    for path in sorted((SHARED / "llhttp" / kind).glob("*.md")):
        for heading, found in _llhttp_sections(path.read_text()):
            if f'"type": "{kind}"' not in found["meta"] or "pause" in found["meta"]:
                continue
            data = _unescape(found["http"][:-1].encode("latin-1", "replace").replace(b"\n", b"\r\n"))
            before = found["log"].split("error code=")[0]
            refused = "error code=" in found["log"] and "message complete" not in before
            headless = refused and "headers complete" in before and kind == "response"
            expected = "reject" if refused and not headless else "either"
            if not refused and (kind == "response" or _for_us(data)) and "message complete" in before:
                expected = "accept" if kind == "request" else "either"
            name = f"llhttp/{kind}/{path.stem}/{heading}"
            names[name] = names.get(name, 0) + 1
            yield Case(name if names[name] == 1 else f"{name} ({names[name]})", data, expected)


def requests():
    yield from _own("requests")
    if SHARED.is_dir():
        yield from _gunicorn()
        yield from _llhttp("request")


def responses():
    yield from _own("responses")
    if SHARED.is_dir():
        yield from _llhttp("response")
