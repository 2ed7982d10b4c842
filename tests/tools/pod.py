"""RelayPod: the relay's container in a pod of a Node, with the ports, probes and restrictions that k8s/ gives it.

    with RelayPod(dir, tree, node.pod(), proxy="10.85.1.2:20003") as pod:
        pod.probe("readinessProbe")         # 200, 503; 0 when nobody answers
        pod.target                          # (address, port) for Node.endpoints()

Only the proxy's address and the length of the delay before a drain differ from the ConfigMap; a check of this is here.
"""
import contextlib
import pathlib

from . import manifest, rawhttp
from .container import Container
from .process import ProcessError, starting, wait_until
from .relay import TOP

OBJECTS = manifest.load(TOP / "k8s/kyma.yaml")
TEMPLATE = manifest.get(OBJECTS, "Deployment")["spec"]["template"]
SPEC = TEMPLATE["spec"]
NODE_PORT = manifest.get(OBJECTS, "Service")["spec"]["ports"][0]["nodePort"]
INI = manifest.get(OBJECTS, "ConfigMap")["data"]["regrelay.ini"]
PROXY = "connectivity-proxy.kyma-system.svc.cluster.local:20003"
_PORTS = {one["name"]: one["containerPort"] for one in SPEC["containers"][0]["ports"]}


def configuration(changes):
    """The ConfigMap's content with these changes, each of which must find its place."""
    text = INI
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


class RelayPod:
    """Attributes: net (a netns.Namespace), address, labels, container."""

    def __init__(self, directory, root, place, *, proxy, drain_delay="1s", changes=None):
        """place: what Node.pod() gave.  changes: further ones of the configuration, {old text: new}."""
        self.net, self.address, self.labels = place.net, place.address, TEMPLATE["metadata"]["labels"]
        ini = configuration({PROXY: proxy, "drain_delay = 10s": f"drain_delay = {drain_delay}", **(changes or {})})
        with self.net.inside():
            self.container = Container(pathlib.Path(directory), root, SPEC, ini)
        try:
            with starting(self.container.process):
                wait_until(lambda: self.probe("startupProbe") == 200, 30, "the startup probe")
        except ProcessError:
            self.container.__exit__()
            raise

    def port(self, name):
        """A port of the container by its name or number, as targetPort of a Service has it; None: it has none such."""
        return name if isinstance(name, int) else _PORTS.get(name)

    @property
    def target(self):
        return self.address, _PORTS["relay"]

    def admin(self, path, client=None):
        """An answer of the admin port, to who asks in the namespace client (default: the pod's own)."""
        with (client or self.net).inside():
            with rawhttp.Connection(_PORTS["admin"], self.address) as connection:
                return connection.get(path)

    def probe(self, name, client=None):
        """The status that a probe of the manifest gets; 0 when nobody answers."""
        probe = SPEC["containers"][0][name]["httpGet"]
        assert probe["port"] == "admin"
        with contextlib.suppress(OSError):
            answer = self.admin(probe["path"], client)
            return answer.status if answer else 0
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.container.__exit__(*exc)
