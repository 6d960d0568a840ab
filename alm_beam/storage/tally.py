"""What the processes of a run have done so far: counts in memory that a process shares with its forks.

Each process has a place of its own there, so nothing is locked between them. Nobody counts unless somebody looks.
"""

import mmap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, TypeVar

_Read = TypeVar("_Read")

_PLACES = 256
"""So many processes count apart; more share places, and a count may be lost now and then."""


class Counts(NamedTuple):
    """What was done.

    Attributes:
        stored: bytes of input, as stored, that were read.
        listed: entries that were found, which are worked on later.
        found: bytes of input that were found, where these are not known before.
        scanned: bytes of cuts whose lines were found for an index.
        recordings: entries that were used; where shards are made, windows.
        windows: windows that were kept.
        rejects: entries that could not be used.
    """

    stored: int = 0
    listed: int = 0
    found: int = 0
    scanned: int = 0
    recordings: int = 0
    windows: int = 0
    rejects: int = 0


_SIZE = len(Counts._fields)


class Tally:
    """The counts of a process and of those that it forks.

    >>> tally = Tally()
    >>> with tally.kept():
    ...     count(recordings=1, windows=3)
    ...     count(recordings=1)
    >>> count(recordings=1)  # which nobody keeps
    >>> tally.counts()
    Counts(stored=0, listed=0, found=0, scanned=0, recordings=2, windows=3, rejects=0)
    """

    def __init__(self, shows: "Callable[[Tally], AbstractContextManager[None]] | None" = None):
        """
        Args:
            shows: what shows the counts while the work is done.
        """
        self._counts = memoryview(mmap.mmap(-1, _PLACES * _SIZE * 8)).cast("q")
        self._place = 0
        self._lock = threading.Lock()
        self.shows = shows

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Meanwhile, this process and its forks count here."""
        _kept.append(self)
        try:
            yield
        finally:
            _kept.remove(self)

    def add(self, more: Iterable[int]) -> None:
        """Adds to this process's counts; see `count`.

        Args:
            more: how many of each, in the order of `Counts`.
        """
        counts, place = self._counts, self._place
        with self._lock:
            for at, each in enumerate(more):
                if each:
                    counts[place + at] += each

    def counts(self) -> Counts:
        """Those of all processes."""
        every = self._counts.tolist()
        return Counts(*(sum(every[each::_SIZE]) for each in range(_SIZE)))

    def move(self, number: int) -> None:
        """Lets this process count in the place of that number."""
        self._place = number % _PLACES * _SIZE


_kept: list[Tally] = []


def count(
    *,
    stored: int = 0,
    listed: int = 0,
    found: int = 0,
    scanned: int = 0,
    recordings: int = 0,
    windows: int = 0,
    rejects: int = 0,
) -> None:
    """Adds to what this process has done, if anybody keeps count; see `Counts`."""
    if _kept:
        _kept[-1].add((stored, listed, found, scanned, recordings, windows, rejects))


def counted(read: Iterable[tuple[_Read, int]], total: int) -> Iterator[_Read]:
    """What is read of some bytes of input, counted as it comes; at the end all are, also those that gave nothing.

    Args:
        read: what is read, each with its bytes.
        total: how many bytes there are.

    >>> tally = Tally()
    >>> with tally.kept():
    ...     list(counted([("a", 10), ("b", 20)], 35))
    ['a', 'b']
    >>> tally.counts().stored
    35
    """
    left = total
    for each, size in read:
        taken = min(size, left)  # a line may end behind the range that it begins in
        left -= taken
        count(stored=taken)
        yield each
    count(stored=left)


def showing() -> AbstractContextManager[None]:
    """Shows the counts while the block lasts, if anybody wants to see them. It may start a thread, so fork before."""
    tally = _kept[-1] if _kept else None
    return nullcontext() if tally is None or tally.shows is None else tally.shows(tally)


def count_as_fork(number: int) -> None:
    """Lets this process, a fork, count in a place of its own.

    Args:
        number: of the fork, from 1 on.
    """
    for tally in _kept:
        tally.move(number)
