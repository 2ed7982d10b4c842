"""Fixtures of the tests on a whole system; see ../scenario/conftest.py."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tools import container, leftovers  # noqa: E402


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
