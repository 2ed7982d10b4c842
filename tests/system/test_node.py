"""Pulls as a node makes them: containerd in the node's network, localhost:NodePort, kube-proxy's rule, the relay in pods of their
own under the restrictions of k8s/."""
import base64
import contextlib
import hashlib
import itertools
import json
import os
import signal
import threading

import pytest
from tools import containerd, manifest, netns, nginx, rawhttp, skopeo
from tools.certs import Authority
from tools.images import make_image
from tools.node import Endpoints, Node, Service
from tools.pod import NODE_PORT as PORT
from tools.process import run, wait_until
from tools.registry import Registry
from tools.relay import TOP
from tools.standin import VHOST, Standin

IMAGE = f"localhost:{PORT}/team/app:t1"


def test_containerd_pulls_through_the_node_port(start, node, path, tmp_path_factory):
    if containerd.missing():
        pytest.skip(containerd.missing())
    _, registry, image = path
    pod = start("one")
    node.endpoints([])
    with node.net.inside(), containerd.Containerd(tmp_path_factory.mktemp("c")) as c:
        done = c.pull(IMAGE, credentials=registry.credentials)
        assert done.returncode != 0 and "connection refused" in done.stderr, "no pod, no way"
        node.endpoints([pod.target])
        done = c.pull(IMAGE, credentials=registry.credentials)
        assert done.returncode == 0, done.stderr
        assert c.images()[IMAGE] == image.manifest_digest
        assert {image.config, *image.layers} <= c.digests()
        done = c.pull(IMAGE.replace("t1", "none"), credentials=registry.credentials)
        assert done.returncode != 0 and "not found" in done.stderr
    assert f'"client.address":"{pod.address[:-1]}1"' in pod.container.process.text(), "who pulled is the node"


def test_probes_and_metrics_are_reached_from_the_node(start, node):
    pod = start("one")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pod.probe(name, node.net) == 200
    text = pod.admin("/metrics", node.net).body.decode()
    assert "# TYPE regrelay_http_requests_total counter" in text


class Pulls:
    """Clients of the node that pull the image over and over.  Attributes: done, wrong."""

    def __init__(self, node, registry, image, directory, clients=3):
        self.done, self.wrong = 0, []
        self._node, self._registry, self._image, self._dir = node, registry, image, directory
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]

    def _client(self, number):
        with self._node.net.inside():
            for turn in itertools.count():
                if self._stop.is_set():
                    return
                self._pull(self._dir / f"pull-{number}-{turn}")

    def _pull(self, directory):
        try:
            done = skopeo.pull(IMAGE, directory, credentials=self._registry.credentials)
            wrong = skopeo.reason(done) if done.returncode != 0 else \
                "" if skopeo.pulled_digests(directory)[0] == self._image.manifest_digest else "another image"
        except Exception as e:  # pylint: disable=broad-except
            wrong = repr(e)
        with self._lock:
            self.done += not wrong
            self.wrong += [wrong] if wrong else []

    def more(self, count, timeout=60):
        """Waits until that many more have ended well."""
        goal = self.done + count
        wait_until(lambda: self.done >= goal or self.wrong, timeout, f"{count} more pulls")
        assert not self.wrong, self.wrong

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def held_pull(node, endpoints, pod, path):
    """A client of the node that has asked this pod for a layer and does not read it yet."""
    _, registry, image = path
    pods, endpoints.pods = endpoints.pods, [pod]
    endpoints.wait([pod])
    login = base64.b64encode(registry.credentials.encode()).decode()
    with node.net.inside():
        client = rawhttp.Connection(PORT, "127.0.0.1", timeout=60, receive_buffer=65536)
    with client:
        client.request(f"/v2/team/app/blobs/{image.layers[0]}", headers=[("Authorization", f"Basic {login}")])
        wait_until(lambda: image.layers[0][:16] in pod.container.exec("/usr/bin/regctl", "pulls").stdout, 10, "the pull")
        endpoints.pods = pods
        yield client


def test_a_rolling_restart_loses_no_pull(start, node, path, tmp_path):
    _, registry, image = path
    delay = {"drain_delay": "5s"}  # who keeps the endpoints may stand still for a moment
    old, new = [start("old-1", **delay), start("old-2", **delay)], []
    with Endpoints(node) as endpoints:
        endpoints.pods = old
        endpoints.wait(old)
        with Pulls(node, registry, image, tmp_path) as pulls:
            pulls.more(4)
            for number, pod in enumerate(old, 1):
                with held_pull(node, endpoints, pod, path) as held:
                    new.append(start(f"new-{number}", **delay))  # maxSurge 1, maxUnavailable 0: the new one is ready before
                    endpoints.pods = [*old[number - 1:], *new]
                    endpoints.wait(endpoints.pods)
                    with pod.container.pre_stop() as hook:
                        endpoints.wait([*old[number:], *new])
                        pulls.more(3)
                        assert hook.alive(), "it waits for the pull that is held"
                        body = held.answer().body
                        assert "sha256:" + hashlib.sha256(body).hexdigest() == image.layers[0]
                        assert hook.wait(20) == 0, hook.text()
                pod.container.process.signal(signal.SIGTERM)
                assert pod.container.process.wait(20) == 0
                endpoints.pods = [*old[number:], *new]
            pulls.more(3)
        assert not pulls.wrong, pulls.wrong
        assert not endpoints.error
    assert all("GET" in pod.container.process.text() for pod in [*old, *new]), "each had its share"


class NginxPod:
    """The nginx sample's pod: its configuration, labels and port."""

    labels = {"app": "nginx"}

    def __init__(self, directory, place, proxy):
        self.net, self.target = place.net, (place.address, 8080)
        with place.net.inside():
            self.nginx = nginx.Nginx(directory, proxy=proxy, host=VHOST, port=8080, addresses=("0.0.0.0",))

    def port(self, name):
        return name if isinstance(name, int) else None

    def probe(self, _name, _client):
        return 200 if self.nginx.process.alive() else 0


def patch_of(verb, directory):
    """What a verb of k8s/Makefile gives to kubectl as a patch."""
    double = directory / "kubectl"
    double.write_text('#!/bin/sh\n[ "$1" = patch ] || exit 0\nfor last; do :; done\nprintf "%s\\n" "$last"\n')
    double.chmod(0o755)
    return json.loads(run(["make", "-s", "-C", TOP / "k8s", verb, f"KUBECTL={double}"], check=True).stdout)


def test_nginx_gives_its_node_port_to_the_relay_and_takes_it_back(start, node, path, tmp_path):
    if not nginx.available():
        pytest.skip("nginx is not installed")
    standin, registry, image = path
    service = Service({"type": "NodePort", "selector": {"app": "nginx"},
                       "ports": [{"port": 80, "targetPort": 8080, "nodePort": PORT}]})
    relay = start("relay")
    old = NginxPod(tmp_path / "nginx", node.pod(), standin.address)
    pods = [old, relay]
    with old.nginx, Endpoints(node) as endpoints:
        endpoints.pods = service.select(pods)
        endpoints.wait([old])
        with Pulls(node, registry, image, tmp_path) as pulls:
            moved_there_and_back(service, pods, endpoints, pulls, tmp_path)
        assert not pulls.wrong, pulls.wrong


def moved_there_and_back(service, pods, endpoints, pulls, tmp_path):
    """The verbs of docs/migrate.md while pulls run."""
    old, relay = pods
    first = service.spec
    pulls.more(4)
    assert "http.request.method" not in relay.container.process.text(), "nothing is the relay's yet"
    service.patch(patch_of("take-over", tmp_path))
    assert service.spec["ports"][0]["nodePort"] == PORT, "the images' names stay"
    endpoints.pods = service.select(pods)
    endpoints.wait([relay])
    pulls.more(4)
    relay.container.process.wait_line('"http.route":"blob"')
    service.patch(patch_of("give-back", tmp_path))
    assert service.spec == first
    endpoints.pods = service.select(pods)
    endpoints.wait([old])
    pulls.more(4)
