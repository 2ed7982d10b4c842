"""What .dockerignore leaves of the tree is enough for the build in the image."""
import fnmatch
import re

import pytest

from .relay import TOP

NOT_BUILT = ("tests/unit/", "tests/fuzz/")  # `make check` and --enable-fuzz alone build these


def is_sent(path, patterns):
    """Is the file part of the context?  The last pattern that matches it, or a folder above it, decides."""
    sent, parts = True, path.split("/")
    for pattern in patterns:
        wanted = pattern.lstrip("!").rstrip("/").split("/")
        if len(wanted) <= len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            sent = pattern.startswith("!")
    return sent


def patterns():
    return [line for line in (TOP / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def parts(name="Makefile.am"):
    """The makefile and what it includes."""
    text = (TOP / name).read_text()
    return [name, *(part for inner in re.findall(r"^include (\S+)$", text, re.M) for part in parts(inner))]


def sources():
    """What the makefiles name for `make all`."""
    text = "\n".join((TOP / part).read_text() for part in parts())
    named = set(re.findall(r"(?<![\w$)/.])[\w-]+(?:/[\w.-]+)+\.(?:c|h|def|in)\b", text))
    return sorted(name for name in named if (TOP / name).exists() and not name.startswith(NOT_BUILT))


@pytest.mark.parametrize("path, sent", [
    ("tests/x.py", False), ("tests/a/b.mk", False), ("tests/unit/lib.mk", True), ("tests/unit/deep/lib.mk", False),
    ("build-san/config.log", False), ("build-aux/version.sh", True), ("lib/pipe.c", True)])
def test_patterns_are_read_as_the_builders_do(path, sent):
    assert is_sent(path, patterns()) is sent


def test_everything_that_is_built_is_sent():
    assert "tests/bench/local.mk" in parts() and {"lib/pipe.c", "tests/bench/drain.c"} <= set(sources())
    assert [path for path in [*parts(), *sources(), "configure.ac", "LICENSE"] if not is_sent(path, patterns())] == []
