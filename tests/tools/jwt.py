"""jwt: the tokens docker-registry takes, signed (ES256) with the openssl program.

    signer = Signer.make(dir)                    # signer.bundle is what the registry trusts: auth.token rootcertbundle
    token = signer.sign({"iss": ..., "aud": ..., "access": [...]})
"""
import base64
import dataclasses
import json
import pathlib
import ssl
import subprocess

from . import certs
from .process import ProcessError, find


@dataclasses.dataclass(frozen=True)
class Signer:
    """A key, its certificate and the certificate of who issued it, as PEM files."""
    key: str
    certificate: str
    bundle: str

    @classmethod
    def make(cls, directory):
        """A new one in directory, which it shares with nobody."""
        authority = certs.Authority(directory, "token authority")
        pair = authority.issue("signer.corp")
        return cls(str(pair.key), str(pair.certificate), str(authority.certificate))

    def sign(self, claims):
        """A JSON Web Token with these claims; its header carries the certificate (x5c)."""
        der = ssl.PEM_cert_to_DER_cert(pathlib.Path(self.certificate).read_text(encoding="ascii"))
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        text = f"{_coded(_json(head))}.{_coded(_json(claims))}"
        done = subprocess.run([find("openssl"), "dgst", "-sha256", "-sign", self.key], input=text.encode(),
                              capture_output=True, timeout=30, check=False)
        if done.returncode != 0:
            raise ProcessError(f"openssl: {done.stderr.decode(errors='replace').strip()}")
        return f"{text}.{_coded(_fixed(done.stdout))}"


def claims_of(token):
    """What a token says, unchecked."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _fixed(der):
    """The signature as RFC 7518 3.4 wants it, two numbers of 32 bytes, from the SEQUENCE that openssl writes."""
    first = der[4:4 + der[3]]
    second = der[4 + der[3] + 2:]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, second))


def _coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()
