"""The master: start, check, supervise, stop; regctl; exit statuses."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest
from tools import ports, rawhttp
from tools.origin import ok
from tools.process import AS_NOBODY, find, run, wait_until
from tools.relay import REGCTL, REGRELAYD, Relay, is_sanitized

VHOST = "myregistry.kyma:25002"
SYS_PIDFD_GETFD = 438       # on every machine (pidfd_getfd(2))
_libc = ctypes.CDLL(None, use_errno=True)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends between open and read
        return False


def hold_blob(origin, target, size):
    """Routes target to a blob of which half is sent; returns the event that lets the rest go."""
    go = threading.Event()

    def handler(request, send):
        send(ok(b"", headers=()).replace(b"Content-Length: 0", b"Content-Length: %d" % size))
        send(b"x" * (size // 2))
        go.wait(30)
        send(b"x" * (size - size // 2))
    origin.route(re.escape(target), handler)
    return go


BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64


# --- the configuration at start ------------------------------------------------------------------------------------

def test_five_mistakes_give_five_lines_and_78(tmp_path):
    path = tmp_path / "bad.ini"
    path.write_text("[master]\nworkers = many\n[listen]\nhead_timout = 5s\n[proxy]\naddress = cp:20003\nprotocol = ftp\n"
                    "[registry]\nhost = reg:5000\nhost = other:5000\n[lisen]\naddress = *:1\n")
    done = run([REGRELAYD, "-t", "-c", path])
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 78
    assert [int(re.match(rf"{re.escape(str(path))}:(\d+): ", line)[1]) for line in lines] == [2, 4, 7, 10, 11], lines
    assert "did you mean 'head_timeout'" in done.stderr
    assert "did you mean 'listen'" in done.stderr


def test_start_with_a_bad_file_says_why_and_exits_78(tmp_path):
    path = tmp_path / "bad.ini"
    path.write_text("[proxy]\naddress = cp:20003\n")
    done = run([REGRELAYD, "-c", path])
    assert done.returncode == 78
    assert "registry" in done.stderr
    assert run([REGRELAYD, "-c", tmp_path / "missing.ini"]).returncode == 78


def test_users_and_groups_that_are_not_there_are_mistakes_with_a_line(tmp_path):
    path = tmp_path / "r.ini"
    path.write_text("[proxy]\naddress = cp:20003\n[registry]\nhost = reg:1\n[master]\n"
                    "user = no-such-user\ncontrol_group = no-such-group\n")
    for option in ((), ("-t",)):
        done = run([REGRELAYD, *option, "-c", path])
        assert done.returncode == 78
        assert done.stderr.splitlines() == [f"{path}:6: user: there is no user no-such-user",
                                            f"{path}:7: control_group: there is no group no-such-group"]


def test_dump_loads_to_the_same(tmp_path):
    path = tmp_path / "small.ini"
    path.write_text(f"[proxy]\naddress = cp:20003\n[registry]\nhost = {VHOST}\n")
    first = run([REGRELAYD, "-T", "-c", path])
    assert first.returncode == 0 and f"host = {VHOST}" in first.stdout
    again = tmp_path / "dump.ini"
    again.write_text(first.stdout)
    second = run([REGRELAYD, "-T", "-c", again])

    def keys(text):
        return [line.split("#")[0].strip() for line in text.splitlines() if not line.startswith("#")]
    assert second.returncode == 0, second.stderr
    assert keys(second.stdout) == keys(first.stdout)


def test_what_cannot_be_written_is_no_success(tmp_path):
    path = tmp_path / "small.ini"
    path.write_text(f"[proxy]\naddress = cp:20003\n[registry]\nhost = {VHOST}\n")
    for command in ([REGRELAYD, "-t", "-c", path], [REGRELAYD, "-T", "-c", path], [REGRELAYD, "-V"], [REGRELAYD, "--help"],
                    [REGCTL, "config", "check", path], [REGCTL, "--version"], [REGCTL, "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30)
        assert done.returncode in (1, 71) and b"cannot write" in done.stderr, command


def test_usage_errors_and_help():
    assert run([REGRELAYD, "--nonsense"]).returncode == 2
    assert run([REGCTL, "nonsense"]).returncode == 2
    assert run([REGCTL]).returncode == 2
    for program in (REGRELAYD, REGCTL):
        done = run([program, "--help"])
        assert done.returncode == 0 and "Usage" in done.stdout or "usage" in done.stdout
    assert "regrelay" in run([REGCTL, "--version"]).stdout


def test_port_in_use_is_71_and_names_the_address(tmp_path, origin):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        port = taken.getsockname()[1]
        relay = Relay(tmp_path / "r", proxy=origin.address, settings={"listen": {"address": f"127.0.0.1:{port}"}},
                      start=False)
        done = run([REGRELAYD, "-c", relay.config])
    assert done.returncode == 71
    assert f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr


def test_second_master_on_the_same_socket_is_refused(relay, tmp_path, origin):
    other = Relay(tmp_path / "other", proxy=origin.address, settings={"master": {"control": relay.control}},
                  start=False)
    done = run([REGRELAYD, "-c", other.config])
    assert done.returncode == 71, done.stderr
    assert str(relay.control) in done.stderr
    assert relay.status()["state"] == "serving"


def test_stale_socket_is_replaced_a_file_is_not(tmp_path, start_relay, origin):
    stale = tmp_path / "stale.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(stale))
    dead.close()
    relay = start_relay(proxy=origin.address, settings={"master": {"control": stale}}, start=False)
    relay.control = stale
    relay.start()
    assert relay.status()["state"] == "serving"

    precious = tmp_path / "precious"
    precious.write_text("not a socket")
    other = Relay(tmp_path / "other", proxy=origin.address, settings={"master": {"control": precious}}, start=False)
    assert run([REGRELAYD, "-c", other.config]).returncode == 71
    assert precious.read_text() == "not a socket"


def test_inherited_listener_is_used_and_a_foreign_one_refused(tmp_path, start_relay, origin):
    relay = start_relay(proxy=origin.address, start=False)
    listener = socket.create_server(("127.0.0.1", relay.port))
    script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"' % listener.fileno()
    argv = ["bash", "-c", script, "bash", REGRELAYD, "-c", relay.config]   # dash knows one-digit descriptors only
    child = subprocess.Popen(argv, pass_fds=[listener.fileno()], stderr=subprocess.PIPE, text=True)
    try:
        relay.wait_serving()
        origin.answer("/v2/", ok())
        assert rawhttp.get(relay.port, "/v2/").status == 200
    finally:
        child.terminate()
        assert child.wait(10) == 0
        child.stderr.close()
    foreign = socket.create_server(("127.0.0.1", 0))
    script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"' % foreign.fileno()
    argv = ["bash", "-c", script, "bash", str(REGRELAYD), "-c", str(relay.config)]
    done = subprocess.run(argv, pass_fds=[foreign.fileno()], capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and str(foreign.getsockname()[1]) in done.stderr
    listener.close()
    foreign.close()
    relay.process = None
    relay.start()


def test_inherited_any_address_of_ipv4_is_the_star(start_relay, origin):
    relay = start_relay(proxy=origin.address, start=False)
    listener = socket.create_server(("0.0.0.0", relay.port))
    relay.config.write_text(relay.config.read_text().replace(f"address = 127.0.0.1:{relay.port}", f"address = *:{relay.port}"))
    script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"' % listener.fileno()
    child = subprocess.Popen(["bash", "-c", script, "bash", REGRELAYD, "-c", relay.config], pass_fds=[listener.fileno()],
                             stderr=subprocess.DEVNULL)
    try:
        relay.wait_serving()
        assert relay.api("POST", "/v1/reload")[0] == 200
        origin.answer("/v2/", ok())
        assert rawhttp.get(relay.port, "/v2/").status == 200
    finally:
        child.terminate()
        assert child.wait(10) == 0
        listener.close()
    relay.start()


def test_closed_standard_descriptors_are_not_reused(tmp_path, start_relay, origin):
    relay = start_relay(proxy=origin.address, wrapper=["bash", "-c", 'exec "$0" "$@" <&- >&-'])
    pid = relay.process.pid
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)] == ["/dev/null"] * 2


@pytest.mark.parametrize("address,tries", [("127.0.0.1:{}", ["127.0.0.1"]), ("[::1]:{}", ["::1"]),
                                           ("*:{}", ["127.0.0.1", "::1"])])
def test_listeners_v4_v6_dual(start_relay, origin, address, tries):
    port = ports.free_port()
    start_relay(proxy=origin.address, settings={"listen": {"address": address.format(port)}})
    origin.answer("/v2/", ok())
    for host in tries:
        with rawhttp.Connection(port, host) as c:
            assert c.get("/v2/").status == 200
    if len(tries) == 1:
        other = "127.0.0.1" if tries == ["::1"] else "::1"
        assert not ports.accepts(port, other)


# --- supervision ----------------------------------------------------------------------------------------------------

def test_killed_worker_is_replaced_and_a_lone_client_is_served_at_once(relay, origin):
    """The wake-up for a new connection may die with the worker: without KICK such a client hangs."""
    origin.answer("/v2/", ok())
    rounds = 100
    slowest = 0

    def serving():
        pids = [w["pid"] for w in relay.workers() if w["state"] == "serving"]
        return len(pids) == 2 and all(map(alive, pids)) and pids
    for n in range(rounds):
        pids = wait_until(serving, 20, "two workers")
        os.kill(pids[n % 2], signal.SIGKILL)
        began = time.monotonic()
        assert rawhttp.get(relay.port, "/v2/").status == 200
        slowest = max(slowest, time.monotonic() - began)
        if n % 10 == 9:     # let the backoff of a crash loop end: this is not one
            wait_until(lambda: len(relay.worker_pids()) == 2, 60, "two workers again")
    assert slowest < 5, f"one client waited {slowest:.1f} s"
    relay.wait_stat("regrelay_worker_exits_total", rounds)


def test_killed_worker_takes_only_its_own_pulls(relay, origin):
    size = 1 << 20
    go = hold_blob(origin, BLOB, size)
    clients = [rawhttp.Connection(relay.port) for _ in range(50)]
    for c in clients:
        c.request(BLOB)
    wait_until(lambda: sum(w["sessions"] for w in relay.workers()) == 50, 20, "50 sessions")
    origin.wait(lambda: len(origin.requests) == 50, 20)
    victim = relay.workers()[0]
    os.kill(victim["pid"], signal.SIGKILL)
    go.set()
    answers = [c.answer() for c in clients]
    whole = sum(1 for a in answers if a and a.complete and len(a.body) == size)
    for c in clients:
        c.close()
    assert whole == 50 - victim["sessions"]
    wait_until(lambda: len(relay.workers()) == 2 and victim["pid"] not in relay.worker_pids(), 20, "a new worker")
    table = relay.regctl("workers")
    head, *rows = [line.split() for line in table.stdout.splitlines()]
    assert table.returncode == 0
    assert [row[head.index("PID")] for row in rows] == [str(pid) for pid in relay.worker_pids()]


def test_killed_master_leaves_nothing_once_the_pulls_have_ended(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    size = 1 << 20
    go = hold_blob(origin, BLOB, size)
    children = [*relay.worker_pids(), relay.status()["keeper_pid"]]
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        relay.process.signal(signal.SIGKILL)
        relay.process.wait()
        wait_until(lambda: not ports.accepts(relay.port), 10, "the port to close")
        assert any(map(alive, children))
        go.set()
        answer = c.answer()
    assert answer.complete and len(answer.body) == size
    wait_until(lambda: not any(map(alive, children)), 20, "the children to end")


def test_stuck_worker_is_replaced(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"stuck_timeout": "4s"}})  # the other one may be held up
    origin.answer("/v2/", ok())
    victim = relay.worker_pids()[0]
    os.kill(victim, signal.SIGSTOP)
    for _ in range(20):
        assert rawhttp.get(relay.port, "/v2/").status == 200
    wait_until(lambda: victim not in relay.worker_pids() and len(relay.worker_pids()) == 2, 20, "a new worker")
    assert not alive(victim)


def channel_of(pid):
    """A copy of the socket by which a child speaks with the master: what somebody who took the child over would have."""
    process = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            fd = _libc.syscall(SYS_PIDFD_GETFD, process, int(number), 0)
            if fd < 0:
                continue
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                s = socket.socket(fileno=fd)
                if s.type == socket.SOCK_SEQPACKET:
                    return s
                s.close()
            else:
                os.close(fd)
    finally:
        os.close(process)
    raise AssertionError(f"pid {pid} has no channel")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("message", [struct.pack("=HHIi256s", 1, 2, 1, -1, b"no"), b"garbage"], ids=["refused", "garbage"])
def test_worker_that_never_stops_talking_is_ended(relay, origin, message):
    """Its messages come before the control socket: without a bound nobody else would be heard, and the log would fill."""
    origin.answer("/v2/", ok())
    pid = relay.worker_pids()[0]
    with channel_of(pid) as channel:
        channel.setblocking(True)
        end, sent = time.monotonic() + 20, 0
        with contextlib.suppress(OSError):      # its other end was closed
            while time.monotonic() < end:
                channel.send(message)
                sent += 1
        assert time.monotonic() < end, f"the master took {sent} messages"
    wait_until(lambda: len(relay.worker_pids()) == 2 and pid not in relay.worker_pids(), 20, "a new worker")
    assert rawhttp.get(relay.port, "/v2/").status == 200
    relay.wait_log(r"sends messages without end")
    assert len([line for line in relay.lines() if line.get("pid") == relay.process.pid]) < 60


def test_dead_keeper_is_replaced(relay):
    keeper = relay.status()["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: relay.status()["keeper_pid"] not in (0, None, keeper), 10, "a new keeper")
    wait_until(lambda: ports.accepts(relay.admin_port), 10, "the admin port")
    assert relay.admin("/livez")[0] == 200


# --- stop -------------------------------------------------------------------------------------------------------------

def test_term_finishes_pulls_and_exits_0(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    size = 1 << 20
    go = hold_blob(origin, BLOB, size)
    origin.answer("/v2/", ok())
    idle = rawhttp.Connection(relay.port)
    assert idle.get("/v2/").status == 200
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: BLOB in origin.targets())
        relay.process.signal(signal.SIGTERM)
        wait_until(lambda: not ports.accepts(relay.port), 10, "the port to close")
        assert relay.process.alive()
        assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
        go.set()
        answer = c.answer()
        assert answer.complete and len(answer.body) == size
    assert idle.rest() == b""
    idle.close()
    assert relay.process.wait(15) == 0


@pytest.mark.skipif(not find("strace"), reason="strace is not installed")
@pytest.mark.skipif(is_sanitized(), reason="sanitizers do not share a process with a tracer")
def test_term_before_it_serves_is_not_forgotten(tmp_path, origin):
    """drain_delay lets the workers come up yet: that is no reason to be ready."""
    relay = Relay(tmp_path / "relay", proxy=origin.address, settings={"master": {"drain_delay": "3s"}}, start=False,
                  wrapper=[find("strace"), "-D", "-f", "-o", tmp_path / "trace", "-e", "trace=/^readlink", "-P", "/etc/resolv.conf",
                           "-e", "inject=/^readlink:delay_enter=1s"])
    origin.answer("/v2/", ok())
    relay.start(wait=False)
    try:
        relay.process._wait(relay.control.exists, 10, "the control socket")
        wait_until(lambda: [w["state"] for w in relay.workers()] == ["serving"] * 2, 10, "its workers")
        assert relay.status()["state"] == "starting"
        done = relay.regctl("drain")
        assert done.returncode == 1 and "the daemon is starting" in done.stderr, done
        relay.process.signal(signal.SIGTERM)
        assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
        assert relay.status()["state"] == "draining"
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert relay.process.wait(10) == 0
    finally:
        relay.process.stop()


def test_second_term_is_now(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    hold_blob(origin, BLOB, 1 << 20)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        relay.process.signal(signal.SIGTERM)
        wait_until(lambda: not ports.accepts(relay.port), 10, "the port to close")
        relay.process.signal(signal.SIGTERM)
        assert relay.process.wait(15) == 0, "long before drain_timeout"
        assert len(c.rest()) < 1 << 20


def is_pending(pid, number):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^ShdPnd:\s*(\w+)$", status, re.M)[1], 16) >> (number - 1) & 1


def test_term_after_regctl_stop_is_the_first(start_relay, origin):
    """As from `systemctl stop`, by somebody who does not know of the other."""
    relay = start_relay(proxy=origin.address)
    size = 1 << 20
    go = hold_blob(origin, BLOB, size)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        assert relay.api("POST", "/v1/stop")[0] == 200
        relay.process.signal(signal.SIGTERM)
        wait_until(lambda: not is_pending(relay.process.pid, signal.SIGTERM), 10, "TERM to be heard")
        assert relay.status()["state"] == "draining"
        go.set()
        answer = c.answer()
        assert answer.complete and len(answer.body) == size
    assert relay.process.wait(15) == 0


def test_drain_timeout_cuts_what_is_left(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"drain_timeout": "1s"}})
    hold_blob(origin, BLOB, 1 << 20)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        relay.process.signal(signal.SIGTERM)
        assert relay.process.wait(15) == 0
        assert len(c.rest()) < 1 << 20


def test_regctl_stop(start_relay, origin):
    relay = start_relay(proxy=origin.address)
    done = relay.regctl("stop")
    assert done.returncode == 0, done.stderr
    assert relay.process.wait(10) == 0
    gone = relay.regctl("status")
    assert gone.returncode == 7 and str(relay.control) in gone.stderr


# --- regctl ------------------------------------------------------------------------------------------------------------

def test_regctl_pages_and_json(relay, origin):
    origin.answer("/v2/", ok())
    rawhttp.get(relay.port, "/v2/")
    status = relay.regctl("status")
    assert status.returncode == 0 and f"localhost:{relay.port}/" in status.stdout.splitlines()[0]
    assert "regrelay_http_requests_total" in relay.regctl("stats").stdout
    assert relay.regctl("version").returncode == 0
    import json
    page = json.loads(relay.regctl("--json", "status").stdout)
    assert {"version", "pid", "keeper_pid", "generation", "state", "uptime_s", "config", "last_reload", "listeners",
            "upstreams", "workers"} <= set(page)
    assert page["pid"] == relay.process.pid
    table = json.loads(relay.regctl("--json", "workers").stdout)
    assert set(table) == {"workers"}
    for row in table["workers"]:
        assert set(row) == {"slot", "pid", "generation", "state", "sessions", "heartbeat_age_ms"}
    stats = json.loads(relay.regctl("--json", "stats").stdout)
    assert stats['regrelay_http_requests_total{route="ping",method="GET",code="200"}'] == 1


def test_curl_is_a_client_too(relay):
    done = run(["curl", "-sS", "--unix-socket", relay.control, "http://localhost/v1/version"])
    assert done.returncode == 0 and "version" in done.stdout
    done = run(["curl", "-sS", "--unix-socket", relay.control, "-o", "/dev/null", "-w", "%{http_code}",
                "http://localhost/v1/nothing"])
    assert done.stdout == "404"


def test_stuck_control_clients_do_not_block_others(relay):
    held = []
    for _ in range(80):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(str(relay.control))
        s.send(b"GET /v1/sta")
        held.append(s)
    assert relay.regctl("status").returncode == 0
    for s in held:
        s.close()


def test_control_garbage_is_refused(relay):
    for junk in (b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999"
                 b"\r\n\r\n", b"A" * 100000, b"\x16\x03\x01"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(relay.control))
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                s.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert relay.status()["state"] == "serving"


def test_control_socket_mode(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"control_mode": "0600"}})
    assert relay.control.stat().st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        done = run([*AS_NOBODY, REGCTL, "-s", relay.control, "status"])
        assert done.returncode in (4, 126, 127) or "denied" in done.stderr


def test_switches_the_user(start_relay, origin):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    relay = start_relay(proxy=origin.address, settings={"master": {"user": "nobody"}})
    for pid in (relay.process.pid, relay.status()["keeper_pid"], *relay.worker_pids()):
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                      if ":" in line)
        assert set(fields["Uid"].split()) == {"65534"}
    origin.answer("/v2/", ok())
    assert rawhttp.get(relay.port, "/v2/").status == 200


@pytest.mark.skipif(is_sanitized(), reason="LeakSanitizer must be able to look")
def test_memory_of_children_is_in_no_core_and_nobody_elses(start_as_nobody, origin):
    """In /proc, the files of a process whose memory may not be dumped are root's (proc(5))."""
    origin.answer("/v2/", ok())
    relay = start_as_nobody(proxy=origin.address)
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert os.stat(f"/proc/{relay.process.pid}/maps").st_uid == 65534
    for pid in (relay.status()["keeper_pid"], *relay.worker_pids()):
        assert os.stat(f"/proc/{pid}/maps").st_uid == 0
    relay.wait_stat("process_open_fds", 20)             # they can still count their own

