"""skopeo: push an image, pull one, look at the result; its own words in CompletedProcess.stderr.

It resumes nothing after a cut, which makes it the strictest judge of a relay.
"""
import hashlib
import json
import pathlib

from .process import find, run


def available():
    return find("skopeo") is not None


def push(image, target, *, credentials=None, token=None):
    """Copies an images.Image to target ("127.0.0.1:5000/team/app:t1"), digests untouched; raises when it fails.

    With a token no authorization server is asked for one."""
    options = ["--dest-tls-verify=false"] + (["--dest-creds", credentials] if credentials else [])
    options += ["--dest-registry-token", token] if token else []
    run(["skopeo", "--insecure-policy", "copy", "--all", *options, image.reference, f"docker://{target}"], check=True)


def pull_command(source, directory, *, credentials=None, certs_dir=None):
    """The argument list of a pull of source ("localhost:32000/team/app:t1") into a dir: directory.

    certs_dir: a directory with ca.crt, by which the server's certificate is checked; without one plain HTTP will do."""
    options = ["--src-cert-dir", str(certs_dir)] if certs_dir else ["--src-tls-verify=false"]
    options += (["--src-creds", credentials] if credentials else ["--src-no-creds"])
    return ["skopeo", "--insecure-policy", "copy", *options, f"docker://{source}", f"dir:{directory}"]


def pull(source, directory, *, credentials=None, certs_dir=None, timeout=120):
    """Runs that pull; never raises for a failed one: see returncode and stderr."""
    return run(pull_command(source, directory, credentials=credentials, certs_dir=certs_dir), timeout=timeout)


def pulled_digests(directory):
    """Digests of a finished pull, computed from the files that are there: (manifest, config, [layers])."""
    directory = pathlib.Path(directory)

    def digest(path):
        with path.open("rb") as f:
            return "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()

    manifest = json.loads((directory / "manifest.json").read_bytes())
    files = [manifest["config"], *manifest["layers"]]
    config, *layers = [digest(directory / entry["digest"].partition(":")[2]) for entry in files]
    return digest(directory / "manifest.json"), config, layers


def reason(done):
    """What a failed skopeo said, without its log decoration."""
    text = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
    if 'msg="' in text:
        text = text.partition('msg="')[2].rstrip('"').replace('\\"', '"')
    return text
