"""The admin endpoint: probes and metrics."""
import os
import re
import signal

from tools import ports, rawhttp
from tools.origin import ok
from tools.process import wait_until

SERIES = re.compile(r'^([a-z_]+(?:\{[^}]*\})?) (\S+)$')


def test_probes(relay):
    assert relay.admin("/livez")[0] == 200
    assert relay.admin("/readyz")[0] == 200
    assert relay.admin("/nothing")[0] == 404
    with rawhttp.Connection(relay.admin_port) as c:
        assert c.get("/metrics", method="POST").status == 405


def test_readiness_never_depends_on_the_tunnel(start_relay):
    relay = start_relay(proxy=f"127.0.0.1:{ports.free_port()}")
    assert rawhttp.get(relay.port, "/v2/").status == 503
    assert relay.admin("/readyz")[0] == 200
    assert relay.admin("/readyz?upstream=1")[0] == 503


def test_metrics_are_well_formed_and_agree_with_regctl(relay, origin):
    origin.answer("/v2/", ok())
    for _ in range(3):
        rawhttp.get(relay.port, "/v2/")
    status, text = relay.admin("/metrics")
    assert status == 200
    series, families = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in families, f"TYPE of {name} twice"
            families.add(name)
        elif line and not line.startswith("#"):
            match = SERIES.match(line)
            assert match, line
            assert match[1] not in series, f"{match[1]} twice"
            series[match[1]] = float(match[2])
    assert {s.split("{")[0] for s in series} <= families
    assert series['regrelay_http_requests_total{route="ping",method="GET",code="200"}'] == 3
    assert set(relay.stats()) == set(series)
    assert all(s.startswith(("regrelay_", "process_")) for s in series)


def test_counters_survive_a_worker(relay, origin):
    origin.answer("/v2/", ok())
    for _ in range(20):
        rawhttp.get(relay.port, "/v2/")
    before = relay.stat("regrelay_http_requests_total", code="200")
    pids = relay.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(relay.worker_pids()) == 2 and not set(pids) & set(relay.worker_pids()), 20, "new workers")
    assert before == 20
    assert relay.stat("regrelay_http_requests_total", code="200") == before
    assert relay.stat("regrelay_client_connections") == 0


def test_slow_scrapers_do_not_disturb(relay, origin):
    origin.answer("/v2/", ok())
    held = []
    for _ in range(100):
        c = rawhttp.Connection(relay.admin_port)
        c.send(b"GET /metr")
        held.append(c)
    assert relay.admin("/livez")[0] == 200
    assert rawhttp.get(relay.port, "/v2/").status == 200
    for c in held:
        c.close()


def test_nothing_private_shows(relay, origin):
    origin.route(".*", lambda r, send: send(ok()))
    rawhttp.get(relay.port, "/v2/secret-team/app/manifests/t1", headers=[("Authorization", "Bearer canary-4711")])
    text = relay.admin("/metrics")[1] + relay.regctl("stats").stdout + relay.regctl("--json", "status").stdout
    assert "secret-team" not in text and "canary-4711" not in text
    relay.secrets.append("canary-4711")


def test_promtool_like_lint(relay):
    """Counters end in _total (or are process_*), and every family has help."""
    text = relay.admin("/metrics")[1]
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        assert f"# HELP {name} " in text
        assert (kind == "counter") == name.endswith("_total"), name
