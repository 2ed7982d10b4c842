"""The last line of `./dev check`: units, fuzz targets and pytest counted together, whatever becomes of the targets."""
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
MAKE = "#!/bin/sh\ncase $* in *' check') printf '# TOTAL: 9\\n# PASS: 7\\n# SKIP: 2\\n# FAIL: 0\\n' ;; *fuzz*) exit {} ;; esac\n"
PYTEST = "#!/bin/sh\necho '===== 3 passed, 1 skipped in 1.00s ====='\n"
CLANG = "#!/bin/sh\nexit {}\n"
TARGET = "#!/bin/sh\necho stat::number_of_executed_units: 12\necho 'x.c:1: runtime error: shift'\nexit {}\n"


class Tree:
    """A tree of doubles around the real ./dev."""

    def __init__(self, directory):
        self._top, self._bin = directory, directory / "bin"
        text = (TOP / "dev").read_text()
        assert "/usr/bin/python3 -m pytest" in text
        self._write("dev", text.replace("/usr/bin/python3 -m pytest", "pytest"))
        self._write("configure", "#!/bin/sh\n")
        for name in ("build", "build-fuzz"):
            self._write(f"{name}/Makefile", "")
        self._write("build/configured-with", "\n")
        wanted = " ".join(re.findall(r'^(?:BUILD|TEST)_PACKAGES="([^"]*)"', text, re.MULTILINE))
        names = " ".join(f"installed={word.split(':')[0]}" for word in wanted.split())
        self._write("bin/dpkg-query", f"#!/bin/sh\necho '{names} '\n")
        for name, content in (("make", MAKE.format(0)), ("pytest", PYTEST), ("clang", CLANG.format(0)),
                              ("apt-get", "#!/bin/sh\nexit 1\n")):
            self._write(f"bin/{name}", content)
        for target in ("one", "two", "three"):
            self.target(target, 0)

    def target(self, name, status):
        (self._top / "tests/fuzz/corpus" / name).mkdir(parents=True, exist_ok=True)
        self._write(f"build-fuzz/tests/fuzz/fuzz_{name}", TARGET.format(status))

    def command(self, name, content):
        self._write(f"bin/{name}", content)

    def check(self):
        return subprocess.run(["sh", self._top / "dev", "check"], capture_output=True, text=True, timeout=60, check=False,
                              env={"PATH": f"{self._bin}:/usr/bin:/bin"})

    def _write(self, name, content):
        path = self._top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def last_line(done):
    return done.stdout.splitlines()[-1]


def test_targets_are_counted(tree):
    done = tree.check()
    assert done.returncode == 0, done.stderr
    assert last_line(done) == "13 passed, 0 failed, 3 skipped"
    assert all(f"PASS: fuzz_{name} 12 runs" in done.stdout for name in ("one", "two", "three"))


def test_target_that_finds_something_fails_the_check(tree):
    tree.target("two", 77)
    done = tree.check()
    assert done.returncode == 1 and last_line(done) == "12 passed, 1 failed, 3 skipped"
    assert "FAIL: fuzz_two" in done.stdout and "    x.c:1: runtime error: shift" in done.stdout


def test_targets_that_do_not_build_fail_the_check(tree):
    tree.command("make", MAKE.format(2))
    done = tree.check()
    assert done.returncode == 1 and last_line(done) == "10 passed, 1 failed, 3 skipped"


def test_without_clang_they_are_skipped(tree):
    tree.command("clang", CLANG.format(1))
    done = tree.check()
    assert done.returncode == 0 and last_line(done) == "10 passed, 0 failed, 4 skipped"
    assert "there is no clang with libFuzzer" in done.stdout
