"""k8s/ without a cluster: fields, relations between objects, the configuration inside, and the rendered files."""
import json
import re
import sys

import pytest
import yaml
from tools import manifest
from tools.process import run
from tools.relay import REGCTL, REGRELAYD, TOP

K8S = TOP / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))


@pytest.fixture(params=OVERLAYS)
def overlay(request):
    return request.param


@pytest.fixture
def objects(overlay):
    return manifest.load(K8S / f"{overlay}.yaml")


def pods(objects):
    """The Deployment or DaemonSet."""
    [one] = [o for o in objects if o["kind"] in ("Deployment", "DaemonSet")]
    return one


def relay(objects):
    """Its container, and the pod's spec."""
    spec = pods(objects)["spec"]["template"]["spec"]
    [container] = spec["containers"]
    return container, spec


def effective(objects, tmp_path):
    """The configuration inside, as regrelayd understands it: {(section, key): value}."""
    path = tmp_path / "regrelay.ini"
    path.write_text(manifest.get(objects, "ConfigMap")["data"]["regrelay.ini"])
    checked = run([REGRELAYD, "-t", "-c", path])
    assert checked.returncode == 0, checked.stderr
    section, values = None, {}
    for line in run([REGRELAYD, "-T", "-c", path], check=True).stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]").split()[0]
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values[section, key.strip()] = value.split("#")[0].strip()
    return values


def seconds(text):
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
    total = 0
    for word in text.split():
        number = word.rstrip("hmins")
        total += float(number) * units[word[len(number):] or "s"]
    return total


# --- files --------------------------------------------------------------------------------------------------------

def test_rendered_files_are_what_the_overlays_make():
    done = run([sys.executable, K8S / "render.py", "--check"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_fields_are_those_of_the_api(objects):
    assert manifest.problems(objects) == []
    assert manifest.problems(manifest.load(K8S / "test/workload.yaml")) == []


@pytest.mark.parametrize("change, complaint", [
    (lambda spec: spec.update(replica=3), "spec.replica: no such field"),
    (lambda spec: spec.update(replicas="3"), "spec.replicas: '3' is no int"),
    (lambda spec: spec.pop("selector"), "spec.selector: missing"),
    (lambda spec: spec["strategy"].update(type="Rolling"), "spec.strategy.type: 'Rolling' is none of"),
    (lambda spec: spec["template"]["spec"]["containers"][0]["ports"][0].update(name="Relay"), "port 'Relay'"),
])
def test_the_check_of_fields_sees_mistakes(change, complaint):
    objects = manifest.load(K8S / "kyma.yaml")
    change(manifest.get(objects, "Deployment")["spec"])
    assert any(complaint in line for line in manifest.problems(objects)), manifest.problems(objects)


def test_a_key_twice_is_a_mistake():
    with pytest.raises(AssertionError, match="twice"):
        manifest.parse("a: 1\na: 2\n")


def test_render_refuses_what_it_does_not_know(tmp_path):
    (tmp_path / "overlays/x").mkdir(parents=True)
    (tmp_path / "render.py").write_text((K8S / "render.py").read_text())
    where = tmp_path / "overlays/x/kustomization.yaml"
    for text, complaint in (("namePrefix: a-\n", "namePrefix: not known"),
                            ("configMapGenerator: [{name: a, files: []}]\n", "disableNameSuffixHash must be true"),
                            ("patches: [{path: p.yaml, target: {kind: Pod, name: a}}]\n", "0 objects to patch")):
        where.write_text(text)
        done = run([sys.executable, tmp_path / "render.py", "x"])
        assert done.returncode == 1 and complaint in done.stderr, done.stderr


# --- relations ----------------------------------------------------------------------------------------------------

def test_selectors_match_the_pods(objects):
    labels = pods(objects)["spec"]["template"]["metadata"]["labels"]
    selectors = [pods(objects)["spec"]["selector"]["matchLabels"]]
    selectors += [o["spec"]["selector"] for o in objects if o["kind"] == "Service"]
    selectors += [o["spec"]["selector"]["matchLabels"] for o in objects
                  if o["kind"] in ("PodDisruptionBudget", "PeerAuthentication")]
    selectors.append(manifest.get(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"])
    selectors += [c["labelSelector"]["matchLabels"] for c in relay(objects)[1].get("topologySpreadConstraints", [])]
    assert len(selectors) >= 5
    for selector in selectors:
        assert selector.items() <= labels.items()


def test_ports_are_the_configured_ones(objects, tmp_path):
    container, _ = relay(objects)
    ports = {port["name"]: port for port in container["ports"]}
    values = effective(objects, tmp_path)
    assert values["listen", "address"] == f"*:{ports['relay']['containerPort']}"
    assert values["admin", "address"] == f"*:{ports['admin']['containerPort']}"
    service = manifest.get(objects, "Service")["spec"]
    assert [p["targetPort"] for p in service["ports"]] == ["relay"], "a NodePort shows nothing but pulls"
    node_port = service["ports"][0].get("nodePort") or ports["relay"]["hostPort"]
    assert values["listen", "public_port"] == str(node_port) and 30000 <= node_port <= 30085
    metrics = manifest.get(objects, "Service", "regrelay-metrics")
    assert metrics["spec"]["type"] == "ClusterIP" and metrics["spec"]["ports"][0]["targetPort"] == "admin"
    assert metrics["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"]["containerPort"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == "admin"
    rules = manifest.get(objects, "NetworkPolicy")["spec"]["ingress"]
    assert {"relay", "admin"} <= {port["port"] for rule in rules for port in rule["ports"]}
    proxy_port = int(values["proxy", "address"].rsplit(":", 1)[1])
    assert proxy_port in {port["port"] for rule in manifest.get(objects, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]}


def test_grace_period_fits_the_drain(objects, tmp_path):
    container, spec = relay(objects)
    values = effective(objects, tmp_path)
    drain = seconds(values["master", "drain_delay"]) + seconds(values["master", "drain_timeout"])
    assert drain == 310 < spec["terminationGracePeriodSeconds"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["/usr/bin/regctl", "drain", "--wait"]
    ready = container["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] <= seconds(values["master", "drain_delay"])


def test_the_pod_meets_restricted_pod_security(objects):
    container, spec = relay(objects)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] not in (0, 1337), "1337 is Istio's own"
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for one in [container, *spec["initContainers"]]:
        assert one["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                          "capabilities": {"drop": ["ALL"]}}
    assert all(set(volume) & {"configMap", "secret", "emptyDir"} for volume in spec["volumes"])


def test_configuration_is_a_whole_volume_under_a_fixed_name(objects):
    container, spec = relay(objects)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert volumes[mounts["/etc/regrelay"]["name"]]["configMap"]["name"] == "regrelay"
    assert "emptyDir" in volumes[mounts["/run/regrelay"]["name"]]
    [init] = spec["initContainers"]
    assert init["image"] == container["image"] and init["command"] == ["/usr/sbin/regrelayd", "-t"]
    assert [m for m in container["volumeMounts"] if m["name"] != "run"] == init["volumeMounts"]
    assert {m["name"] for m in container["volumeMounts"]} == set(volumes)


@pytest.mark.parametrize("uncommented", [
    ("#location_id =", "location_id = L1"),
    ("#authorization", "authorization", "#allow", "allow"),
    ("#auth = bearer", "auth = bearer", "#credentials", "credentials"),
])
def test_what_the_configuration_offers_in_comments_is_good(uncommented, tmp_path):
    """Only the Secrets, which are not there, are missed."""
    text = (K8S / "base/regrelay.ini").read_text()
    for old, new in zip(uncommented[::2], uncommented[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "regrelay.ini").write_text(text.replace("/etc/regrelay-secrets", str(tmp_path)))
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/username").write_text("u")
    (tmp_path / "registry/password").write_text("p")
    (tmp_path / "connectivity").mkdir()
    (tmp_path / "connectivity/credentials.json").write_text(json.dumps({
        "clientid": "c", "clientsecret": "s", "token_service_url": "https://auth.example.com/oauth/token"}))
    done = run([REGRELAYD, "-t", "-c", tmp_path / "regrelay.ini"])
    assert done.returncode == 0, done.stderr


def test_kyma_knows_the_mesh():
    objects = manifest.load(K8S / "kyma.yaml")
    template = manifest.get(objects, "Deployment")["spec"]["template"]
    container, spec = relay(objects)
    assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    annotations = template["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/nativeSidecar"] == "true"
    proxy = yaml.safe_load(annotations["proxy.istio.io/config"])
    assert proxy["holdApplicationUntilProxyStarts"] is True
    assert 310 <= int(proxy["terminationDrainDuration"].rstrip("s")) < spec["terminationGracePeriodSeconds"]
    plain = manifest.get(objects, "PeerAuthentication")["spec"]["portLevelMtls"]
    assert plain == {str(container["ports"][0]["containerPort"]): {"mode": "PERMISSIVE"}}, "no other port takes plain connections"
    direct = manifest.get(manifest.load(K8S / "kyma-direct.yaml"), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert direct == {**annotations, "traffic.sidecar.istio.io/excludeInboundPorts": "8080"}


def test_both_programs_are_where_the_manifest_looks_for_them():
    assert REGRELAYD.exists() and REGCTL.exists()
    recipe = (TOP / "Dockerfile").read_text()
    assert "--prefix=/usr" in recipe and "--sysconfdir=/etc" in recipe
    _, spec = relay(manifest.load(K8S / "kyma.yaml"))
    assert f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" in recipe


def test_keys_in_the_guide_to_migration_exist():
    text = (TOP / "conf/conf_keys.def").read_text()
    known = set(re.findall(r"^\w+\(\w+,\s*(\w+),", text, re.M))
    named = set()
    for line in (TOP / "docs/migrate.md").read_text().splitlines():
        if line.startswith("| `"):
            for words in re.findall(r"`([^`]*)`", line.split("|")[2]):
                named |= set(re.findall(r"^(?:\[[a-z ]+\] )?([a-z]+(?:_[a-z]+)*)(?: =.*)?$", words))
    assert {"address", "host", "token_hosts", "drain_timeout"} <= named
    assert named - known <= {"resources", "regrelay_upstream_up"}, named - known
