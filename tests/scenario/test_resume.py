"""Pulls that do not break: bodies that break off are gone on with, and what cannot be is cut, never ended.

REGRELAY_SOAK=1 (`./dev soak resume`) pulls 200 MiB five times through a tunnel that is cut every half a second, and breaks
ten times as many bodies that cannot be saved.
"""
import concurrent.futures
import hashlib
import os
import random
import re
import threading
import time

import pytest
from tools import certs, rawhttp, skopeo
from tools.flaky import Break, Flaky, Whole
from tools.images import make_image
from tools.origin import ok
from tools.process import wait_until
from tools.registry import Registry
from tools.standin import VHOST, Standin

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
TAG = "/v2/team/app/manifests/t1"
SIZE = 1_000_000
DATA = random.Random(7).randbytes(SIZE)
MIB = 1 << 20
SOAK = bool(os.environ.get("REGRELAY_SOAK"))
LAYERS = [110 * MIB, 60 * MIB, 30 * MIB] if SOAK else [20 * MIB, 12 * MIB, 3 * MIB]


def get(relay, path=BLOB, headers=(), timeout=20):
    with rawhttp.Connection(relay.port, timeout=timeout) as c:
        return c.get(path, headers=headers)


def access_line(relay):
    return wait_until(lambda: next((line for line in relay.lines() if line.get("termination")), None), 10, "the access line")


def assert_whole(answer, data=DATA):
    assert answer.complete and hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()


def assert_cut(answer):
    """What came is the beginning of the truth, and the end is a reset."""
    assert not answer.complete and answer.error == "reset" and DATA.startswith(answer.body)


# --- saved -----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_cuts_at_random_bytes(relay, origin, how, chunked):
    source, steps, left = random.Random(f"{how}{chunked}"), [], SIZE
    while len(steps) < 6:
        steps.append(Break(source.choice([0, 1, source.randrange(left // 4)]), how, chunked=chunked))
        left -= steps[-1].after
    flaky = Flaky(origin, BLOB, DATA, steps, chunked=chunked)
    answer = get(relay)
    assert answer.status == 200
    assert_whole(answer)
    assert len(flaky.ranges) == len(steps) + 1 and flaky.ranges[0] is None
    line = access_line(relay)
    # A head that came with the break at byte 0 of it may have been lost with an RST: that was an attempt then.
    assert 1 <= line["upstream.resumes"] <= len(steps) and line["termination"] == "complete"
    assert relay.stat("regrelay_resumes_total", cause="closed" if how == "fin" else "reset") >= 1
    assert relay.stat("regrelay_resumes_total") == line["upstream.resumes"]
    assert relay.stat("regrelay_resumes_failed_total") == 0 and relay.stat("regrelay_aborted_transfers_total") == 0


def test_every_request_for_the_rest_begins_where_the_last_ended(relay, origin):
    cuts = [100_000, 1, 250_000, 0, 333_333]
    flaky = Flaky(origin, BLOB, DATA, [Break(n) for n in cuts])
    assert_whole(get(relay))
    at = [sum(cuts[:n]) for n in range(1, 6)]
    assert flaky.ranges == [None, *(f"bytes={n}-" for n in at)]
    assert all(r.header("If-Range") is None for r in origin.requests), "the digest is in the URL"
    line = access_line(relay)
    assert (line["upstream.resumes"], line["upstream.resumed_at"]) == (5, at[-1])
    breaks = [line["offset"] for line in relay.lines() if "a body broke off" in str(line.get("message"))]
    assert breaks == at


def test_the_header_budget_is_not_for_resumes(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"header_budget": "3s"}})
    flaky = Flaky(origin, BLOB, DATA, [Break(1000), *[Whole(answer=b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")] * 4])
    assert_whole(get(relay))
    assert len(flaky.ranges) == 6
    line = access_line(relay)  # the pauses between attempts are 100, 200, 400, 800, 1600 ms, or more
    assert line["duration_ms"] > 3000 and (line["upstream.resumes"], line["upstream.tries"]) == (1, 6)


def test_a_range_ignored_is_skipped_into(relay, origin):
    Flaky(origin, BLOB, DATA, [Break(400_000), Break(500_000, ranges=False)], ranges=False)
    assert_whole(get(relay))
    assert access_line(relay)["upstream.skipped_bytes"] == 900_000
    assert relay.stat("regrelay_resume_skipped_bytes_total") == 900_000


def test_an_own_range_is_kept(relay, origin):
    flaky = Flaky(origin, BLOB, DATA, [Break(1000), Break(2000, ranges=False), Break(0)])
    answer = get(relay, headers=[("Range", "bytes=5000-99999")])
    assert answer.status == 206 and answer.header("Content-Range") == f"bytes 5000-99999/{SIZE}"
    assert_whole(answer, DATA[5000:100_000])
    # The third answer began at byte 0 and broke off before the place of the client.
    assert flaky.ranges == ["bytes=5000-99999", *["bytes=6000-99999"] * 3]


def test_an_open_range_of_a_part_is_kept(relay, origin):
    flaky = Flaky(origin, BLOB, DATA, [Break(0, chunked=True), Break(1000)])
    assert_whole(get(relay, headers=[("Range", "bytes=999000-")]), DATA[999_000:])
    assert flaky.ranges == ["bytes=999000-", "bytes=999000-"]


def test_nothing_but_the_end_was_missing(relay, origin):
    flaky = Flaky(origin, BLOB, DATA, [Break(SIZE, chunked=True)])
    assert_whole(get(relay))
    assert flaky.ranges == [None, f"bytes={SIZE}-"], "416 with this very length means: complete"


def test_silence_is_a_break(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"stall_timeout": "500ms"}})
    flaky = Flaky(origin, BLOB, DATA, [Break(1000, "stall"), Break(0, "stall")])
    assert_whole(get(relay))
    flaky.over.set()
    # Where the machine stands still there are more; all are of this kind.
    assert relay.stat("regrelay_resumes_total", cause="stall") == relay.stat("regrelay_resumes_total") >= 2


def test_silence_before_the_head_is_told_as_what_it_was(start_relay, origin):
    relay = start_relay(proxy=origin.address, settings={"proxy": {"stall_timeout": "600ms"}, "log": {"level": "debug"}})
    flaky = Flaky(origin, BLOB, DATA, [Break(1000), Break(0, "stall", head=b"")])
    assert_whole(get(relay))
    flaky.over.set()
    relay.wait_log("an attempt to resume failed at byte 1000 of 1000000 of .*: 600 ms")


def test_a_tag_with_an_etag(relay, origin):
    Flaky(origin, TAG, DATA, [Break(1000, headers=[("ETag", '"one"')])], headers=[("ETag", '"one"')])
    assert_whole(get(relay, TAG))
    assert origin.requests[1].header("If-Range") == '"one"'


def test_a_redirect_is_asked_for_anew(start_relay, origin):
    """Each signed URL is good for one request."""
    relay = start_relay(proxy=origin.address, registries={"default": {"host": VHOST, "redirect_hosts": "minio.corp:9000"}})
    count, steps = iter(range(100)), [Break(100_000), Break(200_000, "rst"), Whole()]

    def redirect(_request, send):
        number = next(count)
        Flaky(origin, f"/bucket/{number}", DATA, [steps[number]])
        send(ok(b"", status="307 Temporary Redirect", headers=[("Location", f"http://minio.corp:9000/bucket/{number}")]))
    origin.route(re.escape(BLOB), redirect)
    assert_whole(get(relay))
    assert origin.targets() == [BLOB, "/bucket/0", BLOB, "/bucket/1", BLOB, "/bucket/2"]
    assert origin.requests[5].header("Range") == "bytes=300000-"


def test_a_token_that_expired_meanwhile(start_relay, origin, tmp_path):
    token = tmp_path / "token"
    token.write_text("old-canary-token")
    relay = start_relay(proxy=origin.address, settings={"proxy": {"auth": "bearer", "token_file": token}})
    relay.secrets += ["old-canary-token", "new-canary-token"]
    flaky = Flaky(origin, BLOB, DATA, [Break(1000)])

    def wants_new(request, send):
        if request.header("Proxy-Authorization") == "Bearer new-canary-token":
            return flaky.serve(request, send)
        token.write_text("new-canary-token")
        return send(ok(b"expired", status="407 Proxy Authentication Required", content_type="text/plain"))
    origin.route(re.escape(BLOB), wants_new)
    origin.route(re.escape(BLOB), flaky.serve, times=1)
    assert_whole(get(relay))
    shown = [r.header("Proxy-Authorization") for r in origin.requests]
    assert shown[:2] == ["Bearer old-canary-token"] * 2 and shown[-1] == "Bearer new-canary-token"


def test_a_draining_worker_still_dials(relay, origin):
    flaky = Flaky(origin, BLOB, DATA, [Break(1000, "stall")])
    with rawhttp.Connection(relay.port) as c:
        c.request(BLOB)
        assert c.head()[0] == 200
        assert relay.regctl("drain").returncode == 0
        wait_until(lambda: relay.status()["state"] == "draining", 10, "the drain")
        flaky.over.set()
        while len(c.data) < SIZE:
            assert c.more(), c.eof
        assert c.data == DATA
    wait_until(lambda: relay.status()["state"] == "drained", 10, "the end of the drain")


# --- cut -------------------------------------------------------------------------------------------------------------------

def partial(first, last, total, length):
    return (f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{total}\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


@pytest.mark.parametrize("lie", [
    Whole(head=partial(999, SIZE - 1, SIZE, SIZE - 999)), Whole(head=partial(1001, SIZE - 1, SIZE, SIZE - 1001)),
    Whole(head=partial(1000, SIZE, SIZE + 1, SIZE - 999)), Whole(head=partial(1000, SIZE - 2, SIZE - 1, SIZE - 1001)),
    Whole(head=b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n\r\n" % (SIZE - 1000)),
    Whole(head=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (SIZE - 1)),
    Whole(answer=b"HTTP/1.1 416 No\r\nContent-Range: bytes */1000\r\nContent-Length: 0\r\n\r\n"),
    Whole(head=partial(1000, SIZE - 1, SIZE, SIZE - 1000)[:-2] + b"Content-Encoding: gzip\r\n\r\n"),
], ids=["early", "late", "longer", "shorter", "no-range", "short-whole", "416", "coded"])
def test_an_answer_that_lies_cuts(relay, origin, lie):
    Flaky(origin, BLOB, DATA, [Break(1000), lie])
    answer = get(relay)
    assert_cut(answer)
    assert len(answer.body) <= 1000
    line = access_line(relay)
    assert line["termination"] == line["error.type"] == "upstream-changed"
    assert relay.stat("regrelay_resumes_failed_total") == 1


def test_credentials_that_expired_cut_at_once(relay, origin):
    """They are the client's: it comes again with new ones, and goes on by itself."""
    Flaky(origin, BLOB, DATA, [Break(1000), Whole(answer=ok(b'{"errors":[]}', status="401 Unauthorized", headers=[
        ("WWW-Authenticate", 'Bearer realm="https://auth.corp/token"')]))])
    assert_cut(get(relay, headers=[("Authorization", "Bearer old")]))
    assert [r.header("Authorization") for r in origin.requests] == ["Bearer old"] * 2
    assert access_line(relay)["error.type"] == "upstream-error"


def test_another_etag_cuts(relay, origin):
    Flaky(origin, TAG, DATA, [Break(1000, headers=[("ETag", '"one"')])], headers=[("ETag", '"two"')], ranges=False)
    assert_cut(get(relay, TAG))
    assert access_line(relay)["termination"] == "upstream-changed"


@pytest.mark.parametrize("path, headers", [(TAG, ()), (TAG, [("ETag", 'W/"weak"')]), (BLOB, [("Content-Encoding", "gzip")])])
def test_what_has_no_place_to_go_on_is_cut_at_once(relay, origin, path, headers):
    flaky = Flaky(origin, path, DATA, [Break(1000, headers=headers)])
    assert_cut(get(relay, path))
    assert len(flaky.ranges) == 1 and relay.stat("regrelay_resumes_failed_total") == 0


def test_nothing_that_cannot_be_saved_looks_complete(start_relay, origin):
    """Truncation honesty: hundreds of breaks, each way, and after each nobody listens in time."""
    relay = start_relay(proxy=origin.address, settings={"proxy": {"resume_timeout": "250ms"}})
    source = random.Random(11)

    def one(number):
        target = BLOB[:-4] + f"{number:04x}"
        first = Break(source.choice([0, 1, SIZE - 1, source.randrange(SIZE)]), source.choice(["fin", "rst"]),
                      chunked=source.random() < 0.5)
        Flaky(origin, target, DATA, [first] + [Break(0, source.choice(["fin", "rst"])) for _ in range(20)])
        return rawhttp.get(relay.port, target)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for answer in pool.map(one, range(10_000 if SOAK else 200)):
            assert answer is None or (not answer.complete and answer.error == "reset")
    relay.wait_stat("regrelay_aborted_transfers_total", 1, side="upstream")


# --- the tunnel --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory / "registry", authority=certs.Authority(directory / "ca")) as r:
        r.image = make_image(directory / "image", layers=LAYERS, seed=3)
        r.push(r.image, "team/app:t1")
        yield r


def bodies(relay):
    """How many layers have begun to come and are not there yet."""
    return sum(row["route"] == "blob" and 0 < row["bytes"] < row["total"] for row in relay.api("GET", "/v1/pulls")[1]["pulls"])


def test_gone_for_a_while_in_the_middle_of_several_pulls(start_relay, registry, tmp_path, stack):
    standin = stack.enter_context(Standin(tmp_path / "standin", registry=registry, mbit=80 if SOAK else 160))
    relay = start_relay(proxy=standin.address)
    relay.secrets.append(registry.password)

    def pull(number):
        out = tmp_path / f"out{number}"
        return skopeo.pull(f"localhost:{relay.port}/team/app:t1", out, credentials=registry.credentials, timeout=600), out
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pulls = [pool.submit(pull, n) for n in range(8 if SOAK else 3)]
        # 3 x 35 MiB at 20 MB a second take more than five: all are in the middle of layers.
        wait_until(lambda: standin.bytes_down() > 8 * MIB and bodies(relay) >= 3, 20, "layers on their way")
        standin.outage("refuse")
        relay.wait_log("a body broke off")
        wait_until(lambda: "resume the body" in relay.regctl("pulls").stdout
                   or "accept a connection" in relay.regctl("pulls").stdout, 10, "the reason for waiting")
        wait_until(lambda: relay.stat("regrelay_upstream_errors_total", reason="connect") >= 3, 20, "refused attempts")
        if SOAK:
            wait_until(lambda until=time.monotonic() + 45: time.monotonic() > until, 60, "three quarters of a minute to pass")
        standin.outage("503")
        if SOAK:
            wait_until(lambda until=time.monotonic() + 30: time.monotonic() > until, 60, "half a minute to pass")
        wait_until(lambda: relay.stat("regrelay_upstream_requests_total", code="503") >= 3, 20, "a 503 for some")
        standin.outage("none")
        standin.ask("POST", "/v1/cut", {"how": "rst"})
        for one in pulls:
            done, out = one.result()
            assert done.returncode == 0, done.stderr
            manifest, config, layers = skopeo.pulled_digests(out)
            assert (manifest, config, tuple(layers)) == (registry.image.manifest_digest, registry.image.config,
                                                         registry.image.layers)
    assert relay.stat("regrelay_resumes_failed_total") == 0 and relay.stat("regrelay_aborted_transfers_total") == 0
    assert relay.stat("regrelay_resumes_total") >= 3


def test_skopeo_pulls_through_a_tunnel_that_is_cut_again_and_again(start_relay, registry, tmp_path, stack):
    """skopeo 1.9 goes on with nothing itself; and little is fetched twice."""
    for number in range(5 if SOAK else 1):
        pull_while_cutting(start_relay, registry, tmp_path / str(number), stack)


def pull_while_cutting(start_relay, registry, directory, stack):
    standin = stack.enter_context(Standin(directory / "standin", registry=registry, mbit=160))
    relay = start_relay(proxy=standin.address)
    over, cuts, pulls = threading.Event(), [], 0

    def cut():
        while not over.wait(0.5 if SOAK else 0.3):
            cuts.append(standin.cut(("fin", "rst")[len(cuts) % 2]))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        cutting = pool.submit(cut)
        try:
            while sum(cuts) < 4 or relay.stat("regrelay_resumes_total") < 4:  # one pull, unless who cuts stood still
                pulls += 1
                assert pulls < 10, cuts
                out = directory / f"out{pulls}"
                done = skopeo.pull(f"localhost:{relay.port}/team/app:t1", out, credentials=registry.credentials)
                assert done.returncode == 0, done.stderr
                assert tuple(skopeo.pulled_digests(out)[2]) == registry.image.layers
        finally:
            over.set()
            cutting.result()
    # What a reset took away on its way to a relay that stood still is not the relay's: what it has read counts.
    came, read = standin.bytes_down(), relay.stat("regrelay_bytes_total", direction="in", peer="upstream")
    twice = read / (pulls * registry.image.total)
    print(f"{sum(cuts)} cuts, {came / (pulls * registry.image.total):.3f} of the image through the tunnel, {twice:.3f} read")
    assert 1 <= twice <= 1.05
