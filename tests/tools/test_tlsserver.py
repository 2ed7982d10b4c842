"""The TLS server and its certificates: each defect is seen by a client of its own, Python's and OpenSSL's."""
import socket
import ssl
import warnings

import pytest

from . import certs, containerd, rawhttp, skopeo
from .images import make_image
from .origin import Origin, ok
from .process import run
from .registry import Registry
from .tlsserver import Step, TlsServer

BODY = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def origin():
    with Origin() as o:
        o.answer("/", ok(BODY))
        o.route("/close", lambda request, send: send(ok(BODY)) or "close")
        yield o


@pytest.fixture
def serve(origin, ca):
    servers = []

    def serve(pair=None, **kwargs):
        servers.append(TlsServer(origin.port, pair or ca.issue("registry.corp"), **kwargs))
        return servers[-1]
    yield serve
    for one in servers:
        one.close()


def client(ca, most=ssl.TLSVersion.TLSv1_3, least=ssl.TLSVersion.TLSv1_2, pair=None):
    context = ssl.create_default_context(cafile=ca.certificate)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python's default is not to see the end of a body that is cut
    if least < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = least, most
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def get(server, context, path="/", name="registry.corp", session=None):
    """(bytes of the answer, how it ended, the session)."""
    data, raw = b"", socket.create_connection(("127.0.0.1", server.port), 10)
    with context.wrap_socket(raw, server_hostname=name, session=session, suppress_ragged_eofs=False) as tls:
        tls.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
        whole = len(ok(BODY))
        try:
            while path == "/close" or len(data) < whole:
                piece = tls.recv(65536)
                if not piece:
                    return data, "notify", tls.session
                data += piece
        except (ssl.SSLEOFError, ConnectionResetError, ssl.SSLError) as e:
            return data, type(e).__name__, tls.session
        return data, "", tls.session


def test_serves_and_counts(serve, ca):
    server, context = serve(), client(ca)
    data, end, session = get(server, context)
    assert data == ok(BODY) and end == ""
    data, _, _ = get(server, context, session=session)
    assert data == ok(BODY)
    server.wait(lambda: server.open == 0)
    assert (server.full, server.resumed, server.accepted) == (1, 1, 2)
    assert server.names == ["registry.corp"] * 2 and not server.refusals
    server.forget()
    assert get(server, context, session=session)[0] == ok(BODY) and (server.full, server.accepted) == (0, 1)
    server.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), 10)


def test_a_request_in_one_piece_with_the_end_of_the_handshake(serve, ca):
    """As a client's segments are put together on their way."""
    server, inward, outward = serve(), ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client(ca).wrap_bio(inward, outward, server_hostname="registry.corp")
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outward.pending:
                    sock.sendall(outward.read())
                inward.write(sock.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.sendall(outward.read())
        inward.write(sock.recv(65536))
        sock.settimeout(10)
        data = b""
        while len(data) < 15:
            try:
                data += tls.read(15)
            except ssl.SSLWantReadError:
                inward.write(sock.recv(65536))
    assert data == b"HTTP/1.1 200 OK"


def test_without_tickets_every_handshake_is_a_full_one(serve, ca):
    server, context = serve(tickets=False), client(ca)
    _, _, session = get(server, context)
    get(server, context, session=session)
    assert (server.full, server.resumed) == (2, 0)


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate(serve, ca, most):
    """TLS 1.3 lets the client believe for a moment that all is well: the alert comes with its first read."""
    server = serve(client_ca=ca.certificate)
    pair = ca.issue("puller", client=True)
    assert get(server, client(ca, most=most, pair=pair))[0] == ok(BODY)
    if most == ssl.TLSVersion.TLSv1_2:
        with pytest.raises(ssl.SSLError, match="handshake failure"):
            get(server, client(ca, most=most))
    else:
        assert get(server, client(ca, most=most))[:2] == (b"", "SSLError")
    server.wait(lambda: server.refusals)
    assert "peer did not return a certificate" in server.refusals[0].lower()


def test_old_versions(serve, ca):
    server = serve(least=ssl.TLSVersion.TLSv1_1, most=ssl.TLSVersion.TLSv1_1)
    assert get(server, client(ca, least=ssl.TLSVersion.TLSv1_1, most=ssl.TLSVersion.TLSv1_1))[0] == ok(BODY)
    with pytest.raises(ssl.SSLError, match="(?i)protocol|version"):
        get(server, client(ca))


CERTIFICATES = {
    "good": (dict(), "registry.corp", "ok"),
    "expired": (dict(dates=certs.PAST), "registry.corp", "certificate has expired"),
    "not yet valid": (dict(dates=certs.FUTURE), "registry.corp", "certificate is not yet valid"),
    "other name": (dict(), "other.corp", "hostname mismatch"),
    "name in the subject alone": (dict(san=False), "registry.corp", "ok"),  # OpenSSL must be told not to look there
    "weak key": (dict(key=certs.WEAK), "registry.corp", "EE certificate key too weak"),
    "for clients": (dict(client=True), "registry.corp", "unsuitable certificate purpose"),
}


def verdict(server, ca, name, *more):
    """What `openssl s_client`, as strict as a relay should be, says of a server's certificate."""
    done = run(["openssl", "s_client", "-connect", server.address, "-CAfile", ca.certificate, "-verify_hostname", name,
                "-servername", name, "-purpose", "sslserver", "-auth_level", "2", *more], stdin="")
    line = next(line for line in done.stdout.splitlines() if "Verify return code: " in line or "Verification" in line)
    return (line + done.stdout).lower()


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_certificates(serve, ca, kind):
    how, name, words = CERTIFICATES[kind]
    says = verdict(serve(ca.issue("registry.corp", **how)), ca, name)
    assert (": 0 (ok)" in says) == (words == "ok") and words.lower() in says


def test_name_in_the_subject_alone(ca):
    text = run(["openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in",
                ca.issue("registry.corp", san=False).certificate]).stdout
    assert "registry.corp" in text and "DNS:" not in text


def test_self_signed_and_foreign(serve, ca, tmp_path):
    server = serve(certs.self_signed(tmp_path / "self", "registry.corp"))
    assert "self-signed certificate" in verdict(server, ca, "registry.corp")
    foreign = certs.Authority(tmp_path / "foreign", name="foreign")
    assert "unable to verify the first certificate" in verdict(serve(foreign.issue("registry.corp")), ca, "registry.corp")


def test_wildcard_and_address(serve, ca):
    star = serve(ca.issue("*.images.corp"))
    assert get(star, client(ca), name="eu.images.corp")[0] == ok(BODY)
    for name in ("a.eu.images.corp", "images.corp"):
        with pytest.raises(ssl.SSLCertVerificationError):
            get(star, client(ca), name=name)
    address = serve(ca.issue("127.0.0.1"))
    assert get(address, client(ca), name="127.0.0.1")[0] == ok(BODY)
    with pytest.raises(ssl.SSLCertVerificationError):
        get(address, client(ca), name="127.0.0.2")


@pytest.mark.parametrize("how,end", [("fin", "SSLError"), ("notify", "notify")])
def test_ends_within_a_body(serve, ca, how, end):
    server, context = serve(), client(ca)
    server.script(Step(after=1000, how=how))
    assert get(server, context)[:2] == (ok(BODY)[:1000], end)
    assert get(server, context)[0] == ok(BODY), "the script is over"


def test_ends_of_connections(serve, ca):
    server, context = serve(), client(ca)
    assert get(server, context, "/close")[:2] == (ok(BODY), "notify")
    server.script(Step(after=len(ok(BODY)) - 1), Step(end="fin"))
    assert get(server, context, "/close")[:2] == (ok(BODY)[:-1], "SSLError")
    assert get(server, context, "/close")[:2] == (ok(BODY), "SSLError"), "all is there, but for the close_notify"


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_fin_and_rst(serve, ca, how):
    server, hello = serve(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client(ca).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="registry.corp").do_handshake()
    server.script(Step(raw=0, how=how))
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(hello.read())
        if how == "fin":
            assert sock.recv(10) == b""
        else:
            with pytest.raises(ConnectionResetError):
                sock.recv(10)


@pytest.mark.parametrize("raw", [0, 1, 100, 500])
def test_cut_within_the_handshake(serve, ca, raw):
    server, context = serve(), client(ca)
    server.script(Step(raw=raw), Step(raw=raw, how="rst"))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        get(server, context)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        get(server, context)
    assert (server.full, server.resumed) == (0, 0)


def test_stalls_and_garbage(serve, ca):
    server, context = serve(), client(ca)
    server.script(Step(raw=0, how="stall"), Step(say=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                  Step(after=2000, say=bytes(100), how="stall"))
    with socket.create_connection(("127.0.0.1", server.port), 0.2) as raw:
        with pytest.raises(TimeoutError):
            context.wrap_socket(raw, server_hostname="registry.corp")
    with pytest.raises(ssl.SSLError, match="(?i)wrong version"):
        get(server, context)
    data, said, _ = get(server, context)
    assert (data, said) == (ok(BODY)[:2000], "SSLError")


def test_cut_all(serve, ca):
    server, context = serve(), client(ca)
    raw = socket.create_connection(("127.0.0.1", server.port), 10)
    with context.wrap_socket(raw, server_hostname="registry.corp", suppress_ragged_eofs=False) as tls:
        server.wait(lambda: server.full == 1)
        server.cut()
        with pytest.raises((ssl.SSLError, OSError)):
            while tls.recv(1):
                pass
    server.wait(lambda: server.open == 0)


def test_raw_http_over_tls(serve, ca):
    server, tls = serve(), rawhttp.trusting(ca.certificate)
    with rawhttp.Connection(server.port, tls=tls, name="registry.corp") as c:
        assert c.get("/").body == c.get("/").body == BODY
        session = c.sock.session
    with rawhttp.Connection(server.port, tls=tls, name="registry.corp", session=session) as c:
        assert c.get("/close").complete and c.rest() == b"" and c.eof == "eof"
    assert (server.full, server.resumed) == (1, 1)
    for how, eof in (("fin", "ragged"), ("notify", "eof")):
        server.script(Step(after=1000, how=how))
        with rawhttp.Connection(server.port, tls=tls, name="registry.corp") as c:
            answer = c.get("/")
            assert not answer.complete and answer.error == eof


def test_clients_with_a_certificate_to_check(ca, tmp_path):
    """skopeo and ctr, against a registry with TLS."""
    image = make_image(tmp_path / "image", layers=[1000])
    with Registry(tmp_path / "registry", authority=ca, auth=False) as registry:
        registry.push(image, "team/app:t1")
        (tmp_path / "certs").mkdir()
        done = skopeo.pull(f"localhost:{registry.port}/team/app:t1", tmp_path / "no", certs_dir=tmp_path / "certs")
        assert done.returncode != 0 and "unknown authority" in done.stderr
        (tmp_path / "certs/ca.crt").write_bytes(ca.certificate.read_bytes())
        done = skopeo.pull(f"localhost:{registry.port}/team/app:t1", tmp_path / "yes", certs_dir=tmp_path / "certs")
        assert done.returncode == 0, done.stderr
        if containerd.missing():
            return
        with containerd.Containerd(tmp_path / "c") as ctrd:
            host = f"localhost:{registry.port}"
            foreign = certs.Authority(tmp_path / "foreign", "foreign").certificate
            done = ctrd.pull(f"{host}/team/app:t1", hosts_dir=containerd.trusting(tmp_path / "h1", host, foreign))
            assert done.returncode != 0 and "unknown authority" in done.stderr
            done = ctrd.pull(f"{host}/team/app:t1", hosts_dir=containerd.trusting(tmp_path / "h2", host, ca.certificate))
            assert done.returncode == 0, done.stderr
