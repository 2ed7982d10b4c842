"""./dev bench memory in short: the pod's limit holds for many pulls and many more that stall."""
import sys

import pytest
from tools import container, nginx
from tools.process import run
from tools.relay import BUILD, TOP


def bench(*args, env=None):
    return run([sys.executable, TOP / "tests/bench/memory.py", "--build", BUILD, *args], timeout=100, env=env)


def test_the_limit_holds_for_pulls_and_stalled_clients(tree):
    if container.missing() or not nginx.available():
        pytest.skip(container.missing() or "nginx is not installed")
    done = bench("--relays", "regrelay", "--fast", "16", "--stalled", "100", "--pulls", "8", "--sockets", "8",
                 env={"REGRELAY_IMAGE_TREE": str(tree)})
    assert done.returncode == 0, done.stdout + done.stderr
    header, _, row = ([cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line.startswith("|"))
    found = dict(zip(header, row))
    assert found["relay"] == "regrelay" and found["killed"] == "0" and found["pulls"] == "all good"
    assert 0 < float(found["held, MiB"]) <= float(found["peak, MiB"]) < 64, found
    assert 0 < float(found["sockets, MiB"]), found


def test_what_it_does_not_know_is_a_usage_error():
    for args in (["--relays", "squid"], ["--fast", "0"], ["--stalled", "9999"], ["--sockets", "0"]):
        assert bench(*args).returncode == 2, args
