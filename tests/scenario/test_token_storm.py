"""Pulling while the token service does all it can: tokens that live 4 seconds, refused in bursts, secrets rotated, the
service down and slow.  Not one pull fails.

REGRELAY_SOAK=1 (`./dev soak tokens`) goes on for five minutes.
"""
import hashlib
import os
import secrets
import time

import pytest
from tools import certs, rawhttp
from tools.load import Load
from tools.oauth import OAuth
from tools.origin import Origin, ok
from tools.process import wait_until
from tools.standin import Standin, mapping

BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64
SOAK_S = 300 if os.environ.get("REGRELAY_SOAK") else 0


@pytest.fixture
def landscape(tmp_path, stack, start_relay):
    """(relay, standin, uaa, the blob's bytes, the binding's directory)"""
    ca = certs.Authority(tmp_path / "ca")
    uaa = stack.enter_context(OAuth(tmp_path / "uaa", authority=ca, expires_in=4))
    backend = stack.enter_context(Origin())
    backend.certificate, backend.url = None, f"http://{backend.address}"
    backend.answer("/v2/", ok())
    data = os.urandom(1 << 20)
    backend.serve_blob(BLOB, data)
    standin = stack.enter_context(Standin(tmp_path / "standin", mappings=[mapping("myregistry.kyma:25002", backend)]))
    standin.set(mode="untrusted", token_key=uaa.key, token_clients=[uaa.client])
    relay = start_relay(proxy=standin.address, workers=4, settings={"proxy": {
        "auth": "bearer", "credentials": uaa.bind(tmp_path / "binding"), "ca_file": ca.certificate}})
    return relay, standin, uaa, data, tmp_path / "binding"


class Storm:
    """Each of its kinds returns when it is over and a token was had after it."""

    def __init__(self, relay, standin, uaa, binding):
        self._relay, self._standin, self._uaa, self._binding = relay, standin, uaa, binding

    def _had(self, result):
        return self._relay.stat("regrelay_proxy_token_fetches_total", result=result)

    def _after(self, act):
        before = self._had("ok")
        act()
        wait_until(lambda: self._had("ok") > before, 40, "a token afterwards")

    def refused(self):
        now, asked = time.time(), len(self._uaa.requests())
        # Of those that will be refused none is still on its way here: a request is asked again once.
        wait_until(lambda: self._had("ok") + self._had("failed") >= asked, 40, "the answers to who asks already")
        self._after(lambda: self._standin.set(tokens_since=now))

    def rotated(self):
        old, self._uaa.secret = self._uaa.secret, secrets.token_urlsafe(24)
        self._uaa.set(clients={self._uaa.client: [old, self._uaa.secret]})
        self._after(lambda: self._uaa.bind(self._binding))
        self._after(lambda: None)                           # one may have been under way with the old one
        self._uaa.set(clients={self._uaa.client: self._uaa.secret})

    def down(self):
        count = 6 if SOAK_S else 2                          # 11 s and 3 s
        failed = self._had("failed")
        self._uaa.fail(503, count=count)
        wait_until(lambda: self._had("failed") >= failed + count, 60, "the failures")
        self._after(lambda: None)

    def slow(self):
        self._uaa.set(delay=1.5)
        self._after(lambda: None)
        self._uaa.set(delay=0)


def test_no_pull_fails_whatever_happens_to_tokens(landscape):
    relay, standin, uaa, data, binding = landscape
    storm, digest, pulls = Storm(relay, standin, uaa, binding), hashlib.sha256(data).digest(), 0
    end = time.monotonic() + SOAK_S
    with Load(relay.port, clients=8) as load:
        while pulls == 0 or time.monotonic() < end:
            for kind in (storm.refused, storm.rotated, storm.slow, storm.down, storm.refused):
                kind()
                with rawhttp.Connection(relay.port, timeout=60) as c:
                    answer = c.get(BLOB)
                    assert answer.status == 200 and hashlib.sha256(answer.body).digest() == digest
                    pulls += 1
                load.renewed()  # a request is asked again once, and shall not meet two bursts
                load.more(20)
    load.check()
    asked = len(uaa.requests())
    print(f"{pulls} blobs and {load.done} requests, {asked} tokens asked for, {uaa.statuses().count(200)} had")
    counted = sum(relay.stat("regrelay_proxy_token_fetches_total", result=r) for r in ("ok", "failed"))
    # Renewals go on: at most one is under way, and some may come while one counts.
    assert asked - 1 <= counted <= len(uaa.requests()), "each was asked for once, whatever the number of workers"
    assert relay.stat("regrelay_http_requests_total", code="503") == 0
