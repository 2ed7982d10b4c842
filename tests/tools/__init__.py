"""Helpers that put real programs on the stage: a registry, clients, proxies, all private to one directory.

Tests and the demo put the folder above this one (`tests/`) on sys.path and write `from tools import registry`.
Every helper takes a directory it may fill, listens on loopback only, on ports picked at run time, and ends what it
started.  Python 3.11 and its standard library; the programs are Debian packages (`./dev deps`).
"""
