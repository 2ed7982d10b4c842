"""The doctor's clients: what they say, how they are answered, what they cannot do; and where their secrets are not."""
import base64
import json
import os
import re
import signal
import socket
import threading

import pytest
from tools import census
from tools.landscape import Landscape
from tools.origin import ok
from tools.process import Process, run, wait_until
from tools.relay import REGCTL, is_sanitized
from tools.sockets import readable

PASSWORD = "canary-" + "password" * 3
HEAD = "POST /v1/doctor HTTP/1.1\r\nHost: x\r\n"


def body(host="localhost:1", image="team/app:t1", password=PASSWORD, user="puller"):
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"image": f"{host}/{image}", "auth": {"auths": {host: {"auth": auth}}}})


def dial(relay):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(relay.control))
    return s


def request(text, *fields):
    return "".join([HEAD, *(f"{f}\r\n" for f in fields), f"Content-Length: {len(text)}\r\n\r\n", text]).encode()


def rest(s):
    data = b""
    while piece := s.recv(65536):
        data += piece
    return data.decode()


def status_of(answer):
    return int(answer.split(" ")[1])


def ask(relay, data):
    with dial(relay) as s:
        s.sendall(data)
        return rest(s)


def hold(origin):
    """/v2/ is not answered until the event is set."""
    held = threading.Event()

    def handler(request, send):
        held.wait(20)
        send(ok())
    origin.route("/v2/", handler)
    return held


# --- what they say ------------------------------------------------------------------------------------------------

def test_curl_is_a_client(relay, origin):
    origin.answer("/v2/", ok())
    done = run(["curl", "-sS", "-i", "--unix-socket", relay.control, "-X", "POST", "http://localhost/v1/doctor?x=y"])
    assert status_of(done.stdout) == 200 and json.loads(done.stdout.partition("\n\n")[2] or done.stdout.split("\r\n\r\n")[1])["exit"] == 0
    relay.wait_log('"uid":0.*run the doctor')
    origin.route("/v2/", lambda q, send: send(ok(b"{}", status="403 x")))
    done = run(["curl", "-sS", "--unix-socket", relay.control, "-d", body(), "-H", "Expect: 100-continue", "http://localhost/v1/doctor"])
    assert json.loads(done.stdout)["registries"][0]["broken"] == "registry"


def test_lines_come_as_hops_are_walked(relay, origin):
    held = hold(origin)
    with dial(relay) as s:
        s.sendall(request(body(), "Accept: application/x-ndjson"))
        data = b""
        while b'"secret"' not in data:
            data += s.recv(65536)
        assert b"application/x-ndjson" in data and b'"registry","state"' not in data
        held.set()
        lines = (data.decode() + rest(s)).split("\r\n\r\n")[1].splitlines()
    *steps, result = map(json.loads, lines)
    assert [one["step"] for one in steps][:2] == ["image", "secret"] and result["exit"] == 1
    assert result["registries"][0]["steps"] == steps


def test_leave_is_given_before_the_body(relay, origin):
    origin.answer("/v2/", ok())
    text = '{"image": null}'
    with dial(relay) as s:
        s.sendall(f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(text)}\r\n\r\n".encode())
        assert s.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(text.encode())
        assert status_of(rest(s)) == 200


def test_a_client_of_http_1_0_gets_no_leave(relay, origin):
    """It would take it for the answer (RFC 9110 10.1.1)."""
    origin.answer("/v2/", ok())
    relay.regctl("log-level", "debug")
    text = '{"image": null}'
    head = HEAD.replace("1.1", "1.0") + f"Expect: 100-continue\r\nContent-Length: {len(text)}\r\n\r\n"
    with dial(relay) as s:
        s.sendall(head.encode())
        relay.wait_log("client of the doctor HEAD -> BODY")
        s.sendall(text.encode())
        assert status_of(rest(s)) == 200


def test_a_request_may_come_byte_by_byte(relay, origin):
    origin.answer("/v2/", ok())
    data = b"\r\n" + request('{"image":null}')
    with dial(relay) as s:
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
        assert status_of(rest(s)) == 200


@pytest.mark.parametrize("data, status, words", [
    (request("{"), 400, "the body must be"), (request("[]"), 400, "the body must be"), (request('{"imege":"x"}'), 400, "the body must be"),
    (request('{"image":7}'), 400, "image must be"), (request('{"image":""}'), 400, "image must be"),
    (request(json.dumps({"image": "x" * 2000})), 400, "image must be"),
    (request('{"auth":{}}'), 400, "auth must be"), (request('{"auth":"canary"}'), 400, "auth must be"),
    (HEAD.encode() + b"Content-Length: 65537\r\n\r\n", 413, "larger than 64 KiB"),
    (HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "Content-Length"),
    (HEAD.encode() + b"Expect: cake\r\n\r\n", 417, "expectation"),
    (HEAD.replace("doctor", "doctors").encode() + b"\r\n", 404, "no such path"),
    (HEAD.encode() + b"X: " + b"x" * 9000 + b"\r\n\r\n", 431, ""),
    (b"POST /v1/doctor HTTP/3.0\r\n\r\n", 505, ""),
    (b"GET /v1/doctor HTTP/1.1\r\nHost: x\r\n\r\n", 405, "another method"),
])
def test_requests_that_are_refused(relay, origin, data, status, words):
    answer = ask(relay, data)
    assert status_of(answer) == status and words in json.loads(answer.split("\r\n\r\n")[1])["error"]
    assert "canary" not in answer and origin.connections == 0


# --- what they cannot do ------------------------------------------------------------------------------------------

def test_two_walks_at_once_and_a_third_is_refused(relay, origin):
    held = hold(origin)
    with dial(relay) as first, dial(relay) as second:
        for s in (first, second):
            s.sendall(request(""))
        origin.wait(lambda: len(origin.requests) == 2)
        answer = ask(relay, request(""))
        assert status_of(answer) == 409 and "other walks" in answer
        done = relay.regctl("doctor")
        assert done.returncode == 1 and "other walks are under way" in done.stderr
        held.set()
        assert status_of(rest(first)) == status_of(rest(second)) == 200
    assert relay.regctl("doctor").returncode == 0


def test_who_hangs_up_ends_the_walk(relay, origin):
    held = hold(origin)
    with dial(relay) as first, dial(relay) as second:
        for s in (first, second):
            s.sendall(request(body()))
        origin.wait(lambda: len(origin.requests) == 2)

    def again():
        with dial(relay) as s:
            s.sendall(request(""))
            wait_until(lambda: len(origin.requests) > 2 or readable([s], 0), 10, "a walk, or a refusal")
            return len(origin.requests) > 2
    wait_until(again, 10, "room for a walk, though none of the first two was answered")
    held.set()


def test_stuck_clients_keep_nobody_from_an_answer(relay, origin):
    origin.answer("/v2/", ok())
    keeper = relay.status()["keeper_pid"]
    fds = census.descriptors(keeper)
    say = [b"POST /v1/doctor", HEAD.encode(), HEAD.encode() + b"Content-Length: 100\r\n\r\n{", request("")]
    stuck = []
    for n in range(40):
        s = dial(relay)
        s.sendall(say[n % len(say)])
        if n % len(say) == 3:
            assert s.recv(1, socket.MSG_PEEK), "it is answered, and does not read"
        stuck.append(s)
        if n % 8 == 0:
            assert relay.regctl("doctor", "-t", "10s").returncode == 0
            assert relay.regctl("status").returncode == 0
    assert census.descriptors(keeper) <= fds + 8 + 2
    wait_until(lambda: census.descriptors(keeper) == fds, 15, "stuck clients to be dropped")
    for s in stuck:
        s.close()


def test_it_works_when_drained_and_after_a_reload(relay, origin):
    origin.answer("/v2/", ok())
    assert relay.regctl("reload").returncode == 0
    assert relay.regctl("doctor").returncode == 0
    assert relay.regctl("drain", "--wait").returncode == 0
    assert relay.regctl("doctor").returncode == 0
    assert relay.regctl("undrain").returncode == 0
    assert relay.regctl("doctor").returncode == 0


def test_a_walk_under_way_ends_with_the_daemon(relay, origin):
    held = hold(origin)
    with dial(relay) as s:
        s.sendall(request(body()))
        origin.wait(lambda: len(origin.requests) == 1)
        assert relay.stop() == 0
        assert rest(s) == ""
    held.set()
    done = relay.regctl("doctor")
    assert done.returncode == 7 and "no daemon" in done.stderr


def test_a_keeper_that_dies_takes_its_clients_along_and_another_comes(relay, origin, tmp_path):
    held = hold(origin)
    with dial(relay) as s, Process([REGCTL, "-s", relay.control, "doctor"], log=tmp_path / "regctl.log") as regctl:
        s.sendall(request(body()))
        origin.wait(lambda: len(origin.requests) == 2)
        regctl.wait_line("name")  # the hops behind it are not told yet
        os.kill(relay.status()["keeper_pid"], signal.SIGKILL)
        assert rest(s) == ""
        assert regctl.wait() == 1 and "the walk broke off" in regctl.text()
    held.set()
    wait_until(lambda: relay.regctl("doctor").returncode == 0, 10, "another keeper")


# --- where secrets are not ----------------------------------------------------------------------------------------

def memory(pid, shared=False):
    """All that a process may write to: its own, or what it shares with the others."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            first, last, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if rights.startswith("rw") and rights[3] == ("s" if shared else "p"):
                try:
                    mem.seek(int(first, 16))
                    found.append(mem.read(int(last, 16) - int(first, 16)))
                except OSError:
                    continue
    return b"".join(found)


@pytest.mark.skipif(is_sanitized(), reason="sanitizers have terabytes of shadow memory")
def test_secrets_are_in_the_keeper_alone_and_only_while_it_walks(tmp_path, stack, start_relay):
    land = Landscape(tmp_path / "land", stack, realm="https://auth.corp:8443/token", to="https://minio.corp:9000",
                     layers=(30_000,))
    relay = start_relay(proxy=land.standin.address, registries={"default": land.section()}, settings={"log": {"level": "debug"}})
    host = f"localhost:{relay.port}"
    text = body(host, password=land.auth.password, user=land.auth.user)
    coded = json.loads(text)["auth"]["auths"][host]["auth"]
    relay.secrets += [land.auth.password, coded]
    land.begin()
    assert json.loads(ask(relay, request(text)).split("\r\n\r\n")[1])["result"] == "ok"
    land.standin.fault("stall", at=-1, seconds=60, path="/token")
    secrets = [land.auth.password.encode(), coded.encode(), *(t.encode() for t in land.tokens())]
    assert len(secrets) == 3
    status = relay.status()
    pids = {"the master": status["pid"], "the keeper": status["keeper_pid"],
            **{f"worker {pid}": pid for pid in relay.worker_pids()}}

    def holding(these):
        there = {"all": memory(status["pid"], shared=True), **{name: memory(pid) for name, pid in pids.items()}}
        return {name for name, held in there.items() if any(one in held for one in these)}
    with dial(relay) as s:
        before = len(land.heard(land.standin))
        s.sendall(request(text))
        wait_until(lambda: len(land.heard(land.standin)) == before + 2, 10, "the walk to come to the token server")
        where = holding(secrets[:2])
        assert where == {"the keeper"}, "this test can see secrets, and they are nowhere else"
    land.standin.heal()
    wait_until(lambda: not holding(secrets), 10, "the secrets to be cleared")
    shown = json.dumps([relay.status(), relay.stats(), relay.regctl("config").stdout, relay.admin("/metrics")])
    assert not [secret for secret in secrets if secret.decode() in shown]
