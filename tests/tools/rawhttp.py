"""Raw HTTP/1.1 client: sends exactly the bytes it is given and reads answers without being kind about them.

    with Connection(port) as c:
        c.send(b"GET /v2/ HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        answer = c.answer()

With tls=trusting(ca_file) it speaks TLS; then a connection that ends without close_notify has the eof "ragged".
"""
import dataclasses
import socket
import ssl


@dataclasses.dataclass
class Answer:
    """status, reason, headers as [(name, value)] in order, body; complete is False when the body broke off."""
    status: int
    reason: str
    headers: list
    body: bytes
    complete: bool
    error: str = ""     # "reset", "eof", "ragged", "timeout" or a word on malformed framing

    def header(self, name):
        """First value of that name (any case), or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]


def trusting(ca_file, pair=None):
    """A context for TLS; pair: a certs.Pair to show when asked."""
    context = ssl.create_default_context(cafile=ca_file)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


class Connection:
    """One TCP connection."""

    def __init__(self, port, host="127.0.0.1", timeout=15, receive_buffer=None, tls=None, name="localhost", session=None):
        """tls: an ssl.SSLContext, for a server called name, perhaps with the session of a connection of before."""
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=name, session=session, suppress_ragged_eofs=False)
        self.data = b""
        self.eof = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def request(self, path, method="GET", headers=(), host="localhost"):
        """Sends a plain request; headers are (name, value) pairs."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{n}: {v}" for n, v in headers)]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def get(self, path, headers=(), method="GET", host="localhost"):
        self.request(path, method, headers, host)
        return self.answer(method)

    def more(self, size=65536):
        """Reads once more into data; False at the end (eof says which: "eof", "reset" or "ragged")."""
        if self.eof:
            return False
        try:
            piece = self.sock.recv(size)
        except ConnectionResetError:
            self.eof = "reset"
            return False
        except ssl.SSLError as e:
            if "eof" not in str(e).lower():
                raise
            self.eof = "ragged"
            return False
        if not piece:
            self.eof = "eof"
            return False
        self.data += piece
        return True

    def rest(self):
        """Everything until the peer's end."""
        while self.more():
            pass
        data, self.data = self.data, b""
        return data

    def rest_of(self, size):
        """Reads until so many bytes are in data, or the peer's end."""
        parts, have = [self.data], len(self.data)
        self.data = b""
        while have < size and self.more(1 << 20):
            parts.append(self.data)
            have += len(self.data)
            self.data = b""
        self.data = b"".join(parts)

    def head(self):
        """Reads a response head: (status, reason, headers); None when the connection ends before one came."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                return None
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, *reason = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and name and " " not in name, line
            headers.append((name, value.strip()))
        return int(status), reason[0] if reason else "", headers

    def answer(self, method="GET"):
        """Reads one final response; None when the connection ended before its head was complete."""
        head = self.head()
        while head and 100 <= head[0] < 200:
            head = self.head()
        if head is None:
            return None
        answer = Answer(*head, body=b"", complete=True)
        if method != "HEAD" and answer.status not in (204, 304):
            self._body(answer)
        return answer

    def _take(self, count):
        while len(self.data) < count and self.more():
            pass
        piece, self.data = self.data[:count], self.data[count:]
        return piece

    def _line(self):
        while b"\r\n" not in self.data:
            if not self.more():
                return None
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def _body(self, answer):
        if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            self._chunked(answer)
        elif answer.header("Content-Length") is not None:
            length = int(answer.header("Content-Length"))
            parts = []
            while length and (piece := self._take(min(length, 1 << 20))):
                parts.append(piece)
                length -= len(piece)
            answer.body, answer.complete = b"".join(parts), length == 0
        else:
            answer.body = self.rest()
            answer.complete = self.eof == "eof"
        if not answer.complete:
            answer.error = answer.error or self.eof

    def _chunked(self, answer):
        parts = []
        while True:
            line = self._line()
            if line is None:
                answer.complete = False
                break
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                while (line := self._line()):
                    pass
                answer.complete = line is not None
                break
            piece = self._take(size)
            parts.append(piece)
            if len(piece) < size or self._take(2) != b"\r\n":
                answer.complete = False
                break
        answer.body = b"".join(parts)


def get(port, path, **kwargs):
    """One request on a connection of its own."""
    with Connection(port) as c:
        return c.get(path, **kwargs)
