"""The end of the journey: an image that the verbs of k8s/Makefile make and push on-premise, pulled by a node's containerd through
the relay with the pull secret they make, run as k8s/test/workload.yaml says, and asked for its page."""
import base64
import json
import pathlib
import re
import shutil
import signal
import time

import pytest
from tools import containerd, leftovers, manifest
from tools.journey import Journey
from tools.pod import NODE_PORT
from tools.process import find, run, started_at, wait_until
from tools.workload import Workload


def missing():
    if containerd.missing():
        return containerd.missing()
    for program in ("buildah", "busybox", "containerd-shim-runc-v2"):
        if not find(program):
            return f"{program} is not installed"
    return "" if run(["ldd", find("busybox")]).returncode != 0 else "busybox is not a static one"


@pytest.fixture(scope="module")
def on_premise(tmp_path_factory, premises, path):
    """The journey, as far as it goes on-premise: the test image is in the registry."""
    if missing():
        pytest.skip(missing())
    _, registry, _ = path
    directory = tmp_path_factory.mktemp("journey")
    journey = Journey(directory, registry=f"127.0.0.1:{registry.port}")
    journey.state.mkdir()
    (journey.state / "password").write_text(registry.password)
    shutil.copy2(registry.certificate, journey.state / "registry.crt")
    engine = f"buildah --root {directory}/images --runroot {directory}/run --storage-driver vfs"
    base = f"{journey.registry}/busybox:stable"
    with premises.net.inside():
        journey.make("trust-certificate", "login", ENGINE=engine)
        push_base(journey, engine.split(), base, directory)
        journey.make("create-test-image", ENGINE=engine, TEST_BASE=base)
    yield journey
    shutil.rmtree(directory / "images", ignore_errors=True)


def push_base(journey, engine, base, directory):
    """What docker.io has, in the registry itself: busybox and nothing else."""
    (directory / "base").mkdir()
    (directory / "base/Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/busybox\n")
    shutil.copy2(find("busybox"), directory / "base/busybox")
    run([*engine, "build", "-t", base, directory / "base"], check=True, env=journey.env)
    run([*engine, "push", base], check=True, env=journey.env)


def pull_secret(journey):
    """"user:password" for localhost:NodePort, from what pull-secret applied."""
    journey.make("pull-secret")
    return base64.b64decode(json.loads(journey.applied())["auths"][f"localhost:{NODE_PORT}"]["auth"]).decode()


def deployment_of(journey):
    """The test workload, as deploy-test-workload applies it."""
    journey.make("deploy-test-workload")
    return manifest.get(manifest.parse(journey.applied()), "Deployment", "regrelay-test")


@pytest.fixture
def pulled(start, node, on_premise, tmp_path_factory):
    """(containerd of the node, Deployment, relay's pod): its image has come through the relay."""
    deployment, relay = deployment_of(on_premise), start("relay")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    node.endpoints([relay.target])
    with node.net.inside(), containerd.Containerd(tmp_path_factory.mktemp("c")) as c:
        done = c.pull(container["image"], credentials=pull_secret(on_premise))
        assert done.returncode == 0, done.stderr
        yield c, deployment, relay


def test_a_workload_is_pulled_through_the_relay_and_serves(pulled, node, on_premise):
    c, deployment, relay = pulled
    tag, other = (on_premise.state / "tag").read_text().strip(), node.pod()
    with Workload(c, node.pod(), deployment) as workload:
        assert workload.image == f"localhost:{NODE_PORT}/regrelay-test:{tag}"
        workload.wait_ready(node.net)
        page = workload.get("/", other.net)
        assert page.status == 200 and f"regrelay-test:{tag} came through the relay" in page.body.decode()
        restricted_as_the_manifest_says(workload.pid(), deployment)
        began = time.monotonic()
        workload.stop(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
        assert time.monotonic() - began < 10, "remove-test-workload does not take long"
        with pytest.raises(OSError):
            workload.get("/", other.net)
    said = relay.container.process.text()
    assert '"http.route":"blob"' in said and f"regrelay-test/manifests/{tag}" in said, "it came through the relay"


def test_a_workload_of_a_killed_run_can_be_ended(pulled, node):
    """containerd and ctr are gone as a killed run leaves them; container and shim are not."""
    c, deployment, _ = pulled
    with Workload(c, node.pod(), deployment) as workload:
        workload.wait_ready(node.net)
        pid = workload.pid()
        born = started_at(pid)
        for process in (workload.process, c.process):
            process.signal(signal.SIGKILL)
            process.wait()
        assert started_at(pid) == born and leftovers.shims(str(c.socket))
        leftovers.end(workload.id)
        wait_until(lambda: started_at(pid) != born and not leftovers.shims(str(c.socket)), 10, "the end of container and shim")
        assert str(c.dir) not in pathlib.Path("/proc/self/mountinfo").read_text()


def restricted_as_the_manifest_says(pid, deployment):
    pod = deployment["spec"]["template"]["spec"]
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uid = pod["securityContext"]["runAsUser"]
    assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\s+0+$", status, re.M), kind
    assert re.search(r" \S+ / ro[, ]", pathlib.Path(f"/proc/{pid}/mountinfo").read_text())


def test_a_tag_that_is_not_there_is_told_by_containerd(start, node, on_premise, tmp_path_factory):
    relay = start("relay")
    node.endpoints([relay.target])
    with node.net.inside(), containerd.Containerd(tmp_path_factory.mktemp("c")) as c:
        done = c.pull(f"localhost:{NODE_PORT}/regrelay-test:none", credentials=pull_secret(on_premise))
        assert done.returncode != 0 and "not found" in done.stderr
        done = c.pull(f"localhost:{NODE_PORT}/regrelay-test:none", credentials="puller:wrong")
        assert done.returncode != 0 and "401" in done.stderr, done.stderr
