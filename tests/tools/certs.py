"""Certificates: a private authority and what it issues, with the openssl program.

    ca = Authority(dir)                          # ca.pem is what clients trust
    pair = ca.issue("myregistry.kyma")           # pair.certificate, pair.key: PEM files
"""
import dataclasses
import ipaddress
import pathlib

from .process import run

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
WEAK = ("-newkey", "rsa:1024")
PAST = ("20200101000000Z", "20210101000000Z")
FUTURE = ("20900101000000Z", "20910101000000Z")


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
        self._odd = 0
        _request(self.certificate, self._key, name, 30,
                 ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"])

    def issue(self, name, *more_names, days=30, client=False, san=True, dates=None, key=_EC, digest="sha256"):
        """A certificate for name and more_names (hosts or addresses), valid for days (0: expired at once).

        client=True makes one for TLS clients instead of servers.  What is wrong on purpose: san=False names it in its
        subject alone; dates ("20200101000000Z", "20210101000000Z") says from when until when it is valid; key and digest
        are what openssl req calls -newkey (with options) and the digest."""
        plain = san and dates is None and key == _EC and digest == "sha256"
        stem = name.replace("*", "_").replace(":", "_") + ("-client" if client else "")
        if not plain:
            self._odd += 1
            stem += f"-odd{self._odd}"
        pair = Pair(self.dir / f"{stem}.pem", self.dir / f"{stem}-key.pem")
        names = ",".join(map(_san, (name, *more_names)))
        extensions = [*([f"subjectAltName={names}"] if san else []), "basicConstraints=CA:FALSE",
                      f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}"]
        if dates:
            self._issue_dated(pair, name, dates, extensions)
        else:
            _request(pair.certificate, pair.key, name, days, extensions, key=key, digest=digest,
                     signed_by=("-CA", self.certificate, "-CAkey", self._key))
        return pair

    def _issue_dated(self, pair, name, dates, extensions):
        """By `openssl ca`, the one command of OpenSSL 3.0 that takes dates."""
        work = pair.key.with_suffix(".d")
        work.mkdir()
        (work / "index.txt").touch()
        (work / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = it\n[it]\ndatabase = {work}/index.txt\nnew_certs_dir = {work}\npolicy = any\n"
            "default_md = sha256\nrand_serial = yes\nx509_extensions = more\n[any]\ncommonName = supplied\n[more]\n" +
            "\n".join(extensions) + "\n")
        run(["openssl", "req", "-new", *_EC, "-noenc", "-subj", f"/CN={name}", "-keyout", pair.key,
             "-out", work / "request.pem"], check=True)
        run(["openssl", "ca", "-batch", "-notext", "-config", work / "ca.cnf", "-cert", self.certificate, "-keyfile",
             self._key, "-startdate", dates[0], "-enddate", dates[1], "-in", work / "request.pem",
             "-out", pair.certificate], check=True)


def self_signed(directory, name, *more_names):
    """A server's certificate that nobody else has signed."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    pair = Pair(directory / "self.pem", directory / "self-key.pem")
    names = ",".join(map(_san, (name, *more_names)))
    _request(pair.certificate, pair.key, name, 30, [f"subjectAltName={names}", "basicConstraints=CA:FALSE"])
    return pair


def _san(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _request(certificate, key_file, name, days, extensions, signed_by=(), key=_EC, digest="sha256"):
    argv = ["openssl", "req", "-x509", *key, f"-{digest}", "-noenc",
            "-subj", f"/CN={name}", "-days", days, "-keyout", key_file, "-out", certificate, *signed_by]
    for extension in extensions:
        argv += ["-addext", extension]
    run(argv, check=True)
