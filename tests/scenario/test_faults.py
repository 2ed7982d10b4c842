"""The catalogue of faults (faults.md) names tests that exist, and leaves out few."""
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| F(\d+) \| ([^|]+) \| ([^|]+) \|$", re.M)
TEST = re.compile(r"\b((?:scenario|system|unit|fuzz)/[\w.]+)(?:::(\w+))?")


def rows():
    return {int(number): shown for number, _, shown in ROW.findall((TESTS / "faults.md").read_text())}


def test_no_fault_is_left_out():
    assert sorted(rows()) == list(range(1, 81))


def test_named_tests_exist():
    for number, shown in rows().items():
        for file, name in TEST.findall(shown):
            text = (TESTS / file).read_text()
            assert not name or re.search(rf"\b{name}\(", text), f"F{number}: {file}::{name}"


def test_each_fault_has_a_test_or_a_reason():
    without = {number: shown for number, shown in rows().items() if not TEST.search(shown)}
    assert all(shown.startswith(("n/a: ", "open: ", "the harness")) for shown in without.values()), without
    assert sum(shown.startswith("n/a") for shown in without.values()) <= 8
