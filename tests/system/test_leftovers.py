"""A test run that is killed: its container lives on, and the next run ends it."""
import os
import pathlib
import signal
import sys

import pytest
from tools import leftovers
from tools.process import Process, started_at, wait_until
from tools.relay import TOP

# argv: where tools are, directory, tree
RUN = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from tools.container import Container
from tools.pod import PROXY, SPEC, configuration
from tools import ports
port, admin = ports.free_ports(2)
ini = configuration({"*:8080": f"*:{port}", "*:9090": f"*:{admin}", PROXY: "127.0.0.1:9"})
container = Container(sys.argv[2], sys.argv[3], SPEC, ini)
print("container", container.pid(), container._memory[0], flush=True)
threading.Event().wait()
"""


@pytest.fixture
def killed(tmp_path, tree):
    """(record's name, container's first process, its directory in memory) of a run that was killed."""
    os.chmod(tmp_path, 0o755)
    one = Process([sys.executable, "-c", RUN, TOP / "tests", tmp_path / "pod", tree], log=tmp_path / "run.log")
    with one:
        found = one.wait_line(r"^container (\d+) (\S+)$")
        one.signal(signal.SIGKILL)
        one.wait()
    return f"regrelay-{one.pid}-pod", int(found[1]), pathlib.Path(found[2])


def test_the_next_run_ends_a_container_of_a_killed_one(killed):
    name, pid, memory = killed
    born = started_at(pid)
    assert born and memory.exists() and (leftovers.RECORDS / f"{name}.json").exists(), "it outlived the run that made it"
    assert name in leftovers.sweep()
    wait_until(lambda: started_at(pid) != born, 10, "the container's end")
    assert not memory.exists() and not (leftovers.RECORDS / f"{name}.json").exists()
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}")) + list(pathlib.Path("/sys/fs/cgroup").glob(name))


def test_it_is_found_without_what_runc_knew(killed, tmp_path):
    """pytest removes old directories of its own."""
    name, pid, _ = killed
    born = started_at(pid)
    (tmp_path / "pod/runc").rename(tmp_path / "gone")
    assert born and name in leftovers.sweep()
    wait_until(lambda: started_at(pid) != born, 10, "the container's end")


def test_what_a_running_one_has_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "RECORDS", tmp_path)
    leftovers.record("mine", runc=tmp_path, containers=["none"], group="regrelay-none", directories=[tmp_path / "kept"])
    (tmp_path / "kept").mkdir()
    assert leftovers.sweep() == [] and (tmp_path / "kept").exists()
    leftovers.end("mine")
    assert not (tmp_path / "kept").exists() and not list(tmp_path.iterdir())
    leftovers.end("mine")
