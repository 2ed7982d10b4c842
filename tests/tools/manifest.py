"""manifest: the objects of a Kubernetes manifest, and whether their fields are right, without a cluster.

    objects = load(path)                       # [Object dict, ...]
    problems(objects)                          # ["Deployment/regrelay: spec.replica: no such field", ...]

SCHEMA has, after the API reference of each kind, the fields that we use (and no others: a new one has to be looked up and
added).  A name with ! must be there; a tuple is a choice; {"*": x} is a map with free keys; [x] is a list of x.
"""
import re

import yaml

PORT = (int, str)   # a number, or the name of a container's port: IntOrString
LABELS = {"*": str}
META = {"name!": str, "namespace": str, "labels": LABELS, "annotations": LABELS}
SELECTOR = {"matchLabels!": LABELS}
QUANTITIES = {"cpu": str, "memory": str}
HTTP_PROBE = {"httpGet!": {"path!": str, "port!": PORT}, "periodSeconds": int, "timeoutSeconds": int, "failureThreshold": int}
CONTAINER = {
    "name!": str, "image!": str, "imagePullPolicy": ("Always", "IfNotPresent", "Never"), "command": [str], "args": [str],
    "ports": [{"name": str, "containerPort!": int, "hostPort": int, "hostIP": str, "protocol": ("TCP", "UDP")}],
    "startupProbe": HTTP_PROBE, "readinessProbe": HTTP_PROBE, "livenessProbe": HTTP_PROBE,
    "lifecycle": {"preStop": {"exec!": {"command!": [str]}}},
    "resources": {"requests": QUANTITIES, "limits": QUANTITIES},
    "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool, "runAsNonRoot": bool,
                        "runAsUser": int, "capabilities": {"drop": [str]}},
    "volumeMounts": [{"name!": str, "mountPath!": str, "readOnly": bool}],
}
VOLUME = {"name!": str, "configMap": {"name!": str}, "secret": {"secretName!": str, "optional": bool, "defaultMode": int},
          "emptyDir": {"medium": ("", "Memory"), "sizeLimit": str}}
POD = {
    "serviceAccountName": str, "automountServiceAccountToken": bool, "enableServiceLinks": bool, "priorityClassName": str,
    "terminationGracePeriodSeconds": int, "imagePullSecrets": [{"name!": str}],
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int,
                        "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
                        "seccompProfile": {"type!": ("RuntimeDefault", "Localhost", "Unconfined")}},
    "topologySpreadConstraints": [{"maxSkew!": int, "topologyKey!": str, "labelSelector": SELECTOR,
                                   "whenUnsatisfiable!": ("DoNotSchedule", "ScheduleAnyway")}],
    "initContainers": [CONTAINER], "containers!": [CONTAINER], "volumes": [VOLUME],
}
TEMPLATE = {"metadata!": {"labels!": LABELS, "annotations": LABELS}, "spec!": POD}
PEER = {"namespaceSelector": SELECTOR, "podSelector": SELECTOR}
POLICY_PORTS = [{"protocol": ("TCP", "UDP"), "port": PORT}]
SCHEMA = {
    ("v1", "Namespace"): {},
    ("v1", "ConfigMap"): {"data": LABELS},
    ("v1", "ServiceAccount"): {"automountServiceAccountToken": bool},
    ("v1", "Service"): {"spec!": {
        "type": ("ClusterIP", "NodePort"), "selector!": LABELS, "publishNotReadyAddresses": bool,
        "trafficDistribution": ("PreferClose", "PreferSameZone", "PreferSameNode"),
        "ports!": [{"name!": str, "appProtocol": str, "protocol": ("TCP", "UDP"), "port!": int, "targetPort": PORT,
                    "nodePort": int}]}},
    ("scheduling.k8s.io/v1", "PriorityClass"): {"value!": int, "globalDefault": bool, "description": str,
                                                "preemptionPolicy": ("Never", "PreemptLowerPriority")},
    ("apps/v1", "Deployment"): {"spec!": {
        "replicas": int, "revisionHistoryLimit": int, "selector!": SELECTOR, "template!": TEMPLATE,
        "strategy": {"type": ("RollingUpdate", "Recreate"), "rollingUpdate": {"maxUnavailable": PORT, "maxSurge": PORT}}}},
    ("apps/v1", "DaemonSet"): {"spec!": {
        "revisionHistoryLimit": int, "selector!": SELECTOR, "template!": TEMPLATE,
        "updateStrategy": {"type": ("RollingUpdate", "OnDelete"), "rollingUpdate": {"maxUnavailable": PORT, "maxSurge": PORT}}}},
    ("policy/v1", "PodDisruptionBudget"): {"spec!": {
        "maxUnavailable": PORT, "minAvailable": PORT, "selector!": SELECTOR,
        "unhealthyPodEvictionPolicy": ("IfHealthyBudget", "AlwaysAllow")}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec!": {
        "podSelector!": SELECTOR, "policyTypes": [("Ingress", "Egress")],
        "ingress": [{"from": [PEER], "ports": POLICY_PORTS}], "egress": [{"to": [PEER], "ports": POLICY_PORTS}]}},
    ("security.istio.io/v1", "PeerAuthentication"): {"spec!": {
        "selector": SELECTOR, "portLevelMtls": {"*": {"mode!": ("PERMISSIVE", "STRICT", "DISABLE", "UNSET")}}}},
    ("gateway.kyma-project.io/v2", "APIRule"): {"spec!": {
        "hosts!": [str], "gateway!": str, "service!": {"name!": str, "port!": int},
        "rules!": [{"path!": str, "methods!": [("GET", "HEAD", "POST", "PUT", "DELETE")], "noAuth": bool}]}},
}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](-?[a-z0-9]){0,14}")
_LABEL = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61}[A-Za-z0-9]|[A-Za-z0-9])?")


class _Strict(yaml.SafeLoader):
    """A key that is there twice is a mistake, not the last one's."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(map(str, keys))), f"{node.start_mark}: a key is there twice: {keys}"
        return super().construct_mapping(node, deep)


def parse(text):
    """The objects in a text."""
    return [one for one in yaml.load_all(text, Loader=_Strict) if one is not None]


def load(path):
    """The objects of a file."""
    return parse(path.read_text())


def get(objects, kind, name="regrelay"):
    """The one object of that kind and name."""
    [found] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def problems(objects):
    """What is wrong with their fields, one line each."""
    found = []
    for one in objects:
        where = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
        schema = SCHEMA.get((one.get("apiVersion"), one.get("kind")))
        if schema is None:
            found.append(f"{where}: {one.get('apiVersion')} is not known")
            continue
        whole = {"apiVersion!": str, "kind!": str, "metadata!": META, **schema}
        found += [f"{where}: {line}" for line in _check(one, whole, "")]
        found += [f"{where}: {line}" for line in _names(one)]
    return found


def _check(value, schema, where):
    if isinstance(schema, tuple):
        good = any(isinstance(value, c) and not isinstance(value, bool) if isinstance(c, type) else value == c for c in schema)
        return [] if good else [f"{where[1:]}: {value!r} is none of {schema}"]
    if isinstance(schema, type):
        good = isinstance(value, schema) and (schema is bool or not isinstance(value, bool))
        return [] if good else [f"{where[1:]}: {value!r} is no {schema.__name__}"]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{where[1:]}: not a list"]
        return [line for n, one in enumerate(value) for line in _check(one, schema[0], f"{where}.{n}")]
    if not isinstance(value, dict):
        return [f"{where[1:]}: not a mapping"]
    if "*" in schema:
        return [line for key, one in value.items() for line in _check(key, str, where) + _check(one, schema["*"], f"{where}.{key}")]
    known = {name.rstrip("!"): one for name, one in schema.items()}
    found = [f"{(where + '.' + str(key))[1:]}: no such field" for key in value if key not in known]
    found += [f"{(where + '.' + name)[1:-1]}: missing" for name in schema if name.endswith("!") and name[:-1] not in value]
    return found + [line for key, one in value.items() if key in known for line in _check(one, known[key], f"{where}.{key}")]


def _names(one):
    """Names and labels as the API server wants them."""
    found = [] if _NAME.fullmatch(one["metadata"]["name"]) else ["metadata.name: not a DNS label"]
    for value in (one["metadata"].get("labels") or {}).values():
        found += [] if _LABEL.fullmatch(value) else [f"label {value!r}"]
    spec = one.get("spec", {}).get("template", {}).get("spec", {})
    for container in spec.get("containers", []):
        found += [f"port {p['name']!r}" for p in container.get("ports", []) if not _PORT_NAME.fullmatch(p["name"])]
    return found
