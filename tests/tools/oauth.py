"""OAuth: the token service of the connectivity proxy (XSUAA, IAS), over TLS, in a process of its own.

    with OAuth(dir / "oauth", authority=ca) as uaa:
        uaa.bind(dir / "binding")                # the directory a cluster would mount: clientid, clientsecret, ...
        standin.set(mode="untrusted", token_key=uaa.key)
        uaa.set(expires_in=2)
"""
import importlib.util
import json
import pathlib
import secrets
import time
import urllib.parse

from . import httpd
from .service import Service

# The stand-in is a program of its own and no package: what makes the tokens it checks is loaded from its file.
_SPEC = importlib.util.spec_from_file_location("standin_tokens",
                                               pathlib.Path(__file__).resolve().parents[1] / "standin/tokens.py")
tokens = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tokens)


class OAuth(Service):
    """Attributes besides Service's: client, secret, key (of the tokens), authority.

    Settings: clients {client id: secret or secrets, "" = its certificate is enough}, expires_in, fields (of the answer), path,
    resource (that must be asked for; "" = none)."""

    def __init__(self, directory, *, authority, name="uaa.corp", expires_in=3600, path="/oauth/token", mutual=False):
        self.client, self.secret, self.key = "sb-cp!b1", secrets.token_urlsafe(24) + "=&+ %", secrets.token_urlsafe(24)
        self.authority = authority
        config = {"key": self.key, "client_ca": str(authority.certificate) if mutual else None}
        super().__init__(directory, "tools.oauth", name=name, authority=authority, config=config,
                         settings={"clients": {self.client: "" if mutual else self.secret}, "expires_in": expires_in,
                                   "fields": ["access_token", "token_type", "expires_in"], "path": path, "resource": ""})
        self.url = f"https://localhost:{self.port}"

    def binding(self, *, url="token_service_url", path="", **more):
        """Its keys and values."""
        return {"clientid": self.client, "clientsecret": self.secret, url: self.url + path, **more}

    def bind(self, target, **how):
        """Writes the binding into a directory, as a cluster mounts a Secret: the keys are links that are swapped at once."""
        target = pathlib.Path(target)
        target.mkdir(parents=True, exist_ok=True)
        data = target / f"..data-{secrets.token_hex(4)}"
        data.mkdir()
        values = self.binding(**how)
        for key, value in values.items():
            (data / key).write_text(value)
        link = target / "..new"
        link.symlink_to(data.name)
        link.rename(target / "..data")
        for key in values:
            if not (target / key).is_symlink():
                (target / key).symlink_to(f"..data/{key}")
        return target

    def bind_json(self, target, **how):
        target = pathlib.Path(target)
        target.write_text(json.dumps(self.binding(**how)))
        return target

    def token(self, expires_in=3600, **claims):
        """One made here, without asking."""
        return tokens.make(self.key, {"client_id": self.client, "iat": time.time(), "exp": time.time() + expires_in, **claims})


class _Endpoint:
    """The application, in the server's process."""
    streams_bodies = False

    def __init__(self, config, settings):
        self._config, self._settings = config, settings

    def answer(self, request, reply):
        form = {k: v[0] for k, v in urllib.parse.parse_qs(request.body.decode("latin-1"), keep_blank_values=True).items()}
        clients, now = self._settings["clients"], time.time()
        if request.method != "POST" or request.path != self._settings["path"]:
            return reply.plain(404, "no such path", content_type="text/plain")
        if form.get("grant_type") != "client_credentials" or form.get("resource", "") != self._settings["resource"]:
            return reply.json(400, {"error": "unsupported_grant_type"})
        client = form.get("client_id")
        wanted = clients.get(client)
        if wanted is None or (wanted and form.get("client_secret") not in ([wanted] if isinstance(wanted, str) else wanted)):
            return reply.json(401, {"error": "unauthorized", "error_description": "Bad credentials"})
        expires_in = self._settings["expires_in"]
        token = tokens.make(self._config["key"], {"client_id": client, "iat": now, "exp": now + expires_in,
                                                  "jti": secrets.token_hex(8)})
        result = {"access_token": token, "token_type": "bearer", "expires_in": expires_in}
        return reply.json(200, {k: v for k, v in result.items() if k in self._settings["fields"]})


if __name__ == "__main__":
    httpd.main(_Endpoint)
