#!/usr/bin/python3
"""standin: SAP's connectivity proxy and Cloud Connector for tests, as far as public text describes them (README.md)."""
import argparse
import asyncio
import json
import pathlib
import signal
import sys

import mapping
from audit import Audit
from control import Control
from mapping import Wrong
from proxy import Proxy
from settings import Settings
from socks import Tunnel

_EXAMPLE = """\
example:
  standin.py --listen 127.0.0.1:20003 --map myregistry.kyma:25002=https://127.0.0.1:5000 --ca ca.pem
             --rtt-ms 40 --mbit 50
  curl -H 'Host: myregistry.kyma:25002' http://127.0.0.1:20003/v2/

--config takes the same and more as JSON; flags beat it:
  {"listen": "127.0.0.1:20003", "socks": "127.0.0.1:20004", "control": "127.0.0.1:20080", "audit": "audit.jsonl",
   "locations": [{"id": "", "rtt_ms": 40, "mbit": 50, "connections": 1}],
   "mappings": [{"location": "", "host": "myregistry.kyma:25002", "backend": "https://127.0.0.1:5000", "ca": "ca.pem",
                 "internal": "myregistry.kyma:25002", "host_mode": "internal",
                 "resources": ["/v2", {"path": "/token", "exact": true}]}],
   "settings": {"mode": "trusted"}}

settings, and what each stands for: settings.py; faults at run time: control.py and faults.py.
"""


def arguments(argv):
    parser = argparse.ArgumentParser(prog="standin.py", description=__doc__, epilog=_EXAMPLE,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", help="configuration as JSON")
    parser.add_argument("--listen", metavar="HOST:PORT", help="the proxy's address (default 127.0.0.1:20003)")
    parser.add_argument("--socks", metavar="HOST:PORT", help="the proxy's SOCKS5 address (default: none); the backends "
                        "of its hosts are tcp://ADDRESS:PORT (or tls://: the Cloud Connector speaks TLS to them)")
    parser.add_argument("--control", metavar="HOST:PORT", help="the control port (default: none)")
    parser.add_argument("--audit", metavar="FILE", help="where to write what was seen, as JSON lines")
    parser.add_argument("--map", metavar="VHOST:PORT=URL", action="append", default=[],
                        help="expose a backend (repeatable)")
    parser.add_argument("--ca", metavar="FILE", default="", help="what to trust for the backends of --map")
    parser.add_argument("--location", metavar="ID", default="", help="location id of --map, --rtt-ms and --mbit")
    parser.add_argument("--rtt-ms", type=float, metavar="MS", help="round trip through the tunnel")
    parser.add_argument("--mbit", type=float, metavar="N", help="bandwidth of the tunnel, each way")
    parser.add_argument("--set", metavar="NAME=JSON", action="append", default=[], help="a setting (repeatable)")
    return parser.parse_args(argv)


def configuration(args):
    """One dict from file and flags."""
    config = json.loads(pathlib.Path(args.config).read_text()) if args.config else {}
    for name in ("listen", "socks", "control", "audit"):
        if getattr(args, name):
            config[name] = getattr(args, name)
    for one in args.map:
        host, _, url = one.partition("=")
        config.setdefault("mappings", []).append(
            {"location": args.location, "host": host, "backend": url, "ca": args.ca})
    if args.rtt_ms is not None or args.mbit is not None:
        config.setdefault("locations", []).append(
            {"id": args.location, "rtt_ms": args.rtt_ms or 0, "mbit": args.mbit or 0})
    for one in args.set:
        name, _, value = one.partition("=")
        config.setdefault("settings", {})[name] = json.loads(value)
    unknown = set(config) - {"listen", "socks", "control", "audit", "locations", "mappings", "settings"}
    if unknown:
        raise Wrong(f"unknown: {', '.join(sorted(unknown))}")
    return config


def build(config):
    """A Proxy from the configuration."""
    locations = {}
    for values in config.get("locations", []):
        one = mapping.location_of(values)
        locations[one.id] = one
    for values in config.get("mappings", []):
        name = values.get("location", "")
        locations.setdefault(name, mapping.location_of({"id": name})).mappings.append(mapping.mapping_of(values))
    settings = Settings()
    settings.change(config.get("settings", {}))
    return Proxy(settings, locations, Audit(config.get("audit")))


async def serve(config):
    proxy = build(config)
    host, port = await proxy.listen(*_address(config.get("listen", "127.0.0.1:20003")))
    words = f"standin: listening on {host}:{port}"
    if config.get("socks"):
        host, port = await proxy.listen(*_address(config["socks"]), Tunnel)
        words += f", SOCKS5 on {host}:{port}"
    if config.get("control"):
        host, port = await Control(proxy).listen(*_address(config["control"]))
        words += f", control on {host}:{port}"
    print(words, flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise Wrong(f"want HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)


def main(argv):
    try:
        config = configuration(arguments(argv))
        asyncio.run(serve(config))
    except (Wrong, OSError, ValueError, KeyError, TypeError) as e:
        print(f"standin: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
