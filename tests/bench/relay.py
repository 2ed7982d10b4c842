#!/usr/bin/python3
"""relay: what relaying costs, for regrelay as shipped, nginx (the sample; tuned), HAProxy (splice-auto), and the limit.

The limit is a TCP relay that splices and knows nothing of HTTP (splicer.c).  All run at once, before one nginx that sends
files of /dev/shm; load falls on one after the other, A B C A B C, and what is printed is the median of the rounds, its
ratio to the limit, and half the spread.  Processor time is that of the relay's processes alone; "of all" adds the backend's and
the client's, for what a relay does not do the kernel may do in their names.  Other work on the machine changes the figures,
hardly the ratios: compare only what one run printed.

Exits 1 when regrelay holds answers of some size back until a timer of TCP's fires.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench relay", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="less of all: under 2 minutes")
    parser.add_argument("--no-logs", action="store_true", help="a second pass, without a log line per request")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="every single figure into FILE as well")
    parser.add_argument("--relays", default="splicer,regrelay,nginx-tuned,HAProxy,nginx-sample", metavar="LIST",
                        help="which, with commas; ratios are to the first (default: all five)")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 5, with --quick 3")
    parser.add_argument("--blob-mib", type=int, metavar="N", help="default 256, with --quick 32")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.blob_mib = args.blob_mib or (32 if args.quick else 256)
    if args.rounds < 1 or args.blob_mib < 1:
        parser.error("--rounds and --blob-mib are positive")
    args.relays = args.relays.split(",")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cost  # noqa: E402
from backend import Backend  # noqa: E402
from peers import PEERS  # noqa: E402
from table import lines_of  # noqa: E402
from tools.process import ProcessError  # noqa: E402

# (name, load): what a round does.  Blobs: parallel connections, blobs in all.
_SECONDS = 1 if ARGS.quick else 3
LOADS = [(f"{parallel} parallel", lambda relay, backend, parallel=parallel, total=total:
          cost.blobs(relay, backend, parallel, total))
         for parallel, total in ((1, 4), (8, 16 if ARGS.quick else 8), (64, 64))]
LOADS += [("8 chunked", lambda relay, backend: cost.chunked(relay, backend, 8, 8)),
          ("1 kept", lambda relay, backend: cost.requests(relay, backend, 1, _SECONDS, close=False)),
          ("64 kept", lambda relay, backend: cost.requests(relay, backend, 64, _SECONDS, close=False)),
          ("64 new", lambda relay, backend: cost.requests(relay, backend, 64, _SECONDS, close=True))]


HELD_BACK = f"late each time: of {len(cost.SIZES)} sizes"


def measure_round(relays, backend, number, found):
    """One value more for each relay and measure in found; who comes first changes with the round."""
    names = list(relays)
    names = names[number % len(names):] + names[:number % len(names)]
    for load, what in LOADS:
        for name in names:
            for measure, value in what(relays[name], backend).items():
                found.setdefault(f"{load}: {measure}", {}).setdefault(name, []).append(value)


def measure_all(directory, logs):
    """{measure: {relay: [value of each round]}}"""
    found = {}
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Backend(directory / "backend", blob_size=ARGS.blob_mib << 20))
        relays = {name: stack.enter_context(PEERS[name](directory / name, backend, logs)) for name in ARGS.relays}
        for name, relay in relays.items():
            found.setdefault("idle: MiB", {})[name] = [cost.memory(relay)]
            found.setdefault(f"{cost.IDLE_CLIENTS} idle clients: MiB", {})[name] = [
                cost.memory_with_clients(relay, backend, directory / name)]
            found.setdefault(HELD_BACK, {})[name] = [cost.held_back(relay, backend)]
        for number in range(ARGS.rounds):
            measure_round(relays, backend, number, found)
            print(f"round {number + 1} of {ARGS.rounds}", file=sys.stderr, flush=True)
    return found


def cell(values, base):
    """The median, its ratio to the first relay's, half the spread."""
    median = statistics.median(values)
    text = f"{median:.3g}"
    if base:
        text += f" ({median / base:.2f})"
    if len(values) > 1 and median:
        text += f" ±{(max(values) - min(values)) / 2 / median * 100:.0f}%"
    return text


def print_result(found, title):
    rows = [["", *ARGS.relays]]
    for measure, values in found.items():
        base = statistics.median(values[ARGS.relays[0]])
        rows.append([measure] + [cell(values[name], base) for name in ARGS.relays])
    print(f"\n{title}")
    print("\n".join(lines_of(rows)))


def main():
    unknown = set(ARGS.relays) - set(PEERS)
    if unknown:
        print(f"dev: bench relay: no such relay: {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    shm = pathlib.Path("/dev/shm")
    passes, begin = {}, time.monotonic()
    for logs in (True, False) if ARGS.no_logs else (True,):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-", dir=shm if shm.is_dir() else None))
        try:
            found = measure_all(directory, logs)
        except (ProcessError, AssertionError) as e:
            print(f"dev: bench relay: could not be measured to the end: {e}", file=sys.stderr)
            return 1
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        name = "with logs" if logs else "without logs"
        passes[name] = found
        print_result(found, f"{name}: median (in proportion to {ARGS.relays[0]}) ± half the spread of "
                            f"{ARGS.rounds} rounds, blobs of {ARGS.blob_mib} MiB")
    print(f"\n{time.monotonic() - begin:.0f} s")
    if ARGS.json:
        ARGS.json.write_text(json.dumps({"blob_mib": ARGS.blob_mib, "rounds": ARGS.rounds, "passes": passes}, indent=1))
    late = sum(sum(found[HELD_BACK].get("regrelay", [])) for found in passes.values())
    if late:
        print(f"dev: bench relay: {late} sizes of bodies are held back by regrelay for more than 40 ms", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
