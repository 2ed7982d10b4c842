"""backend: what every relay of a benchmark fetches from: an nginx that serves a small manifest and a large blob.

Files and sendfile, so that the relays are what is measured and not the registry behind them.
"""
import hashlib
import json
import pathlib
import random

from tools import census, ports
from tools.nginx import Nginx

VHOST = "myregistry.kyma:25002"
BLOB_SIZE = 64 << 20
_MANIFEST = "/v2/team/app/manifests/1.0"

# For relays that speak TLS to it.
_TLS = """		listen 127.0.0.1:{port} backlog=4096 ssl;
		ssl_certificate {pair.certificate};
		ssl_certificate_key {pair.key};
		ssl_protocols TLSv1.3;
		ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
"""
# keepalive_requests: its default of 1000 would end the relays' pooled connections in the middle of everything.
_HTTP = """	access_log off;
	sendfile on;
	tcp_nopush on;
	open_file_cache max=16;
	keepalive_requests 1000000000;
	types {{ }}
	server {{
		listen 127.0.0.1:{port} backlog=4096;
{tls}		root {root};
		location /v2/team/app/manifests/ {{ default_type application/vnd.oci.image.manifest.v1+json; }}
		location /v2/team/app/blobs/ {{ default_type application/octet-stream; }}
		location /v2/team/chunked/ {{
			alias {root}/v2/team/app/;
			sendfile off;
			output_buffers 1 32k;
			addition_types *;
			add_after_body /nothing;
		}}
		location = /nothing {{ return 200 ""; }}
	}}
"""


class Backend:
    """Attributes: address, tls_port (TLS too, with pair, a certificate); manifest, blob, chunked_blob (targets; the last comes in chunks of 32 KiB, its length unsaid), manifest_digest, blob_digest (sha256 in hex), manifest_size,
    blob_size."""

    def __init__(self, directory, blob_size=BLOB_SIZE, connections=4096, pair=None):
        root = pathlib.Path(directory) / "files"
        data = (random.Random(42).randbytes(1 << 20) * (blob_size // (1 << 20) + 1))[:blob_size]
        self.blob_size = blob_size
        self.blob_digest = hashlib.sha256(data).hexdigest()
        self.manifest, self.blob = _MANIFEST, f"/v2/team/app/blobs/sha256:{self.blob_digest}"
        self.chunked_blob = self.blob.replace("/app/", "/chunked/")
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": blob_size,
                        "digest": f"sha256:{self.blob_digest}"}]}, indent=1).encode()
        self.manifest_size = len(manifest)
        self.manifest_digest = hashlib.sha256(manifest).hexdigest()
        for target, content in ((self.manifest, manifest), (self.blob, data)):
            path = root / target[1:]
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
        port, self.tls_port = ports.free_ports(2)
        http = _HTTP.format(port=port, root=root, tls=_TLS.format(port=self.tls_port, pair=pair) if pair else "")
        self._nginx = Nginx(directory, port=port, http=http, connections=connections)
        self.address = f"127.0.0.1:{port}"

    def pids(self):
        return [pid for pid, state in census.session(self._nginx.process.pid).items() if state != "Z"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._nginx.stop()
