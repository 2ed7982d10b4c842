"""Fixtures of the tests on a whole system; see ../scenario/conftest.py."""
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tools import container, leftovers, netns  # noqa: E402
from tools.certs import Authority  # noqa: E402
from tools.images import make_image  # noqa: E402
from tools.node import Node  # noqa: E402
from tools.pod import NODE_PORT, RelayPod  # noqa: E402
from tools.registry import Registry  # noqa: E402
from tools.standin import Standin  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _swept():
    """Nothing of an earlier run that was killed is there any more."""
    leftovers.sweep()


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The image's files; users other than root reach them."""
    if container.missing():
        pytest.skip(container.missing())
    root = container.tree(tmp_path_factory.mktemp("image"))
    for parent in [root, *root.parents][:4]:
        parent.chmod(0o755)
    return root


@pytest.fixture(scope="module")
def node():
    if netns.missing():
        pytest.skip(netns.missing())
    with Node(NODE_PORT) as made:
        yield made


@pytest.fixture(scope="module")
def premises(node):
    """Where registry and stand-in live: a network that nodes reach for the stand-in's sake alone."""
    return node.pod()


@pytest.fixture(scope="module")
def path(tmp_path_factory, premises):
    """(stand-in, registry, image): a proxy in a pod of its own, and an on-premise registry behind its tunnel."""
    directory = tmp_path_factory.mktemp("path")
    image = make_image(directory / "app", layers=[2 << 20, 512 << 10])
    with premises.net.inside(), Registry(directory / "registry", authority=Authority(directory / "ca")) as registry:
        registry.push(image, "team/app:t1")
        with Standin(directory / "standin", registry=registry, address=premises.address, mbit=200, rtt_ms=5) as standin:
            yield standin, registry, image


@pytest.fixture
def start(tmp_path, tree, node, path):
    """start(name): a pod of the relay that is ready."""
    os.chmod(tmp_path, 0o755)
    with contextlib.ExitStack() as pods:
        yield lambda name, **more: pods.enter_context(
            RelayPod(tmp_path / name, tree, node.pod(), proxy=path[0].address, **more))
