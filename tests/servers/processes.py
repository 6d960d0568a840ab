"""Processes that tests start and that must not outlive them."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_C = ctypes.CDLL(None)


def end_with_parent() -> None:
    """For `preexec_fn`: the process is killed when the one that starts it ends, even by a signal (on Linux)."""
    _C.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
