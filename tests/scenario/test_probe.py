"""The keeper asks an upstream that nobody uses, and what it finds shows before a pull needs it."""
import re
import threading

import pytest
from tools import census, rawhttp
from tools.origin import ok
from tools.process import wait_until
from tools.registry import Registry
from tools.standin import VHOST, Standin

OFTEN = {"proxy": {"probe_interval": "200ms"}}


@pytest.fixture
def standin(stack, tmp_path):
    registry = stack.enter_context(Registry(tmp_path / "registry"))
    return stack.enter_context(Standin(tmp_path / "standin", registry=registry, host=VHOST))


def upstream(relay):
    return relay.status()["upstreams"][0]


def is_up(relay):
    return upstream(relay)["state"] == "up"


def test_a_broken_way_shows_before_the_next_pull(start_relay, standin):
    relay = start_relay(proxy=standin.address, registries={"default": {"host": VHOST}}, settings=OFTEN)
    wait_until(lambda: upstream(relay)["last_success"], 10, "a first answer")
    assert is_up(relay) and relay.admin("/readyz?upstream=1")[0] == 200
    standin.expose(VHOST, False)
    relay.wait_log("probe: virtual host .* is not exposed")
    assert upstream(relay)["state"] == "down"
    assert upstream(relay)["last_error"]["id"] == "mapping-missing"
    assert relay.stat("regrelay_upstream_up", upstream="default") == 0
    assert relay.admin("/readyz?upstream=1")[0] == 503 and relay.admin("/readyz")[0] == 200
    page = relay.regctl("status").stdout
    assert "path DOWN: mapping-missing" in page and "Access Control: map the virtual host" in page and "{" not in page
    bad = relay.stat("regrelay_upstream_errors_total")
    relay.wait_stat("regrelay_upstream_errors_total", bad + 2)
    standin.expose(VHOST)
    relay.wait_log("probe: the registry answers again")
    wait_until(lambda: is_up(relay), 10, "up again")
    assert len([line for line in relay.lines() if "is not exposed" in line.get("message", "")]) == 1, "one line a change"


def test_an_answer_with_a_large_head_is_one(start_relay, origin):
    """As large as a pull may have it."""
    origin.answer("/v2/", ok(headers=[("Link", "a" * 40000)]))
    relay = start_relay(proxy=origin.address, settings=OFTEN)
    wait_until(lambda: upstream(relay)["last_success"], 10, "a first answer")
    assert is_up(relay)


def test_what_a_probe_sends(start_relay, origin):
    origin.answer("/v2/", ok(b"{}"))
    relay = start_relay(proxy=origin.address, registries={"default": {"host": VHOST, "location_id": "loc1"}}, settings=OFTEN)
    wait_until(lambda: len(origin.requests) >= 3, 10, "three probes")
    for request in origin.requests[:3]:
        assert (request.method, request.target) == ("GET", "/v2/")
        assert request.header("Host") == VHOST
        assert request.header("SAP-Connectivity-SCC-Location_ID") == "loc1"
        assert re.fullmatch(r"regrelay/\S+ \(probe\)", request.header("User-Agent"))
        assert request.header("Authorization") is None
    assert relay.stat("regrelay_upstream_reused_total") >= 1, "the connection is kept between two probes"
    assert relay.stat("regrelay_http_requests_total") == 0, "no client asked"
    assert not [line for line in relay.lines() if line.get("route")], "no access line"


def test_a_body_that_trickles_does_not_end_the_asking(start_relay, origin):
    over = threading.Event()

    def trickle(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
        while not over.wait(0.1):
            send(b" ")
        return "close"
    origin.route("/v2/", trickle)
    start_relay(proxy=origin.address, settings=OFTEN)
    try:
        wait_until(lambda: len(origin.requests) >= 2, 20, "the next probe")
    finally:
        over.set()


def test_traffic_makes_probes_needless(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"probe_interval": "10min"}})
    wait_until(lambda: len(origin.requests) == 1, 10, "the one at the start")
    rawhttp.get(relay.port, "/v2/team/app/manifests/t1")
    assert relay.regctl("reload").returncode == 0
    rawhttp.get(relay.port, "/v2/team/app/manifests/t1")
    assert [request.target for request in origin.requests].count("/v2/") == 1, "a new generation knows what was seen"


def test_registries_behind_one_proxy_take_turns(start_relay, standin):
    relay = start_relay(proxy=standin.address, settings=OFTEN, registries={
        "default": {"host": VHOST, "default": "yes"}, "other": {"host": "other.kyma:80", "prefix": "other"}})
    relay.wait_log('"registry":"other".*other.kyma:80 is not exposed')
    seen = len(standin.requests())
    standin.wait_requests(seen + 4)
    hosts = [request.header("Host") for request in standin.requests()[seen:]]
    assert hosts[0:4] in ([VHOST, "other.kyma:80"] * 2, ["other.kyma:80", VHOST] * 2)


def test_the_old_generation_stops_asking(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings=OFTEN)
    wait_until(lambda: len(origin.requests) >= 2, 10, "probes")
    keeper = relay.status()["keeper_pid"]
    relay.config.write_text(relay.config.read_text().replace("200ms", "0"))
    assert relay.regctl("reload").returncode == 0
    wait_until(lambda: keeper not in census.session(relay.process.pid), 20, "the old keeper to end")
    origin.wait(lambda: origin.open == 0)  # and all that it said has been read
    seen = len(origin.requests)
    for _ in range(20):
        rawhttp.get(relay.port, "/v2/team/app/manifests/t1")
    assert len(origin.requests) == seen + 20
