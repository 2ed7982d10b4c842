"""The demo itself: it does what it says, and leaves nothing behind."""
import os
import pathlib
import re
import signal
import sys
import xml.dom.minidom

import pytest
from tools.process import Process, run, wait_until
from tools.relay import BUILD, REGRELAYD, TOP

DEMO = [sys.executable, TOP / "tests/demo/demo.py", "--build", BUILD, "--rtt", 20, "--mbit", 100]  # twice as quick as for people


@pytest.fixture
def demo_tmp(tmp_path, monkeypatch):
    """The demo's temporary directories come here."""
    if not REGRELAYD.exists():
        pytest.fail(f"{REGRELAYD} is not built")
    directory = pathlib.Path(run(["mktemp", "-d", "/tmp/rr-XXXXXX"], check=True).stdout.strip())  # short, for sockets
    monkeypatch.setenv("TMPDIR", str(directory))
    yield directory
    assert not os.listdir(directory), "files left behind"
    directory.rmdir()
    wait_until(lambda: not processes_in(directory), 10, "the end of all processes")  # of those that died with the demo, too


def processes_in(directory):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_all_scenes_are_as_the_readme_says(demo_tmp):
    done = run(DEMO, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scenes as the README says" in done.stdout


def test_interrupted(demo_tmp, tmp_path):
    with Process(DEMO, log=tmp_path / "demo.log") as demo:
        demo.wait_line("^1. ", timeout=60)
        assert processes_in(demo_tmp)
        demo.signal(signal.SIGTERM)
        assert demo.wait(60) == 128 + signal.SIGTERM


def test_the_readmes_picture_shows_these_scenes():
    """It is a recording: made anew by tests/demo/record.py when scenes change."""
    picture = xml.dom.minidom.parse(str(TOP / "docs/demo.svg"))
    said = ["".join(n.data for n in t.childNodes) for t in picture.getElementsByTagName("text")]
    titles = re.findall(r'^TITLE = "(.*)"$', "\n".join(p.read_text() for p in (TOP / "tests/demo/scenes").glob("*.py")), re.M)
    assert len(titles) >= 5
    assert all(any(line.partition(". ")[2] == title for line in said) for title in titles)
    assert any("scenes as the README says" in line for line in said)
    assert "docs/demo.svg" in (TOP / "README.md").read_text()
