"""The SOCKS5 port, byte by byte: methods, tokens, location ids, replies, and what faults and tunnel do to a connection."""
import base64
import contextlib
import random
import socket
import time

import pytest
from tools import certs, ports, rawhttp
from tools.listener import Listener
from tools.oauth import tokens
from tools.process import run, wait_until
from tools.registry import Registry
from tools.standin import mapping

RAW, IP = "raw.kyma:443", "10.1.2.3:443"
DATA = random.Random(8).randbytes(200_000)


class Sender(Listener):
    """A TCP backend: says data to each connection at once, echoes what comes, or (data None) says nothing itself.
    Further attributes: received (bytes of all), ended (connections that have)."""

    def __init__(self, data=None):
        super().__init__()
        self.data, self.received, self.ended = data, b"", 0
        self.listen()

    def serve(self, sock, _):
        with contextlib.suppress(OSError):
            if self.data is not None:
                sock.sendall(self.data)
            else:
                while piece := sock.recv(65536):
                    with self.moved:
                        self.received += piece
                    sock.sendall(piece)
        sock.close()
        with self.moved:
            self.ended += 1


class Client:
    """A client that sends what it is told and reads what it wants."""

    def __init__(self, port, receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(10)
        self.sock.connect(("127.0.0.1", port))
        self.eof = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def ask(self, sent, count):
        """Sends (hex or bytes), reads so many bytes; fewer at the end of the connection, of which eof says the kind."""
        self.sock.sendall(bytes.fromhex(sent) if isinstance(sent, str) else sent)
        return self.read(count)

    def read(self, count):
        data = b""
        while len(data) < count and (piece := self._piece(count - len(data))):
            data += piece
        return data

    def rest(self):
        return self.read(1 << 30)

    def _piece(self, count):
        try:
            piece = self.sock.recv(min(count, 65536))
        except ConnectionResetError:
            self.eof = "reset"
            return b""
        self.eof = self.eof if piece else "eof"
        return piece

    def open(self, host=RAW, sent=b"\x05\x01\x00"):
        """Asks for host without a token; the reply's code (None when none came)."""
        self.ask(sent, 2)
        return self.code(host)

    def code(self, host):
        reply = self.ask(request(host), 10)
        return reply[1] if len(reply) == 10 else None


def request(host, command=1):
    """The bytes of a request for "name:port", or for an address."""
    name, _, port = host.rpartition(":")
    try:
        where = b"\x01" + socket.inet_aton(name)
    except OSError:
        where = b"\x03" + bytes([len(name)]) + name.encode()
    return bytes([5, command, 0]) + where + int(port).to_bytes(2, "big")


def shown(token, location=""):
    """The bytes of the negotiation of a token."""
    coded = base64.b64encode(location.encode())
    return b"\x01" + len(token).to_bytes(4, "big") + token.encode() + bytes([len(coded)]) + coded


@pytest.fixture
def echo(stack):
    return stack.enter_context(contextlib.closing(Sender()))


@pytest.fixture
def sender(stack):
    return stack.enter_context(contextlib.closing(Sender(DATA)))


@pytest.fixture
def start(stage, echo, sender):
    """start(...) -> a Standin that exposes echo as RAW and IP, and sender as data.kyma:443."""
    def start(**kwargs):
        mappings = [{"host": host, "backend": f"tcp://127.0.0.1:{one.port}"}
                    for host, one in ((RAW, echo), (IP, echo), ("data.kyma:443", sender))]
        return stage(mappings=mappings + kwargs.pop("mappings", []), **kwargs).standin
    return start


def test_trusted_byte_for_byte(start, echo):
    s = start()
    with Client(s.socks_port) as c:
        assert c.ask("05 01 00", 2).hex() == "0500"
        reply = c.ask("05 01 00 03 08" + b"raw.kyma".hex() + "01 bb", 10)
        assert reply[:4].hex() == "05000001" and len(reply) == 10
        assert c.ask(b"\x16\x03 anything", 11) == b"\x16\x03 anything"
    tunnel, = s.tunnels()
    assert (tunnel.methods, tunnel.method, tunnel.host, tunnel.atyp, tunnel.reply) == ([0], 0, RAW, 3, 0)
    assert tunnel.token is None and tunnel.location is None and tunnel.serial is None
    end, = wait_until(lambda: s.audit("tunnel"), what="the end of the tunnel")
    assert (end["up"], end["down"], end["host"]) == (11, 11, RAW)
    assert echo.received == b"\x16\x03 anything", "nothing is added, nothing is rewritten"


def test_address_of_four_bytes(start):
    s = start()
    with Client(s.socks_port) as c:
        assert c.open(IP) == 0
    assert s.tunnels()[0].atyp == 1


@pytest.mark.parametrize("methods,offered,taken", [
    ([0], "80", 0xFF), ([0], "00 80", 0), ([0], "80 00", 0), ([0], "02", 0xFF), ([0x80], "80", 0x80),
    ([0x80, 0], "00 80", 0x80), ([0x80, 0], "00", 0)])
def test_methods_of_trusted_mode(start, methods, offered, taken):
    s = start(settings={"socks_methods": methods})
    offered = bytes.fromhex(offered)
    with Client(s.socks_port) as c:
        assert c.ask(bytes([5, len(offered)]) + offered, 2) == bytes([5, taken])
        if taken == 0xFF:
            assert c.rest() == b"" and c.eof == "eof"
        if taken == 0x80:
            assert c.ask(shown("not looked at"), 2).hex() == "0100"
    assert wait_until(s.tunnels, what="the record")[0].methods == list(offered)


def test_token_of_untrusted_mode(start):
    s = start(mode="untrusted", settings={"token_key": "k"})
    now = time.time()
    good = tokens.make("k", {"client_id": "a", "iat": now, "exp": now + 60, "jti": "seven"})
    with Client(s.socks_port) as c:
        assert c.ask("05 02 00 80", 2).hex() == "0580", "without a token nobody gets in"
        assert c.ask(shown(good), 2).hex() == "0100"
        assert c.code(RAW) == 0
    with Client(s.socks_port) as c:
        assert c.ask("05 01 00", 2).hex() == "05ff"
    for bad in (tokens.make("k", {"client_id": "a", "iat": now, "exp": now - 1}), good + "x", ""):
        with Client(s.socks_port) as c:
            c.ask("05 01 80", 2)
            assert c.ask(shown(bad), 2).hex() == "0101"
            assert c.rest() == b"" and c.eof == "eof"
    s.set(token_key="", tokens=["this"], socks_token_status=5)
    with Client(s.socks_port) as c:
        c.ask("05 01 80", 2)
        assert c.ask(shown("that"), 2).hex() == "0105"
    assert [t.reply for t in s.tunnels()].count(0) == 1
    assert s.tunnels(reply=0)[0].token == good and s.tunnels(reply=0)[0].serial == "seven"


def test_location_id_is_base64_and_has_case(start, echo):
    there = {"location": "Berlin", "host": "only.berlin:1", "backend": f"tcp://127.0.0.1:{echo.port}"}
    s = start(locations=[{"id": "Berlin"}], mappings=[there], settings={"socks_methods": [0x80, 0]})
    for location, host, code in (("Berlin", "only.berlin:1", 0), ("", "only.berlin:1", 2), ("berlin", "only.berlin:1", 3),
                                 ("", RAW, 0), ("Berlin", RAW, 2)):
        with Client(s.socks_port) as c:
            c.ask("05 01 80", 2)
            assert c.ask(shown("t", location), 2).hex() == "0100"
            assert c.code(host) == code, (location, host)
    with Client(s.socks_port) as c:
        c.ask("05 01 80", 2)
        assert c.ask(b"\x01\x00\x00\x00\x01t\x06Berlin", 2).hex() == "0101", "in plain text it is none"
    assert [t.location for t in s.tunnels()][:3] == ["Berlin", "", "berlin"]


def test_replies_of_its_own(start):
    s = start(mappings=[{"host": "down.kyma:1", "backend": "tcp://127.0.0.1:9"}], settings={"open_timeout": 0.2})
    codes = {}
    for name, sent in (("unknown", request("none.kyma:443")), ("another protocol", request("other.kyma:443")),
                       ("backend down", request("down.kyma:1")), ("bind", request(RAW, command=2)),
                       ("udp", request(RAW, command=3)), ("six", b"\x05\x01\x00\x04" + bytes(16) + b"\x01\xbb")):
        with Client(s.socks_port) as c:
            c.ask("05 01 00", 2)
            codes[name] = c.ask(sent, 10)[1]
            assert c.rest() == b""
    assert codes == {"unknown": 2, "another protocol": 2, "backend down": 4, "bind": 7, "udp": 7, "six": 8}
    s.tunnel(connected=False)
    with Client(s.socks_port) as c:
        assert c.open() == 3
    s.tunnel(opening=True)
    with Client(s.socks_port) as c:
        assert c.open() == 1
    s.tunnel()
    s.outage("503")
    with Client(s.socks_port) as c:
        assert c.open() == 3
    s.outage("none")
    with Client(s.socks_port) as c:
        assert c.open() == 0


def test_a_tcp_mapping_is_none_of_the_http_port(start):
    s = start()
    assert rawhttp.get(s.port, "/v2/", host=RAW).status == 403


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 200])
def test_any_reply_can_be_had(start, code):
    s = start()
    s.fault("refuse", code=code, path="^raw", count=1)
    with Client(s.socks_port) as c:
        assert c.open(IP) == 0
    with Client(s.socks_port) as c:
        assert c.open() == code
    with Client(s.socks_port) as c:
        assert c.open() == 0
    assert [t.reply for t in s.tunnels()] == [0, code, 0]


def test_reply_with_a_name(start):
    s = start(settings={"socks_bound": "name"})
    with Client(s.socks_port) as c:
        c.ask("05 01 00", 2)
        assert c.ask(request(RAW), 16) == b"\x05\x00\x00\x03\x09localhost\x4e\x24"
        assert c.ask(b"x", 1) == b"x"


def test_answers_byte_by_byte_and_a_client_that_sends_all_at_once(start):
    s = start(settings={"socks_writes": "bytes", "socks_methods": [0x80]})
    with Client(s.socks_port) as c:
        answers = c.ask(b"\x05\x01\x80" + shown("t") + request(RAW) + b"early", 2 + 2 + 10 + 5)
        assert answers[:7].hex() == "05800100050000" and answers[-5:] == b"early"


def test_speak_and_early(start):
    s = start()
    s.fault("speak", step="method", hex="485454502f", then="fin", count=1)
    with Client(s.socks_port) as c:
        assert c.ask("05 01 00", 99) == b"HTTP/" and c.eof == "eof"
    s.fault("speak", step="reply", hex="05", then="rst", count=1)
    with Client(s.socks_port) as c:
        c.ask("05 01 00", 2)
        c.ask(request(RAW), 99)
        assert c.eof == "reset"
    s.fault("speak", step="method", hex="0500", then="on", count=1)
    s.fault("early", hex="aabbcc", count=1)
    with Client(s.socks_port) as c:
        assert c.ask("05 01 00", 2).hex() == "0500"
        reply = c.ask(request(RAW), 13)
        assert reply[1] == 0 and reply[10:].hex() == "aabbcc"
        assert c.ask(b"x", 1) == b"x"


@pytest.mark.parametrize("step", ["method", "token", "reply"])
def test_silence_at_each_step(start, step):
    s = start(settings={"socks_methods": [0x80]})
    s.fault("speak", step=step)
    with Client(s.socks_port) as c:
        said = [("method", b"\x05\x01\x80", 2), ("token", shown("t"), 2), ("reply", request(RAW), 10)]
        for name, sent, count in said:
            if name == step:
                c.sock.sendall(sent)
                c.sock.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    c.read(1)
                break
            assert len(c.ask(sent, count)) == count
    assert wait_until(lambda: s.audit("close"), what="the close")[0]["why"] == f"fault: silent at {step}"
    assert s.tunnels()[0].method == 0x80


def test_garbage_from_the_client(start):
    s = start()
    for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x04\x01", b"\x05\x01\x00\x04\x01\x00\x01"):
        with Client(s.socks_port) as c:
            c.sock.sendall(sent)
            assert c.rest()[2:] == b""
    with Client(s.socks_port) as c:
        c.sock.sendall(b"\x05")
    wait_until(lambda: s.state()["open"] == 0, what="no connection is left")
    assert "Traceback" not in s.process.text()


@pytest.mark.parametrize("at", [0, 1, 65536, 199_999])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_cut_at_byte(start, at, how):
    s = start()
    s.fault("cut", at=at, how=how, count=1, path="^data")
    with Client(s.socks_port) as c:
        assert c.open("data.kyma:443") == 0
        data = c.rest()
        if how == "fin":  # RST may overtake what was sent before
            assert data == DATA[:at] and c.eof == "eof"
        else:
            assert c.eof == "reset"
    with Client(s.socks_port) as c:
        assert c.open("data.kyma:443") == 0 and c.rest() == DATA and c.eof == "eof"
    assert [t["end"] for t in s.audit("tunnel")][-1] == "backend"


def test_cut_before_the_reply_corrupt_stall_slow(start):
    s = start()
    s.fault("cut", at=-1, count=1)
    with Client(s.socks_port) as c:
        assert c.open("data.kyma:443") is None
    s.fault("corrupt", at=70_000, count=1)
    with Client(s.socks_port) as c:
        c.open("data.kyma:443")
        assert [i for i, (a, b) in enumerate(zip(c.rest(), DATA)) if a != b] == [70_000]
    for fault in ({"kind": "stall", "at": 1000, "seconds": 0.3}, {"kind": "slow", "rate": 600_000}):
        number, begin = s.fault(**fault), time.monotonic()
        with Client(s.socks_port) as c:
            c.open("data.kyma:443")
            assert c.rest() == DATA
        assert time.monotonic() - begin >= 0.3
        s.heal(number)


def test_tunnel_is_the_same_pipe(start):
    s = start(rtt_ms=100, mbit=8)
    begin = time.monotonic()
    with Client(s.socks_port) as c:
        c.open("data.kyma:443")
        opened = time.monotonic() - begin
        assert c.rest() == DATA
    assert opened >= 0.1 and time.monotonic() - begin >= 0.1 + 0.2
    assert s.bytes_down() == len(DATA)


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_client_that_does_not_read_is_cut(start, sender, how):
    sender.data = bytes(32 << 20)
    s = start(settings={"write_timeout": 0.2, "write_timeout_how": how})
    with Client(s.socks_port, receive_buffer=4096) as c:
        c.open("data.kyma:443")
        assert wait_until(lambda: s.audit("close"), what="the cut")[0]["why"] == "write timeout"
        c.rest()
        assert c.eof == ("reset" if how == "rst" else "eof")


def test_ends_together(start, echo):
    s = start(settings={"idle_timeout": 0.2})
    with Client(s.socks_port) as c:
        c.open()
    wait_until(lambda: echo.ended == 1, what="the backend's connection to end")
    with Client(s.socks_port) as c:
        c.open()
        assert c.rest() == b"" and c.eof == "eof"
    wait_until(lambda: len(s.audit("tunnel")) == 2, what="two tunnels to end")
    assert [t["end"] for t in s.audit("tunnel")][-1] == "idle timeout"


def test_outage_and_cut_concern_both_ports(start):
    s = start()
    with Client(s.socks_port) as c:
        c.open()
        assert s.cut("rst") == 1
        assert c.rest() == b"" and c.eof == "reset"
    s.outage("refuse")
    assert not ports.accepts(s.port) and not ports.accepts(s.socks_port)
    s.outage("none")
    with Client(s.socks_port) as c:
        assert c.open() == 0


def test_wrong_faults_are_refused(start):
    s = start()
    for kind, values in (("speak", {"step": "later"}), ("speak", {"hex": "0"}), ("speak", {"then": "what"}),
                         ("early", {"code": 1})):
        with pytest.raises(ValueError):
            s.fault(kind, **values)


def test_a_foreign_client_with_tls_of_its_own(start, stack, tmp_path):
    """curl through the port: the certificate that it checks is the backend's, for the name that it asked for."""
    ca = certs.Authority(tmp_path / "ca")
    registry = stack.enter_context(Registry(tmp_path / "registry", authority=ca, name="registry.corp", auth=False))
    s = start(mappings=[mapping("registry.corp:443", registry, raw=True)])
    curl = ["curl", "-sS", "--socks5-hostname", s.socks, "--cacert", ca.certificate, "-w", "%{http_code}"]
    done = run([*curl, "https://registry.corp/v2/"])
    assert (done.returncode, done.stdout) == (0, "{}200"), done.stderr
    assert run([*curl, "https://none.corp/v2/"]).returncode == 97
    assert [t.reply for t in s.tunnels()] == [0, 2]
