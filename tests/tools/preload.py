"""Preload: what a test puts between the daemon and libc (preload.c).

    preload = Preload(tmp_path)
    relay = start_relay(..., env=preload.env, settings={"master": {"sandbox": ...}})
    preload.set(most=7, interrupts=5)
"""
import mmap
import pathlib
import struct

from .process import run

_FIELDS = ("most", "interrupts", "malloc_fails", "clock_s", "failed")
_FORMAT = "=IIIiI"
_SOURCE = pathlib.Path(__file__).with_name("preload.c")


class Preload:
    """Attributes: env, for the process that it shall be in."""

    def __init__(self, directory):
        library, knobs = directory / "preload.so", directory / "knobs"
        run(["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        knobs.write_bytes(bytes(4096))
        with knobs.open("r+b") as f:
            self._map = mmap.mmap(f.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(library), "REGRELAY_PRELOAD": str(knobs)}

    def set(self, **values):
        """Sets the knobs that are named, and all others to 0."""
        self._map[:struct.calcsize(_FORMAT)] = struct.pack(_FORMAT, *(values.get(field, 0) for field in _FIELDS))

    def failed(self):
        """Allocations that failed since set()."""
        return struct.unpack_from(_FORMAT, self._map)[_FIELDS.index("failed")]
