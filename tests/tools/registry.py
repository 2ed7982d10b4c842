"""Registry: Debian's docker-registry as the private on-premise registry, with TLS and users, in one directory.

    with Registry(dir, authority=Authority(dir / "ca")) as registry:
        registry.push(image, "team/app:t1")

It listens on 127.0.0.1:port; its certificate is for `name`, localhost and 127.0.0.1.  With token=TokenServer(...) it
sends clients there instead of having users of its own.
"""
import json
import pathlib
import secrets

from . import ports, skopeo
from .process import Process, run, starting

VIRTUAL_NAME = "myregistry.kyma"


class Registry:
    """A running docker-registry.  Attributes: port, user, password, certificate (the CA's, None without TLS), url."""

    def __init__(self, directory, *, authority=None, name=VIRTUAL_NAME, auth=True, token=None, realm=None,
                 settings=None, port=None, survive=False):
        """authority: a certs.Authority, or None for plain HTTP.  auth=False: no htpasswd.  token: a TokenServer, which
        it announces as realm (default: where it really is).  settings: a dict laid over the configuration, section by
        section, e.g. {"http": {"relativeurls": True}}; a section auth takes the place of htpasswd."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or ports.free_port()
        settings = {**(token.registry_settings(realm=realm) if token else {}), **(settings or {})}
        own_users = auth and "auth" not in settings  # docker-registry takes one kind only
        self.user, self.password = ("puller", secrets.token_urlsafe(12)) if own_users else (None, None)
        self.certificate = authority.certificate if authority else None
        config = self._config(authority, name)
        self._token = token
        if token:
            self.user, self.password = token.user, token.password
        for section, values in settings.items():
            config[section] = {**config.get(section, {}), **values} if isinstance(values, dict) else values
        (self.dir / "config.yml").write_text(json.dumps(config, indent=1))  # JSON is YAML
        self._survive = survive
        self.process = self._start()

    @property
    def scheme(self):
        return "https" if self.certificate else "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def credentials(self):
        """"user:password", or None."""
        return f"{self.user}:{self.password}" if self.user else None

    @property
    def blobs(self):
        """The directory of what it holds: ab/abcd.../data is the content of sha256:abcd..."""
        return self.dir / "data/docker/registry/v2/blobs/sha256"

    def push(self, image, repository):
        """Pushes an images.Image as repository ("team/app:t1") with skopeo, not through any proxy.

        The token server is not asked: its realm may be a name that nobody can resolve here."""
        target = f"127.0.0.1:{self.port}/{repository}"
        if self._token:
            skopeo.push(image, target, token=self._token.token(repository.partition(":")[0], "pull", "push"))
        else:
            skopeo.push(image, target, credentials=self.credentials)

    def stop(self):
        return self.process.stop()

    def restart(self):
        """Starts it again on the same port with the same content."""
        self.process.stop()
        self.process = self._start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def _start(self):
        process = Process(["docker-registry", "serve", self.dir / "config.yml"], log=self.dir / "registry.log",
                          name="docker-registry", survive=self._survive)
        with starting(process):
            return process.wait_port(self.port)

    def _config(self, authority, name):
        http = {"addr": f"127.0.0.1:{self.port}", "secret": secrets.token_hex(16)}
        if authority:
            pair = authority.issue(name, "localhost", "127.0.0.1")
            http["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key)}
        config = {"version": 0.1, "log": {"level": "info"}, "http": http,
                  "storage": {"filesystem": {"rootdirectory": str(self.dir / "data")},
                              "cache": {"blobdescriptor": "inmemory"}, "delete": {"enabled": True}}}
        if self.user:
            users = self.dir / "htpasswd"
            users.write_text(run(["htpasswd", "-niB", "-C", "4", self.user], stdin=self.password, check=True).stdout)
            config["auth"] = {"htpasswd": {"realm": "basic-realm", "path": str(users)}}
        return config
