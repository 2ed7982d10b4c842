"""TokenServer: the authorization server of a registry, by distribution's token protocol, in a process of its own.

    with TokenServer(dir / "token") as auth, Registry(dir / "registry", token=auth) as registry:
        registry.push(image, "team/app:t1")      # clients get 401 and a realm, then a token here
        auth.requests()                          # what they asked
        auth.set(post=405)

GET takes Basic credentials, or none (anonymous), and service, scope, account, offline_token; POST takes the OAuth2 form
(grant_type password or refresh_token).  Errors have docker-registry's JSON.
"""
import base64
import fnmatch
import secrets
import threading
import time
import urllib.parse

from . import httpd
from .jwt import Signer
from .service import Service


class TokenServer(Service):
    """A running token server.  Attributes besides Service's: service, issuer, path, user, password (first of users).

    Settings: users {name: password}; grants {name, "" is anonymous: [repository patterns]}, where a user who is not
    listed may do everything and anonymous nothing; post "ok" or the status that POST gets; expires_in; fields (what
    the answer has of token, access_token, expires_in, issued_at, refresh_token); padding (bytes that make tokens
    longer)."""

    def __init__(self, directory, *, authority=None, name="auth.corp", service="registry", issuer="auth.corp",
                 users=None, grants=None, path="/token", post="ok", expires_in=300, port=None, survive=False, wait=True):
        users = users or {"puller": secrets.token_urlsafe(12)}
        self.service, self.issuer, self.path = service, issuer, path
        self.user, self.password = next(iter(users.items()))
        self._signer = Signer.make(f"{directory}/signer")
        super().__init__(directory, "tools.tokenserver", name=name, authority=authority, port=port, survive=survive, wait=wait,
                         config={"signer": vars(self._signer), "service": service, "issuer": issuer, "path": path},
                         settings={"users": users, "grants": grants or {}, "post": post, "expires_in": expires_in,
                                   "padding": 0, "fields": ["token", "access_token", "expires_in", "issued_at",
                                                            "refresh_token"]})

    @property
    def realm(self):
        """Where it really is; a registry may announce it by another name."""
        return self.url + self.path

    def registry_settings(self, *, realm=None):
        """Settings for registry.Registry: it announces realm and trusts our tokens."""
        return {"auth": {"token": {"realm": realm or self.realm, "service": self.service, "issuer": self.issuer,
                                   "rootcertbundle": self._signer.bundle}}}

    def token(self, repository, *actions):
        """A token for actions ("pull", "push") on a repository, made here: the server is not asked."""
        access = [{"type": "repository", "name": repository, "actions": list(actions)}]
        return self._signer.sign(claims(self.issuer, self.user, self.service, access, 300))


def claims(issuer, subject, audience, access, expires_in):
    """What a token says."""
    now = int(time.time())
    return {"iss": issuer, "sub": subject, "aud": audience, "exp": now + expires_in, "nbf": now, "iat": now,
            "jti": secrets.token_hex(8), "access": access}


def scope_of(text):
    """{type, name, actions} of "repository:team/app:pull,push"; ValueError when it is none."""
    kind, _, rest = text.partition(":")
    name, colon, actions = rest.rpartition(":")
    if not colon:
        raise ValueError(text)
    return {"type": kind, "name": name, "actions": actions.split(",")}


class _Refused(Exception):
    """status, code, message of the answer."""


class _Endpoint:
    """The application, in the server's process."""
    streams_bodies = False

    def __init__(self, config, settings):
        self._config, self._settings = config, settings
        self._signer = Signer(**config["signer"])
        self._refresh, self._lock = {}, threading.Lock()

    def answer(self, request, reply):
        try:
            if request.path != self._config["path"]:
                raise _Refused(404, "UNSUPPORTED", "no such path")
            if request.method == "POST":
                result = self._posted(request)
            elif request.method == "GET":
                result = self._asked(request)
            else:
                raise _Refused(405, "UNSUPPORTED", "GET and POST only")
        except _Refused as e:
            status, code, message = e.args
            challenge = [("WWW-Authenticate", f'Basic realm="{self._config["issuer"]}"')] if status == 401 else []
            reply.error(status, code, message, challenge)
        else:
            reply.json(200, result, [("Cache-Control", "no-store")])

    def _asked(self, request):
        query = request.query
        user, password = _basic(request.header("Authorization"))
        if user is not None:
            self._check(user, password)
        account = query.get("account", [user])[0]
        if account != user:
            raise _Refused(400, "UNSUPPORTED", f"account {account} is not user {user}")
        return self._grant(user or "", query, query.get("offline_token") == ["true"])

    def _posted(self, request):
        status = self._settings["post"]
        if status != "ok":
            raise _Refused(status, {401: "UNAUTHORIZED", 403: "DENIED"}.get(status, "UNSUPPORTED"), "no POST here")
        if (request.header("Content-Type") or "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise _Refused(400, "UNSUPPORTED", "the body is no form")
        form = urllib.parse.parse_qs(request.body.decode("latin-1"), keep_blank_values=True)
        kind = form.get("grant_type", [""])[0]
        if "client_id" not in form or kind not in ("password", "refresh_token"):
            raise _Refused(400, "UNSUPPORTED", "want client_id, and grant_type password or refresh_token")
        if kind == "password":
            user = form.get("username", [""])[0]
            self._check(user, form.get("password", [""])[0])
        else:
            with self._lock:
                user = self._refresh.get(form.get("refresh_token", [""])[0])
            if user is None:
                raise _Refused(401, "UNAUTHORIZED", "no such refresh token")
        return self._grant(user, form, form.get("access_type") == ["offline"])

    def _check(self, user, password):
        if self._settings["users"].get(user) != password:
            raise _Refused(401, "UNAUTHORIZED", "incorrect username or password")

    def _grant(self, user, values, offline):
        """The answer to who is known by now; access is what may be had of what was asked, perhaps nothing."""
        service = values.get("service", [""])[0]
        if service != self._config["service"]:
            raise _Refused(400, "UNSUPPORTED", f"no such service: {service}")
        try:
            asked = [scope_of(one) for text in values.get("scope", []) for one in text.split()]
        except ValueError as e:
            raise _Refused(400, "UNSUPPORTED", f"bad scope: {e}") from None
        expires_in = self._settings["expires_in"]
        said = claims(self._config["issuer"], user, service, [one for one in asked if self._may(user, one)], expires_in)
        if self._settings["padding"]:
            said["padding"] = "x" * self._settings["padding"]
        token = self._signer.sign(said)
        result = {"token": token, "access_token": token, "expires_in": expires_in,
                  "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(said["iat"]))}
        if offline and user:
            result["refresh_token"] = secrets.token_urlsafe(24)
            with self._lock:
                self._refresh[result["refresh_token"]] = user
        return {name: value for name, value in result.items() if name in self._settings["fields"]}

    def _may(self, user, access):
        patterns = self._settings["grants"].get(user, ["*"] if user else [])
        return any(fnmatch.fnmatchcase(access["name"], pattern) for pattern in patterns)


def _basic(header):
    """(user, password) of an Authorization header; (None, None) when there is none."""
    if header is None:
        return None, None
    kind, _, coded = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if kind.lower() != "basic" or not colon:
        raise _Refused(401, "UNAUTHORIZED", "want Basic credentials")
    return user, password


if __name__ == "__main__":
    httpd.main(_Endpoint)
