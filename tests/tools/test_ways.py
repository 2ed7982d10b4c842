"""The ways, gone by curl: where they lead, what is counted, and that landscapes can be reached on them."""
import contextlib

import pytest

from . import skopeo, ways
from .landscape import AUTH, REGISTRY, STORAGE, Landscape
from .origin import ok
from .process import run


def curl(url, certificate, *options):
    done = run(["curl", "-sS", "--cacert", certificate, *options, "-w", " %{http_code}", url])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ways.KINDS)
def test_site(tmp_path, kind):
    with contextlib.ExitStack() as stack:
        site = ways.Site(tmp_path, stack)
        site.origin.answer("/v2/", ok())
        way = site.way(kind, proxy={"header_budget": "1s"}, tls_name="a")
        section = way["registries"]["default"]
        assert section["scheme"] == "https" and section["tls_name"] == "a"
        options = {"socks5": ["--socks5-hostname", way.get("proxy")], "direct": [],
                   "connect": ["-x", f"http://{way.get('proxy')}"]}[kind]
        assert curl(f"https://{section['host']}/v2/", site.ca.certificate, *options) == "{} 200"
        assert site.tunnels(kind) == 1 and site.tls.full == 1
        assert kind == "direct" or way["settings"]["proxy"] == {"protocol": kind, "header_budget": "1s"}


def test_landscape_through_tunnels(tmp_path):
    with contextlib.ExitStack() as stack:
        land = Landscape(tmp_path, stack, layers=[1000])
        assert set(land.raw) == {REGISTRY, AUTH, STORAGE}
        section = land.raw_section()
        for host in (section["host"], section["token_hosts"], section["redirect_hosts"]):
            assert curl(f"https://{host}/v2/", section["ca_file"], "--socks5-hostname", land.standin.socks)[-3:].isdigit()
        section = land.direct_section(default="yes")
        assert section["proxy"] == "none" and section["default"] == "yes"
        assert curl(f"https://{section['host']}/v2/", section["ca_file"]).endswith(" 401")
        done = skopeo.pull(section["host"] + "/team/app:t1", tmp_path / "out", credentials=land.front.credentials)
        assert done.returncode == 0, done.stderr
