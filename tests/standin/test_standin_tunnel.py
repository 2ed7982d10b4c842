"""Connections and tunnel: what a socket is bound to, who closes it, locations, delay and bandwidth."""
import concurrent.futures
import time

import pytest
from tools.origin import ok
from tools.process import wait_until
from tools.standin import VHOST

LOCATION = "SAP-Connectivity-SCC-Location_ID"
SUBACCOUNT = "5f1d0c6e-0000-4000-8000-7a1e5c0de000"


def test_one_backend_connection_a_client_connection(stage):
    s = stage()
    s.backend.answer("/v2/", ok())
    with s.connect() as a, s.connect() as b:
        for c in (a, b, a, b):
            assert c.get("/v2/", host=VHOST).status == 200
        assert [(r.connection, r.number) for r in s.backend.requests] == [(1, 1), (2, 1), (1, 2), (2, 2)]
    s.backend.wait(lambda: s.backend.open == 0)


def test_backend_closes_idle_connection(stage):
    s = stage()

    def handler(_request, send):
        send(ok())
        return "close"
    s.backend.route("/v2/", handler)
    with s.connect() as c:
        assert c.get("/v2/", host=VHOST).status == 200
        assert c.rest() == b"" and c.eof == "eof"


def test_connection_close_is_propagated_both_ways(stage):
    s = stage()
    s.backend.answer("/v2/", ok(headers=[("Connection", "close")]))
    s.backend.answer("/v2/x", ok())
    with s.connect() as c:
        assert c.get("/v2/", host=VHOST).header("Connection") == "close"
        assert c.rest() == b""
    with s.connect() as c:
        c.get("/v2/x", host=VHOST, headers=[("Connection", "close")])
        assert c.rest() == b""
    assert s.backend.requests[1].header("Connection") == "close"


def test_idle_timeout(stage):
    s = stage()
    s.backend.answer("/v2/", ok())
    with s.connect() as c:
        assert c.get("/v2/", host=VHOST).status == 200
        s.standin.set(idle_timeout=0.1)  # from the next request on
        assert c.get("/v2/", host=VHOST).status == 200
        assert c.rest() == b"" and c.eof == "eof"


def test_socket_is_bound_to_its_location(stage):
    s = stage(locations=[{"id": "Berlin"}])
    s.backend.answer("/v2/", ok())
    with s.connect() as c:
        assert c.get("/v2/", host=VHOST).status == 200
        answer = c.get("/v2/", host=VHOST, headers=[(LOCATION, "Berlin")])
        assert (answer.status, answer.body.decode()) == (
            400, "One of the headers [SAP-Connectivity-ConsumerAccount, SAP-Connectivity-SCC-Location_ID] was set with "
                 "a different value compared to the value which was already used for this connection. Original tunnel "
                 f"ID: account:///{SUBACCOUNT}/")


@pytest.mark.parametrize("other_host", ["refuse", "serve"])
def test_socket_is_bound_to_its_virtual_host(stage, other_host):
    s = stage(settings={"other_host": other_host})
    s.backend.answer("/v2/", ok(b"first"))
    s.other.answer("/v2/", ok(b"second"))
    with s.connect() as c:
        assert c.get("/v2/", host=VHOST).body == b"first"
        answer = c.get("/v2/", host="other.kyma:443")
        if other_host == "serve":
            assert answer.body == b"first"
        else:
            assert answer.status == 403 and answer.body.startswith(b"Access denied to system other.kyma:443. In case")
    assert s.get(host="other.kyma:443").body == b"second"


def test_locations(stage):
    s = stage(locations=[{"id": "Berlin"}], location="")
    headers = [(LOCATION, "Berlin")]
    assert s.get(headers=headers).status == 403, "Berlin exposes nothing"
    for wrong in ("berlin", "Paris"):
        answer = s.get(headers=[(LOCATION, wrong)])
        assert (answer.status, answer.body.decode()) == (
            503, "There is no SAP Cloud Connector (SCC) connected to your subaccount matching the requested tunnel for "
                 f"subaccount '{SUBACCOUNT}' and SCC location ID '{wrong}'")


def test_tunnel_states(stage):
    s = stage(settings={"open_timeout": 0.2})
    s.backend.answer("/v2/", ok())
    s.standin.tunnel(connected=False)
    assert s.get().status == 503
    s.standin.tunnel(opening=True)
    answer = s.get()
    assert (answer.status, answer.body) == (503, b"Timed out waiting for tunnel to open")
    s.standin.set(open_timeout=10)
    with s.connect() as c:
        c.request("/v2/", host=VHOST)
        s.standin.wait_requests(3)
        s.standin.tunnel(connected=True)
        assert c.answer().status == 200


def test_backend_down(stage):
    s = stage(mappings=[{"host": "down.kyma:1", "backend": "http://127.0.0.1:9"}])
    answer = s.get(host="down.kyma:1")
    assert (answer.status, answer.body) == (502, b"Unable to open connection to backend system down.kyma:1")


def test_client_that_leaves_ends_the_backend_connection(stage):
    s = stage()
    s.backend.serve_blob("/v2/blob", bytes(64 << 20))
    with s.connect(receive_buffer=4096) as c:
        c.request("/v2/blob", host=VHOST)
        assert c.head()[0] == 200
    s.backend.wait(lambda: s.backend.open == 0)
    wait_until(lambda: s.standin.audit("close"), what="the end of the connection")
    assert s.standin.bytes_down() < 32 << 20 and s.standin.audit("answer")[0]["end"] == "broken"


def test_delay(stage):
    s = stage(rtt_ms=200)
    s.backend.answer("/v2/", ok())

    def times():
        found = []
        with s.connect() as c:
            for _ in range(2):
                begin = time.monotonic()
                assert c.get("/v2/", host=VHOST).status == 200
                found.append(time.monotonic() - begin)
        assert found[0] >= 0.4 and found[1] >= 0.2
        return found
    # The machine may be slow now and then, a delay is every time.
    best = [9, 9]
    for _ in range(40):
        best = list(map(min, best, times()))
        if best[0] < 0.8 and best[1] < 0.35:
            break
    assert best[0] < 0.8 and best[1] < 0.35, "opening costs a round trip more, and nothing else does"


def test_bandwidth_is_shared(stage):
    s = stage(mbit=80, rtt_ms=50)  # 10 MB/s
    s.backend.serve_blob("/v2/blob", bytes(2_000_000))

    def took():
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert all(len(a.body) == 2_000_000 for a in pool.map(lambda _: s.get("/v2/blob"), range(2)))
        assert time.monotonic() - begin >= 0.4
        return time.monotonic() - begin
    assert any(took() < 1.5 for _ in range(20)), "the machine may be slow now and then"


def test_stall_of_the_whole_pipe(stage):
    s = stage()
    s.backend.answer("/v2/", ok())
    begin = time.monotonic()
    s.standin.stall(0.3)
    assert s.get().status == 200
    assert time.monotonic() - begin >= 0.3


def test_pipe_is_held_at_a_byte(stage):
    s = stage(mbit=800)
    s.backend.serve_blob("/v2/blob", bytes(2_000_000))
    s.standin.hold(500_000)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pull = pool.submit(s.get, "/v2/blob")
        wait_until(lambda: s.standin.bytes_down() >= 500_000, what="the pipe to be held")
        assert not pull.done() and s.standin.bytes_down() < 500_000 + (64 << 10)
        s.standin.hold(1_000_000)
        wait_until(lambda: s.standin.bytes_down() >= 1_000_000, what="the next place")
        assert not pull.done() and s.standin.bytes_down() < 1_000_000 + (64 << 10)
        s.standin.hold(None)
        assert len(pull.result().body) == 2_000_000


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_client_that_does_not_read_is_cut(stage, how):
    s = stage(settings={"write_timeout": 0.2, "write_timeout_how": how})
    s.backend.serve_blob("/v2/blob", bytes(32 << 20))
    with s.connect(receive_buffer=4096) as c:
        c.request("/v2/blob", host=VHOST)
        close = wait_until(lambda: s.standin.audit("close"), what="the cut")
        assert close[0]["why"] == "write timeout"
        c.rest()
        assert c.eof == ("reset" if how == "rst" else "eof")
