"""tokens: JSON Web Tokens as the proxy checks them, signed with a shared key (HS256) where SAP's are with a public one."""
import base64
import hashlib
import hmac
import json
import time


def make(key, claims):
    """A token that says claims, signed with key."""
    text = f"{_coded(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{_coded(json.dumps(claims).encode())}"
    return f"{text}.{_coded(_signature(key, text))}"


def unwanted(token, settings):
    """Why a token is not taken under these settings.Settings, or None."""
    if settings.tokens and token not in settings.tokens:
        return "it is not valid"
    if not settings.token_key:
        return None
    return problem(token, settings.token_key, settings.token_clients, settings.tokens_since)


def problem(token, key, clients, since):
    """Why a token is not taken, or None: signature, expiry, client_id (of clients, when there are any), age."""
    text, _, signature = token.rpartition(".")
    try:
        if not hmac.compare_digest(_decoded(signature), _signature(key, text)):
            return "the signature is wrong"
        claims = json.loads(_decoded(text.partition(".")[2]))
        if claims["exp"] <= time.time():
            return "it has expired"
        if clients and claims["client_id"] not in clients:
            return "client_id is not allowed"
        return "it is older than the key" if claims["iat"] < since else None
    except (ValueError, KeyError, TypeError):
        return "it is no token"


def _signature(key, text):
    return hmac.digest(key.encode(), text.encode(), hashlib.sha256)


def _coded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
