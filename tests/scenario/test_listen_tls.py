"""TLS towards clients: on one port with plain HTTP, with certificates that come and go, and clients of every kind."""
import concurrent.futures
import os
import re
import shutil
import socket
import ssl
import threading

import pytest
from tools import certs, containerd, rawhttp, skopeo
from tools.images import make_image
from tools.origin import Cut, ok
from tools.process import find, run, wait_until
from tools.registry import Registry
from tools.relay import REGRELAYD, Relay
from tools.standin import Standin

VHOST = "myregistry.kyma:25002"
MANIFEST = "/v2/team/app/manifests/t1"
BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
MIB = 1 << 20
HANDSHAKES, FAILED = "regrelay_tls_handshakes_total", "regrelay_tls_handshakes_failed_total"
EXPIRY = "regrelay_tls_certificate_expiry_timestamp_seconds"
PATIENCE = "3s"  # of the relay with clients that shall be slow at a certain point, and not before, where the machine is busy


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"))


class Files:
    """The certificate where the relay reads it: certificate, key."""

    def __init__(self, directory, pair):
        directory.mkdir()
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        self.put(pair)

    def put(self, pair):
        for source, target in ((pair.certificate, self.certificate), (pair.key, self.key)):
            fresh = target.with_suffix(".new")
            shutil.copy(source, fresh)
            os.rename(fresh, target)

    def keys(self, **more):
        return {"tls_certificate": self.certificate, "tls_key": self.key, **more}


def issue(ca, name="localhost", **how):
    return ca.issue(name, "127.0.0.1", **how)


@pytest.fixture
def files(tmp_path, ca):
    return Files(tmp_path / "tls", issue(ca))


@pytest.fixture
def start(start_relay, origin, files):
    """start(key=value of [listen], ...) -> a relay that speaks TLS before `origin`."""
    origin.route(".*", lambda request, send: send(ok(b"hello")))

    def one(workers=2, master=None, **listen):
        relay = start_relay(proxy=origin.address, workers=workers,
                            settings={"listen": files.keys(**listen), "master": master or {}})
        relay.secrets.append(files.key.read_text().splitlines()[1])
        return relay
    return one


@pytest.fixture
def relay(start):
    return start()


def dial(relay, ca, **how):
    return rawhttp.Connection(relay.port, tls=rawhttp.trusting(ca.certificate), **how)


def get(relay, ca, path=MANIFEST, **how):
    with dial(relay, ca) as c:
        return c.get(path, **how)


def shown(relay):
    """The certificate that a new connection is shown."""
    return ssl.get_server_certificate(("127.0.0.1", relay.port))


def reloads(relay, result="ok"):
    return relay.stat("regrelay_config_reloads_total", result=result)


# --- one port ------------------------------------------------------------------------------------------------------------------

def test_plain_and_tls_on_one_port(relay, ca):
    assert get(relay, ca).body == b"hello"
    assert rawhttp.get(relay.port, MANIFEST).body == b"hello"
    with dial(relay, ca) as c:
        assert [c.get(MANIFEST).status for _ in range(3)] == [200] * 3
        c.request(MANIFEST)
        c.request(MANIFEST)
        assert c.answer().body == c.answer().body == b"hello"
    assert relay.stat(HANDSHAKES, peer="client", kind="full") == 2
    assert relay.stat(FAILED, peer="client") == 0
    assert relay.stat("regrelay_http_rejected_total") == 0


def test_old_and_new_versions(relay, ca):
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        context = rawhttp.trusting(ca.certificate)
        context.minimum_version = context.maximum_version = version
        with rawhttp.Connection(relay.port, tls=context) as c:
            assert c.sock.version() == name
            assert c.get(MANIFEST).status == 200
    done = run(["openssl", "s_client", "-connect", f"127.0.0.1:{relay.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], stdin="")
    assert "protocol version" in done.stderr and "Cipher is (NONE)" in done.stdout
    relay.wait_log("the client speaks no version of TLS from 1.2 on")
    relay.wait_stat(FAILED, 1, peer="client")


def test_a_client_that_does_not_trust_it_is_told_in_the_log(relay):
    with pytest.raises(ssl.SSLCertVerificationError):
        rawhttp.Connection(relay.port, tls=ssl.create_default_context())
    relay.wait_log("no TLS with this client")
    assert relay.stat(FAILED, peer="client") == 1
    line = next(line for line in relay.lines() if "no TLS with this client" in line.get("message", ""))
    assert "the client refuses our certificate" in line["message"]
    assert line["client.address"] == "127.0.0.1"
    assert not [line for line in relay.lines() if line["level"] == "error" or "TLS" in line["message"] and line["level"] != "info"]


def test_garbage_that_begins_as_tls(relay):
    with rawhttp.Connection(relay.port) as c:
        c.send(b"\x16GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in c.rest()
    relay.wait_stat(FAILED, 1, peer="client")


def test_the_realm_and_what_goes_upstream(start, origin, ca):
    relay = start()
    origin.answer("/v2/", b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n'
                          b'WWW-Authenticate: Bearer realm="https://auth.corp/token",service="s"\r\n\r\n')
    host = f"localhost:{relay.port}"
    assert f'realm="https://{host}/_regrelay/' in get(relay, ca, "/v2/", host=host).header("WWW-Authenticate")
    with rawhttp.Connection(relay.port) as c:
        assert f'realm="http://{host}/_regrelay/' in c.get("/v2/", host=host).header("WWW-Authenticate")
    assert {request.header("X-Forwarded-Proto") for request in origin.requests} == {None}


def test_bodies_are_copied_whole(start, origin, ca):
    relay = start()
    data = os.urandom(20 * MIB)
    origin.route(re.escape(BLOB), lambda request, send: send(ok(data)))
    assert get(relay, ca, BLOB).body == data
    spliced = relay.stat("regrelay_spliced_bytes_total")
    assert spliced == 0, "the kernel encrypts here: splicing is right, and this test wants a look"
    assert rawhttp.get(relay.port, BLOB).body == data


def test_a_body_that_breaks_off_has_no_clean_end(start, origin, ca):
    relay = start()


    def half(request, send):
        send(ok(b"x" * 100_000, headers=[("Content-Encoding", "gzip")])[:-50_000])   # such a body is not resumed
        raise Cut
    origin.route(re.escape(MANIFEST), half)
    answer = get(relay, ca)
    # Some clients call a reset what it is, some the missing close_notify.
    assert not answer.complete and answer.error in ("reset", "ragged"), answer.error


# --- sessions ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_by_any_worker(start, ca, version):
    relay = start(workers=4)
    context = rawhttp.trusting(ca.certificate)
    context.minimum_version = context.maximum_version = version
    with rawhttp.Connection(relay.port, tls=context) as c:
        assert c.get(MANIFEST).status == 200
        session = c.sock.session
    # Connections that stay open are spread over the workers.
    many = [rawhttp.Connection(relay.port, tls=context, session=session) for _ in range(60)]
    assert all(c.sock.session_reused for c in many)
    assert all(c.get(MANIFEST).status == 200 for c in many)
    assert len([w for w in relay.workers() if w["sessions"]]) > 1
    for c in many:
        c.close()
    assert relay.stat(HANDSHAKES, peer="client", kind="resumed") == 60
    assert relay.stat(HANDSHAKES, peer="client", kind="full") == 1


# --- limits --------------------------------------------------------------------------------------------------------------------

def hello():
    """The bytes with which a client begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_handshake_that_stalls_ends_by_head_timeout(start, stack):
    relay = start(head_timeout=PATIENCE)
    stalled = []
    for sent in (1, 3, 100, None):
        stalled.append(stack.enter_context(rawhttp.Connection(relay.port)))
        stalled[-1].send(hello()[:sent])
    for c in stalled:
        c.rest()
        assert c.eof
    late = re.compile("the handshake took longer than head_timeout")
    wait_until(lambda: len(late.findall(relay.process.text())) == len(stalled), 10, "a line for each")
    assert relay.stat(FAILED, peer="client") == len(stalled)


def test_a_handshake_byte_by_byte_ends_by_head_timeout(start):
    relay = start(head_timeout=PATIENCE)
    ended = threading.Event()
    with rawhttp.Connection(relay.port) as c:
        def drip():
            try:
                for byte in hello():
                    c.send(bytes([byte]))
                    if ended.wait(0.05):
                        return
            except OSError:
                pass
        thread = threading.Thread(target=drip)
        thread.start()
        c.rest()
        ended.set()
        thread.join()
    assert relay.stat(FAILED, peer="client") == 1


def test_silence_after_the_handshake_ends_by_head_timeout(start, ca):
    relay = start(head_timeout=PATIENCE)
    with dial(relay, ca) as silent, dial(relay, ca) as slow:
        slow.send(b"GET /v2/ HT")
        assert silent.rest() == b"" and silent.eof == "eof"
        assert b"HTTP/1.1 408" in slow.rest()


def test_clients_that_go_away_in_the_handshake(relay, ca):
    whole = hello()
    for n in (1, 2, 5, 6, len(whole) - 1, len(whole)):
        for reset in (False, True):
            c = rawhttp.Connection(relay.port)
            c.send(whole[:n])
            if reset:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            c.close()
    relay.wait_stat(FAILED, 12, peer="client")
    wait_until(lambda: relay.stat("regrelay_client_connections") == 0, 10, "the sessions to end")
    assert get(relay, ca).status == 200


def test_max_connections_counts_handshakes(start, ca):
    relay = start(workers=1, max_connections=2)
    stalled = [rawhttp.Connection(relay.port) for _ in range(2)]
    for c in stalled:
        c.send(hello()[:10])
    relay.wait_stat("regrelay_client_connections", 2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, relay, ca)
        assert not waiting.done()
        stalled[0].close()
        assert waiting.result(20).status == 200
    stalled[1].close()


def test_max_connections_per_address(start, ca):
    relay = start(workers=1, max_connections_per_address=1)
    with dial(relay, ca) as first:
        with pytest.raises(OSError):
            dial(relay, ca)
        assert first.get(MANIFEST).status == 200
    assert relay.stat("regrelay_client_connections_refused_total", reason="address") == 1


def test_a_slow_client_is_parked_and_gets_everything(start_relay, files, origin, ca):
    data = os.urandom(8 * MIB)
    origin.serve_blob(BLOB, data)
    relay = start_relay(proxy=origin.address, settings={"listen": files.keys(), "proxy": {"stall_grace": "500ms"}})
    with dial(relay, ca, receive_buffer=65536, timeout=60) as c:
        c.request(BLOB)
        relay.wait_stat("regrelay_parks_total", 1, timeout=20)
        assert c.answer().body == data


def test_a_parked_client_that_talks_takes_nothing(start_relay, files, origin, ca):
    """What it says makes its socket look ready; nothing is fetched for it before it takes what it has."""
    origin.serve_blob(BLOB, os.urandom(8 * MIB))
    relay = start_relay(proxy=origin.address, settings={"listen": files.keys(send_timeout="5s"), "proxy": {"stall_grace": "500ms"}})
    with dial(relay, ca, receive_buffer=16384) as c:
        c.request(BLOB)
        relay.wait_stat("regrelay_parks_total", 1)
        c.send(b"GET")
        relay.wait_stat("regrelay_aborted_transfers_total", 1, side="client")
    assert len(origin.requests) == 1 and relay.stat("regrelay_parks_total") == 1


def test_a_client_that_takes_nothing_is_cut(start, origin, ca):
    relay = start(send_timeout="1s")
    origin.route(re.escape(BLOB), lambda request, send: send(ok(b"x" * 20 * MIB)))
    with dial(relay, ca, receive_buffer=65536) as c:
        c.request(BLOB)
        relay.wait_stat("regrelay_aborted_transfers_total", 1, side="client")
        answer = c.answer()
        assert answer is None or not answer.complete


# --- certificates --------------------------------------------------------------------------------------------------------------

def check(relay):
    return run([REGRELAYD, "-t", "-c", relay.config])


def test_what_is_refused_at_the_start(files, ca, tmp_path):
    relay = Relay(tmp_path / "relay", proxy="127.0.0.1:1", settings={"listen": files.keys()}, start=False)
    good = check(relay)
    assert good.returncode == 0 and "warning" not in good.stderr, good.stderr
    text = run([REGRELAYD, "-T", "-c", relay.config]).stdout
    assert f"tls_certificate = {files.certificate}" in text and f"tls_key = {files.key}" in text
    lines = relay.config.read_text().splitlines()
    at = lines.index(f"tls_key = {files.key}") + 1
    shutil.copy(issue(ca, "other").key, files.key)
    done = check(relay)
    assert done.returncode == 78 and "mismatch" in done.stderr
    assert done.stderr.startswith(f"{relay.config}:{at}: tls_key: {files.key}: ")
    files.key.unlink()
    assert f":{at}: tls_key: {files.key}: No such file" in check(relay).stderr
    assert "PRIVATE" not in done.stderr


def test_an_expired_one_is_a_warning(start, files, ca):
    files.put(issue(ca, dates=certs.PAST))
    relay = start()
    done = check(relay)
    assert done.returncode == 0 and "warning: tls_certificate" in done.stderr and "has expired" in done.stderr
    relay.wait_log("tls_certificate: .* has expired: clients will refuse it")
    assert 1 < relay.stat(EXPIRY, cert="listen") < 1700000000


def test_credentials_directory(start_relay, files, origin, ca):
    origin.route(".*", lambda request, send: send(ok(b"hello")))
    relay = start_relay(proxy=origin.address, env={"CREDENTIALS_DIRECTORY": str(files.certificate.parent)},
                        settings={"listen": {"tls_certificate": "credential:tls.crt", "tls_key": "credential:tls.key"}})
    assert get(relay, ca).status == 200


def test_status_and_metrics_show_it(relay, files):
    tls = relay.status()["tls"]
    assert tls["certificate"] == str(files.certificate)
    assert relay.stat(EXPIRY, cert="listen") == tls["expires"] > 1700000000
    text = relay.regctl("status").stdout
    assert re.search(rf"TLS +on the same ports, certificate {re.escape(str(files.certificate))} until 20\d\d-\d\d-\d\d \d\d:\d\d UTC",
                     text), text
    assert f'{EXPIRY}{{cert="listen"}}' in relay.admin("/metrics")[1]


def test_without_one_nothing_is_different(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    assert relay.status()["tls"] is None
    assert relay.stat(EXPIRY) == 0
    with rawhttp.Connection(relay.port) as c:
        c.send(hello())
        assert b"HTTP/1.1 400" in c.rest()
    assert relay.stat("regrelay_http_rejected_total", reason="tls_hello") == 1


# --- renewal -------------------------------------------------------------------------------------------------------------------

def pulls_while(relay, ca, act, tries=4):
    """Requests on TLS connections of their own, one after the other, in four threads, while act() runs: all answers."""
    over = threading.Event()

    def pull():
        found = []
        while not over.is_set() or not found:
            found.append(get(relay, ca).status)
        return found
    with concurrent.futures.ThreadPoolExecutor(tries) as pool:
        running = [pool.submit(pull) for _ in range(tries)]
        try:
            act()
        finally:
            over.set()
        return [status for one in running for status in one.result(60)]


def test_a_renewed_one_by_reload(relay, files, ca):
    before = shown(relay)

    def renew():
        files.put(ca.issue("renewed", "localhost", "127.0.0.1"))
        done = relay.regctl("reload")
        assert done.returncode == 0, done.stderr
        assert shown(relay) != before
    statuses = pulls_while(relay, ca, renew)
    assert set(statuses) == {200}


def test_a_renewed_one_by_itself(relay, files, ca):
    before = shown(relay)

    def renew():
        files.put(ca.issue("renewed", "localhost", "127.0.0.1"))
        wait_until(lambda: shown(relay) != before, 20, "the new certificate")
    assert set(pulls_while(relay, ca, renew)) == {200}
    wait_until(lambda: reloads(relay) >= 1, 10, "the reload to be counted")
    relay.wait_log("a file that the configuration names was replaced")


def test_a_mounted_secret_is_swapped(start_relay, origin, ca, tmp_path):
    """As the kubelet does it: NAME -> ..data/NAME, and ..data is renamed over."""
    origin.route(".*", lambda request, send: send(ok(b"hello")))
    mount = tmp_path / "mount"
    mount.mkdir()

    def swap(name, pair):
        (mount / name).mkdir()
        shutil.copy(pair.certificate, mount / name / "tls.crt")
        shutil.copy(pair.key, mount / name / "tls.key")
        os.symlink(name, mount / "..data_tmp")
        os.rename(mount / "..data_tmp", mount / "..data")
    swap("..1", issue(ca))
    for name in ("tls.crt", "tls.key"):
        os.symlink(f"..data/{name}", mount / name)
    relay = start_relay(proxy=origin.address, settings={"listen": {"tls_certificate": mount / "tls.crt",
                                                                   "tls_key": mount / "tls.key"}})
    before = shown(relay)

    def act():
        swap("..2", ca.issue("renewed", "localhost", "127.0.0.1"))
        wait_until(lambda: shown(relay) != before, 20, "the new certificate")
    assert set(pulls_while(relay, ca, act)) == {200}
    assert reloads(relay, "failed") == 0


def test_a_pull_under_way_ends_with_the_old_certificate(start, origin, files, ca):
    relay = start()
    go = threading.Event()

    def handler(request, send):
        send(ok(b"").replace(b"Content-Length: 0", b"Content-Length: 2000000"))
        send(b"x" * 1000000)
        go.wait(60)
        send(b"x" * 1000000)
    origin.route(re.escape(BLOB), handler)
    with dial(relay, ca, timeout=60) as c:
        c.request(BLOB)
        status, _, headers = c.head()
        assert status == 200
        files.put(ca.issue("renewed", "localhost", "127.0.0.1"))
        assert relay.regctl("reload").returncode == 0
        assert get(relay, ca).status == 200
        go.set()
        got = len(c.data)
        c.data = b""
        while got < 2000000 and c.more():
            got += len(c.data)
            c.data = b""
        assert got == 2000000


def test_a_wrong_key_is_refused_and_nothing_moves(relay, files, ca):
    before, workers = shown(relay), relay.worker_pids()
    good = files.key.read_text()
    shutil.copy(issue(ca, "other").key, files.key)
    done = relay.regctl("reload")
    assert done.returncode == 78 and "mismatch" in done.stderr and str(files.key) in done.stderr, done.stderr
    assert shown(relay) == before and relay.worker_pids() == workers
    assert get(relay, ca).status == 200
    assert "mismatch" in relay.status()["last_reload"]["error"]
    files.key.write_text(good)
    wait_until(lambda: relay.status()["last_reload"]["result"] == "ok", 20, "the mended files to be taken by themselves")


def test_a_dry_run_says_that_it_changed(relay, files, ca):
    text = relay.config.read_text()
    assert "tls_certificate" not in relay.regctl("reload", "--dry-run").stdout
    pair = ca.issue("renewed", "localhost", "127.0.0.1")
    relay.config.write_text(text.replace(str(files.certificate), str(pair.certificate)).replace(str(files.key), str(pair.key)))
    assert "[listen] tls_certificate" in relay.regctl("reload", "--dry-run").stdout


def test_on_and_off_by_reload(start, files, ca):
    relay = start()
    text = relay.config.read_text()
    relay.config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("tls_")) + "\n")
    assert relay.regctl("reload").returncode == 0
    with pytest.raises(ssl.SSLError):
        dial(relay, ca)
    assert relay.status()["tls"] is None
    relay.config.write_text(text)
    assert relay.regctl("reload").returncode == 0
    assert get(relay, ca).status == 200


def test_drain_says_close(start, origin, ca):
    relay = start(workers=1)  # what is told by the end of one connection holds for the other, too
    go = threading.Event()

    def held(request, send):
        go.wait(60)
        send(ok(b"hello"))
    origin.route(re.escape(MANIFEST), held)
    with dial(relay, ca, timeout=60) as c, dial(relay, ca) as idle:
        c.request(MANIFEST)
        origin.wait(lambda: origin.requests)
        assert relay.regctl("drain").returncode == 0
        assert idle.rest() == b"" and idle.eof == "eof"
        go.set()
        answer = c.answer()
        assert answer.status == 200 and answer.header("Connection") == "close"
        assert c.rest() == b"" and c.eof == "eof"


# --- real clients --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory / "registry", authority=certs.Authority(directory / "ca")) as r:
        r.image = make_image(directory / "image", layers=[20 * MIB, 3 * MIB, 700_000], seed=3)
        r.push(r.image, "team/app:t1")
        yield r


@pytest.fixture
def real(start_relay, files, registry, stack, tmp_path):
    standin = stack.enter_context(Standin(tmp_path / "standin", registry=registry, host=VHOST))
    relay = start_relay(proxy=standin.address, settings={"listen": files.keys()})
    relay.secrets.append(registry.password)
    return relay


def test_skopeo_pulls(real, registry, ca, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(ca.certificate, trusted / "ca.crt")
    done = skopeo.pull(f"localhost:{real.port}/team/app:t1", tmp_path / "out", credentials=registry.credentials, certs_dir=trusted)
    assert done.returncode == 0, done.stderr
    manifest, config, layers = skopeo.pulled_digests(tmp_path / "out")
    assert manifest == registry.image.manifest_digest and tuple(layers) == registry.image.layers
    assert real.stat(HANDSHAKES, peer="client", kind="full") >= 1 and real.stat(FAILED, peer="client") == 0
    assert real.stat("regrelay_spliced_bytes_total") == 0


def test_curl_pulls(real, registry, ca, tmp_path):
    if not find("curl"):
        pytest.skip("curl is not installed")
    layer = registry.image.layers[0]
    done = run(["curl", "-sSf", "--cacert", ca.certificate, "-u", registry.credentials, "-o", tmp_path / "layer",
                f"https://localhost:{real.port}/v2/team/app/blobs/{layer}"])
    assert done.returncode == 0, done.stderr
    assert "sha256:" + run(["sha256sum", tmp_path / "layer"]).stdout.split()[0] == layer


def test_containerd_pulls(real, registry, ca, tmp_path, tmp_path_factory):
    if containerd.missing():
        pytest.skip(containerd.missing())
    host = f"localhost:{real.port}"
    hosts = containerd.trusting(tmp_path / "hosts", host, ca.certificate)
    with containerd.Containerd(tmp_path_factory.mktemp("c")) as c:
        done = c.pull(f"{host}/team/app:t1", credentials=registry.credentials, hosts_dir=hosts)
        assert done.returncode == 0, containerd.reason(done)
        assert set(registry.image.layers) <= c.digests()
    assert real.stat(HANDSHAKES, peer="client", kind="full") + real.stat(HANDSHAKES, peer="client", kind="resumed") >= 1
