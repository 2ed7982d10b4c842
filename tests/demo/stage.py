"""stage: everything the scenes play on: registry, stand-in, nginx and regrelay side by side, the clients."""
import contextlib
import pathlib
import re
import shutil
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools import certs, containerd, errortable, skopeo  # noqa: E402
from tools.images import make_image  # noqa: E402
from tools.landscape import AUTH, STORAGE, Landscape  # noqa: E402
from tools.nginx import Nginx  # noqa: E402
from tools.process import Process  # noqa: E402
from tools.registry import Registry  # noqa: E402
from tools.relay import Relay  # noqa: E402
from tools.standin import VHOST, Standin  # noqa: E402

LAYERS = [7_000_000, 5_000_000, 4_000_000, 3_000_000, 1_000_000, 200_000]
FAR_LAYERS = [2_500_000, 1_500_000, 500_000]
REPOSITORY = "team/app"


class Differs(Exception):
    """Something is not as the README says."""


def claim(holds, words):
    """A statement of the README; Differs unless it holds."""
    if not holds:
        raise Differs(words)


class Pull:
    """What a client did: ok, words (its own, when it failed), seconds, bytes through the tunnel."""

    def __init__(self, ok, words, seconds, size, out=None):
        self.ok, self.words, self.seconds, self.size, self.out = ok, words, seconds, size, out


class Stage:
    """Attributes: dir, registry, standin, nginx, relay, containerd (None: see no_containerd), image, talk, tunnel (rtt_ms and
    mbit of the stand-in's).

    Entering starts all; leaving ends all, unless release() was called, which needs survive=True."""

    def __init__(self, directory, talk, *, tunnel, survive=False):
        self.dir, self.talk, self.tunnel = pathlib.Path(directory), talk, tunnel
        self._survive, self._stack, self._count = survive, contextlib.ExitStack(), 0
        self.no_containerd = containerd.missing()

    def __enter__(self):
        with contextlib.ExitStack() as on_failure:
            on_failure.push(self._stack)
            self._start()
            on_failure.pop_all()
        return self

    def __exit__(self, *exc):
        return self._stack.__exit__(*exc)

    def release(self):
        """Leaves everything running; the processes, in the order of their start."""
        self._stack.pop_all()
        actors = [self.registry, self.standin, self.nginx, self.relay, self.containerd]
        return [actor.process for actor in actors if actor]

    def _start(self):
        start, survive = self._stack.enter_context, self._survive
        self.image = make_image(self.dir / "image", layers=LAYERS, seed=42)
        self.registry = start(Registry(self.dir / "registry", authority=certs.Authority(self.dir / "ca"),
                                       survive=survive))
        self.registry.push(self.image, f"{REPOSITORY}:t1")
        self.standin = start(Standin(self.dir / "standin", registry=self.registry, host=VHOST, survive=survive,
                                     **self.tunnel))
        self.nginx = start(Nginx(self.dir / "nginx", proxy=self.standin.address, host=VHOST, survive=survive))
        self.relay = start(Relay(self.dir / "regrelay", proxy=self.standin.address,
                                 registries={"default": {"host": VHOST}}, survive=survive))
        self.relay.secrets.append(self.registry.password)
        self.containerd = None
        if not self.no_containerd:
            self.containerd = start(containerd.Containerd(self.dir / "c", survive=survive))

    # --- what scenes use ------------------------------------------------------------------------------------------

    @property
    def relays(self):
        """(name, port) of the two, as the scenes show them."""
        return [("nginx", self.nginx.port), ("regrelay", self.relay.port)]

    @property
    def clients(self):
        """Clients that work here: the kubelet's own first."""
        return (["ctr"] if self.containerd else []) + ["skopeo"]

    def reference(self, port, tag="t1"):
        return f"localhost:{port}/{REPOSITORY}:{tag}"

    def command(self, client, port, out="/tmp/image"):
        """The argument list of a pull."""
        if client == "ctr":
            return self.containerd.pull_command(self.reference(port), credentials=self.registry.credentials)
        return skopeo.pull_command(self.reference(port), out, credentials=self.registry.credentials)

    def pull(self, client, port, *, show=None, events=()):
        """Pulls the image; show: the name beside a line of progress; events: (share, function) in rising order, each
        called once when that share of the image has come, and the tunnel waits for it.  A Pull."""
        self._count += 1
        out = self.dir / f"out{self._count}"
        before, begin = self.standin.bytes_down(), time.monotonic()

        def progress(final=False):
            if show:
                self.talk.progress(show, self.standin.bytes_down() - before, self.image.total,
                                   time.monotonic() - begin, final)

        waiting = [(before + int(share * self.image.total), event) for share, event in events]
        self._hold(waiting)
        with Process(self.command(client, port, out), log=self.dir / f"pull{self._count}.log", name=client) as process:
            while process.alive():
                progress()
                if waiting and self.standin.bytes_down() >= waiting[0][0]:
                    waiting.pop(0)[1]()
                    self._hold(waiting)
                time.sleep(0.03)  # the pace of the display
            status, seconds = process.wait(), time.monotonic() - begin
            done = types.SimpleNamespace(returncode=status, stderr=process.text())
        self._hold([])
        progress(final=True)
        words = (containerd if client == "ctr" else skopeo).reason(done)
        return Pull(status == 0, words, seconds, self.standin.bytes_down() - before, out)

    def _hold(self, waiting):
        """The next event finds the pull where it is to happen, however late it comes."""
        self.standin.hold(waiting[0][0] if waiting else None)

    def same_digests(self, client, pull, port):
        """Is what the client has now what was pushed?  Forgets it, so that the next pull starts from nothing."""
        if client == "ctr":
            reference = self.reference(port)
            same = self.containerd.images().get(reference) == self.image.digest and \
                {self.image.config, *self.image.layers} <= self.containerd.digests()
            self.containerd.remove(reference)
            return same
        same = skopeo.pulled_digests(pull.out) == (
            self.image.manifest_digest, self.image.config, list(self.image.layers))
        shutil.rmtree(pull.out)
        return same

    def connections(self):
        """(connections, requests) the stand-in has seen so far."""
        state = self.standin.state()
        return state["connections"], state["requests"]

    def text_of(self, error, **values):
        """What the README says that a client shows for an error."""
        text = next(row["text"] for row in errortable.rows() if row["id"] == error)
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], ""), text)


class FarStage(Stage):
    """The same clients before another registry: its tokens and its blobs come from other hosts.  Attribute land."""

    def __init__(self, stage):
        super().__init__(stage.dir / "far", stage.talk, tunnel=stage.tunnel)
        self.containerd = stage.containerd

    def _start(self):
        start = self._stack.enter_context
        self.land = Landscape(self.dir, self._stack, realm=f"https://{AUTH}/token", to=f"https://{STORAGE}",
                              layers=FAR_LAYERS, repository=REPOSITORY, standin=self.tunnel)
        self.registry, self.standin, self.image = self.land.front, self.land.standin, self.land.image
        self.nginx = start(Nginx(self.dir / "nginx", proxy=self.standin.address, host=VHOST))
        self.relay = start(Relay(self.dir / "regrelay", proxy=self.standin.address,
                                 registries={"default": self.land.section()}))
        self.relay.secrets.append(self.registry.password)
