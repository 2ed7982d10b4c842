"""System calls and allocations that fail, writes in small pieces, a wrong clock, a log that nobody reads: no process ends, nothing
leaks, and clients get the right bytes or a clear error."""
import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.preload import Preload
from tools.process import find, wait_until
from tools.relay import is_sanitized

BLOB = "/v2/team/app/blobs/sha256:" + "c" * 64
needs_strace = pytest.mark.skipif(not find("strace"), reason="strace is not installed")
plain = pytest.mark.skipif(is_sanitized(), reason="sanitizers have their own allocator and hooks")


@pytest.fixture
def relay(start_relay, origin):
    """One worker, not confined: a filter would answer before the injection does."""
    origin.answer("/v2/", ok())
    return start_relay(proxy=origin.address, workers=1, settings={"master": {"sandbox": "off", "stuck_timeout": "1min"}})


@contextlib.contextmanager
def injected(relay, tmp_path, *rules):
    """The worker's calls fail as strace's rules say, while the block runs; yields a function that counts them.

    It is stopped before strace leaves it: left within a call that shall fail, it would get ENOSYS, whatever the rule says."""
    pid, log = relay.worker_pids()[0], tmp_path / "strace.log"
    names = ",".join(rule.partition(":")[0] for rule in rules)
    argv = [find("strace"), "-f", "-o", log, "-p", str(pid), "-e", f"trace={names}",
            *(arg for rule in rules for arg in ("-e", f"inject={rule}"))]
    tracer = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        yield lambda: log.read_text().count("(INJECTED)")
    finally:
        with stopped(pid, lambda: tracer.poll() is not None or "stopped by SIGSTOP" in log.read_text()):
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
        tracer.stderr.close()
    assert relay.worker_pids() == [pid], f"the worker is still the same one\n{relay.process.text()}"


@contextlib.contextmanager
def stopped(pid, is_stopped):
    """The process stands still while the block runs; one that is gone already is as good."""
    try:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            wait_until(is_stopped, 20, "the worker to stand still")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


# --- accepting ----------------------------------------------------------------------------------------------------------

@needs_strace
@pytest.mark.parametrize("error", ["ECONNABORTED", "EPROTO", "EINTR", "ENETDOWN", "EHOSTUNREACH", "EOPNOTSUPP", "EPERM",
                                   "ENFILE", "EMFILE", "ENOBUFS", "ENOMEM"])
def test_an_accept_that_fails_now_and_then_loses_nobody(relay, tmp_path, error):
    clients = 2 if error in ("ENFILE", "EMFILE", "ENOBUFS", "ENOMEM") else 4  # of these each costs a pause
    with injected(relay, tmp_path, f"accept4:error={error}:when=1+3") as count:
        assert [rawhttp.get(relay.port, "/v2/").status for _ in range(clients)] == [200] * clients
        assert count() >= 1
    assert rawhttp.get(relay.port, "/v2/").status == 200


@needs_strace
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM"])
def test_without_descriptors_or_memory_accepting_pauses(relay, tmp_path, error):
    """Clients wait in the queue meanwhile; nobody loops."""
    with rawhttp.Connection(relay.port) as kept:
        assert kept.get("/v2/").status == 200
        with injected(relay, tmp_path, f"accept4:error={error}") as count:
            late = rawhttp.Connection(relay.port)
            late.request("/v2/")
            relay.wait_stat("regrelay_accept_paused_total", 2)
            assert count() <= 2 * relay.stat("regrelay_accept_paused_total") + 2, "one try a pause"
            assert kept.get("/v2/").status == 200, "who is there is served"
        assert late.answer().status == 200, "it goes on by itself"
        late.close()
    assert relay.process.text().count("cannot accept clients") == 1


@needs_strace
def test_a_listener_that_is_broken_ends_the_worker_and_a_new_one_serves(start_relay, origin, tmp_path):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=1, settings={"master": {"sandbox": "off"}})
    pid = relay.worker_pids()[0]
    with pytest.raises(AssertionError, match="still the same one"), injected(relay, tmp_path, "accept4:error=EBADF:when=1"):
        with contextlib.suppress(OSError):
            rawhttp.get(relay.port, "/v2/")
        wait_until(lambda: relay.worker_pids() and relay.worker_pids() != [pid], 10, "another worker")
    assert rawhttp.get(relay.port, "/v2/").status == 200
    relay.wait_log("a listener cannot be used any more")


# --- towards the proxy --------------------------------------------------------------------------------------------------

@needs_strace
@pytest.mark.parametrize("rule", ["connect:error=ECONNREFUSED", "connect:error=ENETUNREACH", "connect:error=EADDRNOTAVAIL",
                                  "connect:error=ENOBUFS", "connect:error=EPERM", "socket:error=ENOBUFS",
                                  "socket:error=EMFILE", "socket:error=ENOMEM"])
def test_a_connection_that_cannot_be_opened_once_is_tried_again(relay, tmp_path, rule):
    with injected(relay, tmp_path, f"{rule}:when=1") as count:
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert count() == 1


@needs_strace
@pytest.mark.parametrize("rule, id", [("socket:error=EMFILE", "overloaded"), ("socket:error=ENFILE", "overloaded"),
                                      ("socket:error=ENOMEM", "overloaded"), ("connect:error=ENETUNREACH", "proxy-unreachable")])
def test_a_connection_that_cannot_be_opened_at_all_is_a_clear_503(relay, tmp_path, rule, id):
    with injected(relay, tmp_path, rule):
        answer = rawhttp.get(relay.port, "/v2/")
        assert (answer.status, answer.header("X-Regrelay-Error")) == (503, id) and answer.header("Retry-After")
    assert rawhttp.get(relay.port, "/v2/").status == 200


# --- bytes --------------------------------------------------------------------------------------------------------------

def pull(relay, data):
    answer = rawhttp.get(relay.port, BLOB)
    return answer.status, hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()


@needs_strace
@pytest.mark.parametrize("rule", ["recvfrom:error=EINTR:when=2+3", "sendmsg:error=EINTR:when=2+3", "epoll_wait:error=EINTR:when=1+2",
                                  "epoll_pwait:error=EINTR:when=1+2", "epoll_ctl:error=ENOMEM:when=7"])
def test_interrupted_calls_change_no_byte(relay, origin, tmp_path, rule):
    data = random.Random(1).randbytes(3_000_000)
    origin.serve_blob(BLOB, data)
    with injected(relay, tmp_path, rule):
        answers = [pull(relay, data) for _ in range(3)]
    assert answers == [(200, True)] * 3 or rule.startswith("epoll_ctl"), answers
    assert pull(relay, data) == (200, True)


@needs_strace
@pytest.mark.parametrize("fault", ["recvfrom:error=ENOMEM", "recvfrom:error=ECONNRESET", "recvfrom:error=ETIMEDOUT",
                                   "splice:error=ENOMEM", "splice:error=ECONNRESET", "sendmsg:error=ENOMEM",
                                   "sendmsg:error=ENOBUFS"])
def test_a_connection_that_fails_gives_right_bytes_or_none_that_look_whole(relay, origin, tmp_path, fault):
    """Towards the proxy it is gone on with; towards the client it is cut, and the next pull is well."""
    data = random.Random(6).randbytes(2_000_000)
    origin.serve_blob(BLOB, data)
    with injected(relay, tmp_path, f"{fault}:when=3+5"):
        for _ in range(5):
            with contextlib.suppress(OSError):
                answer = rawhttp.get(relay.port, BLOB)
                assert answer is None or answer.status == 503 or data.startswith(answer.body)
                assert answer is None or answer.status == 503 or answer.complete == (answer.body == data)
    assert pull(relay, data) == (200, True)


@needs_strace
@pytest.mark.parametrize("rule", ["splice:error=EINVAL:when=1", "splice:error=ENOSYS:when=2", "splice:error=ENOMEM:when=1",
                                  "splice:error=EINTR:when=2+3", "pipe2:error=EMFILE", "pipe2:error=ENFILE:when=1",
                                  "fcntl:error=EPERM:when=1"])
def test_a_body_that_cannot_be_spliced_is_copied(relay, origin, tmp_path, rule):
    """ENOMEM is told of the first one, which reads from the proxy: which of the others do depends on how the bytes come, and a client
    that cannot be written to is cut."""
    data = random.Random(5).randbytes(8_000_000)
    origin.serve_blob(BLOB, data)
    with injected(relay, tmp_path, rule) as count:
        answers = [pull(relay, data) for _ in range(3)]
        assert count() >= 1
    assert answers == [(200, True)] * 3
    assert pull(relay, data) == (200, True)


@plain
@pytest.mark.parametrize("sandbox", ["auto", "off"])
@pytest.mark.parametrize("chunked", [False, True])
def test_writes_in_small_pieces_changes_no_byte(start_relay, origin, tmp_path, chunked, sandbox):
    preload, data = Preload(tmp_path), random.Random(2).randbytes(400_000)
    origin.answer("/v2/", ok())
    if chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[i:i + 9973] for i in range(0, len(data), 9973))) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        origin.route(re.escape(BLOB), lambda request, send: send(head + body))
    else:
        origin.serve_blob(BLOB, data)
    relay = start_relay(proxy=origin.address, workers=1, env=preload.env, settings={"master": {"sandbox": sandbox}})
    for most in (1000, 37):
        preload.set(most=most, interrupts=5)
        assert pull(relay, data) == (200, True)
        with rawhttp.Connection(relay.port) as c:
            assert [c.get("/v2/").status for _ in range(5)] == [200] * 5
    preload.set(most=1)
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert relay.regctl("status").returncode == 0
    preload.set()


# --- memory -------------------------------------------------------------------------------------------------------------

@plain
def test_memory_that_runs_out_now_and_then_ends_no_process(start_relay, origin, tmp_path):
    preload, data = Preload(tmp_path), random.Random(3).randbytes(200_000)
    origin.answer("/v2/", ok())
    origin.serve_blob(BLOB, data)
    relay = start_relay(proxy=origin.address, workers=1, env=preload.env)
    pid, seen = relay.worker_pids()[0], []
    for every in (2, 3, 5, 7, 11, 13, 17, 19, 23, 50, 100):
        preload.set(malloc_fails=every)
        for _ in range(6):
            try:
                answer = rawhttp.get(relay.port, BLOB)
                if answer is None:
                    raise OSError
                assert not answer.complete or answer.status != 200 or answer.body == data
                seen.append(answer.status if answer.complete else "short")
            except (OSError, ValueError):
                seen.append("closed")
        failed = preload.failed()
        assert failed or every > 20, "nothing failed"
    preload.set()
    assert relay.worker_pids() == [pid]
    wait_until(lambda: pull(relay, data) == (200, True), 10, "a pull")
    assert 200 in seen and len(set(seen)) > 1, seen


# --- the clock ----------------------------------------------------------------------------------------------------------

@plain
@pytest.mark.parametrize("days", [-1, 1])
def test_a_wall_clock_that_jumps_disturbs_nothing(start_relay, origin, tmp_path, days):
    """All waits are by the monotonic clock."""
    preload, go = Preload(tmp_path), threading.Event()
    origin.answer("/v2/", ok())

    def slow(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\n12345")
        go.wait(20)
        send(b"67890")
    origin.route(re.escape(BLOB), slow)
    relay = start_relay(proxy=origin.address, env=preload.env)
    workers = relay.worker_pids()
    with rawhttp.Connection(relay.port) as idle, rawhttp.Connection(relay.port) as c:
        assert idle.get("/v2/").status == 200
        c.request(BLOB)
        origin.wait(lambda: BLOB in origin.targets())
        preload.set(clock_s=days * 86400)
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert idle.get("/v2/").status == 200
        assert relay.regctl("reload").returncode == 0
        go.set()
        answer = c.answer()
        assert (answer.status, answer.body) == (200, b"1234567890")
    assert relay.worker_pids() != workers and relay.status()["state"] == "serving"
    preload.set()


# --- the log ------------------------------------------------------------------------------------------------------------

def test_a_log_that_nobody_reads_holds_up_no_pull(start_relay, origin, tmp_path):
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=1, wrapper=("sh", "-c", f'exec "$@" 2>{fifo}', "sh"))
    with rawhttp.Connection(relay.port) as c:
        for _ in range(600):
            assert c.get("/v2/").status == 200
    relay.wait_stat("regrelay_log_messages_dropped_total", 1)
    assert relay.regctl("reload").returncode == 0
    assert rawhttp.get(relay.port, "/v2/").status == 200
    os.close(reader)                                     # and one that is gone altogether
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert relay.stop() == 0


# --- many children at once ----------------------------------------------------------------------------------------------

def test_many_children_that_die_at_once_are_all_replaced(start_relay, origin):
    origin.answer("/v2/", ok())
    relay = start_relay(proxy=origin.address, workers=16)
    before = relay.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(relay.worker_pids()) == 16 and not set(before) & set(relay.worker_pids()), 30, "16 new workers")
    children = subprocess.run(["ps", "--ppid", str(relay.process.pid), "-o", "stat="], capture_output=True, text=True).stdout
    assert "Z" not in children
    assert rawhttp.get(relay.port, "/v2/").status == 200


# --- answers of every size ----------------------------------------------------------------------------------------------

def test_no_size_of_an_answer_waits_for_a_timer(start_relay, origin):
    """A last piece that the kernel holds back (Nagle, a cork) comes 40 or 200 ms late, whenever it is asked for."""
    relay = start_relay(proxy=origin.address, workers=1)
    data, slow = random.Random(4).randbytes(400_000), []
    origin.route(r"/v2/team/app/manifests/s\d+", lambda request, send: send(
        ok(data[:int(request.target.rpartition("s")[2])], content_type="application/octet-stream")))
    with rawhttp.Connection(relay.port) as c:
        def took(size):
            begin = time.monotonic()
            assert c.get(f"/v2/team/app/manifests/s{size}").body == data[:size]
            return time.monotonic() - begin
        for size in (*range(1, 70_000, 499), *range(128_000, 400_000, 7_919)):  # copied; the longer ones spliced
            if all(took(size) > 0.035 for _ in range(20)):  # the machine may be slow now and then, a timer is every time
                slow.append(size)
    assert not slow


# --- splicing -----------------------------------------------------------------------------------------------------------

@needs_strace
@pytest.mark.parametrize("rule, copied", [
    ("splice:error=EINVAL", True), ("splice:error=ENOSYS", True), ("pipe2:error=EMFILE", True), ("fcntl:error=EPERM", True),
    ("splice:error=EINTR:when=1+2", False),
])
def test_what_makes_splicing_stop(relay, origin, tmp_path, rule, copied):
    """A kernel that cannot, no descriptors, the user's quota of pipes; a signal is no reason."""
    data = random.Random(1).randbytes(4 << 20)
    path = "/v2/app/blobs/sha256:" + "0" * 64
    origin.answer(path, ok(data))
    with injected(relay, tmp_path, rule) as hits:
        for _ in range(2):
            answer = rawhttp.get(relay.port, path)
            assert answer.complete and answer.body == data
    assert hits() >= 1
    assert (relay.stat("regrelay_spliced_bytes_total") == 0) == copied
