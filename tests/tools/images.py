"""Images: container images of any size from nothing but a seed, as OCI image layouts; no network, no build tool.

    image = make_image(dir / "app", layers=[4 << 20] * 5, seed=1)
    image.manifest_digest, image.layers            # what a client must end up with

Layers are gzip files with stored (level 0) blocks around random content: real to every client, incompressible for
every proxy, and a 130 MB image takes about a second.  The same arguments give the same digests.
"""
import dataclasses
import gzip
import hashlib
import io
import json
import pathlib
import platform
import random
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a layout directory (`oci:LAYOUT:TAG` for skopeo).  Digests are "sha256:hex" strings."""
    layout: pathlib.Path
    tag: str
    digest: str           # what the tag names: the index if there is one, else the manifest
    manifest_digest: str
    config: str
    layers: tuple
    sizes: dict           # digest -> bytes, for everything above

    @property
    def reference(self):
        return f"oci:{self.layout}:{self.tag}"

    @property
    def total(self):
        """Bytes of all layers."""
        return sum(self.sizes[digest] for digest in self.layers)

    def blob(self, digest):
        """Content of a blob or manifest."""
        return _blob_path(self.layout, digest).read_bytes()


def make_image(layout, *, layers, seed=0, tag="t1", index=False):
    """Writes an image of the given layer sizes (bytes of content) into a new layout directory.

    index=True puts an image index (a list of one platform) on top, as multi-platform images have it."""
    layout = pathlib.Path(layout)
    (layout / "blobs/sha256").mkdir(parents=True)
    sizes = {}
    source = random.Random(seed)

    def add(media_type, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        _blob_path(layout, digest).write_bytes(data)
        sizes[digest] = len(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    descriptors, diff_ids = [], []
    for number, size in enumerate(layers):
        tar = _tar(f"data/layer{number}.bin", source.randbytes(size))
        diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        descriptors.append(add(LAYER, gzip.compress(tar, compresslevel=0, mtime=0)))
    config = add(CONFIG, _json({
        "created": "2024-01-01T00:00:00Z", "architecture": _ARCHITECTURE, "os": "linux",
        "config": {"Cmd": ["/bin/true"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(layers))]}))
    top = manifest = add(MANIFEST, _json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors}))
    if index:
        entry = {**manifest, "platform": {"architecture": _ARCHITECTURE, "os": "linux"}}
        top = add(INDEX, _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_bytes(_json({
        "schemaVersion": 2, "manifests": [{**top, "annotations": {"org.opencontainers.image.ref.name": tag}}]}))
    return Image(layout, tag, top["digest"], manifest["digest"], config["digest"],
                 tuple(d["digest"] for d in descriptors), sizes)


def _blob_path(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _tar(name, content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()
