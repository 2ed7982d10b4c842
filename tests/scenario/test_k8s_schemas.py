"""k8s/ against what others say of it: the schemas of Kubernetes and Istio, kubectl and kustomize.  What cannot be had here is
skipped, with the reason."""
import json
import re

import pytest
from tools import manifest, schemas
from tools.process import ProcessError, find, run
from tools.relay import TOP

K8S = TOP / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))
OLDEST = (1, 21)  # kubectl before has a kustomize (2.0) that knows neither bases among resources nor patches with a target


@pytest.fixture(scope="module")
def packages():
    try:
        return schemas.fetch()
    except schemas.Unavailable as e:
        pytest.skip(str(e))


@pytest.fixture(params=OVERLAYS)
def overlay(request):
    return request.param


def sort(objects):
    return sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))


def test_the_schemas_accept_every_overlay(packages, overlay):
    assert schemas.problems(packages, manifest.load(K8S / f"{overlay}.yaml")) == []


def test_the_schemas_accept_the_test_workload(packages):
    """Kyma's own kind has no schema there: manifest.py has its fields."""
    found = schemas.problems(packages, manifest.load(K8S / "test/workload.yaml"))
    assert found == ["APIRule/regrelay-test: no schema for gateway.kyma-project.io/v2"]


def spec_of(kind):
    return lambda objects: manifest.get(objects, kind)["spec"]


@pytest.mark.parametrize("place, change, complaint", [
    (spec_of("Deployment"), lambda s: s.update(replica=3), "Deployment/regrelay: spec.replica: no such field"),
    (spec_of("Deployment"), lambda s: s.update(replicas="3"), 'spec.replicas: type {"type":"integer"}'),
    (spec_of("Deployment"), lambda s: s.pop("selector"), "spec.selector: missing"),
    (spec_of("Deployment"), lambda s: s["template"]["spec"]["containers"][0].update(readynessProbe={}),
     "spec.template.spec.containers.0.readynessProbe: no such field"),
    (spec_of("Deployment"), lambda s: s["template"]["spec"]["volumes"][0].update(configmap={"name": "x"}),
     "spec.template.spec.volumes.0.configmap: no such field"),
    (spec_of("Service"), lambda s: s["ports"][0].update(nodeport=30085), "spec.ports.0.nodeport: no such field"),
    (spec_of("Service"), lambda s: s.update(type="NodePorts"), "spec.type: enum"),
    (spec_of("NetworkPolicy"), lambda s: s["ingress"][0].update(form=[]), "spec.ingress.0.form: no such field"),
    (spec_of("PeerAuthentication"), lambda s: s["portLevelMtls"]["8080"].update(mode="PERMISIVE"),
     "PeerAuthentication/regrelay: spec.portLevelMtls.8080.mode: enum"),
    (spec_of("PeerAuthentication"), lambda s: s.update(portLevelMtl={}), "spec.portLevelMtl: no such field"),
    (lambda objects: manifest.get(objects, "Deployment"), lambda o: o.update(apiVersion="apps/v2"), "no schema for apps/v2"),
])
def test_the_schemas_refuse_a_typo(packages, place, change, complaint):
    objects = manifest.load(K8S / "kyma.yaml")
    change(place(objects))
    found = schemas.problems(packages, objects)
    assert len(found) == 1 and complaint in found[0], found


@pytest.fixture
def kustomize(packages):
    def build(directory):
        try:
            return schemas.kustomize(packages, directory)
        except schemas.Unavailable as e:
            return pytest.skip(str(e))
    return build


def test_kustomize_makes_the_same(kustomize, overlay):
    assert sort(kustomize(K8S / "overlays" / overlay)) == sort(manifest.load(K8S / f"{overlay}.yaml"))


def test_kustomize_sees_a_patch_without_a_place(kustomize, tmp_path):
    run(["cp", "-a", K8S, tmp_path / "k8s"], check=True)
    patch = tmp_path / "k8s/overlays/kyma/namespace.yaml"
    patch.write_text(patch.read_text().replace("/metadata/labels/", "/metadata/label/"))
    with pytest.raises(ProcessError, match="label"):
        kustomize(tmp_path / "k8s/overlays/kyma")


def kubectl_version():
    """(major, minor) of the kubectl here."""
    done = run(["kubectl", "version", "--client", "--output", "json"], check=True)
    version = json.loads(done.stdout)["clientVersion"]
    return tuple(int(re.match(r"\d+", version[part])[0]) for part in ("major", "minor"))


def test_kubectl_makes_the_same(overlay):
    if not find("kubectl"):
        pytest.skip("kubectl is not installed")
    if kubectl_version() < OLDEST:
        pytest.skip(f"this kubectl's kustomize is too old: {'.'.join(map(str, kubectl_version()))}")
    done = run(["kubectl", "kustomize", K8S / "overlays" / overlay], check=True)
    assert sort(manifest.parse(done.stdout)) == sort(manifest.load(K8S / f"{overlay}.yaml"))


# --- where they cannot be had -------------------------------------------------------------------------------------

@pytest.fixture
def npm_says(tmp_path, monkeypatch):
    """npm_says(text): from then on npm fails with this text, and nothing has been fetched yet."""
    def put(text):
        (tmp_path / "bin").mkdir()
        for name in ("npm", "node"):
            double = tmp_path / "bin" / name
            double.write_text(f"#!/bin/sh\necho 'npm error {text}' >&2\nexit 1\n")
            double.chmod(0o755)
        monkeypatch.setattr(schemas, "BUILD", tmp_path / "build")
        monkeypatch.setattr(schemas, "find", lambda name: str(tmp_path / "bin" / name))
        monkeypatch.setattr("tools.process._PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return put


def test_a_registry_out_of_reach_is_a_reason(npm_says):
    npm_says("code EAI_AGAIN")
    with pytest.raises(schemas.Unavailable, match="cannot reach"):
        schemas.fetch()


def test_a_lock_that_does_not_fit_is_a_failure(npm_says):
    npm_says("code EUSAGE: package.json and package-lock.json are not in sync")
    with pytest.raises(ProcessError, match="not in sync"):
        schemas.fetch()


def test_no_npm_is_a_reason(monkeypatch):
    monkeypatch.setattr(schemas, "find", lambda name: None if name == "npm" else f"/usr/bin/{name}")
    with pytest.raises(schemas.Unavailable, match="npm is not installed"):
        schemas.fetch()
