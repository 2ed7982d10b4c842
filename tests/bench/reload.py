#!/usr/bin/python3
"""reload: reloads under load, for regrelay, nginx and HAProxy in turn; one table.

Each relay has the same backend, the same clients and one reload every 250 ms: wrk and exact clients ask for a small
manifest, over connections of one request and over kept ones, while 8 large pulls that began before the first reload
run on until after the last.  By turns there is the same load without reloads, which the throughput is compared with.

Exits 1 when regrelay lost anything: a request, a connect, a pull or a reload.  The others are only reported.
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
import time


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench reload", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--reloads", type=int, default=200, metavar="N", help="for each relay (default 200)")
    parser.add_argument("--relays", default="regrelay,nginx,HAProxy", metavar="LIST",
                        help="which, with commas (default all three)")
    parser.add_argument("--interval", type=float, default=0.25, metavar="S",
                        help="from the begin of a reload to the next, at least (default 0.25)")
    parser.add_argument("--seconds", type=float, default=330, metavar="S",
                        help="bound for all of it; reloads that are not done by then stay undone (default 330)")
    args = parser.parse_args()
    if args.reloads < 1 or args.interval < 0 or args.seconds <= 0:
        parser.error("--reloads, --interval and --seconds are positive")
    args.relays = args.relays.split(",")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backend import BLOB_SIZE, Backend  # noqa: E402
from load import Load, Pulls, Tally  # noqa: E402
from relays import RELAYS  # noqa: E402
from table import Row, print_table  # noqa: E402
from tools.process import ProcessError  # noqa: E402


BLOCKS = 4  # of quiet and reloads by turns, so that what else the machine does falls on both


class Reloads:
    """What became of them.  Attributes: times (seconds of each that succeeded), errors (texts), processes (the most
    that were there)."""

    def __init__(self):
        self.times, self.errors, self.processes = [], [], 0

    def run(self, relay, numbers, pulls, until):
        """Those of these numbers, at their pace; each lets the pulls on a little.  Ends early at the time until."""
        start = time.monotonic()
        for count, number in enumerate(numbers):
            pace = start + count * ARGS.interval - time.monotonic()
            if pace > 0:
                time.sleep(pace)  # the rate, nothing is waited for
            begin = time.monotonic()
            if begin > until:
                break
            try:
                relay.reload()
                self.times.append(time.monotonic() - begin)
            except ProcessError as e:
                self.errors.append(f"reload {number + 1}: {e}")
            self.processes = max(self.processes, len(relay.pids()))
            pulls.let((number + 1) / ARGS.reloads)


def measure(name, directory, backend, seconds):
    """One relay, in about so many seconds at most: its Row."""
    until, reloads = time.monotonic() + seconds, Reloads()
    before, during = ({"close": Tally(), "keep": Tally()} for _ in range(2))
    blocks = min(BLOCKS, ARGS.reloads)
    quiet = min(10, max(1, ARGS.reloads * ARGS.interval / 4)) / blocks
    with RELAYS[name](directory / "relay", backend) as relay, Pulls(relay.port, backend, BLOB_SIZE) as pulls:
        for block in range(blocks):
            with Load(directory / f"quiet{block}", relay.port, backend, seconds, before):
                time.sleep(quiet)  # what is measured is what the load does meanwhile
            with Load(directory / f"busy{block}", relay.port, backend, seconds, during):
                reloads.run(relay, range(ARGS.reloads * block // blocks, ARGS.reloads * (block + 1) // blocks), pulls,
                            until)
        good = pulls.finish()
    details = [*reloads.errors, *pulls.details]
    for when, tallies in (("", during), (" without reloads", before)):
        details += [f"{kind}{when}: {text}" for kind, tally in tallies.items() for text in tally.details()]
    return Row(name=name, wanted=ARGS.reloads, done=len(reloads.times),
               seconds=statistics.median(reloads.times) if reloads.times else None, processes=reloads.processes,
               pulls=pulls.count, good=good, during=during, before=before, details=details)


def measure_all(directory):
    """Rows of the relays that could be measured, and whether regrelay came out well (if it was asked for)."""
    end, rows, well = time.monotonic() + ARGS.seconds, [], True
    with Backend(directory / "backend") as backend:
        for number, name in enumerate(ARGS.relays):
            share = (end - time.monotonic()) / (len(ARGS.relays) - number)
            begin = time.monotonic()
            try:
                row = measure(name, directory / name, backend, share)
            except (ProcessError, AssertionError) as e:
                print(f"{name}: could not be measured to the end: {e}", flush=True)
                well = well and name != "regrelay"
                continue
            print(f"{name}: {row.done} reloads, {time.monotonic() - begin:.0f} s", flush=True)
            rows.append(row)
            well = well and (name != "regrelay" or row.lost_nothing())
    return rows, well


def main():
    unknown = set(ARGS.relays) - set(RELAYS)
    if unknown:
        print(f"dev: bench reload: no such relay: {', '.join(unknown)}; there are {', '.join(RELAYS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-"))
    keep = False
    try:
        rows, well = measure_all(directory)
        print_table(rows)
        keep = not well
    finally:
        if keep:
            print(f"regrelay lost something; the logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
