#!/usr/bin/python3
"""tls: what TLS costs, for regrelay, nginx and HAProxy: towards clients, before a plain backend, or upstream, for plain clients.

All have the same certificate (ECDSA P-256), two workers or threads, and a line of log for each request; the other end accepts
TLS 1.3 with AES-128-GCM alone.  Bodies over TLS are curl's, several transfers in one process, plain ones drain's; requests and
handshakes are wrk's, which resumes no session.  Load falls on one relay after the other, and what is printed is the median of
the rounds, its ratio to the first relay, and half the spread.  Processor time is that of the relay's processes; "of both" has
the backend's added, which sends in the relay's name or its own, as their buffers will have it.  Memory is anonymous and shared.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import statistics
import sys
import tempfile
import time


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench tls", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="every single figure into FILE as well")
    parser.add_argument("--relays", default="regrelay,nginx,HAProxy", metavar="LIST",
                        help="which, with commas; ratios are to the first (default: all three)")
    parser.add_argument("--side", choices=("clients", "upstream"), default="clients", help="where TLS is spoken (default: clients)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--blob-mib", type=int, default=64, metavar="N", help="default 64")
    parser.add_argument("--seconds", type=int, default=3, metavar="N", help="of each load of wrk, default 3")
    parser.add_argument("--crowd", type=int, default=1000, metavar="N", help="idle clients whose memory is measured, and a tenth as many\n"
                        "that stop reading; 0 = none (default 1000)")
    args = parser.parse_args()
    if min(args.rounds, args.blob_mib, args.seconds) < 1:
        parser.error("--rounds, --blob-mib and --seconds are positive")
    args.relays = args.relays.split(",")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cost  # noqa: E402
import peers  # noqa: E402
from backend import VHOST, Backend  # noqa: E402
from table import lines_of  # noqa: E402
from tools import certs  # noqa: E402
from tools.process import ProcessError, wait_until  # noqa: E402
from tools.relay import Relay  # noqa: E402

# What OpenSSL of the clients takes for its defaults.
_CLIENT = """openssl_conf = it
[it]
ssl_conf = ssl
[ssl]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
"""
PARALLEL = ((1, 4), (8, 16))  # transfers at once, and in all


# --- relays ------------------------------------------------------------------------------------------------------------

class Regrelay(peers.RegrelayPeer):
    """The defaults of every key, and those that TLS wants."""

    def __init__(self, directory, backend, ca, pair):
        if ARGS.side == "clients":
            options = {"proxy": backend.address, "registries": {"default": {"host": VHOST}},
                       "settings": {"listen": {"tls_certificate": pair.certificate, "tls_key": pair.key}}}
        else:
            options = {"registries": {"default": {"host": f"localhost:{backend.tls_port}", "scheme": "https", "proxy": "none",
                                                  "ca_file": ca.certificate}}}
        super().__init__(Relay(directory, workers=peers.WORKERS, **options))


def _with_tls(peer, clients, upstream):
    """A class like peer; clients and upstream are (a line of its configuration, what to have instead): {crt}, {key}, {both}
    and {ca} are files, {tls_port} is the backend's."""
    name = "_HTTP" if hasattr(peer, "_HTTP") else "_CONFIG"
    text = getattr(peer, name)

    class Made(peer):
        def __init__(self, directory, backend, ca, pair):
            both, made = pair.key.with_suffix(".both"), text
            both.write_text(pair.certificate.read_text() + pair.key.read_text())
            for line, tls in clients if ARGS.side == "clients" else upstream:
                assert made.count(line) == 1
                made = made.replace(line, tls.format(crt=pair.certificate, key=pair.key, both=both, ca=ca.certificate,
                                                     tls_port=backend.tls_port))
            setattr(self, name, made)
            super().__init__(directory, backend, True)
    return Made


RELAYS = {
    "regrelay": Regrelay,
    "nginx": _with_tls(
        peers.NginxTuned,
        [("backlog=4096;", "backlog=4096 ssl;\n\t\tssl_certificate {crt};\n\t\tssl_certificate_key {key};\n"
          "\t\tssl_protocols TLSv1.2 TLSv1.3;")],
        [("server {backend};", "server 127.0.0.1:{tls_port};"),
         ("proxy_pass http://registry;", "proxy_pass https://registry;\n\t\t\tproxy_ssl_protocols TLSv1.3;\n"
          "\t\t\tproxy_ssl_verify on;\n\t\t\tproxy_ssl_name localhost;\n\t\t\tproxy_ssl_trusted_certificate {ca};")]),
    "HAProxy": _with_tls(
        peers.Haproxy, [("backlog 4096", "backlog 4096 ssl crt {both}")],
        [("server registry {backend}", "server registry 127.0.0.1:{tls_port} ssl verify required verifyhost localhost ca-file {ca}")]),
}


# --- loads ---------------------------------------------------------------------------------------------------------------

def bodies(relay, backend, parallel, total):
    """{"cpu s/GB", "cpu s/GB of both", "GB/s"}"""
    with cost.Spent(relay) as spent, cost.Spent(backend) as spent_there:
        if ARGS.side == "clients":
            done = cost.curl(f"https://127.0.0.1:{relay.port}{backend.blob}", backend.blob_size, parallel, total)
        else:
            done = cost.drain(relay, backend.blob, backend.blob_size, parallel, total)
    gigabytes = done["bytes"] / 1e9
    return {"cpu s/GB": spent.seconds / gigabytes, "cpu s/GB of both": (spent.seconds + spent_there.seconds) / gigabytes,
            "GB/s": gigabytes / done["seconds"]}


def requests(relay, backend, close):
    return cost.requests(relay, backend, 64, ARGS.seconds, close=close, scheme="https" if ARGS.side == "clients" else "http")


LOADS = {f"{parallel} parallel": lambda relay, backend, p=parallel, t=total: bodies(relay, backend, p, t)
         for parallel, total in PARALLEL}
LOADS["64 kept"] = lambda relay, backend: requests(relay, backend, False)
if ARGS.side == "clients":
    LOADS["64 new (a handshake each)"] = lambda relay, backend: requests(relay, backend, True)


# --- memory --------------------------------------------------------------------------------------------------------------

def _client(relay, target, receive_buffer=None):
    """A TLS client that has asked for target and read the answer's first bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", relay.port))
    client = context.wrap_socket(plain)
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    return client


def _settled(relay):
    """MiB of the tree, once they stay the same for longer than regrelay's stall_grace."""
    values = []

    def same():
        values.append(cost.memory(relay))
        return len(values) > 12 and len(set(values[-12:])) == 1
    wait_until(same, 60, "the memory to stay the same", interval=0.5)
    return values[-1]


def clients_memory(relay, target, clients, receive_buffer=None):
    """KiB of each of so many TLS clients that have asked for target and do nothing more."""
    before = cost.memory(relay)
    with contextlib.ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(_client(relay, target, receive_buffer))
        return (_settled(relay) - before) * 1024 / clients


MEMORY = {
    f"{ARGS.crowd} idle clients: KiB each": lambda relay, backend: clients_memory(relay, backend.manifest, ARGS.crowd),
    f"{ARGS.crowd // 10} that stopped reading: KiB each":
        lambda relay, backend: clients_memory(relay, backend.blob, ARGS.crowd // 10, 4096),
} if ARGS.side == "clients" and ARGS.crowd >= 10 else {}


def measure(directory):
    """{measure: {relay: [value of each round]}}"""
    found = {}
    (directory / "client.cnf").write_text(_CLIENT)
    with contextlib.ExitStack() as stack:
        ca = certs.Authority(directory / "ca")
        pair = ca.issue("localhost", "127.0.0.1")
        backend = stack.enter_context(Backend(directory / "backend", blob_size=ARGS.blob_mib << 20, pair=pair))
        relays = {name: stack.enter_context(RELAYS[name](directory / name, backend, ca, pair)) for name in ARGS.relays}
        os.environ["OPENSSL_CONF"] = str(directory / "client.cnf")
        for number in range(ARGS.rounds):
            names = list(relays)[number % len(relays):] + list(relays)[:number % len(relays)]
            for load, what in LOADS.items():
                for name in names:
                    for one, value in what(relays[name], backend).items():
                        found.setdefault(f"{load}: {one}", {}).setdefault(name, []).append(value)
            if number == 0:
                for what, of in MEMORY.items():
                    found[what] = {name: [of(relays[name], backend)] for name in names}
            print(f"round {number + 1} of {ARGS.rounds}", file=sys.stderr, flush=True)
    return found


def cell(values, base):
    median = statistics.median(values)
    text = f"{median:.3g} ({median / base:.2f})" if base else f"{median:.3g}"
    if len(values) > 1 and median:
        text += f" ±{(max(values) - min(values)) / 2 / median * 100:.0f}%"
    return text


def main():
    unknown = set(ARGS.relays) - set(RELAYS)
    if unknown:
        print(f"dev: bench tls: no such relay: {', '.join(unknown)}; there are {', '.join(RELAYS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    shm, begin = pathlib.Path("/dev/shm"), time.monotonic()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-", dir=shm if shm.is_dir() else None))
    try:
        found = measure(directory)
    except (ProcessError, AssertionError) as e:
        print(f"dev: bench tls: could not be measured to the end: {e}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    rows = [["", *ARGS.relays]]
    for name, values in found.items():
        base = statistics.median(values[ARGS.relays[0]])
        rows.append([name] + [cell(values[relay], base) for relay in ARGS.relays])
    where = "towards clients" if ARGS.side == "clients" else "upstream"
    print(f"\nTLS {where}, 1.3, AES-128-GCM, ECDSA P-256: median (in proportion to {ARGS.relays[0]}) ± half the spread of "
          f"{ARGS.rounds} rounds, blobs of {ARGS.blob_mib} MiB")
    print("\n".join(lines_of(rows)))
    print(f"\n{time.monotonic() - begin:.0f} s")
    if ARGS.json:
        ARGS.json.write_text(json.dumps({"blob_mib": ARGS.blob_mib, "rounds": ARGS.rounds, "found": found}, indent=1))
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
