#!/usr/bin/python3
"""render.py: what `kubectl kustomize` makes of an overlay, for those who have neither.

    render.py OVERLAY        prints the manifest of overlays/OVERLAY
    render.py --update       writes OVERLAY.yaml beside this file, for every overlay
    render.py --check        exits 1 when one of them is not what --update would write

It knows the few keys of a kustomization that ours use (resources, namespace, configMapGenerator of files with
disableNameSuffixHash, patches that are files of JSON Patch operations, RFC 6902) and refuses all others, so it never
renders something else than kustomize does.
"""
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CLUSTER_WIDE = {"Namespace", "PriorityClass"}
ORDER = ["Namespace", "PriorityClass", "ServiceAccount", "ConfigMap", "Service", "PeerAuthentication", "NetworkPolicy",
         "PodDisruptionBudget", "Deployment", "DaemonSet"]
HEADER = """# Made by k8s/render.py from k8s/overlays/{overlay}: change it there.
# kubectl apply -f {overlay}.yaml
"""


class RenderError(ValueError):
    """A kustomization that this program does not understand, or a patch that does not apply; the text has the file."""


class Dumper(yaml.SafeDumper):
    """Lists indented, several lines of text as a block."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data):
        return True


def _text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, _text)


def only(where, mapping, *keys):
    """RenderError when the mapping has another key than these."""
    unknown = sorted(set(mapping) - set(keys))
    if unknown:
        raise RenderError(f"{where}: {', '.join(unknown)}: not known to render.py")


def load(path):
    """The documents of a file."""
    try:
        return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
    except (OSError, yaml.YAMLError) as e:
        raise RenderError(f"{path}: {e}") from e


def build(directory):
    """The objects of a kustomization, patched, in no particular order."""
    directory = directory.resolve()
    where = directory / "kustomization.yaml"
    [top] = load(where)
    only(where, top, "apiVersion", "kind", "namespace", "resources", "configMapGenerator", "generatorOptions", "patches")
    objects = []
    for name in top.get("resources", []):
        path = directory / name
        objects += build(path) if path.is_dir() else load(path)
    for one in top.get("configMapGenerator", []):
        objects.append(config_map(where, directory, one, top.get("generatorOptions") or {}))
    for one in top.get("patches", []):
        patch(where, directory, one, objects)
    for one in objects:
        if "namespace" in top and one["kind"] not in CLUSTER_WIDE:
            one["metadata"]["namespace"] = top["namespace"]
    return objects


def config_map(where, directory, one, options):
    """A ConfigMap of files."""
    only(where, one, "name", "files")
    only(where, options, "disableNameSuffixHash", "labels")
    if options.get("disableNameSuffixHash") is not True:
        raise RenderError(f"{where}: disableNameSuffixHash must be true: pods could not reload")
    data = {name: (directory / name).read_text() for name in one["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": one["name"], "labels": dict(options.get("labels") or {})}}


def patch(where, directory, one, objects):
    """Applies a file of operations to the one object it is meant for."""
    only(where, one, "path", "target", "options")
    only(where, one["target"], "kind", "name")
    only(where, one.get("options") or {}, "allowKindChange")
    path = directory / one["path"]
    found = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (one["target"]["kind"], one["target"]["name"])]
    if len(found) != 1:
        raise RenderError(f"{where}: {one['path']}: {len(found)} objects to patch")
    [operations] = load(path)
    for operation in operations:
        operate(path, found[0], operation)


def operate(path, target, operation):
    """One operation of RFC 6902: add, replace or remove."""
    only(path, operation, "op", "path", "value")
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    try:
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        change(target, last, operation)
    except (KeyError, IndexError, ValueError, TypeError) as e:
        raise RenderError(f"{path}: {operation['op']} {operation['path']}: no such place") from e


def change(target, key, operation):
    """Carries it out in the list or mapping that has the place."""
    kind, value = operation["op"], operation.get("value")
    if isinstance(target, list):
        key = len(target) if key == "-" and kind == "add" else int(key)
        if kind == "add" and 0 <= key <= len(target):
            target.insert(key, value)
            return
    elif kind == "add":
        target[key] = value
        return
    target[key]  # must be there
    if kind == "replace":
        target[key] = value
    elif kind == "remove":
        del target[key]
    else:
        raise ValueError(kind)


def render(overlay):
    """The manifest as text."""
    objects = sorted(build(HERE / "overlays" / overlay), key=lambda o: ORDER.index(o["kind"]))
    parts = [yaml.dump(one, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True) for one in map(ordered, objects)]
    return HEADER.format(overlay=overlay) + "---\n".join([""] + parts)


def ordered(one):
    """The same object with its keys as people write them."""
    first = [key for key in ("apiVersion", "kind", "metadata") if key in one]
    return {key: one[key] for key in first + [key for key in one if key not in first]}


def overlays():
    """Names of all overlays."""
    return sorted(path.parent.name for path in (HERE / "overlays").glob("*/kustomization.yaml"))


def main(argv):
    if len(argv) == 1 and argv[0] in overlays():
        sys.stdout.write(render(argv[0]))
        return 0
    if argv not in (["--update"], ["--check"]):
        sys.stderr.write(f"usage: render.py --update | --check | {' | '.join(overlays())}\n")
        return 2
    status = 0
    for overlay in overlays():
        path, text = HERE / f"{overlay}.yaml", render(overlay)
        if argv == ["--update"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not what its overlay makes; run k8s/render.py --update")
            status = 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RenderError as error:
        sys.exit(f"render.py: {error}")
