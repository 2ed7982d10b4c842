"""The main job on real components: docker-registry with TLS and htpasswd behind the stand-in, pulled through the relay
by skopeo and by containerd's ctr; and the same through two foreign proxies in the stand-in's place."""
import concurrent.futures
import json

import pytest
from tools import certs, haproxy, rawhttp, skopeo, squid
from tools.images import make_image
from tools.registry import Registry
from tools.standin import Standin

VHOST = "myregistry.kyma:25002"
MIB = 1 << 20


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory / "registry", authority=certs.Authority(directory / "ca")) as r:
        r.big = make_image(directory / "big", layers=[26 * MIB] * 5, seed=1)
        r.small = make_image(directory / "small", layers=[2 * MIB, 3 * MIB, 700_000], seed=2, index=True)
        r.push(r.big, "team/big:t1")
        r.push(r.small, "team/small:t1")
        yield r


@pytest.fixture
def standin(tmp_path, stack, registry):
    return stack.enter_context(Standin(tmp_path / "standin", registry=registry, host=VHOST))


@pytest.fixture
def real_relay(start_relay, standin, registry):
    relay = start_relay(proxy=standin.address)
    relay.secrets.append(registry.password)
    return relay


def assert_pulled(done, image, directory):
    assert done.returncode == 0, done.stderr
    manifest, config, layers = skopeo.pulled_digests(directory)
    assert manifest == image.manifest_digest and config == image.config and tuple(layers) == image.layers


def assert_sockets_are_clean(standin):
    """One tunnel connection belongs to one (virtual host, location id) and carries many requests; nothing of the client
    that it must not carry."""
    by_connection = {}
    for request in standin.requests():
        by_connection.setdefault(request.connection, []).append(request)
        names = {name.lower() for name, _ in request.headers}
        assert not [n for n in names if n.startswith(("proxy-", "sap-")) or "_" in n], names
        assert not names & {"te", "upgrade", "keep-alive", "transfer-encoding", "trailer"}
        assert request.header("Host") == VHOST
    for requests in by_connection.values():
        assert len({(r.header("Host"), r.header("SAP-Connectivity-SCC-Location_ID")) for r in requests}) == 1
    return by_connection


def test_skopeo_pulls_130_mb(real_relay, standin, registry, tmp_path):
    done = skopeo.pull(f"localhost:{real_relay.port}/team/big:t1", tmp_path / "out", credentials=registry.credentials)
    assert_pulled(done, registry.big, tmp_path / "out")
    connections = assert_sockets_are_clean(standin)
    assert len(connections) < sum(map(len, connections.values())), "no upstream connection was used twice"
    basic = {r.header("Authorization") for r in standin.requests()} - {None}
    import base64
    assert basic == {"Basic " + base64.b64encode(registry.credentials.encode()).decode()}


def test_ctr_pulls_130_mb(real_relay, standin, registry, ctrd):
    reference = f"localhost:{real_relay.port}/team/big:t1"
    done = ctrd.pull(reference, credentials=registry.credentials)
    assert done.returncode == 0, done.stderr
    assert ctrd.images()[reference] == registry.big.digest
    assert {registry.big.config, *registry.big.layers} <= ctrd.digests()
    ctrd.remove(reference)
    assert_sockets_are_clean(standin)


def test_ctr_pulls_an_index_through_hosts_toml_with_ns(start_relay, standin, registry, ctrd, tmp_path):
    relay = start_relay(proxy=standin.address, registries={"default": {"host": VHOST, "ns": "images.corp"}})
    hosts = tmp_path / "hosts/images.corp"
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(f'server = "http://127.0.0.1:{relay.port}"\n[host."http://127.0.0.1:{relay.port}"]\n'
                                      'capabilities = ["pull", "resolve"]\n')
    done = ctrd.pull("images.corp/team/small:t1", credentials=registry.credentials, hosts_dir=tmp_path / "hosts")
    assert done.returncode == 0, done.stderr
    assert ctrd.images()["images.corp/team/small:t1"] == registry.small.digest
    ctrd.remove("images.corp/team/small:t1")
    assert all("ns=" not in r.target for r in standin.requests())


def test_two_images_by_eight_clients_at_once(real_relay, standin, registry, tmp_path):
    def pull(number):
        name, image = (("big", registry.big), ("small", registry.small))[number % 2]
        out = tmp_path / f"out{number}"
        return skopeo.pull(f"localhost:{real_relay.port}/team/{name}:t1", out, credentials=registry.credentials), image, out
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done, image, out in pool.map(pull, range(8)):
            assert_pulled(done, image, out)
    assert_sockets_are_clean(standin)


def test_wrong_password_is_unauthorized(real_relay, registry, ctrd, tmp_path):
    reference = f"localhost:{real_relay.port}/team/small:t1"
    done = skopeo.pull(reference, tmp_path / "out", credentials="puller:wrong")
    assert done.returncode != 0 and "unauthorized" in done.stderr.lower()
    done = ctrd.pull(reference, credentials="puller:wrong")
    assert done.returncode != 0 and "401 Unauthorized" in done.stderr


def test_unknown_tag_is_not_found(real_relay, registry, ctrd, tmp_path):
    reference = f"localhost:{real_relay.port}/team/small:none"
    done = skopeo.pull(reference, tmp_path / "out", credentials=registry.credentials)
    assert done.returncode != 0 and "manifest unknown" in done.stderr
    done = ctrd.pull(reference, credentials=registry.credentials)
    assert done.returncode != 0 and "not found" in done.stderr


def says(ctrd, relay, registry, tmp_path, words):
    """Both clients fail and show these words; the relay stays up."""
    reference = f"localhost:{relay.port}/team/small:t1"
    done = skopeo.pull(reference, tmp_path / "out", credentials=registry.credentials)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    done = ctrd.pull(reference, credentials=registry.credentials)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert relay.status()["state"] == "serving"


def test_mapping_missing(start_relay, standin, registry, ctrd, tmp_path):
    relay = start_relay(proxy=standin.address, registries={"default": {"host": "other.kyma:25002"}})
    says(ctrd, relay, registry, tmp_path,
         "virtual host other.kyma:25002 is not exposed in the Cloud Connector: add the mapping")


def test_tunnel_closed_and_back(real_relay, standin, registry, ctrd, tmp_path):
    standin.tunnel(connected=False)
    says(ctrd, real_relay, registry, tmp_path, "no Cloud Connector is connected: start it or correct location_id")
    standin.tunnel(connected=True)
    done = skopeo.pull(f"localhost:{real_relay.port}/team/small:t1", tmp_path / "ok", credentials=registry.credentials)
    assert_pulled(done, registry.small, tmp_path / "ok")


def test_path_not_exposed(start_relay, stack, registry, ctrd, tmp_path):
    standin = stack.enter_context(Standin(tmp_path / "s", registry=registry, host=VHOST, resources=["/other"]))
    relay = start_relay(proxy=standin.address)
    says(ctrd, relay, registry, tmp_path, f"of {VHOST} is not exposed in the Cloud Connector: allow /v2 with sub-paths")


def test_token_wanted(start_relay, stack, registry, ctrd, tmp_path):
    standin = stack.enter_context(Standin(tmp_path / "s", registry=registry, host=VHOST, mode="untrusted"))
    relay = start_relay(proxy=standin.address)
    says(ctrd, relay, registry, tmp_path,
         f"the connectivity proxy {standin.address} wants a token: set auth in [proxy]")


def test_registry_down(start_relay, stack, tmp_path, ctrd):
    with Registry(tmp_path / "r", authority=certs.Authority(tmp_path / "ca")) as gone:
        standin = stack.enter_context(Standin(tmp_path / "s", registry=gone, host=VHOST))
    relay = start_relay(proxy=standin.address)
    says(ctrd, relay, gone, tmp_path, f"the Cloud Connector cannot open {VHOST}")


def test_proxy_name_unknown_and_proxy_down(start_relay, registry, ctrd, tmp_path):
    relay = start_relay(proxy="connectivity-proxy.invalid:20003")
    says(ctrd, relay, registry, tmp_path, "cannot resolve the connectivity proxy connectivity-proxy.invalid:20003")
    relay = start_relay(proxy="127.0.0.1:9")
    says(ctrd, relay, registry, tmp_path, "cannot connect to the connectivity proxy 127.0.0.1:9")


@pytest.mark.skipif(not squid.available(), reason="squid is not installed")
def test_through_squid_in_absolute_form(start_relay, registry, tmp_path, stack):
    proxy = stack.enter_context(squid.Squid(tmp_path / "squid", host=VHOST, registry=registry))
    relay = start_relay(proxy=proxy.address, settings={"proxy": {"request_form": "absolute"}})
    done = skopeo.pull(f"localhost:{relay.port}/team/big:t1", tmp_path / "out", credentials=registry.credentials)
    assert_pulled(done, registry.big, tmp_path / "out")


@pytest.mark.skipif(not haproxy.available(), reason="haproxy is not installed")
def test_through_haproxy_in_origin_form(start_relay, registry, tmp_path, stack):
    proxy = stack.enter_context(haproxy.Haproxy(tmp_path / "haproxy", host=VHOST, registry=registry))
    relay = start_relay(proxy=proxy.address)
    done = skopeo.pull(f"localhost:{relay.port}/team/big:t1", tmp_path / "out", credentials=registry.credentials)
    assert_pulled(done, registry.big, tmp_path / "out")


def test_lists_and_referrers(real_relay, standin, registry):
    import base64
    basic = [("Authorization", "Basic " + base64.b64encode(registry.credentials.encode()).decode())]
    answer = rawhttp.get(real_relay.port, "/v2/team/big/tags/list", headers=basic)
    assert json.loads(answer.body) == {"name": "team/big", "tags": ["t1"]}
    answer = rawhttp.get(real_relay.port, f"/v2/team/big/referrers/{registry.big.digest}", headers=basic)
    assert answer.status == 404 and answer.header("X-Regrelay-Error") is None
