"""TlsServer: TLS in front of a plain server, with a script for what goes wrong; counts handshakes.

    with TlsServer(registry.port, ca.issue("registry.corp")) as tls:
        tls.script(Step(after=1000), Step(raw=0, how="stall"))   # the next two connections; then all is well again
        tls.full, tls.resumed, tls.names, tls.refusals

It stands where a server with a certificate stands: port, url, certificate (the CA's) as a Registry has them.  TLS runs
over buffers in memory, so a connection can end at any byte of a record, or without a word.  A thread a connection.
"""
import contextlib
import dataclasses
import socket
import ssl
import warnings

from .listener import Listener, Over, linger_off
from .sockets import readable

PIECE = 1 << 16
_PATIENCE = 30  # seconds; no thread waits for ever


@dataclasses.dataclass(frozen=True)
class Step:
    """What happens to one connection.  Without anything: nothing bad."""
    raw: int = None          # so many bytes of TLS are sent, handshake included; then `how`
    after: int = None        # so many bytes of the backend's answers are sent, then `how`
    end: str = "notify"      # how it ends when the backend has ended its connection: as `how`
    how: str = "fin"         # "fin" and "rst": without close_notify; "notify": with it; "stall": silence
    say: bytes = None        # these bytes, in the clear, instead of any TLS, or before `how` when `after` is given


class TlsServer(Listener):
    """Further attributes: url, certificate; full, resumed (handshakes that came to their end), refusals (texts of those that
    did not), names (SNI of each, None without)."""

    def __init__(self, backend, pair, *, certificate=None, client_ca=None, least=None, most=None, tickets=True,
                 host="127.0.0.1"):
        """backend: a port of 127.0.0.1.  pair: a certs.Pair.  certificate: what trusts it, for those that ask.
        client_ca: clients must show a certificate of this authority (PEM file).  least, most: ssl.TLSVersion.
        tickets=False: no session is ever resumed."""
        super().__init__(host=host)
        self._backend, self.certificate = backend, certificate
        self._context = _context(pair, client_ca, least, most, tickets)
        self._context.sni_callback = lambda tls, name, _: self._note("names", name)
        self.full = self.resumed = 0
        self.names, self.refusals, self._steps = [], [], []
        self.url = f"https://{self.address}"
        self.listen()

    def script(self, *steps):
        """One step a connection, in order of accept, beginning with the next one."""
        with self.moved:
            self._steps = list(steps)

    def forget(self):
        """What was counted so far does not count any more; connections stay."""
        with self.moved:
            self.full = self.resumed = self.accepted = 0
            self.names, self.refusals = [], []

    # --- connections ----------------------------------------------------------------------------------------------

    def _note(self, what, value):
        with self.moved:
            getattr(self, what).append(value)
            self.moved.notify_all()

    def welcome(self, peer):
        return self._steps.pop(0) if self._steps else Step()

    def serve(self, sock, step):
        sock.settimeout(_PATIENCE)
        way = _Way(sock, step, self._context)
        if step.say is not None and step.after is None:
            way.say(step.say)
        self._handshake(way)
        self._carry(way, step)

    def _handshake(self, way):
        try:
            way.handshake()
        except ssl.SSLError as e:
            self._note("refusals", str(e))
            with contextlib.suppress(ssl.SSLError, OSError):
                way.flush()
            raise Over from None
        with self.moved:
            if way.tls.session_reused:
                self.resumed += 1
            else:
                self.full += 1
            self.moved.notify_all()

    def _carry(self, way, step):
        with socket.create_connection(("127.0.0.1", self._backend), _PATIENCE) as backend:
            backend.sendall(way.pending())
            while True:
                ready = readable([way.sock, backend], _PATIENCE)
                if not ready:
                    raise Over
                if backend in ready:
                    data = backend.recv(PIECE)
                    if not data:
                        way.end(step.end)
                    way.send(data)
                if way.sock in ready:
                    data = way.receive()
                    if data is None:
                        return
                    backend.sendall(data)


class _Way:
    """One TLS connection and its step.  Attributes: sock, tls."""

    def __init__(self, sock, step, context):
        self.sock, self._step = sock, step
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._raw = self._sent = 0

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
                self._fill()

    def send(self, data):
        """Bytes of the backend; ends the connection after the last one that the step allows."""
        step = self._step
        room = None if step.after is None else step.after - self._sent
        if room is not None and len(data) > room:
            self._write(data[:room])
            if step.say is not None:
                self.sock.sendall(step.say)
            self.end(step.how)
        self._write(data)

    def receive(self):
        """What the client sent; None at its end."""
        self._fill()
        try:
            return self.pending()
        except ssl.SSLError:
            return None

    def pending(self):
        """What came already, perhaps in one piece with the end of the handshake; ssl.SSLError at the client's end."""
        data = b""
        try:
            while True:
                piece = self.tls.read(PIECE)
                if not piece:
                    raise ssl.SSLZeroReturnError
                data += piece
        except ssl.SSLWantReadError:
            self.flush()  # a key update may want an answer
            return data

    def say(self, data):
        """Bytes in the clear, then the end."""
        self.sock.recv(PIECE)
        self.sock.sendall(data)
        self.end(self._step.how)

    def flush(self):
        data = self._out.read()
        room = None if self._step.raw is None else self._step.raw - self._raw
        if room is not None and len(data) > room:
            self.sock.sendall(data[:room])
            self.end(self._step.how)
        self.sock.sendall(data)
        self._raw += len(data)

    def end(self, how):
        """Ends the connection; does not return."""
        if how == "notify":
            with contextlib.suppress(ssl.SSLError):
                self.tls.unwrap()
            with contextlib.suppress(OSError):
                self.sock.sendall(self._out.read())
        elif how == "rst":
            linger_off(self.sock)
        elif how == "stall":
            while self.sock.recv(PIECE):
                pass
        if how in ("notify", "fin"):  # what the client still sends must not turn our FIN into an RST
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(PIECE):
                pass
        raise Over

    def _write(self, data):
        if data:
            self.tls.write(data)
            self._sent += len(data)
            self.flush()

    def _fill(self):
        data = self.sock.recv(PIECE)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


def _context(pair, client_ca, least, most, tickets):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL 3 has neither TLS 1.1 nor weak keys above security level 0; it is the client that shall refuse them.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1
        context.minimum_version = least or ssl.TLSVersion.TLSv1_2
        context.maximum_version = most or ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(pair.certificate, pair.key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context
