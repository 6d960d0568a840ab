"""Items that a thread makes ahead of the one who takes them."""

import os
import weakref
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Ahead(Generic[Item]):
    """What the thread and the one who takes share. The thread holds this alone, so that an iterator can be dropped."""

    def __init__(self, items: Iterable[Item], count: int):
        self.items = items
        self.made: SimpleQueue[Item | _Ended] = SimpleQueue()
        self.room: SimpleQueue[None] = SimpleQueue()  # much faster than a semaphore
        for _ in range(count):
            self.room.put(None)
        self.is_stopped = False

    def stop(self) -> None:
        """Makes the thread end before it asks for another item."""
        self.is_stopped = True
        self.room.put(None)

    def fill(self) -> None:
        """Makes items as long as there is room for them."""
        try:
            source = iter(self.items)
            while True:
                self.room.get()
                if self.is_stopped:
                    return
                self.made.put(next(source))
        except BaseException as error:  # StopIteration too
            self.made.put(_Ended(error))


class _Ended:
    """Stands in the queue for the end of the items, or for the error that ended them."""

    def __init__(self, error: BaseException):
        self.error = error


class Prefetched(Iterator[Item], Generic[Item]):
    """The items of an iterable, of which a thread makes up to `count` ahead.

    An error of the iterable comes where its item would. The thread starts with the first call of `next`, and stops
    before it asks for another item when the iterator is dropped.

    >>> list(Prefetched(range(5), count=2))
    [0, 1, 2, 3, 4]
    """

    def __init__(self, items: Iterable[Item], count: int):
        """
        Args:
            items: any iterable; the thread alone asks it for items.
            count: items that were made and not yet taken, at most; from 1.
        """
        self._ahead = _Ahead(items, count)
        self._thread: Thread | None = None
        self._pid = 0
        self._is_ended = False
        weakref.finalize(self, self._ahead.stop)

    def __next__(self) -> Item:
        """The next item.

        Raises:
            RuntimeError: another process began, and this one is a fork of it, which has no thread.
        """
        if self._is_ended:
            raise StopIteration
        if self._thread is None:
            self._thread = Thread(target=self._ahead.fill, name="alm_beam-batches", daemon=True)
            self._thread.start()
            self._pid = os.getpid()
        if self._pid != os.getpid():
            raise RuntimeError(
                "another process began to read, and its thread is not in this fork of it; begin anew here"
            )
        made = self._ahead.made.get()
        if not isinstance(made, _Ended):
            self._ahead.room.put(None)
            return made
        self._is_ended = True
        raise made.error
