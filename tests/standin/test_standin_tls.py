"""TLS towards the backend: the Cloud Connector's trust store and the internal name decide."""
import ssl

import pytest
from tools.certs import Authority
from tools.origin import Origin, ok
from tools.standin import VHOST


class TlsOrigin(Origin):
    """An Origin behind a certificate."""

    def __init__(self, pair):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.certificate, pair.key)
        super().__init__()

    def _serve(self, sock, number):
        try:
            sock = self._context.wrap_socket(sock, server_side=True)
        except OSError:
            pass
        super()._serve(sock, number)


@pytest.mark.parametrize("trusted,name,status", [
    (True, "registry.corp", 200), (False, "registry.corp", 502), (True, "elsewhere.corp", 502)])
def test_backend_certificate(stage, stack, tmp_path, trusted, name, status):
    ours, foreign = Authority(tmp_path / "ours"), Authority(tmp_path / "foreign", name="foreign")
    backend = stack.enter_context(TlsOrigin(ours.issue(name)))
    backend.answer("/v2/", ok(b"over TLS"))
    authority = ours if trusted else foreign
    s = stage(mapping={"backend": f"https://{backend.address}", "ca": str(authority.certificate)})
    answer = s.get()
    assert answer.status == status
    if status == 200:
        assert answer.body == b"over TLS"
    else:
        assert answer.body.decode() == f"Unable to open connection to backend system {VHOST}"
        assert "certificate verify failed" in s.standin.audit("backend-failed")[0]["error"]
