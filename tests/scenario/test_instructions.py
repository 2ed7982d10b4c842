"""What a request costs in instructions of the worker: a count under callgrind, not a time, so that it holds on a busy machine.

The kernel's are not counted; test_syscalls counts what it is asked for.  The bands are wide enough for another compiler or C
library, not for a printf or the clearing of a large struct in the way of every request.  Whoever makes it cheaper lowers them,
with docs/performance.md."""
import platform
import re

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.process import find
from tools.relay import REGRELAYD, is_sanitized

pytestmark = [
    pytest.mark.skipif(not find("valgrind"), reason="valgrind is not installed"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the bands are of x86-64"),
    pytest.mark.skipif(REGRELAYD.exists() and (is_sanitized() or b"__gcov_" in REGRELAYD.read_bytes()),
                       reason="sanitizers and coverage count for more than what they watch"),
]

REQUESTS = 400
PATH = "/v2/team/app/manifests/1.0"
ANSWER = ok(b"m" * 351, content_type="application/vnd.oci.image.manifest.v1+json",
            headers=[("Server", "nginx/1.22.1"), ("Date", "Sun, 29 Nov 2026 05:47:16 GMT"), ("Connection", "keep-alive"),
                     ("Last-Modified", "Sun, 29 Nov 2026 05:47:16 GMT"), ("ETag", '"656c2a34-15f"'),
                     ("Accept-Ranges", "bytes")])
CONTAINERD = [
    ("User-Agent", "containerd/1.6.20~ds1"), ("Accept-Encoding", "gzip"), ("Authorization", "Bearer " + "e" * 700),
    ("Accept", "application/vnd.docker.distribution.manifest.v2+json, "
               "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, "
               "application/vnd.oci.image.index.v1+json, */*")]


def instructions(start_relay, origin, tmp_path, requests, headers, access):
    """Of a worker from its birth to its end, with so many requests on one connection in between."""
    counts = tmp_path / f"callgrind.{requests}.%p"
    relay = start_relay(proxy=origin.address, workers=1,
                        wrapper=["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={counts}"],
                        settings={"master": {"stuck_timeout": "1min", "sandbox": "off"},  # valgrind makes calls of its own
                                  "log": {"access": access}},
                        env={"MALLOC_PERTURB_": "0"})  # what it writes would be counted
    worker = relay.worker_pids()[0]
    with rawhttp.Connection(relay.port, timeout=60) as c:
        for _ in range(requests):
            assert len(c.get(PATH, headers=headers).body) == 351
    assert relay.stop(timeout=60) == 0
    report = (tmp_path / f"callgrind.{requests}.{worker}").read_text()
    return int(re.search(r"^(?:summary|totals): (\d+)", report, re.MULTILINE)[1])


@pytest.mark.parametrize("headers,access,least,most", [
    ([], "no", 20_000, 33_000),
    ([], "yes", 24_000, 39_000),
    (CONTAINERD, "yes", 40_000, 64_000),
], ids=["bare", "bare-logged", "containerd-logged"])
def test_a_request_on_a_kept_connection(start_relay, origin, tmp_path, headers, access, least, most):
    origin.answer(PATH, ANSWER)
    counts = [instructions(start_relay, origin, tmp_path, n, headers, access) for n in (1, 1 + REQUESTS)]
    each = (counts[1] - counts[0]) / REQUESTS
    print(f"{each:.0f} instructions a request")
    assert least < each < most, f"{each:.0f} instructions a request; callgrind_annotate {tmp_path}/callgrind.{1 + REQUESTS}.*"
