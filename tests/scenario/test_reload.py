"""Reload, drain, undrain and stop: nothing running is lost, nothing wrong is taken, and one can see what is."""
import concurrent.futures
import contextlib
import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from tools import ports, rawhttp
from tools.load import QUIET, Load, get_after_silence
from tools.origin import ok
from tools.process import AS_NOBODY, find, run, wait_until
from tools.relay import REGCTL, REGRELAYD, is_sanitized

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64


def strace(test):
    """For a test that makes the daemon slow somewhere."""
    if is_sanitized():
        return pytest.mark.skip(reason="sanitizers do not share a process with a tracer")(test)
    return pytest.mark.skipif(not find("strace"), reason="strace is not installed")(test)


def edit(relay, old, new):
    text = relay.config.read_text()
    assert old in text
    relay.config.write_text(text.replace(old, new))


def hold_blob(origin, size):
    """A blob of which half is sent until the returned event is set."""
    go = threading.Event()

    def handler(request, send):
        send(ok(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % size))
        send(b"x" * (size // 2))
        go.wait(60)
        send(b"x" * (size - size // 2))
    origin.route(re.escape(BLOB), handler)
    return go


def answers(relay, path):
    """Does somebody answer on the admin port?"""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return bool(relay.admin(path, timeout=1))


def generations(relay):
    return {w["generation"] for w in relay.workers()}


# --- reload -------------------------------------------------------------------------------------------------------------

def test_reload_brings_a_new_generation_with_the_new_values(relay, origin):
    origin.route(".*", lambda r, send: send(ok()))
    before = relay.worker_pids()
    edit(relay, "host = myregistry.kyma:25002", "host = other.kyma:25002\nlocation_id = L2")
    done = relay.regctl("reload")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "changed [registry] host\nchanged [registry] location_id\ngeneration 2 serves\n"
    assert rawhttp.get(relay.port, "/v2/").status == 200
    assert origin.requests[-1].header("Host") == "other.kyma:25002"
    assert origin.requests[-1].header("SAP-Connectivity-SCC-Location_ID") == "L2"
    wait_until(lambda: generations(relay) == {2}, 20, "the old generation to end")
    assert not set(before) & set(relay.worker_pids())
    status = relay.status()
    assert status["generation"] == 2 and status["last_reload"]["result"] == "ok" and status["last_reload"]["at"]
    assert relay.stat("regrelay_config_reloads_total", result="ok") == 1
    assert relay.admin("/readyz")[0] == 200


def test_whoever_connects_after_a_reload_meets_the_new_configuration(relay, origin):
    origin.route(".*", lambda r, send: send(ok()))
    host = "myregistry.kyma:25002"
    for n in range(20):
        edit(relay, f"host = {host}", f"host = n{n}.kyma:25002")
        host = f"n{n}.kyma:25002"
        assert relay.regctl("reload").returncode == 0
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert origin.requests[-1].header("Host") == host


def test_whoever_reads_of_a_reload_meets_the_new_configuration(relay, origin):
    """Nobody waits for a HUP or a swapped mount: the log line is what tells."""
    origin.route(".*", lambda r, send: send(ok()))
    host = "myregistry.kyma:25002"
    for n in range(20):
        edit(relay, f"host = {host}", f"host = n{n}.kyma:25002")
        host = f"n{n}.kyma:25002"
        relay.process.signal(signal.SIGHUP)
        relay.wait_log(rf"reloaded: generation {n + 2} serves")
        assert rawhttp.get(relay.port, "/v2/").status == 200
        assert origin.requests[-1].header("Host") == host


def test_reload_does_not_wait_long_for_an_old_worker_that_hangs(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"stuck_timeout": "1min"}})  # it is not to be killed meanwhile
    old = relay.worker_pids()
    os.kill(old[0], signal.SIGSTOP)
    try:
        done = relay.regctl("reload")
    finally:
        os.kill(old[0], signal.SIGCONT)
    assert (done.returncode, done.stdout) == (0, "nothing changed\ngeneration 2 serves\n"), done.stderr
    slow = relay.wait_log(r"generation 1 is slow to give up its listeners")
    done = relay.wait_log(r"reloaded: generation 2 serves")
    assert slow.start() < done.start(), "who reads of it may count on the new configuration, or was warned before"
    wait_until(lambda: generations(relay) == {2}, 20, "the old generation to end")
    assert relay.regctl("reload").returncode == 0


def test_hup_reloads_too(relay):
    edit(relay, "level = info", "level = debug")
    relay.process.signal(signal.SIGHUP)
    wait_until(lambda: relay.status()["generation"] == 2, 20, "generation 2")
    assert relay.regctl("log-level").stdout == "debug\n"


def test_dry_run_changes_nothing(relay):
    edit(relay, "level = info", "level = debug")
    before = relay.worker_pids()
    done = relay.regctl("reload", "--dry-run")
    assert done.returncode == 0 and done.stdout == "would change [log] level\n"
    assert relay.worker_pids() == before and relay.status()["generation"] == 1
    edit(relay, "level = debug", "level = shouting")
    done = relay.regctl("reload", "--dry-run")
    assert done.returncode == 78 and f"{relay.config}:" in done.stderr
    assert relay.status()["last_reload"]["result"] == "none"


@pytest.mark.parametrize("old,new,words", [
    ("level = info", "level = shouting", r":\d+: level: 'shouting'"),
    ("[admin]", "[admni]", r":\d+: \[admni\] is not a section"),
    ("drain_timeout = 20s", "drain_timeout = 20s\nuser = nobody", r":\d+: \[master\] user cannot change without a restart"),
    ("format = json", "format = text", r":\d+: \[log\] format cannot change without a restart"),
])
def test_bad_reload_is_refused_and_stays_visible(relay, origin, old, new, words):
    origin.route(".*", lambda r, send: send(ok()))
    before, config = relay.worker_pids(), relay.status()["config"]
    edit(relay, old, new)
    for _ in range(2):
        done = relay.regctl("reload")
        assert done.returncode == 78 and re.search(words, done.stderr), done.stderr
    assert relay.worker_pids() == before and relay.status()["config"] == config
    assert relay.status()["last_reload"]["result"] == "failed"
    assert relay.stat("regrelay_config_last_reload_successful") == 0
    assert relay.stat("regrelay_config_reloads_total", result="failed") == 2
    assert rawhttp.get(relay.port, "/v2/").status == 200
    edit(relay, new, old)
    assert relay.regctl("reload").returncode == 0
    assert relay.stat("regrelay_config_last_reload_successful") == 1
    assert relay.status()["last_reload"] == {**relay.status()["last_reload"], "result": "ok", "error": None}
    assert relay.stop() == 0


def test_all_that_needs_a_restart_is_told_at_once(relay):
    edit(relay, "format = json", "format = text")
    edit(relay, "[master]", "[master]\nuser = nobody\ncontrol_mode = 0600")
    where = [n for n, line in enumerate(relay.config.read_text().splitlines(), 1)
             if line in ("format = text", "user = nobody", "control_mode = 0600")]
    done = relay.regctl("reload", "--dry-run")
    assert done.returncode == 78 and done.stderr.count("cannot change without a restart") == 3, done
    assert all(f"{relay.config}:{n}: [" in done.stderr for n in where)


def test_after_a_bad_reload_all_signals_still_work(relay):
    edit(relay, "level = info", "level = shouting")
    relay.process.signal(signal.SIGHUP)
    wait_until(lambda: relay.status()["last_reload"]["result"] == "failed", 10, "the reload to fail")
    edit(relay, "level = shouting", "level = info")
    relay.process.signal(signal.SIGHUP)
    wait_until(lambda: relay.status()["last_reload"]["result"] == "ok", 10, "the next one to be good")
    assert relay.stop() == 0


def test_pulls_and_kept_connections_survive_reloads(relay, origin):
    size = 1 << 20
    go = hold_blob(origin, size)
    origin.answer("/v2/", ok())
    idle, since = rawhttp.Connection(relay.port), time.monotonic()
    assert idle.get("/v2/").status == 200
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: BLOB in origin.targets())
        # The connection that was kept takes one more request, and is told that it was the last.  It asks all the time: two seconds
        # of silence would end it.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reloading = pool.submit(relay.regctl, "reload")
            last = False
            while not last:
                began = time.monotonic()
                answer, silent = get_after_silence(idle, "/v2/", since)
                assert answer.status == 200 if answer else silent >= QUIET
                last, since = not answer or answer.header("Connection") == "close", began
            assert reloading.result().returncode == 0
        assert relay.regctl("reload").returncode == 0
        assert len(generations(relay)) > 1
        go.set()
        answer = c.answer()
    idle.close()
    assert answer.complete and len(answer.body) == size
    wait_until(lambda: generations(relay) == {3}, 20, "the old generations to end")


def test_no_request_fails_while_reloading(relay, origin):
    origin.answer("/v2/", ok())
    with Load(relay.port) as load:
        for _ in range(30):
            done = relay.regctl("reload")
            assert done.returncode == 0, done.stderr
            load.more(10)
    load.check()
    assert load.done >= 300


def test_reload_waits_for_room_and_is_refused_without_cutting_a_pull(start_relay, origin):
    relay = start_relay(proxy=origin.address,
                        settings={"master": {"max_generations": 2, "reload_timeout": "1min", "drain_timeout": "2min"}})
    size = 1 << 20
    go = hold_blob(origin, size)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        assert relay.regctl("reload").returncode == 0
        edit(relay, "reload_timeout = 1min", "reload_timeout = 1s")
        done = relay.regctl("reload")
        assert done.returncode == 1 and "max_generations" in done.stderr
        edit(relay, "reload_timeout = 1s", "reload_timeout = 1min")
        waiting = concurrent.futures.ThreadPoolExecutor(1).submit(relay.regctl, "reload")
        go.set()
        answer = c.answer()
    assert waiting.result().returncode == 0, waiting.result().stderr
    assert answer.complete and len(answer.body) == size


def test_never_ending_client_is_cut_at_the_old_generations_deadline(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"drain_timeout": "1s"}})
    hold_blob(origin, 1 << 20)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        assert relay.regctl("reload").returncode == 0
        wait_until(lambda: generations(relay) == {2}, 10, "the old generation to end")
        assert len(c.rest()) < 1 << 20 and c.eof == "reset"
    assert relay.stat("regrelay_aborted_transfers_total", side="relay") == 1


def test_listeners_follow_and_a_taken_port_is_refused(relay, origin):
    origin.answer("/v2/", ok())
    new = ports.free_port()
    edit(relay, f"address = 127.0.0.1:{relay.port}", f"address = 127.0.0.1:{relay.port}, 127.0.0.1:{new}")
    assert relay.regctl("reload").returncode == 0
    for port in (relay.port, new):
        assert rawhttp.get(port, "/v2/").status == 200
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        edit(relay, f", 127.0.0.1:{new}", f", 127.0.0.1:{number}")
        done = relay.regctl("reload")
    assert done.returncode == 1 and f"127.0.0.1:{number}" in done.stderr and "in use" in done.stderr
    assert rawhttp.get(new, "/v2/").status == 200
    edit(relay, f", 127.0.0.1:{number}", "")
    assert relay.regctl("reload").returncode == 0
    wait_until(lambda: not ports.accepts(new), 20, "the port that was given up to close")
    assert rawhttp.get(relay.port, "/v2/").status == 200


def test_the_admin_address_follows_and_can_come_back(relay, origin):
    """Nobody accepts on the old one any more, so it must be closed, though a pull of the old generation runs on."""
    go = hold_blob(origin, 1 << 20)
    old, new = relay.admin_port, ports.free_port()
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        edit(relay, f"address = 127.0.0.1:{old}", f"address = 127.0.0.1:{new}")
        assert relay.regctl("reload").returncode == 0
        relay.admin_port = new
        assert relay.admin("/readyz")[0] == 200
        wait_until(lambda: not ports.accepts(old), 10, "the old admin port to close")
        keeper = relay.status()["keeper_pid"]
        edit(relay, f"address = 127.0.0.1:{new}", f"address = 127.0.0.1:{old}")
        done = relay.regctl("reload")
        assert done.returncode == 0, done.stderr
        relay.admin_port = old
        assert relay.admin("/readyz")[0] == 200 and relay.status()["keeper_pid"] != keeper
        assert generations(relay) == {1, 3} or generations(relay) == {1, 2, 3}
        go.set()
        assert c.answer().complete


def test_a_port_that_is_our_own_is_told_as_such(relay):
    edit(relay, f"address = 127.0.0.1:{relay.port}", f"address = 0.0.0.0:{relay.port}")
    done = relay.regctl("reload")
    assert done.returncode == 1
    assert f"cannot listen on 0.0.0.0:{relay.port} beside this daemon's own 127.0.0.1:{relay.port}: " in done.stderr


@pytest.mark.parametrize("old,new", [("0.0.0.0", "*"), ("[::]", "*"), ("*", "[::]"), ("*", "0.0.0.0")])
def test_a_socket_of_other_families_is_not_taken_for_the_one_that_is_wanted(start_relay, origin, old, new):
    relay = start_relay(proxy=origin.address, host=old)
    edit(relay, f"address = {old}:{relay.port}", f"address = {new}:{relay.port}")
    done = relay.regctl("reload")
    assert done.returncode == 1
    assert f"cannot listen on {new}:{relay.port} beside this daemon's own {old}:{relay.port}: " in done.stderr


def test_counters_and_upstream_rows_stay_with_their_names(relay, origin):
    origin.answer("/v2/", ok())
    rawhttp.get(relay.port, "/v2/")
    edit(relay, "[proxy]", "[proxy zero]\naddress = 127.0.0.1:9\n[proxy]")
    edit(relay, "[registry]", "[registry]\nproxy = default")
    assert relay.regctl("reload").returncode == 0
    rawhttp.get(relay.port, "/v2/")
    assert relay.stat("regrelay_upstream_requests_total", upstream="default", code="200") == 2
    assert relay.stat("regrelay_http_requests_total", code="200") == 2


def test_reload_that_hangs_or_cannot_fork_leaves_the_old_one(start_relay, origin):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    relay = start_relay(proxy=origin.address, settings={"master": {"workers": 1}}, workers=1,
                        wrapper=["prlimit", "--nofile=60:60"])
    origin.answer("/v2/", ok())
    before = relay.worker_pids()
    edit(relay, "workers = 1", "workers = 64")     # more eventfds and channels than descriptors
    done = relay.regctl("reload")
    assert done.returncode == 1 and done.stderr, done
    assert relay.worker_pids() == before
    assert rawhttp.get(relay.port, "/v2/").status == 200


def test_reload_that_may_make_no_process_ends_in_time(start_as_nobody, origin):
    """As in a cgroup whose pids.max is reached."""
    relay = start_as_nobody(proxy=origin.address, settings={"master": {"reload_timeout": "30s"}})
    origin.answer("/v2/", ok())
    before = relay.worker_pids()
    edit(relay, "reload_timeout = 30s", "reload_timeout = 1s")
    run([*AS_NOBODY, "prlimit", "--pid", str(relay.process.pid), "--nproc=1:"], check=True)
    done = relay.regctl("reload")
    assert done.returncode == 1 and "keeper: cannot be started: Resource temporarily unavailable" in done.stderr, done
    assert relay.worker_pids() == before and relay.status()["last_reload"]["result"] == "failed"
    assert rawhttp.get(relay.port, "/v2/").status == 200
    run([*AS_NOBODY, "prlimit", "--pid", str(relay.process.pid), "--nproc=1000:"], check=True)
    edit(relay, "reload_timeout = 1s", "reload_timeout = 30s")
    assert relay.regctl("reload").returncode == 0


@strace
def test_reload_whose_workers_hang_ends_in_time(start_relay, origin, tmp_path):
    relay = start_relay(proxy=origin.address, settings={"master": {"reload_timeout": "30s"}})
    origin.answer("/v2/", ok())
    before = relay.worker_pids()
    edit(relay, "reload_timeout = 30s", "reload_timeout = 1s")
    tracer = subprocess.Popen([find("strace"), "-f", "-o", tmp_path / "trace", "-p", str(relay.process.pid), "-e", "trace=seccomp",
                               "-e", "inject=seccomp:delay_enter=3s"], stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        done = relay.regctl("reload")
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        tracer.stderr.close()
    assert done.returncode == 1 and "was not ready after 1000 ms" in done.stderr, done
    wait_until(lambda: relay.worker_pids() == before, 10, "the new ones to be gone")  # they are killed when it is answered
    assert rawhttp.get(relay.port, "/v2/").status == 200
    edit(relay, "reload_timeout = 1s", "reload_timeout = 30s")
    assert relay.regctl("reload").returncode == 0


@contextlib.contextmanager
def slow_keepers(relay, tmp_path, delay="3s"):
    """Keepers that are born meanwhile get ready late: they look where resolv.conf is."""
    tracer = subprocess.Popen([find("strace"), "-f", "-o", tmp_path / "trace", "-p", str(relay.process.pid), "-e", "trace=/^readlink",
                               "-P", "/etc/resolv.conf", "-e", f"inject=/^readlink:delay_enter={delay}"], stderr=subprocess.PIPE, text=True)
    try:
        for line in tracer.stderr:
            if "attached" in line:
                break
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        tracer.stderr.close()


@strace
def test_whom_a_generation_took_that_is_refused_is_served(start_relay, origin, tmp_path):
    """Its workers accept before its keeper is ready."""
    relay = start_relay(proxy=origin.address, settings={"master": {"reload_timeout": "30s"}})
    size = 1 << 20
    go = hold_blob(origin, size)
    before = relay.worker_pids()
    edit(relay, "reload_timeout = 30s", "reload_timeout = 4s")
    with slow_keepers(relay, tmp_path, "8s"):
        reload = subprocess.Popen([REGCTL, "-s", relay.control, "reload"], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: [w["state"] for w in relay.workers() if w["generation"] == 2] == ["serving"] * 2, 10, "new workers")
        for pid in before:                              # so that they do not take it
            os.kill(pid, signal.SIGSTOP)
        try:
            with rawhttp.Connection(relay.port) as c:
                c.request(BLOB)
                origin.wait(lambda: origin.requests)
                assert reload.wait(20) == 1 and "keeper: was not ready after 4000 ms" in reload.stderr.read()
                go.set()
                answer = c.answer()
        finally:
            for pid in before:
                os.kill(pid, signal.SIGCONT)
            reload.stderr.close()
    assert answer.complete and len(answer.body) == size
    wait_until(lambda: relay.worker_pids() == before, 10, "the new ones to be gone")
    assert relay.admin("/readyz")[0] == 200
    edit(relay, "reload_timeout = 4s", "reload_timeout = 30s")
    assert relay.regctl("reload").returncode == 0


@strace
def test_a_drain_ends_an_undrain_that_runs(start_relay, origin, tmp_path):
    relay = start_relay(proxy=origin.address)
    origin.answer("/v2/", ok())
    assert relay.regctl("drain", "--wait").returncode == 0
    with slow_keepers(relay, tmp_path):
        undrain = subprocess.Popen([REGCTL, "-s", relay.control, "undrain"], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: [w["state"] for w in relay.workers()] == ["serving"] * 2, 10, "new workers")
        assert relay.regctl("drain", "--wait").returncode == 0
        assert relay.status()["state"] == "drained" and relay.workers() == [] and not ports.accepts(relay.port)
        assert undrain.wait(10) == 1 and "the daemon drains" in undrain.stderr.read()
        undrain.stderr.close()
    assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
    assert relay.regctl("undrain").returncode == 0
    assert rawhttp.get(relay.port, "/v2/").status == 200 and relay.admin("/readyz")[0] == 200


@strace
def test_a_drain_waits_for_whom_an_undrain_took_that_was_refused(start_relay, origin, tmp_path):
    relay = start_relay(proxy=origin.address, settings={"master": {"reload_timeout": "30s"}})
    size = 1 << 20
    go = hold_blob(origin, size)
    assert relay.regctl("drain", "--wait").returncode == 0
    edit(relay, "reload_timeout = 30s", "reload_timeout = 4s")
    with slow_keepers(relay, tmp_path, "8s"):
        undrain = subprocess.Popen([REGCTL, "-s", relay.control, "undrain"], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: [w["state"] for w in relay.workers()] == ["serving"] * 2, 10, "new workers")
        with rawhttp.Connection(relay.port) as c:
            c.request(BLOB)
            origin.wait(lambda: origin.requests)
            assert undrain.wait(20) == 1 and "keeper: was not ready after 4000 ms" in undrain.stderr.read()
            undrain.stderr.close()
            assert relay.regctl("drain").returncode == 0
            assert relay.status()["state"] == "draining"
            go.set()
            answer = c.answer()
        assert relay.regctl("drain", "--wait").returncode == 0
    assert answer.complete and len(answer.body) == size
    assert relay.status()["state"] == "drained" and relay.workers() == []


@strace
def test_a_drain_ends_a_reload_that_runs(start_relay, origin, tmp_path):
    """For the service manager, too, which would wait for its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        relay = start_relay(proxy=origin.address, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})

        def told(word):
            while True:
                lines = manager.recv(4096).decode().split("\n")
                if word in lines:
                    return lines
        with slow_keepers(relay, tmp_path):
            reload = subprocess.Popen([REGCTL, "-s", relay.control, "reload"], stderr=subprocess.PIPE, text=True)
            told("RELOADING=1")
            assert relay.regctl("drain", "--wait").returncode == 0
            assert reload.wait(10) == 1 and "the daemon drains" in reload.stderr.read()
            reload.stderr.close()
        assert "STATUS=Draining: finishing running pulls" in told("READY=1")
        told("STATUS=Drained: accepting nothing until undrain or stop")
        assert relay.status()["state"] == "drained" and relay.status()["generation"] == 1


def test_a_drain_refuses_the_reloads_that_wait_for_another_one(start_relay, origin):
    relay = start_relay(proxy=origin.address,
                        settings={"master": {"max_generations": 2, "reload_timeout": "1min", "drain_timeout": "2min"}})
    go = hold_blob(origin, 1 << 20)
    with rawhttp.Connection(relay.port) as c, contextlib.ExitStack() as askers:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        assert relay.regctl("reload").returncode == 0

        def ask():
            return askers.enter_context(subprocess.Popen([REGCTL, "-s", relay.control, "reload"], stderr=subprocess.PIPE, text=True))
        asked = [ask()]
        relay.wait_log("reload waits: 2 generations are alive")
        asked += [ask() for _ in range(3)]
        wait_until(lambda: sum("to reload" in line["message"] for line in relay.lines()) == 5, 10, "all to have asked")
        assert relay.regctl("drain").returncode == 0
        for one in asked:
            assert "the daemon drains" in one.communicate(timeout=10)[1] and one.returncode == 1
        assert relay.status()["state"] == "draining"
        go.set()
        assert c.answer().complete
    assert relay.regctl("drain", "--wait").returncode == 0
    assert relay.regctl("undrain").returncode == 0


# --- drain and undrain --------------------------------------------------------------------------------------------------

def test_drain_wait_undrain_and_stop(relay, origin):
    size = 1 << 20
    go = hold_blob(origin, size)
    origin.answer("/v2/", ok())
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        waiting = concurrent.futures.ThreadPoolExecutor(1).submit(relay.regctl, "drain", "--wait")
        wait_until(lambda: relay.status()["state"] == "draining", 10, "draining")
        wait_until(lambda: not ports.accepts(relay.port), 10, "the port to close")
        assert relay.admin("/readyz")[0] == 503 and relay.admin("/livez")[0] == 200
        assert relay.regctl("reload").returncode == 1
        assert relay.regctl("undrain").returncode == 1
        assert not waiting.done()
        go.set()
        assert c.answer().complete
    assert waiting.result().returncode == 0
    assert relay.status()["state"] == "drained" and relay.workers() == []
    assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
    assert relay.regctl("drain", "--wait").returncode == 0
    done = relay.regctl("undrain")
    assert done.returncode == 0, done.stderr
    assert relay.status()["state"] == "serving" and rawhttp.get(relay.port, "/v2/").status == 200
    assert relay.admin("/readyz")[0] == 200
    assert relay.regctl("undrain").returncode == 1
    assert relay.regctl("drain", "--wait").returncode == 0
    assert relay.stop() == 0


def test_undrain_reads_the_file_as_a_reload_does(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"log": {"level": "notice"}})
    origin.answer("/v2/", ok())
    good = relay.config.read_text()
    relay.config.write_text(good + "[nonsense]\n")
    assert relay.regctl("reload").returncode == 78
    assert relay.regctl("drain", "--wait").returncode == 0
    done = relay.regctl("reload")
    assert done.returncode == 1 and "the daemon is drained: no reload, but undrain reads the file" in done.stderr, done
    done = relay.regctl("undrain")
    assert done.returncode == 78 and "[nonsense]" in done.stderr, done
    relay.wait_log("undrain refused, staying drained")
    relay.config.write_text(good.replace("[master]", "[master]\ncontrol_mode = 0600"))
    done = relay.regctl("undrain")
    assert done.returncode == 78 and "[master] control_mode cannot change without a restart" in done.stderr, done
    assert relay.status()["state"] == "drained"
    assert relay.status()["last_reload"]["result"] == "failed" and relay.stat("regrelay_config_last_reload_successful") == 0
    relay.config.write_text(good.replace("level = notice", "level = debug"))
    done = relay.regctl("undrain")
    assert done.returncode == 0 and "changed [log] level" in done.stdout, done
    assert relay.regctl("log-level").stdout.strip() == "debug"
    assert relay.status()["last_reload"] == {**relay.status()["last_reload"], "result": "ok", "error": None}
    assert relay.stat("regrelay_config_last_reload_successful") == 1
    assert rawhttp.get(relay.port, "/v2/").status == 200


def kill_keeper(relay):
    keeper = relay.status()["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: relay.status()["keeper_pid"] not in (0, None, keeper), 10, "a new keeper")


def test_a_keeper_that_dies_in_a_drain_is_replaced_by_one_that_answers(relay, origin):
    """Whoever probes must not take a daemon that drains for a dead one."""
    go = hold_blob(origin, 1 << 20)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        origin.wait(lambda: origin.requests)
        assert relay.regctl("drain").returncode == 0
        kill_keeper(relay)
        wait_until(lambda: answers(relay, "/livez"), 10, "an answer of the new keeper")
        assert relay.status()["state"] == "draining"
        assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
        go.set()
        assert c.answer().complete
    wait_until(lambda: relay.status()["state"] == "drained", 10, "the end of the drain")
    kill_keeper(relay)
    wait_until(lambda: answers(relay, "/livez"), 10, "an answer of the new keeper")
    assert relay.admin("/livez")[0] == 200 and relay.admin("/readyz")[0] == 503
    assert relay.regctl("undrain").returncode == 0
    wait_until(lambda: relay.admin("/readyz")[0] == 200, 10, "ready again")


def test_drain_delay_goes_on_accepting(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"master": {"drain_delay": "4s"}})
    origin.answer("/v2/", ok())
    assert relay.regctl("drain").returncode == 0
    wait_until(lambda: relay.admin("/readyz")[0] == 503, 2, "not ready at once")
    assert rawhttp.get(relay.port, "/v2/").status == 200
    wait_until(lambda: relay.status()["state"] == "drained", 10, "drained")
    assert not ports.accepts(relay.port)


STEPS = {"drain": lambda r: r.regctl("drain"), "reload": lambda r: r.regctl("reload"),
         "undrain": lambda r: r.regctl("undrain")}


@pytest.mark.parametrize("steps", list(itertools.permutations(STEPS)), ids="-".join)
def test_any_order_ends_in_a_stop(relay, steps):
    """Each step is done or refused with a reason; TERM stops in the end, whatever came before."""
    for step in steps:
        done = STEPS[step](relay)
        assert done.returncode in (0, 1) and (done.returncode == 0 or done.stderr)
    assert relay.stop() == 0


def test_inherited_listener_keeps_its_queue_over_drain_and_undrain(tmp_path, start_relay, origin):
    relay = start_relay(proxy=origin.address, start=False)
    origin.answer("/v2/", ok())
    with socket.create_server(("127.0.0.1", relay.port), backlog=16) as listener:
        script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"' % listener.fileno()
        os.set_inheritable(listener.fileno(), True)
        child = subprocess.Popen(["bash", "-c", script, "bash", str(REGRELAYD), "-c", str(relay.config)],
                                 pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        try:
            relay.wait_serving()
            assert relay.regctl("drain", "--wait").returncode == 0
            with rawhttp.Connection(relay.port, timeout=30) as c:   # waits in the queue that systemd would hold
                c.request("/v2/")
                assert relay.regctl("undrain").returncode == 0
                assert c.answer().status == 200
        finally:
            child.terminate()
            assert child.wait(20) == 0
    relay.process = None
    relay.start()


# --- the rest of regctl -------------------------------------------------------------------------------------------------

def test_config_shows_what_is_in_effect(relay):
    edit(relay, "level = info", "level = debug")
    text = relay.regctl("config").stdout
    assert "level = info" in text and f"# {relay.config}:" in text
    assert relay.regctl("reload").returncode == 0
    assert "level = debug" in relay.regctl("config").stdout


def test_log_level(relay):
    assert relay.regctl("log-level").stdout == "info\n"
    assert relay.regctl("log-level", "debug").stdout == "debug\n"
    assert relay.regctl("log-level").stdout == "debug\n"
    rawhttp.get(relay.port, "/nothing")
    relay.wait_log('"level":"debug"')
    done = relay.regctl("log-level", "shouting")
    assert done.returncode == 2 and "debug" in done.stderr
    assert relay.regctl("log-level", "info2").returncode == 2 and relay.regctl("log-level").stdout == "debug\n"


def test_curl_gets_every_resource(relay):
    def curl(*args):
        return run(["curl", "-sS", "--unix-socket", relay.control, "-w", "\n%{http_code}", *args]).stdout.rsplit("\n", 1)
    for path in ("status", "stats", "workers", "config", "version"):
        body, code = curl(f"http://localhost/v1/{path}")
        assert code == "200" and body.startswith("{")
    assert curl("-XPOST", "http://localhost/v1/reload")[1] == "200"
    assert curl("-XPOST", "-d", '{"level":"notice"}', "http://localhost/v1/log-level")[1] == "200"
    assert curl("-XPOST", "-d", '{"nonsense":1}', "http://localhost/v1/reload")[1] == "400"
    assert curl("http://localhost/v1/reload")[1] == "405"
