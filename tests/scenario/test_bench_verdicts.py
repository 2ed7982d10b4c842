"""./dev bench verdicts in short: our own corpus, at regrelay, nginx and HAProxy."""
import json
import sys

import pytest
from tools import haproxy, nginx
from tools.process import run
from tools.relay import BUILD, TOP

pytestmark = pytest.mark.skipif(not nginx.available() or not haproxy.available(), reason="needs nginx and haproxy")


def bench(*args):
    return run([sys.executable, TOP / "tests/bench/verdicts.py", "--build", BUILD, *args], timeout=60)


def test_nothing_invalid_gets_through():
    done = bench("--json", "--corpus", "own")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == [] and found["cross_checked"] >= 5
    for kind, through in (("requests", "forwarded"), ("responses", "passed")):
        of = {name: verdicts[kind] for name, verdicts in found["verdicts"].items()}
        assert list(of) == ["regrelay", "nginx", "HAProxy"]
        for name, verdicts in of.items():  # it tells one from the other
            assert {through, "refused"} <= set(verdicts.values()), name
            assert len(verdicts) == len(of["regrelay"]) >= 30


def test_an_unknown_corpus_is_a_usage_error():
    done = bench("--corpus", "none")
    assert done.returncode == 2 and "no such corpus: none" in done.stderr
