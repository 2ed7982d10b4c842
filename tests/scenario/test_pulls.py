"""What one sees of pulls under way: the table, its renewal, the progress of a drain; regctl config check."""
import base64
import json
import re
import signal
import subprocess
import threading

from tools import census, rawhttp
from tools.origin import ok
from tools.process import run, wait_until
from tools.relay import REGCTL

DIGEST = "sha256:" + "a" * 64
BLOB = "/v2/team/app/blobs/" + DIGEST
BASIC = "Basic " + base64.b64encode(b"alice:canary-secret").decode()


def hold_blob(origin, size, path=BLOB):
    """A blob of which half is sent until the returned event is set."""
    go = threading.Event()

    def handler(request, send):
        send(ok(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % size))
        send(b"x" * (size // 2))
        go.wait(60)
        send(b"x" * (size - size // 2))
    origin.route(re.escape(path), handler)
    return go


def pulls(relay):
    status, answer = relay.api("GET", "/v1/pulls")
    assert status == 200
    return answer["pulls"]


def test_pull_is_shown_while_it_runs_and_not_after(relay, origin):
    relay.secrets.append("canary-secret")
    go = hold_blob(origin, 100000)
    with rawhttp.Connection(relay.port, timeout=60) as c:
        c.request(BLOB, headers=[("Authorization", BASIC), ("X-Request-Id", "r-17")])
        row = wait_until(lambda: next((p for p in pulls(relay) if p["bytes"] == 50000 and p["waits_for"] == "bytes of the body"), None),
                         20, "half of the pull")
        assert row == {**row, "client": "127.0.0.1", "user": "alice", "registry": "default", "repository": "team/app",
                       "reference": DIGEST, "route": "blob", "total": 100000, "request_id": "r-17",
                       "waits_for": "bytes of the body"}
        assert row["pid"] in relay.worker_pids() and row["age_s"] >= 0
        assert relay.stat("regrelay_http_requests_in_flight", route="blob") == 1
        page = relay.regctl("pulls").stdout
        assert re.search(r"127\.0\.0\.1  alice  team/app    sha256:aaaaaaaaaaaa  \[#####\.\.\.\.\.\] 50 kB of 100 kB ", page), page
        go.set()
        assert len(c.answer().body) == 100000
        wait_until(lambda: not pulls(relay), 20, "the end of the pull")
    relay.wait_stat("regrelay_http_response_size_bytes_sum", 100000, route="blob")  # counted last
    assert relay.regctl("pulls").stdout == "no pull is running\n"
    assert relay.stat("regrelay_http_requests_in_flight", route="blob") == 0
    assert relay.stat("regrelay_http_request_duration_seconds_count", route="blob") == 1
    assert relay.stat("regrelay_http_response_size_bytes_sum", route="blob") == 100000


def test_odd_credentials_show_no_user(relay, origin):
    go = hold_blob(origin, 1000)
    for value in ("Bearer abc", "Basic", "Basic !!!!", "Basic " + base64.b64encode(b"no colon").decode(),
                  "Basic " + base64.b64encode(b"\x1b[2J\n:x").decode(), "Basic " + base64.b64encode(b"u" * 200 + b":x").decode()):
        with rawhttp.Connection(relay.port) as c:
            c.request(BLOB, headers=[("Authorization", value)])
            wait_until(lambda: pulls(relay), 20, "the pull")
            user = pulls(relay)[0]["user"]
            assert user in ("", "?[2J?", "u" * 47)
            assert "\x1b" not in relay.regctl("pulls").stdout
        wait_until(lambda: not pulls(relay), 20, "the client's leaving")
    go.set()


def test_rows_of_a_killed_worker_go_with_it(relay, origin):
    go = hold_blob(origin, 1000)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        wait_until(lambda: pulls(relay), 20, "the pull")
        run(["kill", "-9", str(pulls(relay)[0]["pid"])], check=True)
        wait_until(lambda: not pulls(relay) and len(relay.workers()) == 2, 20, "the end of the worker")
        assert relay.stat("regrelay_http_requests_in_flight", route="blob") == 0
    go.set()


def test_more_pulls_than_rows_are_counted(start_relay, origin):
    relay = start_relay(proxy=origin.address, workers=1, settings={"proxy": {"max_connections": 1}})
    go = hold_blob(origin, 1000)
    clients = []
    try:
        for _ in range(1100):
            clients.append(rawhttp.Connection(relay.port))
            clients[-1].request(BLOB)
        wait_until(lambda: relay.api("GET", "/v1/pulls")[1]["unlisted"] == 76, 20, "all of them")
        assert len(pulls(relay)) == 1024
        assert "and 76 more\n" in relay.regctl("pulls").stdout
        wait_until(lambda: {p["waits_for"] for p in pulls(relay)} == {"bytes of the body", "a free connection to the proxy"}, 20,
                   "one to be under way, and the others to wait")
    finally:
        for c in clients:
            c.close()
    wait_until(lambda: relay.api("GET", "/v1/pulls")[1] == {"pulls": [], "unlisted": 0}, 60, "their leaving")  # one by one
    go.set()


def test_watch_prints_page_after_page_until_the_daemon_is_gone(relay, origin):
    go = hold_blob(origin, 1000)
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        wait_until(lambda: pulls(relay), 20, "the pull")
        watch = subprocess.Popen([REGCTL, "-s", relay.control, "pulls", "--watch"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env={"TERM": "xterm"})
        lines = [watch.stdout.readline() for _ in range(5)]
        assert lines[0].split() == lines[3].split() and lines[2] == "\n" and "team/app" in lines[1]
        assert "\x1b" not in "".join(lines)
        go.set()
        c.answer()
    relay.stop()
    assert watch.wait(20) == 7
    assert "no daemon listens" in watch.stderr.read()
    watch.stdout.close()
    watch.stderr.close()
    relay.start()


def test_watch_whose_question_is_not_answered_sees_that_the_daemon_is_gone(relay):
    watch = subprocess.Popen([REGCTL, "-s", relay.control, "pulls", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watch.stdout.readline() == "no pull is running\n"
    relay.process.signal(signal.SIGSTOP)
    wait_until(lambda: census.unix_clients(relay.control) > 0, 20, "the next question")
    relay.process.signal(signal.SIGKILL)
    relay.process.wait()
    assert watch.wait(20) == 7 and "no daemon listens" in watch.stderr.read()
    watch.stdout.close()
    watch.stderr.close()
    wait_until(lambda: not relay.process.leftovers(), 20, "the end of the workers")
    relay.start()


def test_stats_watch_has_rates(relay, origin):
    origin.answer("/v2/", ok())
    watch = subprocess.Popen([REGCTL, "-s", relay.control, "stats", "--watch"], stdout=subprocess.PIPE, text=True)
    try:
        while not watch.stdout.readline().startswith("process_start_time"):
            pass
        assert rawhttp.get(relay.port, "/v2/").status == 200
        for line in watch.stdout:
            if re.match(r'regrelay_http_requests_total\{route="ping",method="GET",code="200"\} +1 ', line):
                break
        assert re.search(r"  1 +[01]\.\d$", line.rstrip()), line
    finally:
        watch.terminate()
        watch.wait(10)
        watch.stdout.close()


def test_drain_tells_how_far_it_is(relay, origin):
    go = hold_blob(origin, 200000)
    with rawhttp.Connection(relay.port, timeout=60) as c:
        c.request(BLOB)
        wait_until(lambda: pulls(relay) and pulls(relay)[0]["bytes"] == 100000, 20, "half of the pull")
        drain = subprocess.Popen([REGCTL, "-s", relay.control, "drain", "--wait"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        assert re.fullmatch(r"1 pull, 100 kB left, oldest \d+m?s\n", drain.stderr.readline())
        curl = subprocess.Popen(["curl", "-sN", "--unix-socket", relay.control, "-X", "POST", "-d", '{"wait":true}', "-H",
                                 "Accept: application/x-ndjson", "http://localhost/v1/drain"], stdout=subprocess.PIPE, text=True)
        first = json.loads(curl.stdout.readline())["progress"]
        assert first == {**first, "state": "draining", "pulls": 1, "bytes_left": 100000}
        go.set()
        assert c.answer().complete
    assert drain.wait(20) == 0 and drain.stdout.read() == "drained\n"
    assert json.loads(curl.stdout.read().splitlines()[-1])["exit"] == 0
    assert curl.wait(10) == 0
    for stream in (drain.stdout, drain.stderr, curl.stdout):
        stream.close()
    assert relay.regctl("undrain").returncode == 0


def test_drain_that_is_given_up_ends_with_75_and_goes_on(relay, origin):
    go = hold_blob(origin, 1000)
    with rawhttp.Connection(relay.port, timeout=60) as c:
        c.request(BLOB)
        wait_until(lambda: pulls(relay), 20, "the pull")
        assert relay.regctl("drain", "--wait", "--timeout", "3s").returncode == 75
        assert relay.status()["state"] == "draining"
        go.set()
        assert c.answer().complete
    wait_until(lambda: relay.status()["state"] == "drained", 20, "the end of the drain")
    assert relay.regctl("undrain").returncode == 0


def test_config_check_needs_no_daemon(relay, tmp_path):
    bad = tmp_path / "bad.ini"
    bad.write_text(relay.config.read_text() + "nonsense = 1\n")
    for control in (relay.control, tmp_path / "nobody.sock"):
        good = run([REGCTL, "-s", control, "config", "check", relay.config])
        assert good.returncode == 0 and "good" in good.stdout
        done = run([REGCTL, "-s", control, "config", "check", bad])
        assert done.returncode == 78 and re.search(r"bad\.ini:\d+: \[registry\] has no key 'nonsense'", done.stderr), done.stderr
    assert run([REGCTL, "config", "check", tmp_path / "none.ini"]).returncode == 78


def test_status_says_that_a_pod_is_one_of_many(relay):
    argv = [REGCTL, "-s", relay.control, "status"]
    assert "this replica only" in run(argv, env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).stdout
    assert "this replica only" not in run(argv).stdout
