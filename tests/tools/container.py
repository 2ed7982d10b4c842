"""Container: the tree of the image under runc, restricted by what the Deployment in k8s/ says and nothing else.

    with Container(dir, tree, pod, ini) as container:      # pod: a template's spec; ini: the ConfigMap's content
        container.exec("/usr/bin/regctl", "status")
        container.swap(new_ini)                             # as the kubelet does when the ConfigMap changes

The network is that of who starts it (netns.py has others): on the host's, servers of the test on 127.0.0.1 are reachable.  tree(dir) makes the image's tree; missing()
says why no container can be started here, or "".
"""
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile

from . import leftovers, machine
from .process import Process, run, starting
from .quantity import bytes_of
from .relay import BUILD, TOP
from .seccomp import PROFILE

_SHELLS = ("bin/sh", "bin/bash", "bin/dash")


def missing():
    """Why no container can be started here; "" when it can."""
    return machine.lacking("a container", ("mmdebstrap", "runc"), "a build with sanitizers wants more than a container allows")


def recipe_packages():
    """What the Dockerfile's last stage installs over its base."""
    last = (TOP / "Dockerfile").read_text().split("\nFROM ")[-1]
    return re.search(r"--no-install-recommends \\\n\s*(.*?)\s*\\\n\s*&&", last, re.S)[1].replace("\\\n", " ").split()


def tree(directory):
    """What the Dockerfile makes, without a shell: the image itself when $REGRELAY_IMAGE_TREE has it (./dev system container),
    else the same from this build and the tree that machines have already."""
    directory = pathlib.Path(directory)
    root, image = directory / "tree", os.environ.get("REGRELAY_IMAGE_TREE")
    run(["cp", "-a", "--reflink=auto", image or machine.base(), root], check=True)
    if not image:
        _install(directory / "out", root)
    for name in _SHELLS:
        (root / name).unlink(missing_ok=True)
    return root


def _install(out, root):
    """What the last stage of the Dockerfile adds; links lead from where this build looks to where the image does."""
    run(["make", "-s", "-C", BUILD, "install-strip", f"DESTDIR={out}"], check=True)
    prefix = next(out.glob("**/sbin/regrelayd")).parents[1]
    for name in ("sbin/regrelayd", "bin/regctl"):
        shutil.copy2(prefix / name, root / "usr" / name)
    etc = next(out.glob("**/etc/regrelay")).relative_to(out)
    (root / "etc/regrelay").mkdir(exist_ok=True)
    if str(etc) != "etc/regrelay":
        (root / etc).parent.mkdir(parents=True, exist_ok=True)
        (root / etc).symlink_to("/etc/regrelay")
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    shutil.copy2("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")


class Volume:
    """A ConfigMap's or Secret's directory as the kubelet makes it: files are links through ..data, which is swapped."""

    def __init__(self, directory, files, mode=0o444, group=0):
        self.dir, self._mode, self._group, self._version = pathlib.Path(directory), mode, group, 0
        self.dir.mkdir(parents=True)
        self.swap(files)

    def swap(self, files):
        """New content, all at once."""
        old, self._version = self._version, self._version + 1
        data = self.dir / f"..{self._version}"
        data.mkdir()
        for name, text in files.items():
            (data / name).write_text(text)
            os.chown(data / name, 0, self._group)
            (data / name).chmod(self._mode)
            if not (self.dir / name).is_symlink():
                (self.dir / name).symlink_to(f"..data/{name}")
        (self.dir / "..data_tmp").symlink_to(data.name)
        (self.dir / "..data_tmp").rename(self.dir / "..data")
        shutil.rmtree(self.dir / f"..{old}", ignore_errors=True)


class Container:
    """Attributes: pod, spec (the container's part of it), config (Volume), process (runc, which passes signals on), group (its
    control group).  Others may run another program under the same restrictions: argv, and ready(process), which waits for it."""

    argv = ("/usr/sbin/regrelayd",)

    def __init__(self, directory, root, pod, config, *, secrets=None, start=True):
        """config: the ConfigMap: {name: content}, or the content of regrelay.ini alone.  secrets: {name of a volume: {file:
        content}}; others are there and empty, as optional Secrets are."""
        self.dir, self.pod = pathlib.Path(directory), pod
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        [self.spec] = pod["containers"]
        files = {"regrelay.ini": config} if isinstance(config, str) else config
        self._id, self._root, self._secrets = f"regrelay-{os.getpid()}-{self.dir.name}", pathlib.Path(root), secrets or {}
        self.config = None
        self._mounts, self._memory = {}, []
        for volume in pod["volumes"]:
            self._mounts[volume["name"]] = self._volume(volume, files)
        self.process = None
        if start:
            self.start()

    @property
    def group(self):
        return self._id

    def _volume(self, volume, files):
        where = self.dir / "volumes" / volume["name"]
        if "emptyDir" in volume:
            if volume["emptyDir"].get("medium") == "Memory":
                where = pathlib.Path(tempfile.mkdtemp(prefix="regrelay-", dir="/dev/shm"))
                self._memory.append(where)
            else:
                where.mkdir(parents=True)
            os.chown(where, 0, self.pod["securityContext"]["fsGroup"])
            where.chmod(0o2777)
            return {"type": "bind", "source": str(where), "options": ["rbind", "nosuid", "nodev"]}
        if "configMap" in volume:
            made = self.config = Volume(where, files)
        else:
            made = Volume(where, self._secrets.get(volume["name"], {}), volume["secret"]["defaultMode"],
                          self.pod["securityContext"]["fsGroup"])
        return {"type": "bind", "source": str(made.dir), "options": ["rbind"]}

    def _start(self, name, spec, argv):
        leftovers.record(self._id, runc=self.dir / "runc", containers=[f"{self._id}-run", f"{self._id}-init"], group=self._id,
                         directories=self._memory)
        bundle = self.dir / name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(self._oci(spec, argv), indent=1))
        return Process(["runc", "--root", self.dir / "runc", "run", "--bundle", bundle, f"{self._id}-{name}"],
                       log=self.dir / f"{name}.log", name=f"runc {name}", stop_timeout=20,
                       stop_signal=signal.SIGQUIT)  # without the delay before a drain: who wants that sends TERM

    def _oci(self, spec, argv):
        """The runtime's configuration of one container of the pod."""
        secure, pod = spec["securityContext"], self.pod["securityContext"]
        assert secure["capabilities"]["drop"] == ["ALL"] and pod["seccompProfile"]["type"] == "RuntimeDefault"
        none = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]}]
        for mount in spec["volumeMounts"]:
            volume = self._mounts[mount["name"]]
            options = volume["options"] + (["ro"] if mount.get("readOnly") else [])
            mounts.append({**volume, "destination": mount["mountPath"], "options": options})
        return {
            "ociVersion": "1.0.2", "root": {"path": str(self._root), "readonly": secure["readOnlyRootFilesystem"]},
            "hostname": "regrelay-pod", "mounts": mounts,
            "process": {"args": argv, "cwd": "/", "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "KUBERNETES_SERVICE_HOST=10.0.0.1"],
                        "user": {"uid": pod["runAsUser"], "gid": pod["runAsGroup"], "additionalGids": [pod["fsGroup"]]},
                        "capabilities": none, "noNewPrivileges": not secure["allowPrivilegeEscalation"]},
            "linux": {"namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "cgroup")], "seccomp": PROFILE,
                      "cgroupsPath": f"/{self._id}",
                      "resources": {"memory": {"limit": bytes_of(spec["resources"]["limits"]["memory"])}},
                      "maskedPaths": ["/proc/kcore", "/proc/keys"], "readonlyPaths": ["/proc/sys", "/proc/bus", "/proc/fs"]},
        }

    def start(self):
        """Starts the container with the image's entry point; the startup probe tells when it serves."""
        self.process = self._start("run", self.spec, list(self.argv))
        with starting(self.process):
            self.ready(self.process)

    @staticmethod
    def ready(process):
        process.wait_line('"message"')

    def init(self):
        """Runs the init container: its exit status and what it said."""
        [spec] = self.pod["initContainers"]
        process = self._start("init", spec, spec["command"])
        return process.wait(30), process.text()

    def exec(self, *argv, check=False, timeout=60):
        """A command in the running container, restricted like it."""
        return run(["runc", "--root", self.dir / "runc", "exec", f"{self._id}-run", *argv], check=check, timeout=timeout)

    def pre_stop(self):
        """Starts the hook that comes before TERM: a Process."""
        argv = self.spec["lifecycle"]["preStop"]["exec"]["command"]
        return Process(["runc", "--root", self.dir / "runc", "exec", f"{self._id}-run", *argv], log=self.dir / "prestop.log",
                       name="preStop")

    def swap(self, ini):
        """What the kubelet does when the ConfigMap has changed."""
        self.config.swap({"regrelay.ini": ini})

    def pid(self):
        """The first process of the container, as the host sees it."""
        state = run(["runc", "--root", self.dir / "runc", "state", f"{self._id}-run"], check=True)
        return json.loads(state.stdout)["pid"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process:
            self.process.stop()
        leftovers.end(self._id)
        for where in self._memory:  # of one that was never started
            shutil.rmtree(where, ignore_errors=True)
