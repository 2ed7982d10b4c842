"""The admin endpoint: probes and metrics."""
import http.client
import os
import signal
import threading

from tools import metrics, ports, rawhttp
from tools.origin import ok
from tools.process import wait_until


def test_probes(relay):
    assert relay.admin("/livez")[0] == 200
    assert relay.admin("/readyz")[0] == 200
    assert relay.admin("/nothing")[0] == 404
    with rawhttp.Connection(relay.admin_port) as c:
        assert c.get("/metrics", method="POST").status == 405


def test_probes_and_scrapes_are_answered_while_reloads_go_on(relay):
    """A keeper that is replaced answers whom it has accepted, and as what serves then is."""
    over, wrong = threading.Event(), []

    def ask(path):
        while not over.is_set():
            try:
                status = relay.admin(path, timeout=15)[0]
            except (OSError, http.client.HTTPException) as e:
                status = e
            if status != 200:
                wrong.append((path, status))
    askers = [threading.Thread(target=ask, args=(path,)) for path in ("/readyz", "/readyz", "/metrics", "/livez")]
    for one in askers:
        one.start()
    for _ in range(30):
        assert relay.regctl("reload").returncode == 0
    over.set()
    for one in askers:
        one.join()
    assert not wrong


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
    families = metrics.parse(text)
    series = {name + "{" + ",".join(f'{k}="{v}"' for k, v in labels) + "}": value for f in families.values()
              for (name, labels), value in f.samples.items()}
    assert series['regrelay_http_requests_total{code="200",method="GET",route="ping"}'] == 3
    assert len(relay.stats()) == len(series)
    assert all(s.startswith(("regrelay_", "process_")) for s in series)
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
            "process_start_time_seconds"} <= set(families)


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


def test_times_and_sizes_are_counted(relay, origin):
    origin.serve_blob("/v2/team/app/blobs/sha256:" + "a" * 64, b"x" * 3000)
    origin.answer("/v2/", ok())
    rawhttp.get(relay.port, "/v2/")
    rawhttp.get(relay.port, "/v2/team/app/blobs/sha256:" + "a" * 64)
    for route in ("ping", "blob"):  # the last that a worker counts, behind the last byte
        relay.wait_stat("regrelay_http_response_size_bytes_count", 1, route=route)
    families = metrics.parse(relay.admin("/metrics")[1])

    def value(name, **labels):
        return next(f.samples[(name, tuple(sorted(labels.items())))] for f in families.values()
                    if (name, tuple(sorted(labels.items()))) in f.samples)
    assert value("regrelay_http_response_size_bytes_sum", route="blob") == 3000
    assert value("regrelay_http_response_size_bytes_bucket", route="blob", le="1024") == 0
    assert value("regrelay_http_response_size_bytes_bucket", route="blob", le="5120") == 1
    for family in ("request_duration", "time_to_first_byte"):
        assert value(f"regrelay_http_{family}_seconds_count", route="ping") == 1
        assert value(f"regrelay_http_{family}_seconds_bucket", route="blob", le="30") == 1
    assert value("regrelay_upstream_connect_duration_seconds_count", upstream="default") \
        == value("regrelay_upstream_connects_total", upstream="default") >= 1


def test_nothing_counted_is_lost_over_kills_and_reloads(start_relay, origin):
    """Counters never go back, and in the end they say what the clients saw, with no request in flight at a kill."""
    relay = start_relay(proxy=origin.address, workers=3)
    origin.answer("/v2/", ok())
    seen, last = 0, {}

    def ask(n):
        for _ in range(n):
            answer = rawhttp.get(relay.port, "/v2/")
            assert answer.status == 200, (answer, [r.raw for r in origin.requests[-3:]])
        return n

    def look():
        now = metrics.counters(metrics.parse(relay.admin("/metrics")[1]))
        for key, value in last.items():
            assert now[key] >= value, f"{key} went back from {value} to {now[key]}"
        last.update(now)

    def counted():
        """Times and sizes are counted behind the last byte: until then a request is in flight."""
        relay.wait_stat("regrelay_http_response_size_bytes_count", seen)
    for round_ in range(20):
        seen += ask(5)
        look()
        assert relay.regctl("reload").returncode == 0
        seen += ask(2)
        look()
        if round_ % 4 == 3:
            for pid in [w["pid"] for w in relay.workers() if w["generation"] == relay.status()["generation"]]:
                counted()
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: pid not in relay.worker_pids(), 20, "its end")
                seen += ask(3)
                wait_until(lambda: relay.admin("/readyz")[0] == 200, 20, "its successor")
                look()
    counted()
    look()
    total = sum(v for (name, _), v in last.items() if name == "regrelay_http_requests_total")
    assert total == seen == 20 * 7 + 5 * 3 * 3
    assert last[("regrelay_http_request_duration_seconds_count", (("route", "ping"),))] == seen
    assert last[("regrelay_config_reloads_total", (("result", "ok"),))] == 20
