"""Workload: a container that a node's containerd runs from an image it has pulled, restricted as a Deployment says.

    with Workload(containerd, node.pod(), deployment) as workload:
        workload.probe("readinessProbe", node.net)        # 200; 0 when nobody answers
        workload.get("/", other.net)                      # the answer to who asks in that namespace

`ctr run` in place of the kubelet: what a restriction is called there is here, and one that nothing is known of is refused.
"""
import contextlib
import os

from . import leftovers, rawhttp
from .process import Process, wait_until
from .quantity import bytes_of

# What `ctr run` gives a container that is not told otherwise (the default of containerd's oci package).
_DEFAULT_CAPABILITIES = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
                         "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")


class Workload:
    """Attributes: image, net, address, process (ctr), id."""

    def __init__(self, containerd, place, deployment):
        """place: what Node.pod() gave.  deployment: the object; its image must have been pulled."""
        pod = deployment["spec"]["template"]["spec"]
        [self._spec] = pod["containers"]
        self.image, self.net, self.address = self._spec["image"], place.net, place.address
        self.id, self._containerd = f"regrelay-{os.getpid()}-{deployment['metadata']['name']}", containerd
        self._ports = {one["name"]: one["containerPort"] for one in self._spec["ports"]}
        runc = containerd.dir / "runc"
        leftovers.record(self.id, runc=runc / "default", containers=[self.id], group=self.id, containerd=containerd.socket)
        options = ["--rm", "--snapshotter", "native", "--runc-root", runc, "--cgroup", f"/{self.id}",
                   "--with-ns", f"network:{self.net.path}", *_restrictions(pod, self._spec)]
        self.process = Process(containerd.command("run", *options, self.image, self.id), log=containerd.dir / f"{self.id}.log",
                               name="ctr run")

    def pid(self):
        """Its first process, as the host sees it; None when it has not been started yet."""
        rows = [line.split() for line in self._containerd.ctr("tasks", "ls").stdout.splitlines()[1:]]
        return next((int(row[1]) for row in rows if row[0] == self.id and row[2] == "RUNNING"), None)

    def wait_ready(self, client, timeout=30):
        """Until the readiness probe is answered to who asks in the namespace client."""
        def step():
            assert self.process.alive(), self.process.text()
            return self.probe("readinessProbe", client) == 200
        wait_until(step, timeout, "the workload's readiness")

    def get(self, path, client, port="http"):
        with client.inside(), rawhttp.Connection(self._ports[port], self.address) as connection:
            return connection.get(path)

    def probe(self, name, client):
        probe = self._spec[name]["httpGet"]
        with contextlib.suppress(OSError):
            answer = self.get(probe["path"], client, probe["port"])
            return answer.status if answer else 0
        return 0

    def stop(self, grace):
        """TERM and, after grace seconds, KILL, as the kubelet does; the seconds that it took say which."""
        self._containerd.ctr("tasks", "kill", "-s", "SIGTERM", self.id)
        with contextlib.suppress(Exception):
            return self.process.wait(grace)
        self._containerd.ctr("tasks", "kill", "-s", "SIGKILL", self.id)
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.alive():
            self._containerd.ctr("tasks", "kill", "-s", "SIGKILL", self.id)
        self.process.stop()
        leftovers.end(self.id)


def _restrictions(pod, spec):
    """Options of `ctr run` for what the pod and its container say."""
    whole, own = dict(pod["securityContext"]), dict(spec["securityContext"])
    assert whole.pop("runAsNonRoot") is True and whole.pop("runAsUser") > 0  # this ctr takes the image's user
    assert whole.pop("seccompProfile") == {"type": "RuntimeDefault"} and not whole, whole
    options = ["--seccomp"]
    assert own.pop("capabilities") == {"drop": ["ALL"]}
    options += [word for name in _DEFAULT_CAPABILITIES for word in ("--cap-drop", f"CAP_{name}")]
    options += ["--allow-new-privs"] if own.pop("allowPrivilegeEscalation") else []
    options += ["--read-only"] if own.pop("readOnlyRootFilesystem") else []
    assert not own, own
    return [*options, "--memory-limit", str(bytes_of(spec["resources"]["limits"]["memory"]))]
