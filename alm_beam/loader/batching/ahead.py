"""A batch that a thread reads."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from alm_beam.loader.batching.windows import Windows
from alm_beam.loader.reader import Window
from alm_beam.loader.tokens import Token

_Collate = Callable[[list[Window]], Any]


class Ahead:
    """A batch that a thread of its own reads, unless it is stopped.

    The thread ends with its batch. So none waits for work, and a program that ends waits for one window at most.
    """

    def __init__(self, windows: Windows, tokens: list[Token], collate: _Collate):
        """
        Args:
            windows: what reads them.
            tokens: of the windows of the batch.
            collate: makes the batch of its windows.
        """
        self._found: Future[Any] = Future()
        self._is_stopped = threading.Event()
        arguments = (self._found, self._is_stopped, windows, tokens, collate)
        threading.Thread(target=_run, args=arguments, name="alm_beam-batch", daemon=False).start()

    def result(self) -> Any:
        """The batch, as soon as it is there.

        Raises:
            CancelledError: it was stopped, or the program ends.
            Exception: it could not be made.
        """
        return self._found.result()

    def stop(self) -> bool:
        """Has the thread stop after the window that it is at; whether the batch is there already."""
        self._is_stopped.set()
        return self._found.done() and not self._found.cancelled() and self._found.exception() is None


def read_batch(
    windows: Windows, tokens: list[Token], collate: _Collate, is_stopped: Callable[[], bool] = lambda: False
) -> Any:
    """Reads a batch.

    Args:
        windows: what reads its windows.
        tokens: of the windows.
        collate: makes the batch of its windows.
        is_stopped: asked between windows.

    Raises:
        CancelledError: it was stopped.
    """
    found = []
    for window in windows.each(tokens):
        if is_stopped():
            raise CancelledError
        found.append(window)
    if is_stopped():
        raise CancelledError
    return collate(found)


def threads_may_start() -> bool:
    """Whether the program goes on. Its other threads may live longer than the main one."""
    return threading.main_thread().is_alive()


def _run(
    found: "Future[Any] | None", is_stopped: threading.Event, windows: Windows, tokens: list[Token], collate: _Collate
) -> None:
    assert found is not None
    try:
        found.set_result(read_batch(windows, tokens, collate, lambda: is_stopped.is_set() or not threads_may_start()))
    except CancelledError:
        found.cancel()
    except BaseException as error:
        found.set_exception(error)
        found = None  # or the error would hold itself, by its frames, and the windows with it
