"""How tests are dealt out when several processes run them (pytest-xdist): a file stays together and in order, and tests/system is
one, because its files share a machine and the records of containers in the build directory."""
import pathlib

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = pathlib.PurePath(nodeid.partition("::")[0])
            return str(file.parent if file.parent.name == "system" else file)
    return ByFile(config, log)
