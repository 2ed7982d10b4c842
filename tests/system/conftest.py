"""Fixtures of the tests on a whole system; see ../scenario/conftest.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
