"""Many pulls at one time: every one is under way at once, and every one is whole in the end.  `./dev soak pulls` has eight
thousand of them, as many as one process may have descriptors for."""
import json
import os
import signal

import pytest
from bench.backend import Backend
from tools import nginx
from tools.census import pss_kib
from tools.crowd import descriptors
from tools.process import Process
from tools.relay import BUILD, is_sanitized

SOAK = bool(os.environ.get("REGRELAY_SOAK"))
PULLS = 8000 if SOAK else 300
LAYER = 2_000_000  # more than all buffers on the way hold
BOUND = 300 if SOAK else 60


def memory(relay):
    return sum(pss_kib(pid) for pid in relay.worker_pids())


@pytest.mark.skipif(not nginx.available(), reason="nginx is not installed")
def test_all_pulls_at_once_are_whole(start_relay, tmp_path):
    with descriptors(2 * PULLS + 3000) as enough:
        if not enough:
            pytest.skip(f"needs {2 * PULLS + 3000} descriptors")
        with Backend(tmp_path / "backend", blob_size=LAYER, connections=PULLS + 100) as backend:
            pull_all(start_relay, backend, tmp_path)


def pull_all(start_relay, backend, tmp_path):
    relay = start_relay(proxy=backend.address, env={"MALLOC_PERTURB_": "0"}, settings={  # memory is not touched for nothing
        "listen": {"max_connections": PULLS}, "log": {"level": "notice", "access": "no"},
        "proxy": {"max_connections": PULLS, "header_budget": "2min", "stall_grace": "2min", "stall_timeout": "3min"}})
    before = memory(relay)
    clients = Process([BUILD / "tests/bench/drain", relay.port, backend.blob, LAYER, PULLS, PULLS, BOUND, "held"],
                      log=tmp_path / "drain.log")
    try:
        clients.wait_line("^asked$", timeout=60)
        relay.wait_stat("regrelay_client_connections", PULLS, timeout=120, state="active")
        each = (memory(relay) - before) / PULLS
        clients.signal(signal.SIGUSR1)
        assert clients.wait(BOUND) == 0, clients.text()
    finally:
        clients.stop()
    found = json.loads(clients.text().splitlines()[-1])
    # The kernel's memory for TCP is for one end of so many connections, not for all four, and it resets some.
    resumed = int(relay.stat("regrelay_resumes_total"))
    print(f"{PULLS} pulls at once: {found['bytes'] / 1e9:.1f} GB in {found['seconds']:.1f} s, {each:.1f} KiB a pull, "
          f"{resumed} connections lost and gone on with")
    assert found["answers"] == PULLS and found["bytes"] == PULLS * LAYER
    aborted = [value for series, value in relay.stats().items() if series.startswith("regrelay_aborted_transfers_total")]
    assert len(aborted) == 3 and not any(aborted)
    if not is_sanitized():
        assert each < 64, f"{each:.1f} KiB a pull"
