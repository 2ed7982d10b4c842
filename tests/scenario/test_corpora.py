"""Corpora of malformed and valid requests, end to end: what is malformed never reaches the upstream."""
import pytest
from tools import rawhttp
from tools.origin import ok

corpora = pytest.importorskip("tools.corpora")


def send(port, data, split=None):
    """Sends data (in pieces of `split` bytes), half-closes, and returns all that came back."""
    import socket
    with rawhttp.Connection(port, timeout=15) as c:
        try:
            for at in range(0, len(data), split or len(data) or 1):
                c.send(data[at:at + (split or len(data))])
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return c.rest()


CASES = list(corpora.requests())


@pytest.fixture
def patient(start_relay, origin):
    origin.route(".*", lambda r, s: s(ok(b"" if r.method == "HEAD" else b"{}")))
    return start_relay(proxy=origin.address, workers=1, settings={"listen": {"head_timeout": "5s"}})


@pytest.mark.skipif(not CASES, reason="no corpora here")
def test_nothing_malformed_reaches_the_upstream(patient, origin):
    wrong = []
    for case in CASES:
        if case.expected != "reject" or case.name in corpora.EXCEPTIONS:
            continue
        before = len(origin.requests)
        answer = send(patient.port, case.data)
        if len(origin.requests) != before:
            wrong.append((case.name, [r.raw for r in origin.requests[before:]]))
        elif answer and not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            wrong.append((case.name, answer[:60]))
    assert not wrong, wrong


@pytest.mark.skipif(not CASES, reason="no corpora here")
def test_malformed_in_single_bytes_gets_the_same_verdict(patient, origin):
    wrong = []
    for case in CASES:
        if case.expected != "reject" or case.name in corpora.EXCEPTIONS or len(case.data) > 2000:
            continue
        before = len(origin.requests)
        send(patient.port, case.data, split=1)
        if len(origin.requests) != before:
            wrong.append(case.name)
    assert not wrong, wrong
