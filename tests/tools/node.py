"""Node: what a node of a cluster does for pulls: addresses for pods, and localhost:NodePort as kube-proxy makes it lead there.

    with Node(30085) as node:
        pod = node.pod()                    # pod.net (a netns.Namespace), pod.address
        node.endpoints([(pod.address, 8080)])
        with node.net.inside():
            ...                             # containerd pulls from localhost:30085

kube-proxy in iptables mode: route_localnet, a DNAT rule for every local address, masquerading; each new connection goes to the
next endpoint in turn, one that is there stays where it is when the endpoints change.  Without any, it is refused.
"""
import contextlib
import threading
import types

from .netns import Namespace
from .process import run, wait_until

_RULES = """table ip nodeport {{
	chain endpoints {{ }}
	chain output {{ type nat hook output priority -100;
		fib daddr type local tcp dport {port} jump endpoints; }}
	chain postrouting {{ type nat hook postrouting priority 100; ip saddr 127.0.0.0/8 masquerade; }}
}}
"""


class Node:
    """Attributes: net (its namespace), port (the NodePort)."""

    def __init__(self, port):
        self.port, self._pods = port, 0
        self._made = contextlib.ExitStack()
        self.net = self._made.enter_context(Namespace())
        for name in ("ip_forward", "conf.all.route_localnet"):
            self.net.sysctl(name, 1)
        self._nft(_RULES.format(port=port))

    def _nft(self, text):
        with self.net.inside():
            run(["nft", "-f", "-"], stdin=text, check=True)

    def pod(self):
        """A namespace of a pod's own that the node reaches, and that reaches every other pod."""
        net = self._made.enter_context(Namespace())
        self._pods += 1
        address = f"10.85.{self._pods}.2"
        self.net.link(net, f"10.85.{self._pods}.1", address)
        return types.SimpleNamespace(net=net, address=address)

    def endpoints(self, targets):
        """Where the NodePort leads from now on: [(address, port), ...]."""
        lines = ["flush chain ip nodeport endpoints"]
        if targets:
            ring = ", ".join(f"{n} : {address} . {port}" for n, (address, port) in enumerate(targets))
            lines.append(f"add rule ip nodeport endpoints meta l4proto tcp dnat to numgen inc mod {len(targets)} map {{ {ring} }}")
        self._nft("\n".join(lines) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._made.close()


class Endpoints:
    """Keeps a node's rule to the pods that are ready, asking each from the node again and again, as a kubelet does.

        with Endpoints(node) as endpoints:
            endpoints.pods = [pod, other]      # objects with target and probe(); a new list each time

    history: the lists of targets that were set.  error: what ended it, or None."""

    PERIOD = 0.1  # seconds: far below the drain_delay of a pod, within which it must see that one is not ready

    def __init__(self, node):
        self.node, self.pods, self.history, self.error = node, [], [], None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self):
        try:
            while not self._stop.wait(self.PERIOD):
                ready = [pod.target for pod in self.pods if pod.probe("readinessProbe", self.node.net) == 200]
                if not self.history or self.history[-1] != ready:
                    self.node.endpoints(ready)
                    self.history.append(ready)
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def wait(self, pods, timeout=30):
        """Waits until the rule leads to these pods and no others."""
        wanted = [pod.target for pod in pods]
        wait_until(lambda: self.error or self.history[-1:] == [wanted], timeout, f"the endpoints {wanted}")
        assert not self.error, self.error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()


class Service:
    """A Service of type NodePort, as far as endpoints go: its spec, changed by patches, chooses pods by labels.

    with Endpoints(node) as endpoints:
        service.patch({"spec": {...}})
        endpoints.pods = service.select(pods)     # pods have labels and port(targetPort), besides what Endpoints wants"""

    def __init__(self, spec):
        self.spec = spec

    def patch(self, patch):
        """A strategic merge patch: null takes a key away, ports are merged by their port."""
        spec = dict(patch["spec"])
        selector = {**self.spec["selector"], **spec.pop("selector", {})}
        ports = {one["port"]: one for one in self.spec["ports"]}
        for one in spec.pop("ports", []):
            merged = {**ports.get(one["port"], {}), **one}
            ports[one["port"]] = {key: value for key, value in merged.items() if value is not None}
        self.spec = {**self.spec, **spec, "ports": list(ports.values()),
                     "selector": {key: value for key, value in selector.items() if value is not None}}

    def select(self, pods):
        """The pods that it leads to."""
        [port] = self.spec["ports"]
        chosen = [pod for pod in pods if self.spec["selector"].items() <= pod.labels.items()]
        assert all(pod.port(port["targetPort"]) == pod.target[1] for pod in chosen), "targetPort is none of the pod's"
        return chosen
