"""k8s/Makefile: the verbs on-premise for real, those for a cluster against a double of kubectl that keeps what it is given."""
import base64
import json
import os
import re
import shutil
import types

import pytest
from tools import manifest, ports, skopeo
from tools.journey import K8S, Journey
from tools.process import find, run
from tools.relay import TOP
from tools.standin import Standin, mapping

ALIASES = {  # as the nginx sample calls them
    "generate-self-signed-cert": "generate-certificate", "trust-self-signed-cert": "trust-certificate",
    "generate-htpasswd": "generate-users", "start-docker-registry": "start-registry", "stop-docker-registry": "stop-registry",
    "deploy-nginx-reverse-proxy": "deploy", "check-nginx-reverse-proxy": "check", "follow-nginx-reverse-proxy-logs": "logs",
    "follow-docker-registry-logs": "registry-logs", "docker-login": "login", "create-secret-to-pull-image": "pull-secret",
    "remove-nginx-proxy": "remove"}
SAME = ("create-test-image", "deploy-test-workload", "check-test-workload", "access-test-workload", "remove-test-workload", "cleanup")


@pytest.fixture
def journey(tmp_path):
    one = Journey(tmp_path)
    yield one
    one.make("stop-registry", check=False, ENGINE="true")


# --- on-premise ---------------------------------------------------------------------------------------------------

@pytest.mark.skipif(not find("buildah") or os.geteuid() != 0, reason="needs buildah and root")
def test_from_certificate_to_a_pull_through_the_relay(journey, start_relay, tmp_path):
    engine = f"buildah --root {tmp_path}/images --runroot {tmp_path}/run --storage-driver vfs"
    journey.make("generate-certificate", "trust-certificate", "generate-users", "start-registry")
    assert (tmp_path / "home/.config/containers/certs.d" / f"localhost:{journey.port}/ca.crt").exists()
    assert (journey.state / "password").stat().st_mode & 0o077 == 0
    done = journey.make("login", "create-test-image", ENGINE=engine, TEST_BASE="scratch")
    tag = (journey.state / "tag").read_text().strip()
    assert re.fullmatch(r"\d{8}-\d{6}", tag) and f"localhost:30085/regrelay-test:{tag}" in done.stdout
    journey.make("pull-secret")
    secret = json.loads(journey.applied())
    login = base64.b64decode(secret["auths"]["localhost:30085"]["auth"]).decode()
    assert login == f"puller:{journey.password}" and not (journey.state / "dockerconfig.json").exists()
    registry = types.SimpleNamespace(url=f"https://127.0.0.1:{journey.port}", certificate=journey.state / "registry.crt")
    with Standin(tmp_path / "standin", mappings=[mapping(f"localhost:{journey.port}", registry)]) as standin:
        relay = start_relay(proxy=standin.address, registries={"default": {"host": f"localhost:{journey.port}"}})
        pulled = skopeo.pull(f"localhost:{relay.port}/regrelay-test:{tag}", tmp_path / "pulled", credentials=login)
        assert pulled.returncode == 0, pulled.stderr
    assert journey.password not in done.stdout + done.stderr
    journey.make("untrust-certificate", "cleanup-registry")
    assert not journey.state.exists() and not ports.accepts(journey.port)
    shutil.rmtree(tmp_path / "images", ignore_errors=True)


def test_a_certificate_is_not_overwritten(journey):
    journey.make("generate-certificate")
    before = (journey.state / "registry.crt").read_bytes()
    done = journey.make("generate-certificate", check=False)
    assert done.returncode != 0 and "cleanup-registry removes it" in done.stderr
    assert (journey.state / "registry.crt").read_bytes() == before


def test_the_password_is_in_no_argument(journey):
    journey.make("generate-users")
    printed = journey.make("generate-users", "login", "pull-secret", options=["-n"]).stdout
    assert "--password-stdin" in printed and journey.password not in printed
    journey.make("pull-secret")
    assert journey.password not in (journey.double / "calls").read_text()


@pytest.mark.parametrize("engine, directory", [("docker", "docker"), ("podman", "containers"), ("buildah --root x", "containers"),
                                               ("/usr/bin/docker", "docker")])
def test_the_certificate_goes_where_the_engine_looks(engine, directory):
    done = run(["make", "-s", "-n", "-C", K8S, "trust-certificate", f"ENGINE={engine}"], check=True)
    assert f'"/etc/{directory}/certs.d/myregistry.kyma:25002/ca.crt"' in done.stdout


def test_cleanup_leaves_nothing_and_needs_root_for_the_certificate_alone(journey, tmp_path):
    journey.make("generate-certificate", "trust-certificate", "generate-users")
    trusted = [tmp_path / f"home/.config/containers/certs.d/localhost:{journey.port}/ca.crt", tmp_path / "ca/regrelay-registry.crt"]
    assert all(path.exists() for path in trusted)
    journey.make("cleanup", ENGINE="true")
    assert not journey.state.exists() and not any(path.exists() for path in trusted)
    deleted = [call for call in journey.calls() if call.startswith("delete ")]
    assert len(deleted) == 3 and "secret regrelay-test" in deleted[1] and deleted[2] == "delete --ignore-not-found -f -"
    assert "update-ca-certificates" not in journey.make("cleanup", ENGINE="true").stderr, "nothing is left to take back"


@pytest.mark.parametrize("verb, settings, complaint", [
    ("login", {}, "generate-users makes one, PASSWORD_FILE="),
    ("pull-secret", {}, "generate-users makes one, PASSWORD_FILE="),
    ("deploy", {}, "which image?  RELAY_IMAGE="),
    ("relay-image", {}, "which image?  RELAY_IMAGE="),
    ("start-registry", {"REGISTRY": "registry.corp"}, "REGISTRY=registry.corp: which port?"),
    ("start-registry", {}, "first: generate-certificate generate-users"),
    ("access-test-workload", {"DOMAIN": ""}, "which domain does the cluster have?"),
])
def test_what_is_missing_is_said_before_anything_is_done(journey, verb, settings, complaint):
    done = journey.make(verb, check=False, ENGINE="false", **settings)
    assert done.returncode != 0 and complaint in done.stderr, done.stderr
    assert not (journey.double / "calls").exists() and not (journey.double / "applied").exists()


def test_a_registry_of_ones_own_needs_a_password_file_alone(journey, tmp_path):
    (tmp_path / "mine").write_text("s3cret-of-mine")
    journey.make("pull-secret", PASSWORD_FILE=tmp_path / "mine", REGISTRY_USER="robot")
    login = json.loads(journey.applied())["auths"]["localhost:30085"]["auth"]
    assert base64.b64decode(login).decode() == "robot:s3cret-of-mine"


# --- in the cluster -----------------------------------------------------------------------------------------------

def test_deploy_fills_in_everything(journey):
    journey.make("deploy", RELAY_IMAGE="registry.example.com/relay:1.0", NODE_PORT="30007", LOCATION_ID="L1")
    objects = manifest.parse(journey.applied())
    assert manifest.problems(objects) == []
    pod = manifest.get(objects, "Deployment")["spec"]["template"]["spec"]
    assert {c["image"] for c in pod["containers"] + pod["initContainers"]} == {"registry.example.com/relay:1.0"}
    assert manifest.get(objects, "Service")["spec"]["ports"][0]["nodePort"] == 30007
    ini = manifest.get(objects, "ConfigMap")["data"]["regrelay.ini"]
    for line in (f"host = localhost:{journey.port}", "public_port = 30007", "location_id = L1"):
        assert line in ini.splitlines()
    assert any(call.startswith("rollout status -n regrelay deployment/regrelay") for call in journey.calls())


def test_deploy_beside_nginx_and_take_over(journey):
    journey.make("deploy", NAMESPACE="shop", NODE_PORT="30007", PUBLIC_PORT="31234", RELAY_IMAGE="registry.example.com/relay:1.0")
    objects = manifest.parse(journey.applied())
    assert "Namespace" not in {one["kind"] for one in objects}, "somebody else's stays as it is"
    assert {one["metadata"].get("namespace") for one in objects if one["kind"] != "PriorityClass"} == {"shop"}
    assert "public_port = 31234" in manifest.get(objects, "ConfigMap")["data"]["regrelay.ini"].splitlines()
    journey.make("take-over", "give-back", NAMESPACE="shop")
    there, back = [json.loads(call.split(" -p ", 1)[1]) for call in journey.calls() if call.startswith("patch service -n shop nginx")]
    labels = manifest.get(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selector = {key: value for key, value in there["spec"]["selector"].items() if value is not None}
    assert selector.items() <= labels.items() and there["spec"]["selector"]["app"] is None
    assert there["spec"]["ports"] == [{"port": 80, "targetPort": "relay", "appProtocol": "tcp"}]
    assert set(there["spec"]["selector"]) == set(back["spec"]["selector"]), "what one sets the other takes away"
    assert back["spec"]["ports"] == [{"port": 80, "targetPort": 8080, "appProtocol": None}]
    journey.make("remove", NAMESPACE="shop")
    assert journey.calls()[-1] == "delete --ignore-not-found -f -"


def test_deploy_refuses_when_a_setting_finds_no_place(journey, tmp_path):
    copy = tmp_path / "k8s"
    shutil.copytree(K8S, copy)
    (copy / "kyma.yaml").write_text((copy / "kyma.yaml").read_text().replace("nodePort: 30085", "nodePort: 30086"))
    done = run(["make", "-C", copy, "deploy", "RELAY_IMAGE=a/b:1", f"STATE={tmp_path / 'state'}", f"KUBECTL={journey.double / 'kubectl'}"])
    assert done.returncode != 0 and "a setting has no place" in done.stderr
    assert not (journey.double / "applied").exists()


@pytest.mark.parametrize("overlay", ["plain", "kyma-direct", "daemonset-hostport"])
def test_every_overlay_can_be_deployed(journey, overlay):
    journey.make("deploy", OVERLAY=overlay, RELAY_IMAGE="registry.example.com/relay:1.0", NODE_PORT="30007")
    assert manifest.problems(manifest.parse(journey.applied())) == []
    kind = "daemonset" if overlay.startswith("daemonset") else "deployment"
    assert any(f"{kind}/regrelay" in call for call in journey.calls())


def test_status_and_pulls_ask_every_pod(journey):
    for verb in ("status", "pulls"):
        done = journey.make(verb)
        for pod in ("pod/regrelay-a", "pod/regrelay-b"):
            assert f"== {pod}" in done.stdout
            assert f"exec -n regrelay -c regrelay {pod} -- /usr/bin/regctl {verb}" in journey.calls()


def test_no_pod_is_no_success(journey):
    (journey.double / "kubectl").write_text("#!/bin/sh\n")
    done = journey.make("status", check=False)
    assert done.returncode != 0 and "no pod of the relay is running in regrelay" in done.stderr


def test_the_relays_image_is_built_from_the_tree_and_pushed(journey):
    done = journey.make("relay-image", RELAY_IMAGE="registry.example.com/relay:1.0", ENGINE="echo")
    built, pushed = [line for line in done.stdout.splitlines() if line.startswith(("build ", "push "))]
    assert re.fullmatch(rf"build --build-arg VERSION=\S+ -t registry.example.com/relay:1.0 {re.escape(str(K8S))}/\.\.", built)
    assert pushed == "push registry.example.com/relay:1.0"


def test_configure_makes_the_configmap_that_pods_mount(journey, tmp_path):
    (tmp_path / "own.ini").write_text("[proxy]\n")
    journey.make("configure", CONFIG=tmp_path / "own.ini")
    assert journey.applied().startswith("[proxy]")
    assert any(call.startswith("create configmap -n regrelay regrelay --from-file=regrelay.ini=") for call in journey.calls())
    assert journey.make("configure", check=False).returncode != 0


def test_the_workload_names_image_and_host(journey):
    assert "first: create-test-image" in journey.make("deploy-test-workload", check=False).stderr
    journey.state.mkdir(exist_ok=True)
    (journey.state / "tag").write_text("20260101-000000\n")
    journey.make("deploy-test-workload", NODE_PORT="30007")
    objects = manifest.parse(journey.applied())
    [container] = manifest.get(objects, "Deployment", "regrelay-test")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "localhost:30007/regrelay-test:20260101-000000"
    assert manifest.get(objects, "APIRule", "regrelay-test")["spec"]["hosts"] == ["regrelay-test.example.com"]
    assert manifest.problems(objects) == []


def test_a_workload_that_does_not_come_up_says_why(journey):
    (journey.double / "broken").touch()
    done = journey.make("check-test-workload", check=False)
    assert done.returncode != 0 and "virtual host is not exposed" in done.stdout and "Name: x" not in done.stdout


@pytest.mark.parametrize("old", ALIASES)
def test_the_samples_names_do_the_same(journey, old):
    journey.state.mkdir(exist_ok=True)
    was, now = (journey.make(verb, options=["-n"]).stdout for verb in (old, ALIASES[old]))
    assert was == now and was


def test_every_verb_is_in_the_guide(journey):
    guide = (TOP / "docs/kyma.md").read_text()
    listed = [line.split()[0] for line in journey.make("help").stdout.splitlines()]
    assert set(ALIASES.values()) | set(SAME) | {"status", "pulls"} <= set(listed)
    for verb in [*listed, *ALIASES]:
        assert f"`{verb}`" in guide or re.search(rf"^(sudo )?make .*\b{verb}\b", guide, re.M), verb
