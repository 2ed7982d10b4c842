#!/usr/bin/python3
"""memory: what counts against the memory limit of the pod, at regrelay and at nginx in its place; one table.

Each runs under runc with the restrictions and the memory limit that k8s/ gives the relay, in the same tree.  First come the
stalled clients: each asks for a blob and reads nothing.  Then the fast ones pull blobs as quickly as they can, and all of the
stalled are still there.  regrelay has the ConfigMap's configuration, nginx the sample's directives; "no files" is nginx without
temporary files, in which it else keeps what a stalled client does not take.

peak: the most that counted against the limit.  held: the most of it that the kernel could not have dropped (no pages of files).
sockets: the most that buffers of TCP sockets had; control groups of version 2 count them too, so "at most" is peak with them.

Exits 1 when a process of regrelay was killed for lack of memory, or a pull failed there.  Root only.
"""
import argparse
import contextlib
import copy
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench memory", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--fast", type=int, default=64, metavar="N", help="clients that pull (default 64)")
    parser.add_argument("--stalled", type=int, default=1000, metavar="N", help="clients that read nothing (default 1000)")
    parser.add_argument("--pulls", type=int, default=32, metavar="N", help="blobs for each fast client (default 32)")
    parser.add_argument("--relays", default="regrelay,nginx,no files", metavar="LIST", help="of: regrelay,nginx,no files (default: all)")
    parser.add_argument("--sockets", type=int, default=1 << 20, metavar="MIB",
                        help="what buffers of sockets may have, as version 2 would leave them (version 1 only; default: no limit)")
    args = parser.parse_args()
    args.relays = args.relays.split(",")
    if not set(args.relays) <= {"regrelay", "nginx", "no files"}:
        parser.error("--relays: regrelay, nginx, no files")
    if args.sockets < 1:
        parser.error("--sockets is 1 or more")
    if not (1 <= args.fast <= 1000 and 1 <= args.stalled <= 3000 and 1 <= args.pulls <= 10000):
        parser.error("--fast is 1 to 1000, --stalled 1 to 3000, --pulls 1 to 10000")
    return args


ARGS = arguments()
os.environ["REGRELAY_BUILD"] = str(ARGS.build.resolve())  # tools/relay.py reads it when it is imported
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backend import VHOST, Backend  # noqa: E402
from cost import drain  # noqa: E402
from table import lines_of  # noqa: E402
from tools import container, crowd, leftovers, nginx, ports, rawhttp  # noqa: E402
from tools.cgroup import Watch  # noqa: E402
from tools.container import Container  # noqa: E402
from tools.pod import PROXY, SPEC, configuration  # noqa: E402
from tools.process import ProcessError, find, run, wait_until  # noqa: E402

BLOB = 4 << 20      # more than sockets take
AT_ONCE = 100       # stalled clients that come together: fewer than the upstream connections there are
PATIENCE = 120      # seconds


class RegrelayPod:
    """What k8s/ deploys, on ports of the test's."""

    def __init__(self, directory, tree, backend):
        self.port, self._admin = ports.free_ports(2)
        ini = configuration({"*:8080": f"*:{self.port}", "*:9090": f"*:{self._admin}", PROXY: backend.address,
                             f"host = {VHOST}": f"host = {VHOST}", "drain_delay = 10s": "drain_delay = 0"})
        self.container = Container(directory, tree, SPEC, ini)
        wait_until(lambda: rawhttp.get(self._admin, "/readyz").status == 200, PATIENCE, "readiness")

    def settled(self, stalled):
        """Waits until so many are parked, none of which holds an upstream connection."""
        def parked():
            text = rawhttp.get(self._admin, "/metrics").body.decode()
            return int(re.search(r"^regrelay_parked (\d+)$", text, re.M)[1]) >= stalled
        wait_until(parked, PATIENCE, f"{stalled} parked clients", interval=0.2)


class NginxContainer(Container):
    argv = ("/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/regrelay/nginx.conf")
    ready = staticmethod(lambda process: None)


class NginxPod:
    """The sample's directives, two workers as regrelay has here, a volume on the disk for temporary files and the log."""

    MORE = ""

    def __init__(self, directory, tree, backend):
        self.port = ports.free_port()
        http = nginx.sample("/tmp", port=self.port, proxy=backend.address, host=VHOST, addresses=("127.0.0.1",))
        pod = copy.deepcopy(SPEC)
        pod["volumes"].append({"name": "tmp", "emptyDir": {}})
        pod["containers"][0]["volumeMounts"].append({"name": "tmp", "mountPath": "/tmp"})
        config = nginx.configuration("/tmp", self.MORE + "\tsend_timeout 5m;\n" + http, workers=os.cpu_count())
        self.container = NginxContainer(directory, tree, pod, {"nginx.conf": config})
        self.container.process.wait_port(self.port)

    def settled(self, stalled):
        """It holds them as they come."""


class NginxNoFiles(NginxPod):
    MORE = "\tproxy_max_temp_file_size 0;\n"


PODS = {"regrelay": RegrelayPod, "nginx": NginxPod, "no files": NginxNoFiles}


def add_nginx(tree):
    """The host's nginx, with the libraries that the tree lacks."""
    program = find("nginx")
    libraries = re.findall(r"=> (/\S+)", run(["ldd", program], check=True).stdout)
    for path in [program, *libraries]:
        target = tree / path.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(pathlib.Path(path).resolve(), target)


def load(pod, backend, sockets):
    """Brings the stalled clients in, pulls, and says what went wrong, or ""."""
    request = crowd.PING.replace(b"/v2/", backend.blob.encode())
    clients = []
    while len(clients) < ARGS.stalled:
        clients += [sockets.enter_context(crowd.connect(pod.port, request, receive_buffer=4096))
                    for _ in range(min(AT_ONCE, ARGS.stalled - len(clients)))]
        pod.settled(len(clients))
    try:
        drain(pod, backend.blob, backend.blob_size, ARGS.fast, ARGS.fast * ARGS.pulls)
        pod.settled(ARGS.stalled)
    except ProcessError as e:
        return str(e)
    return ""


def measure(name, directory, tree, backend):
    """(Watch, what went wrong)"""
    with contextlib.ExitStack() as stack:
        pod = PODS[name](directory, tree, backend)
        stack.enter_context(pod.container)
        memory = stack.enter_context(Watch(pod.container.group, ARGS.sockets << 20))
        wrong = load(pod, backend, stack)
        return memory, wrong


def mib(count):
    return f"{count / (1 << 20):.1f}"


def report(found):
    rows = [["relay", "peak, MiB", "held, MiB", "files, MiB", "sockets, MiB", "at most, MiB", "of the limit", "killed", "pulls"]]
    for name, (m, wrong) in found.items():
        rows.append([name, mib(m.peak), mib(m.held), mib(m.files), mib(m.sockets), mib(m.bound), f"{100 * m.bound / m.limit:.0f} %",
                     str(m.oom_kills), wrong or "all good"])
    limit = mib(next(iter(found.values()))[0].limit)
    print(f"\n{ARGS.fast} fast and {ARGS.stalled} stalled clients, limit {limit} MiB:\n" + "\n".join(lines_of(rows)))


def missing():
    """Why this cannot be run here, or ""."""
    return container.missing() or ("" if nginx.available() else "nginx is not installed")


def main():
    if missing():
        print(f"dev: bench memory: {missing()}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    leftovers.sweep()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rr-bench-"))
    directory.chmod(0o755)
    try:
        with crowd.descriptors(4 * ARGS.stalled + 2000) as enough, Backend(directory / "backend", BLOB) as backend:
            if not enough:
                print("dev: bench memory: may not have enough descriptors", file=sys.stderr)
                return 2
            tree = container.tree(directory)
            add_nginx(tree)
            found = {name: measure(name, directory / name.replace(" ", "-"), tree, backend) for name in ARGS.relays}
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report(found)
    memory, wrong = found.get("regrelay", next(iter(found.values())))
    return 1 if memory.oom_kills or wrong else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(128 + signal.SIGINT)
