"""valgrind over one pull and a stop: no error, no lost descriptor, in master, keeper and worker."""
import re

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.process import find
from tools.relay import is_sanitized

BLOB = "/v2/team/app/blobs/sha256:" + "b" * 64


@pytest.mark.skipif(find("valgrind") is None, reason="valgrind is not installed")
def test_one_pull_and_a_stop(start_relay, origin, tmp_path):
    if is_sanitized():
        pytest.skip("valgrind and sanitizers exclude each other")
    logs = tmp_path / "valgrind.%p"
    wrapper = ["valgrind", "--track-fds=yes", "--leak-check=full", "--trace-children=no",
               "--errors-for-leak-kinds=definite", f"--log-file={logs}"]
    relay = start_relay(proxy=origin.address, workers=1, wrapper=wrapper,
                        settings={"master": {"stuck_timeout": "1min", "sandbox": "off"}})  # valgrind makes calls of its own
    data = bytes(range(256)) * 4096
    origin.serve_blob(BLOB, data)
    origin.answer("/v2/", ok())
    with rawhttp.Connection(relay.port, timeout=60) as c:
        assert c.get("/v2/").status == 200
        assert c.get(BLOB).body == data
    assert relay.admin("/metrics", timeout=30)[0] == 200
    assert relay.regctl("status", timeout=30).returncode == 0
    assert relay.stop(timeout=60) == 0
    reports = sorted(tmp_path.glob("valgrind.*"))
    assert len(reports) >= 3, "master, keeper and worker"
    for report in reports:
        text = report.read_text()
        assert re.search(r"ERROR SUMMARY: 0 errors", text), text[-3000:]
        assert "definitely lost: 0 bytes" in text or "no leaks are possible" in text, text[-3000:]
        opened = re.search(r"FILE DESCRIPTORS: (\d+) open \((\d+) std\)", text)
        left = re.findall(r"Open (?:file descriptor|AF_\w+ socket) \d+:[^\n]*\n(?:[^\n]*\n){0,3}", text)
        ours = [item for item in left if "<inherited from parent>" not in item]
        assert opened and not ours, "\n".join(ours)

