#!/usr/bin/python3
"""tunnel: many clients pull the same layer through one narrow tunnel, at regrelay, nginx (tuned; the sample) and HAProxy.

The stand-in of the connectivity proxy gives one pipe of --mbit; CLIENTS ask for the layer at once, and small requests for a
manifest follow each other meanwhile.  A second pass has clients that ask and read nothing: what a relay fetches for them is
taken from the others.  What is printed of each relay, one after the other:

  last client    when the last of those that read had its layer whole, in seconds and in proportion to what the pipe allows
  tunnel         bytes that went through it, in proportion to what those clients got
  manifest       median and longest of the small requests, in milliseconds
  cpu, memory    processor seconds of the relay's processes; the most MiB they had (and the most they had in temporary files)

Exits 1 when a pull is not whole, or when, without clients that read nothing, regrelay's last one waits more than 1.1 times
(--most) as long as the pipe needs.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench tunnel", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="a layer of 5 MB: 2 to 3 minutes in all")
    parser.add_argument("--clients", type=int, default=20, metavar="N", help="that read (default 20)")
    parser.add_argument("--stuck", type=int, default=5, metavar="N", help="that do not, in the second pass (default 5; 0: none)")
    parser.add_argument("--mbit", type=float, default=50, metavar="N", help="megabits a second of the tunnel (default 50)")
    parser.add_argument("--rtt-ms", type=float, default=40, metavar="N", help="its round trip (default 40)")
    parser.add_argument("--layer-mb", type=int, metavar="N", help="default 50, with --quick 5")
    parser.add_argument("--most", type=float, default=1.1, metavar="N",
                        help="as many times as long may the last one wait (default 1.1; a busy machine needs more)")
    parser.add_argument("--relays", default="regrelay,nginx-tuned,HAProxy,nginx-sample", metavar="LIST", help="which, with commas")
    args = parser.parse_args()
    args.layer_mb = args.layer_mb or (5 if args.quick else 50)
    args.relays = args.relays.split(",")
    if min(args.clients, args.layer_mb, args.mbit) <= 0 or args.stuck < 0 or args.clients + args.stuck > 60:
        parser.error("--clients, --layer-mb and --mbit are positive, --stuck is not negative, 60 clients are the most")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cost  # noqa: E402
from backend import VHOST, Backend  # noqa: E402
from peers import PEERS  # noqa: E402
from table import lines_of  # noqa: E402
from tools import crowd, rawhttp  # noqa: E402
from tools.census import pss_kib  # noqa: E402
from tools.process import ProcessError  # noqa: E402
from tools.standin import Standin  # noqa: E402

LEAST_REQUESTS = 3


def through_tunnel(directory, backend):
    """A stand-in in front of the backend; what the relays are pointed at."""
    exposed = {"location": "", "host": VHOST, "backend": f"http://{backend.address}", "ca": "", "internal": VHOST,
               "host_mode": "internal", "resources": ["/"]}
    return Standin(directory, mappings=[exposed], mbit=ARGS.mbit, rtt_ms=ARGS.rtt_ms)


class Meanwhile:
    """Within the block: small requests one after the other, and a look at memory after each."""

    def __init__(self, relay, backend, directory):
        self._relay, self._backend, self._directory = relay, backend, directory
        self._over, self.error = threading.Event(), None
        self.took, self.memory, self.files = [], 0, 0

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._thread.join()

    def _run(self):
        try:
            while not self._over.wait(0.2):
                begin = time.monotonic()
                answer = rawhttp.get(self._relay.port, self._backend.manifest)
                self.took.append(time.monotonic() - begin)
                assert answer and answer.status == 200 and len(answer.body) == self._backend.manifest_size, answer
                self.memory = max(self.memory, sum(map(pss_kib, self._relay.pids())) / 1024)
                self.files = max(self.files, temporary(self._relay.pids()))
        except (OSError, AssertionError) as e:
            self.error = e


def temporary(pids):
    """MiB that these processes hold in files that have no name any more."""
    found = {}
    for pid in pids:
        for link in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                if os.readlink(link).endswith(" (deleted)"):
                    st = link.stat()
                    found[st.st_dev, st.st_ino] = st.st_blocks * 512
    return sum(found.values()) / 2**20


def measure(name, directory, backend, stuck):
    """{column: text}, and whether regrelay kept its promise."""
    with through_tunnel(directory / "tunnel", backend) as tunnel, PEERS[name](directory / name, tunnel, False) as relay, \
            contextlib.ExitStack() as sockets, crowd.descriptors(4096):
        before, cpu = tunnel.bytes_down(), cost.cpu_seconds(relay.pids())
        request = f"GET {backend.blob} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(stuck):
            sockets.enter_context(crowd.connect(relay.port, request, receive_buffer=4096))
        with Meanwhile(relay, backend, directory) as small:
            took = cost.drain(relay, backend.blob, backend.blob_size, ARGS.clients, ARGS.clients)["seconds"]
        if small.error or len(small.took) < LEAST_REQUESTS:
            raise ProcessError(f"small requests through {name}: {small.error or 'too few, use a larger layer'}")
        wanted = ARGS.clients * backend.blob_size
        ratio = took / (wanted * 8 / ARGS.mbit / 1e6)
        files = f" ({small.files:.0f} in files)" if small.files > 1 else ""
        return {"relay": name, "last client, s": f"{took:.1f} ({ratio:.2f})",
                "tunnel": f"{(tunnel.bytes_down() - before) / wanted:.2f}",
                "manifest, ms": f"{statistics.median(small.took) * 1e3:.0f}; {max(small.took) * 1e3:.0f}",
                "cpu, s": f"{cost.cpu_seconds(relay.pids()) - cpu:.2f}",
                "memory, MiB": f"{small.memory:.1f}{files}"}, ratio


def measure_or_tell(name, directory, backend, stuck):
    """The same; when a pull through a relay other than regrelay is not whole, that is its result."""
    try:
        return measure(name, directory, backend, stuck)
    except ProcessError as e:
        if name == "regrelay":
            raise
        print(f"{name}: {e}", file=sys.stderr)
        return {"relay": name, "last client, s": "a pull broke off", "tunnel": "-", "manifest, ms": "-", "cpu, s": "-",
                "memory, MiB": "-"}, 0


def run_pass(directory, backend, stuck):
    """Prints a table; True when regrelay kept its promise."""
    rows, kept = [], True
    for name in ARGS.relays:
        row, ratio = measure_or_tell(name, directory / f"{name}-{stuck}", backend, stuck)
        rows.append(row)
        kept &= name != "regrelay" or stuck > 0 or ratio <= ARGS.most
        print(", ".join(row.values()), file=sys.stderr, flush=True)
    text = f", {stuck} clients that read nothing" if stuck else ""
    print(f"\n{ARGS.clients} clients, a layer of {ARGS.layer_mb} MB each, {ARGS.mbit:g} Mbit/s, {ARGS.rtt_ms:g} ms{text}:\n")
    print("\n".join(lines_of([list(rows[0])] + [list(row.values()) for row in rows])))
    return kept


def main():
    unknown = set(ARGS.relays) - set(PEERS) | {"splicer"} & set(ARGS.relays)  # splicer: says no virtual host
    if unknown:
        print(f"dev: bench tunnel: no such relay: {', '.join(unknown)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-"))
    try:
        with Backend(directory / "backend", blob_size=ARGS.layer_mb * 1_000_000) as backend:
            kept = [run_pass(directory, backend, stuck) for stuck in ([0, ARGS.stuck] if ARGS.stuck else [0])]
    except (ProcessError, AssertionError) as e:
        print(f"dev: bench tunnel: could not be measured to the end: {e}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
