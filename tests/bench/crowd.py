#!/usr/bin/python3
"""crowd: the memory of a client that does little, at regrelay, nginx and HAProxy; one table.

Idle: it asked for something small, got it and keeps its connection.  Stuck: it asked for a blob of 2 MB and reads nothing;
regrelay has parked it (stall_grace = 1s), the others hold it as they do.  Memory is what the processes of the whole tree have
for themselves, each share of shared pages counted once, without files' pages and without the kernel's socket buffers.

What a stuck one costs nginx depends on how much of the blob its sockets took, and varies.

Exits 1 when an idle client costs regrelay more than 4 KiB, or a stuck one holds an upstream connection.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench crowd", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=1000, metavar="N", help="of each kind (default 1000, at most 1500)")
    args = parser.parse_args()
    if not 1 <= args.clients <= 1500:
        parser.error("--clients is 1 to 1500")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from plain import PEERS, missing  # noqa: E402
from table import lines_of  # noqa: E402
from tools import crowd, rawhttp  # noqa: E402
from tools.census import pss_kib  # noqa: E402
from tools.origin import Origin, ok  # noqa: E402
from tools.process import wait_until  # noqa: E402

BLOB = "/v2/team/app/blobs/sha256:" + "e" * 64
DATA = bytes(2_000_000)
MOST_IDLE = 4   # KiB
PATIENCE = 30


def memory(peer):
    """KiB of the whole tree, once it does not change any more."""
    last = None

    def settled():
        nonlocal last
        before, last = last, sum(map(pss_kib, peer.pids()))
        return last == before
    wait_until(settled, PATIENCE, "the memory to stay the same", interval=0.5)
    return last


@contextlib.contextmanager
def running(name, directory):
    """(peer, origin), after one request: what is made with the first one counts for nobody."""
    settings = {"proxy": {"header_budget": "25s", "resume_timeout": "2min", "stall_grace": "1s"}}
    with Origin(backlog=4096) as origin:
        origin.answer("/v2/", ok())
        origin.serve_blob(BLOB, DATA, piece=1 << 16)
        with PEERS[name](directory, origin.address, settings=settings) as peer:
            assert rawhttp.get(peer.port, "/v2/").status == 200
            yield peer, origin


def idle(name, directory):
    """(KiB alone, KiB of a client)."""
    with running(name, directory) as (peer, _), contextlib.ExitStack() as sockets:
        alone = memory(peer)
        clients = [sockets.enter_context(crowd.connect(peer.port, crowd.PING)) for _ in range(ARGS.clients)]
        crowd.answered(clients)
        return alone, (memory(peer) - alone) / ARGS.clients


def stuck(name, directory):
    """(KiB of a client, connections to the upstream that are held for all of them)."""
    request = crowd.PING.replace(b"/v2/", BLOB.encode())
    with running(name, directory) as (peer, origin), contextlib.ExitStack() as sockets:
        alone = memory(peer)
        for _ in range(ARGS.clients):
            sockets.enter_context(crowd.connect(peer.port, request, receive_buffer=4096))
        origin.wait(lambda: origin.targets().count(BLOB) >= ARGS.clients, PATIENCE)
        if name == "regrelay":
            peer.wait_stat("regrelay_parked", ARGS.clients, timeout=PATIENCE)
        return (memory(peer) - alone) / ARGS.clients, origin.open


def measure(directory):
    """{relay: (alone, an idle client, a stuck client, connections upstream)}"""
    found = {}
    for name in PEERS:
        found[name] = (*idle(name, directory / f"{name}-idle"), *stuck(name, directory / f"{name}-stuck"))
    return found


def report(found):
    rows = [["relay", "alone, KiB", "idle client, KiB", "ratio", "stuck client, KiB", "ratio", "upstream connections then"]]
    base = found["regrelay"]
    for name, (alone, an_idle, a_stuck, upstream) in found.items():
        rows.append([name, f"{alone}", f"{an_idle:.1f}", f"{an_idle / max(base[1], 0.1):.1f}", f"{a_stuck:.1f}",
                     f"{a_stuck / max(base[2], 0.1):.1f}", f"{upstream}"])
    print(f"\n{ARGS.clients} clients of each kind:\n" + "\n".join(lines_of(rows)))


def main():
    if missing():
        print(f"dev: bench crowd: not installed: {', '.join(missing())}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-"))
    try:
        with crowd.descriptors(4 * ARGS.clients + 200) as enough:
            if not enough:
                print("dev: bench crowd: may not have enough descriptors", file=sys.stderr)
                return 2
            found = measure(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report(found)
    _, an_idle, _, upstream = found["regrelay"]
    return 0 if an_idle <= MOST_IDLE and upstream == 0 else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
