"""Commands whose work waits at a known point, so that no test has to be there at the right moment.

A process that a test starts runs `main` here in place of that of `alm_beam.cli.main`. It leaves a note where it waits.
"""

import itertools
import logging
import multiprocessing
import os
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from alm_beam.cli import progress


def main() -> int:
    """`alm-beam`, which waits in the second call of HELD_IN, a function; if IN_C, in the first, in a call into C."""
    from alm_beam.cli.main import main as alm_beam

    owner_name, _, name = os.environ["HELD_IN"].rpartition(".")
    logging.disable(logging.WARNING)  # as the commands do while Beam is imported
    owner = pkgutil.resolve_name(owner_name)
    logging.disable(logging.NOTSET)
    wait = wait_in_c if os.environ.get("IN_C") else wait_for_signal
    setattr(owner, name, waiting(getattr(owner, name), wait, 0 if os.environ.get("IN_C") else 1))
    return alm_beam()


def waiting(function: Callable[..., Any], wait: Callable[[], NoReturn], calls: int) -> Callable[..., Any]:
    """The function, which waits for ever after so many calls."""
    left = itertools.count(calls, -1)

    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if next(left) else wait()

    return called


def wait_for_signal() -> NoReturn:
    """Leaves the note, and waits for a signal to end the process."""
    Path(os.environ["NOTE"]).touch()
    while True:
        time.sleep(600)


def wait_in_c() -> NoReturn:
    """Leaves the note, and makes a call in which no handler of Python's runs, as where a long line is parsed."""
    Path(os.environ["NOTE"]).touch()
    sum(itertools.repeat(0))
    raise AssertionError("unreachable")


def loader(*args: Any, **kwargs: Any) -> Any:
    """A WindowLoader, which waits in the processes that a check starts."""
    from alm_beam.loader import WindowLoader

    return WindowLoader(*args, **kwargs) if multiprocessing.parent_process() is None else wait_for_signal()


def show_for_sure(put: Callable[[object, str, Any], None] = setattr) -> None:
    """Lets progress be shown at once and often, and the work end when all of it was shown as done.

    Args:
        put: sets an attribute.
    """
    texts = threading.Semaphore(0)
    text, show = progress._text, progress.progress

    def noted(*args: Any) -> str:
        texts.release()
        return text(*args)

    @contextmanager
    def shown(*args: Any) -> Iterator[None]:
        with show(*args):
            yield
            while texts.acquire(blocking=False):
                pass
            for _ in range(2):  # the first may be of counts from before
                assert texts.acquire(timeout=120)

    for name, seconds in (("_FIRST_SECONDS", 0), ("_BAR_SECONDS", 0.01), ("_LINE_SECONDS", 0.01)):
        put(progress, name, seconds)
    put(progress, "_text", noted)
    put(progress, "progress", shown)
