"""wire: HTTP/1.1 heads and bodies: read, measured, written again without touching what need not change."""
import asyncio
import dataclasses

PIECE = 65536  # the tunnel carries a body in chunks of at most this size


class Malformed(Exception):
    """What came is not HTTP."""


class Incomplete(Exception):
    """The connection ended inside a message."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One header line; line is what came, without its end."""
    name: str
    value: str
    line: bytes


def field(name, value):
    return Field(name, value, f"{name}: {value}".encode("latin-1"))


@dataclasses.dataclass
class Head:
    """Start line and fields of a request or an answer; raw is what came, empty line included."""
    raw: bytes
    start: bytes
    fields: list

    def words(self):
        """The three parts of the start line as text (the last one may have blanks)."""
        return self.start.decode("latin-1").split(" ", 2)

    def get(self, name):
        return next((f.value for f in self.fields if f.name.lower() == name.lower()), None)

    def all(self, name):
        return [f.value for f in self.fields if f.name.lower() == name.lower()]

    def has_token(self, name, token):
        return any(token == t.strip().lower() for value in self.all(name) for t in value.split(","))

    def drop(self, *names):
        wanted = {n.lower() for n in names}
        self.fields = [f for f in self.fields if f.name.lower() not in wanted]

    def put(self, name, value):
        """Replaces the first field of that name where it stands, drops the others, appends when there is none."""
        places = [i for i, f in enumerate(self.fields) if f.name.lower() == name.lower()]
        if not places:
            self.fields.append(field(name, value))
            return
        self.fields[places[0]] = field(self.fields[places[0]].name, value)
        for place in reversed(places[1:]):
            del self.fields[place]

    def render(self):
        return b"\r\n".join([self.start, *(f.line for f in self.fields), b"", b""])


def parse(raw):
    """A Head from its bytes; Malformed when a line is no header line."""
    start, *lines = raw[:-4].split(b"\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.strip() != name or b"\n" in line or b"\0" in line:
            raise Malformed(f"bad header line {line[:60]!r}")
        fields.append(Field(name.decode("latin-1"), value.strip(b" \t").decode("latin-1"), line))
    if start.count(b" ") < 2 and not start.startswith(b"HTTP/1."):
        raise Malformed(f"bad start line {start[:60]!r}")
    return Head(raw, start, fields)


async def read_head(reader):
    """The next head; None when the connection ended before its first byte."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as e:
        if e.partial.strip(b"\r\n"):
            raise Incomplete from None
        return None
    except asyncio.LimitOverrunError:
        raise Malformed("the head has no end") from None
    return parse(raw.lstrip(b"\r\n"))


# --- bodies -----------------------------------------------------------------------------------------------------

def request_framing(head):
    """("none", 0), ("length", n) or ("chunked", 0)."""
    return _framing(head, ("none", 0))


def answer_framing(head, method):
    """The same for an answer to method; or ("close", 0): the body ends with the connection."""
    status = int(head.words()[1])
    if method == "HEAD" or status in (204, 304) or status < 200:
        return "none", 0
    return _framing(head, ("close", 0))


def _framing(head, otherwise):
    if head.has_token("Transfer-Encoding", "chunked"):
        return "chunked", 0
    length = head.get("Content-Length")
    if length is None:
        return otherwise
    if not length.isascii() or not length.isdigit() or len(set(head.all("Content-Length"))) != 1:
        raise Malformed("bad Content-Length")
    return "length", int(length)


async def pieces(reader, framing):
    """Yields the content of a body; Incomplete when the connection ends before the body does."""
    kind, length = framing
    if kind == "chunked":
        async for piece in _chunks(reader):
            yield piece
    elif kind == "close":
        while piece := await reader.read(PIECE):
            yield piece
    elif kind == "length":
        async for piece in _exactly(reader, length):
            yield piece


async def _exactly(reader, length):
    while length:
        piece = await reader.read(min(PIECE, length))
        if not piece:
            raise Incomplete
        length -= len(piece)
        yield piece


async def _chunks(reader):
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers end here
                    pass
                return
            async for piece in _exactly(reader, size):
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise Malformed("a chunk does not end where it should")
    except asyncio.IncompleteReadError:
        raise Incomplete from None
    except ValueError:
        raise Malformed("bad chunk size") from None


def framed(piece, kind):
    """A piece as it goes on the wire."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if kind == "chunked" else piece


def end(kind):
    """What follows the last piece."""
    return b"0\r\n\r\n" if kind == "chunked" else b""
