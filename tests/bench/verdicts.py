#!/usr/bin/python3
"""verdicts: what becomes of every HTTP message of the corpora at regrelay, nginx and HAProxy; a table for each direction.

A request goes to each relay as it is and, so that no rule about paths decides, as a pull: /v2/ for its path and GET for its
method, where these are plain.  The upstream keeps every byte.  A response is what that upstream says to a good request.

Exits 1 when regrelay forwards an invalid request, or passes an invalid answer on as a whole one, or forwards anything that
nginx or HAProxy, given those very bytes, takes for other than one good message (nginx may refuse two lines of If-Match, which
are lawful).  The others are only reported.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench verdicts", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", default="", metavar="NAME", help="only this one (own, gunicorn, llhttp)")
    parser.add_argument("--json", action="store_true", help="totals, and the verdict on each message, as JSON")
    return parser.parse_args()


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from plain import PEERS, missing  # noqa: E402
from table import lines_of  # noqa: E402
from tools import corpora  # noqa: E402
from tools.rawhttp import Connection  # noqa: E402
from tools.recorder import Recorder  # noqa: E402
from tools.relay import BUILD  # noqa: E402

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
PULL = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE = 10
_PLAIN = re.compile(rb"^((?:\r\n)*)(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) /[\w./?=&-]{0,200} (HTTP/1\.[01]\r\n)")


def as_pull(data):
    """The message with /v2/ and GET where its own path and method say nothing remarkable; else as it is."""
    return _PLAIN.sub(rb"\1GET /v2/ \2", data, count=1)


def exchange(port, data):
    """Sends data, half-closes, returns all that comes back (what came before a reset, too)."""
    with Connection(port, timeout=PATIENCE) as c:
        with contextlib.suppress(OSError):  # refused before all of it was sent
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)
        return c.rest(), c.eof


def strict_verdict(data):
    """What gate and parser, beside any daemon, say of a request: "accept", or "reject" and why, or "more"."""
    done = subprocess.run([BUILD / "tests/unit/wirecheck", "request"], input=data, capture_output=True, check=True,
                          timeout=PATIENCE)
    return done.stdout.decode().strip()


def is_malformed(data):
    """Methods and bodies that are nothing for a pull are no fault of the form."""
    return not strict_verdict(data).startswith(("accept", "reject method", "reject body"))


def request_verdict(port, recorder, data):
    """(verdict, what the upstream got of both forms of the message).  "refused": nothing reached it."""
    got = []
    for form in dict.fromkeys((data, as_pull(data))):
        exchange(port, form)
        got += recorder.take()
    if not got:
        return "refused", got
    return "forwarded malformed" if any(map(is_malformed, got)) else "forwarded", got


def response_verdict(port, recorder, data):
    """"refused": the relay answered in its own words; "broken off": the client sees that it is not whole; "passed"."""
    recorder.reply = data
    answer, eof = exchange(port, PULL)
    recorder.take()
    status = re.match(rb"HTTP/1\.[01] (\d+)", answer)
    if not status:
        return "broken off"
    own = b"\r\nX-Regrelay-Error:" in answer or status[1] in (b"500", b"502", b"503", b"504")
    if own and not data.startswith(status[0]):
        return "refused"
    return "passed" if is_whole(answer, eof) else "broken off"


def is_whole(answer, eof):
    """Does a client take it for complete?"""
    head, _, body = answer.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):
        head, _, body = body.partition(b"\r\n\r\n")
    if re.match(rb"HTTP/1\.[01] (204|304)", head):
        return not body
    if re.search(rb"(?im)^transfer-encoding: *chunked", head):
        return re.search(rb"(?:^|\r\n)0+\r\n(?:[^\r\n]+\r\n)*\r\n$", body) is not None
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return len(body) >= int(length[1]) if length else eof == "eof"


def judged(kind):
    """The cases that have a verdict to compare with."""
    for case in getattr(corpora, kind)():
        if case.name not in corpora.EXCEPTIONS and case.name.startswith(ARGS.corpus):
            yield case


def measure_requests(port, recorder, forwarded):
    """{case: verdict}; what reached the upstream goes to forwarded, too."""
    recorder.reply, verdicts = GOOD, {}
    for case in judged("requests"):
        verdicts[case.name], got = request_verdict(port, recorder, case.data)
        forwarded.update(dict.fromkeys(got))
    return verdicts


def measure_responses(port, recorder):
    return {case.name: response_verdict(port, recorder, case.data) for case in judged("responses")}


def measure(name, directory):
    """{"requests": {case: verdict}, "responses": ...} of one relay, and the distinct requests that its upstream got."""
    forwarded = {}
    with Recorder() as recorder, PEERS[name](directory / name, recorder.address) as peer:
        found = {"requests": measure_requests(peer.port, recorder, forwarded),
                 "responses": measure_responses(peer.port, recorder)}
    return found, list(forwarded)


# nginx 1.22 refuses a second line of it, which is lawful: a list (RFC 9110 13.1.1)
_TWICE = re.compile(rb"\r\nIf-Match:.*\r\nIf-Match:", re.IGNORECASE | re.DOTALL)


def cross_check(name, directory, messages):
    """Those messages that this relay does not take for exactly one good request, as texts."""
    wrong = []
    with Recorder() as recorder, PEERS[name](directory / f"cross-{name}", recorder.address) as peer:
        recorder.reply = GOOD
        for message in messages:
            answer, _ = exchange(peer.port, message)
            got = recorder.take()
            if name == "nginx" and not got and _TWICE.search(message):
                continue
            if len(got) != 1 or answer.count(b"HTTP/1.") != 1 or not answer.startswith(b"HTTP/1.1 200"):
                wrong.append(f"{name} made {len(got)} requests of {message[:300]!r} and said {answer[:80]!r}")
    return wrong


COLUMNS = {"requests": ("refused", "forwarded", "forwarded malformed"), "responses": ("refused", "broken off", "passed")}


def totals(kind, verdicts):
    """{(corpus, expected): Counter of verdicts}"""
    found = collections.defaultdict(collections.Counter)
    for case in judged(kind):
        expected = "either" if case.name in corpora.LAWFUL else case.expected
        found[case.name.partition("/")[0], expected][verdicts[case.name]] += 1
    return found


def table(kind, found):
    """Rows of cells, the header first: of the invalid messages every verdict, of the valid ones what came through."""
    through = COLUMNS[kind][-1] if kind == "responses" else "forwarded"
    rows = [["corpus", "relay", "invalid", *COLUMNS[kind], "valid", "through"]]
    counts = {name: totals(kind, verdicts[kind]) for name, verdicts in found.items()}
    for corpus in dict.fromkeys(case.name.partition("/")[0] for case in judged(kind)):
        for name in found:
            bad, good = counts[name][corpus, "reject"], counts[name][corpus, "accept"]
            rows.append([corpus, name, bad.total(), *(bad[verdict] for verdict in COLUMNS[kind]), good.total(),
                         good[through]])
    return rows


def faults(found):
    """What regrelay let through and should not have."""
    wrong = []
    for kind, harmless in (("requests", ("refused",)), ("responses", ("refused", "broken off"))):
        for case in judged(kind):
            verdict = found["regrelay"][kind][case.name]
            if case.expected == "reject" and verdict not in harmless or verdict == "forwarded malformed":
                wrong.append(f"regrelay: {kind[:-1]} {case.name}: {verdict}: {case.data[:200]!r}")
    return wrong


def report(found, crossed, wrong):
    tables = {kind: table(kind, found) for kind in COLUMNS}
    if ARGS.json:
        print(json.dumps({"totals": tables, "verdicts": found, "cross_checked": crossed, "wrong": wrong}, indent=1))
        return
    for kind, rows in tables.items():
        print(f"\n{kind}:\n" + "\n".join(lines_of([[str(cell) for cell in row] for row in rows])))
    print(f"\ninvalid: by the corpus; without what HTTP lets a relay pass on and only regrelay's own rules refuse."
          f"\nforwarded: what the upstream got is well-formed (a relay that streams bodies has sent the head on when it finds a"
          f"\nfault behind it); malformed: it is not, or not whole.  broken off: the client sees that the answer is not whole."
          f"\n{crossed} distinct messages that regrelay forwarded were given to nginx and HAProxy.")
    print("\n".join(wrong) or "regrelay let nothing invalid through, and all that it forwarded is one message to both "
          "(save two lines of\nIf-Match, which are lawful and nginx refuses).")


def main():
    lacking = missing()
    if lacking:
        print(f"dev: bench verdicts: not installed: {', '.join(lacking)}", file=sys.stderr)
        return 2
    if not any(judged("requests")):
        print(f"dev: bench verdicts: no such corpus: {ARGS.corpus}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-"))
    try:
        found, forwarded = {}, {}
        for name in PEERS:
            found[name], forwarded[name] = measure(name, directory)
        wrong = faults(found)
        for name in ("nginx", "HAProxy"):
            wrong += cross_check(name, directory, forwarded["regrelay"])
        report(found, len(forwarded["regrelay"]), wrong)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
