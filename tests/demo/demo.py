#!/usr/bin/python3
"""demo: numbered scenes with a real registry behind the stand-in of the tunnel, through nginx and through regrelay.

Exits 1 when a scene differs from what the README claims, or something does not start.
"""
import argparse
import json
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile


def arguments():
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help="where regrelayd is built")
    parser.add_argument("--keep", action="store_true", help="leave all running and print commands to try")
    parser.add_argument("--rtt", type=int, default=40, metavar="MS", help="of the tunnel (default: 40)")
    parser.add_argument("--mbit", type=int, default=50, metavar="N", help="of the tunnel: Mbit/s (default: 50)")
    parser.add_argument("--stop", action="store_true", help="end what --keep left running")
    return parser.parse_args()


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported

from stage import Differs, Stage  # noqa: E402
from scenes import SCENES  # noqa: E402
from talk import Talk  # noqa: E402
from tools.process import ProcessError, end_pid  # noqa: E402
from tools.relay import REGRELAYD  # noqa: E402
from tools.standin import VHOST  # noqa: E402

KEPT = ARGS.build.resolve() / "demo-kept.json"


def stop():
    """Ends a kept demo; False when there is none."""
    try:
        kept = json.loads(KEPT.read_text())
    except FileNotFoundError:
        return False
    for pid, start in reversed(kept["processes"]):
        end_pid(pid, start, timeout=10)
    shutil.rmtree(kept["dir"], ignore_errors=True)
    KEPT.unlink()
    return True


def keep(stage):
    """Leaves the stage running and says what to do with it."""
    processes = stage.release()
    KEPT.write_text(json.dumps({"dir": str(stage.dir), "processes": [(p.pid, p.start) for p in processes]}))
    say = stage.talk.say
    say()
    say(f"It all runs on in {stage.dir}.  To try:")
    for client in stage.clients:
        print("  " + shlex.join(stage.command(client, stage.relay.port, stage.dir / "pulled")))
    print(f"  {ARGS.build / 'regctl'} -s {stage.relay.control} status")
    control = f"http://127.0.0.1:{stage.standin.control}/v1"
    print(f"  curl -d '{{\"state\":\"disconnected\"}}' {control}/tunnel      # then pull; and back: connected")
    print(f"  curl -d '{json.dumps({'host': VHOST, 'exposed': False})}' {control}/mapping")
    print(f"  curl -d '{json.dumps({'kind': 'cut', 'at': 1000000, 'count': 1})}' {control}/faults")
    print(f"  tail -f {stage.relay.log}")
    say("./dev demo --stop ends it.")


def introduce(stage):
    say = stage.talk.say
    say(f"A private registry behind SAP's tunnel ({ARGS.rtt} ms, {ARGS.mbit} Mbit/s), pulled through two relays side by side.")
    for name, what, where in (
            ("registry", "docker-registry with TLS and users, as on-premise", f"127.0.0.1:{stage.registry.port}"),
            ("stand-in", "in place of connectivity proxy and Cloud Connector", stage.standin.address),
            ("nginx", "the configuration of SAP's sample", f"localhost:{stage.nginx.port}"),
            ("regrelay", "two workers", f"localhost:{stage.relay.port}")):
        print(f"   {name:10} {what:52} {where}")


def play(directory, talk):
    """All scenes; True when everything was left running."""
    with Stage(directory, talk, tunnel={"rtt_ms": ARGS.rtt, "mbit": ARGS.mbit}, survive=ARGS.keep) as stage:
        introduce(stage)
        for number, scene in enumerate(SCENES, 1):
            talk.title(number, scene.TITLE)
            scene.play(stage)
        if ARGS.keep:
            keep(stage)
            return True
    return False


def run():
    talk = Talk()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="regrelay-demo-"))
    kept = False
    try:
        kept = play(directory, talk)
    except Differs as e:
        print(f"\ndemo: not as the README says: {e}", file=sys.stderr)
        return 1
    except (ProcessError, AssertionError, OSError, ValueError) as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            shutil.rmtree(directory, ignore_errors=True)
    talk.say()
    talk.say(f"{len(SCENES)} scenes as the README says, in {talk.elapsed():.0f} s.")
    return 0


def interrupted(number, _frame):
    """Unwinds everything once; further signals wait until all has ended."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main():
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, interrupted)
    if ARGS.stop:
        print("demo: stopped" if stop() else "demo: none was kept")
        return 0
    if not REGRELAYD.exists():
        print(f"demo: {REGRELAYD} is not built", file=sys.stderr)
        return 1
    if ARGS.keep:
        stop()  # the one before
    return run()


if __name__ == "__main__":
    sys.exit(main())
