"""httpd: the process side of the small HTTP servers of scenarios: token server, blob storage, redirecting front.

A thread a connection, HTTP/1.1 with keep-alive, TLS when told.  Every request is in the audit file before anybody
answers it.  A second port, always plain, takes changes of the settings.  The test's side is service.py.

    if __name__ == "__main__":
        httpd.main(Application)          # Application(config, settings).answer(request, reply)
"""
import html
import http
import json
import os
import pathlib
import socket
import ssl
import sys
import threading
import time
import traceback
import urllib.parse

PIECE = 1 << 18
_HEAD_LIMIT = 1 << 20
COMMON = {"delay": 0, "hold": False, "answers": []}  # settings that every server has, see service.Service


class Ended(Exception):
    """The peer's bytes ended, or are no HTTP."""


class Head:
    """Start line and fields of a message as they came; raw includes the empty line."""

    def __init__(self, raw):
        self.raw = bytes(raw)
        self.start, *lines = self.raw[:-4].decode("latin-1").split("\r\n")
        self.fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def get(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    def has(self, name, token):
        return any(token in v.lower() for n, v in self.fields if n.lower() == name.lower())

    def framing(self, otherwise):
        """("chunked", 0), ("length", n) or otherwise."""
        if self.has("Transfer-Encoding", "chunked"):
            return "chunked", 0
        length = self.get("Content-Length")
        return ("length", int(length)) if length is not None else otherwise


class Stream:
    """A connection: messages in, bytes out."""

    def __init__(self, sock):
        self.sock, self._data = sock, b""

    def send(self, data):
        self.sock.sendall(data)

    def head(self):
        """The next Head; Ended when none comes."""
        return Head(self._until(b"\r\n\r\n") + b"\r\n\r\n")

    def body(self, framing):
        """Yields the content of a body."""
        kind, length = framing
        if kind == "length":
            yield from self._exactly(length)
        elif kind == "close":
            while self._more():
                piece, self._data = self._data, b""
                yield piece
        elif kind == "chunked":
            while size := int(self._until(b"\r\n").partition(b";")[0], 16):
                yield from self._exactly(size)
                self._until(b"\r\n")
            while self._until(b"\r\n"):  # trailers
                pass

    def close(self):
        self.sock.close()

    def _more(self):
        piece = self.sock.recv(PIECE)
        self._data += piece
        return bool(piece)

    def _until(self, mark):
        while mark not in self._data:
            if len(self._data) > _HEAD_LIMIT or not self._more():
                raise Ended
        before, _, self._data = self._data.partition(mark)
        return before

    def _exactly(self, length):
        while length:
            if not self._data and not self._more():
                raise Ended
            piece, self._data = self._data[:length], self._data[length:]
            length -= len(piece)
            yield piece


def framed(piece, kind):
    """A piece of a body as it goes on the wire."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if kind == "chunked" else piece


def end_of(kind):
    """What follows the last piece."""
    return b"0\r\n\r\n" if kind == "chunked" else b""


class Request:
    """session: a dict of the connection's own; what is in it is closed with the connection.  body: after load()."""

    def __init__(self, stream, head, session, connection):
        self.head, self.session, self.connection, self.number, self.body = head, session, connection, 0, b""
        try:
            self.method, self.target, self.version = head.start.split(" ")
        except ValueError:
            raise Ended from None
        self.path, _, query = self.target.partition("?")
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self.framing = head.framing(("none", 0))
        self._stream, self._unread = stream, self.framing[0] != "none"

    def header(self, name):
        return self.head.get(name)

    def pieces(self):
        """Yields the body; says 100 Continue first to a client that waits for it."""
        if self._unread:
            self._unread = False
            if self.head.has("Expect", "100-continue"):
                self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            yield from self._stream.body(self.framing)

    def load(self):
        self.body += b"".join(self.pieces())


class Reply:
    """The way back.  keep: the connection serves another request afterwards."""

    def __init__(self, stream, request, audit):
        self._stream, self._request, self._audit = stream, request, audit
        self.keep = request.version == "HTTP/1.1" and not request.head.has("Connection", "close")
        self.send = stream.send

    def head(self, status, headers):
        """Sends a status line and headers, the connection's own added; the body is the caller's."""
        if not self.keep:
            headers = [*headers, ("Connection", "close")]
        try:
            reason = http.HTTPStatus(status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in headers)]
        self.raw(status, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def raw(self, status, data):
        """Sends a head as it is."""
        self._audit({"what": "answer", "request": self._request.number, "status": status})
        self.send(data)

    def plain(self, status, body=b"", headers=(), content_type="application/json"):
        """A whole answer; for HEAD all of it but the body."""
        data = body.encode() if isinstance(body, str) else body
        self.head(status, [("Content-Type", content_type), ("Content-Length", len(data)), *headers])
        if self._request.method != "HEAD":
            self.send(data)

    def json(self, status, value, headers=()):
        self.plain(status, json.dumps(value), headers)

    def error(self, status, code, message, headers=()):
        """An error in the form of the distribution specification."""
        self.json(status, {"errors": [{"code": code, "message": message}]}, headers)

    def redirect(self, status, location, headers=()):
        """As Go's http.Redirect, docker-registry's own, words it."""
        body = f'<a href="{html.escape(location)}">{http.HTTPStatus(status).phrase}</a>.\n\n'
        self.plain(status, body, [*headers, ("Location", location)], "text/html; charset=utf-8")


class Settings:
    """Named values that the control port changes while the server runs."""

    def __init__(self, values):
        self._values, self._changed = values, threading.Condition()

    def __getitem__(self, name):
        with self._changed:
            return self._values[name]

    def update(self, values):
        """KeyError for a name that is not there already."""
        with self._changed:
            for name in values.keys() - self._values.keys():
                raise KeyError(name)
            self._values.update(values)
            self._changed.notify_all()

    def spend(self, name):
        """True, and one less, while a counter lasts."""
        with self._changed:
            left = self._values[name]
            self._values[name] = max(left - 1, 0)
            return left > 0

    def wait(self, name, value):
        """Waits until the setting has that value."""
        with self._changed:
            self._changed.wait_for(lambda: self._values[name] == value)

    def add_answer(self, answer):
        with self._changed:
            self._values["answers"].append(answer)

    def scripted(self, method, path):
        """The newest answer that was scripted for such a request and lasts, or None."""
        with self._changed:
            for answer in reversed(self._values["answers"]):
                if answer["method"] in (None, method) and path.startswith(answer["path"]) and answer["count"] != 0:
                    if answer["count"] is not None:
                        answer["count"] -= 1
                    return answer
        return None


class Audit:
    """JSON lines of all that came, in one file; credentials are in it."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock, self._count = threading.Lock(), 0

    def request(self, request):
        """Numbers a request and writes it down."""
        with self._lock:
            self._count += 1
            request.number = self._count
            self._write({"what": "request", "request": request.number, "connection": request.connection,
                         "method": request.method, "target": request.target, "headers": request.head.fields,
                         "raw": request.head.raw.decode("latin-1"), "body": request.body.decode("latin-1")})

    def __call__(self, entry):
        with self._lock:
            self._write(entry)

    def _write(self, entry):
        os.write(self._file, json.dumps(entry).encode() + b"\n")


class Control:
    """The application of the control port."""
    streams_bodies = False

    def __init__(self, settings):
        self._settings = settings

    def answer(self, request, reply):
        values = json.loads(request.body)
        try:
            if request.path == "/answers":
                self._settings.add_answer(values)
            else:
                self._settings.update(values)
        except KeyError as e:
            return reply.json(400, {"error": f"no such setting: {e}"})
        return reply.json(200, {})


class Server:
    """Accepts on 127.0.0.1:port and lets the application answer.

    application.streams_bodies: bodies are left to the application, and the audit has none."""

    def __init__(self, port, application, *, audit=None, settings=None, tls=None):
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._application, self._settings, self._tls = application, settings, tls
        self._audit, self._connections = audit, 0

    def run(self):
        while True:
            sock, _ = self._listener.accept()
            self._connections += 1
            threading.Thread(target=self._serve, args=(sock, self._connections), daemon=True).start()

    def _serve(self, sock, number):
        session = {}
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            stream = Stream(sock)
            while self._exchange(stream, session, number):
                pass
        except (OSError, Ended):
            pass  # the client left, or does not trust us: its own business
        except Exception:
            traceback.print_exc()  # service.Service looks for it
        finally:
            for one in (*session.values(), sock):
                one.close()

    def _exchange(self, stream, session, number):
        request = Request(stream, stream.head(), session, number)
        if not self._application.streams_bodies:
            request.load()
        if self._audit:
            self._audit.request(request)
        reply = Reply(stream, request, self._audit or (lambda entry: None))
        if not (self._settings and self._script(request, reply)):
            self._application.answer(request, reply)
        request.load()  # what the application left unread would be taken for the next request
        return reply.keep

    def _script(self, request, reply):
        """What every server can be told to do; True when that was the answer."""
        self._settings.wait("hold", False)
        if self._settings["delay"]:
            time.sleep(self._settings["delay"])
        answer = self._settings.scripted(request.method, request.path)
        if answer:
            body = answer["body"].encode() + b"x" * answer["size"]
            reply.plain(answer["status"], body, answer["headers"], answer["type"])
        return answer is not None


def main(application):
    """Runs the program: its only argument is the configuration service.Service has written."""
    config = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings = Settings({**COMMON, **config["settings"]})
    tls = None
    if config["tls"]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*config["tls"])
        if config.get("client_ca"):
            tls.verify_mode = ssl.CERT_REQUIRED
            tls.load_verify_locations(config["client_ca"])
    server = Server(config["port"], application(config, settings), audit=Audit(config["audit"]), settings=settings,
                    tls=tls)
    control = Server(config["control"], Control(settings))
    threading.Thread(target=control.run, daemon=True).start()
    print(f"listening on 127.0.0.1:{config['port']}", flush=True)
    server.run()
