"""What the kernel here has."""
import ctypes

_CREATE_RULESET = 444  # of Landlock, on all machines


def has_landlock():
    return ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, 0, 1) > 0
