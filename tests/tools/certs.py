"""Certificates: a private authority and what it issues, with the openssl program.

    ca = Authority(dir)                          # ca.pem is what clients trust
    pair = ca.issue("myregistry.kyma")           # pair.certificate, pair.key: PEM files
"""
import dataclasses
import ipaddress
import pathlib

from .process import run


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""
    certificate: pathlib.Path
    key: pathlib.Path


class Authority:
    """A certificate authority of its own in dir (made when missing); certificate is its PEM file."""

    def __init__(self, directory, name="test authority"):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = self.dir / "ca.pem", self.dir / "ca-key.pem"
        _request(self.certificate, self._key, name, 30,
                 ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"])

    def issue(self, name, *more_names, days=30, client=False):
        """A certificate for name and more_names (hosts or addresses), valid for days (0: expired at once).

        client=True makes one for TLS clients instead of servers."""
        stem = name.replace("*", "_").replace(":", "_") + ("-client" if client else "")
        pair = Pair(self.dir / f"{stem}.pem", self.dir / f"{stem}-key.pem")
        names = ",".join(map(_san, (name, *more_names)))
        _request(pair.certificate, pair.key, name, days,
                 [f"subjectAltName={names}", "basicConstraints=CA:FALSE",
                  f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}"],
                 signed_by=("-CA", self.certificate, "-CAkey", self._key))
        return pair


def _san(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _request(certificate, key, name, days, extensions, signed_by=()):
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
            "-subj", f"/CN={name}", "-days", days, "-keyout", key, "-out", certificate, *signed_by]
    for extension in extensions:
        argv += ["-addext", extension]
    run(argv, check=True)
