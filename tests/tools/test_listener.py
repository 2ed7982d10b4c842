"""The servers of the tests leave nothing behind that could answer for another one."""
import contextlib
import os
import subprocess

from tools import rawhttp
from tools.origin import Origin, ok
from tools.process import wait_until


def _stopped_and_gone_on():
    """Interrupts every system call that a thread of this process waits in: those that can are begun anew."""
    me = os.getpid()
    script = f"kill -STOP {me}; until grep -q '^State:.T' /proc/{me}/status; do :; done; kill -CONT {me}"
    child = subprocess.Popen(["sh", "-c", script])
    assert child.wait(10) == 0


def test_a_closed_one_accepts_for_no_other():
    first = Origin()
    number = first._listener.fileno()
    wait_until(lambda: _waits_in(first._thread.native_id), what="it to wait for a connection")
    first.close()
    with contextlib.ExitStack() as stack:
        second = _origin_at(number, stack)
        second.answer("/v2/", ok())
        _stopped_and_gone_on()
        assert [rawhttp.get(second.port, "/v2/").status for _ in range(6)] == [200] * 6


def _origin_at(number, stack):
    """One whose listener has that descriptor; others take what ended servers gave back below it."""
    for _ in range(20):
        one = stack.enter_context(Origin())
        if one._listener.fileno() == number:
            return one
    raise AssertionError(f"descriptor {number} was taken by somebody else")


def _waits_in(thread):
    """In accept(); true also where the kernel does not say in what."""
    with open(f"/proc/self/task/{thread}/wchan") as f:
        where = f.read()
    return where == "0" or "accept" in where
