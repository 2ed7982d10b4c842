"""In a container: the image's tree under runc, as the Deployment in k8s/ restricts it, pulling through the stand-in."""
import base64
import hashlib
import os
import pathlib
import re
import signal
import time

import pytest
from tools import container, ports, rawhttp, skopeo
from tools.certs import Authority
from tools.container import Container
from tools.images import make_image
from tools.kernel import has_landlock
from tools.pod import PROXY, configuration
from tools.pod import SPEC as POD
from tools.process import run, wait_until
from tools.registry import Registry
from tools.standin import Standin


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """(stand-in, registry, image): an on-premise registry with one image behind the tunnel."""
    directory = tmp_path_factory.mktemp("path")
    image = make_image(directory / "app", layers=[2 << 20, 512 << 10])
    with Registry(directory / "registry", authority=Authority(directory / "ca")) as registry:
        registry.push(image, "team/app:t1")
        with Standin(directory / "standin", registry=registry) as standin:
            yield standin, registry, image


class Pod:
    """The container, and the ConfigMap as on the cluster but for the ports and the way out."""

    def __init__(self, directory, root, standin, **more):
        self.port, self.admin = ports.free_ports(2)
        self.ini = configuration({"*:8080": f"*:{self.port}", "*:9090": f"*:{self.admin}", PROXY: standin.address,
                                  "drain_delay = 10s": "drain_delay = 1s"})
        self.container = Container(directory / "pod", root, POD, self.ini, **more)

    def probe(self, name):
        """The status a probe of the manifest gets; 0 when nobody answers."""
        probe = POD["containers"][0][name]["httpGet"]
        try:
            answer = rawhttp.get(self.admin, probe["path"])
        except OSError:
            return 0
        return answer.status if answer else 0

    def pull(self, registry, directory):
        return skopeo.pull(f"localhost:{self.port}/team/app:t1", directory, credentials=registry.credentials)


@pytest.fixture
def pod(tmp_path, tree, path):
    os.chmod(tmp_path, 0o755)
    pod = Pod(tmp_path, tree, path[0])
    with pod.container:
        wait_until(lambda: pod.probe("startupProbe") == 200, 20, "the startup probe")
        yield pod


def status_of(pid):
    return pathlib.Path(f"/proc/{pid}/status").read_text()


def children(pid):
    return [int(child) for child in run(["pgrep", "-P", pid]).stdout.split()]


def test_packages_of_the_image_are_in_the_tree(tree):
    known = (tree / "var/lib/dpkg/status").read_text()
    wanted = set(container.recipe_packages())
    assert "libssl3" in wanted and "ca-certificates" in wanted
    for name in wanted - {"ca-certificates"}:
        assert re.search(rf"^Package: {re.escape(name)}$", known, re.M), name
    assert "BEGIN CERTIFICATE" in (tree / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert not (tree / "bin/sh").exists()


def test_pulls_under_the_restrictions_of_the_pod(pod, path, tmp_path):
    _, registry, image = path
    done = pod.pull(registry, tmp_path / "pulled")
    assert done.returncode == 0, done.stderr
    assert skopeo.pulled_digests(tmp_path / "pulled")[0] == image.manifest_digest
    master = pod.container.pid()
    uid = POD["securityContext"]["runAsUser"]
    for pid in [master, *children(master)]:
        status = status_of(pid)
        assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", status, re.M)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert re.search(rf"^{kind}:\s+0+$", status, re.M), kind
    metrics = rawhttp.get(pod.admin, "/metrics").body.decode()
    confined = [int(n) for n in re.findall(r"^regrelay_sandboxed_processes\{.*\} (\d+)$", metrics, re.M)]
    assert len(confined) == 2 and (min if has_landlock() else max)(confined) > 1, "the pod's profile leaves room for the daemon's"
    assert pod.probe("readinessProbe") == pod.probe("livenessProbe") == 200


def test_regctl_works_inside_without_a_shell(pod):
    done = pod.container.exec("/usr/bin/regctl", "status", check=True)
    assert "localhost:30085/..." in done.stdout and "serving" in done.stdout
    assert pod.container.exec("/usr/bin/regctl", "pulls").returncode == 0
    assert pod.container.exec("/bin/sh", "-c", "true").returncode != 0


def test_the_root_is_read_only_and_the_control_socket_works(pod):
    master = pod.container.pid()
    mounts = pathlib.Path(f"/proc/{master}/mountinfo").read_text()
    assert re.search(r" \S+ / ro[, ]", mounts)
    assert re.search(r" /run/regrelay rw[, ].* - tmpfs ", mounts)
    assert re.search(r" /etc/regrelay ro[, ]", mounts)


def test_init_container_judges_the_configuration(tmp_path, tree, path):
    os.chmod(tmp_path, 0o755)
    good = Pod(tmp_path / "good", tree, path[0], start=False)
    with good.container:
        assert good.container.init()[0] == 0
    bad = Pod(tmp_path / "bad", tree, path[0], start=False)
    with bad.container:
        bad.container.swap(bad.ini + "hots = a\nlocaton_id = b\n")
        status, text = bad.container.init()
        assert status == 78 and "did you mean 'host'" in text and "did you mean 'location_id'" in text


def test_a_swapped_configmap_reloads_and_a_bad_one_does_not(pod, path):
    standin, _, _ = path
    before = pod.container.pid()
    pod.container.swap(pod.ini + "allow = other/**\n")
    pod.container.process.wait_line("reloaded: generation 2 serves")
    assert rawhttp.get(pod.port, "/v2/team/app/manifests/t1").status == 403
    pod.container.swap(pod.ini + "alow = other/**\n")
    pod.container.process.wait_line("did you mean 'allow'")
    assert rawhttp.get(pod.port, "/v2/team/app/manifests/t1").status == 403
    pod.container.swap(pod.ini)
    wait_until(lambda: rawhttp.get(pod.port, "/v2/team/app/manifests/t1").status == 401, 20, "the first rules again")
    assert pod.container.pid() == before
    assert standin.requests()


def test_pre_stop_lets_a_pull_end_and_term_finds_nothing_left(pod, path):
    _, registry, image = path
    with rawhttp.Connection(pod.port, timeout=30, receive_buffer=65536) as client:  # the pull does not end before it is read
        digest = image.layers[0]
        login = base64.b64encode(registry.credentials.encode()).decode()
        client.request(f"/v2/team/app/blobs/{digest}", headers=[("Authorization", f"Basic {login}")])
        wait_until(lambda: digest[:16] in pod.container.exec("/usr/bin/regctl", "pulls").stdout, 10, "the pull")
        with pod.container.pre_stop() as hook:
            wait_until(lambda: pod.probe("readinessProbe") == 503, 10, "not ready")
            assert pod.probe("livenessProbe") == 200 and hook.alive()
            body = client.answer().body
            assert "sha256:" + hashlib.sha256(body).hexdigest() == digest
            assert hook.wait(20) == 0, hook.text()
    runc = pod.container.process
    began = time.monotonic()
    runc.signal(signal.SIGTERM)
    assert runc.wait(20) == 0
    assert time.monotonic() - began < 5, "drained before: nothing to wait for"


def test_term_alone_drains_and_exits_0(pod):
    pod.container.process.signal(signal.SIGTERM)
    assert pod.container.process.wait(POD["terminationGracePeriodSeconds"]) == 0


def test_a_secret_is_readable_by_the_group_of_the_pod_only(tmp_path, tree, path):
    os.chmod(tmp_path, 0o755)
    _, registry, image = path
    secret = {"username": registry.user, "password": registry.password}
    own = Pod(tmp_path, tree, path[0], secrets={"registry": secret}, start=False)
    own.ini = own.ini.replace("#authorization", "authorization").replace("#allow", "allow")
    own.container.swap(own.ini)
    with own.container:
        own.container.start()
        wait_until(lambda: own.probe("startupProbe") == 200, 20, "the startup probe")
        answer = rawhttp.get(own.port, f"/v2/team/app/blobs/{image.config}")
        assert answer.status == 200, "the relay's own login pulls"
        text = own.container.process.text()
        assert registry.password not in text and "Permission denied" not in text
