"""Corpora against gate, parser and chunk decoder: the verdict, and that it does not depend on how the bytes come."""
import subprocess

import pytest
from tools import corpora
from tools.relay import BUILD

WIRECHECK = BUILD / "tests/unit/wirecheck"
REQUESTS, RESPONSES = list(corpora.requests()), list(corpora.responses())


def verdict(kind, data, *mode):
    done = subprocess.run([WIRECHECK, kind, *mode], input=data, capture_output=True, timeout=10)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.mark.parametrize("kind,cases", [("request", REQUESTS), ("response", RESPONSES)])
def test_verdicts(kind, cases):
    wrong = []
    for case in cases:
        got = verdict(kind, case.data)
        good = got.startswith("accept")
        if case.name in corpora.EXCEPTIONS or case.expected == "either":
            continue
        if good != (case.expected == "accept"):
            wrong.append(f"{case.name}: {case.expected} expected, got {got}: {case.data[:200]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind,cases", [("request", REQUESTS), ("response", RESPONSES)])
def test_single_bytes_get_the_same_verdict(kind, cases):
    wrong = [case.name for case in cases if verdict(kind, case.data) != verdict(kind, case.data, "bytewise")]
    assert not wrong, wrong


def test_there_are_enough():
    assert len([c for c in REQUESTS if c.name.startswith("own/")]) >= 60
    assert len([c for c in RESPONSES if c.name.startswith("own/")]) >= 30
    names = [c.name for c in REQUESTS]
    assert len(set(names)) == len(names)
    assert set(corpora.EXCEPTIONS) <= {c.name for c in REQUESTS + RESPONSES} or not corpora.SHARED.is_dir()
