"""Which positions of an epoch are still to be read, after any number of runs that each stopped anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alm_beam.loader.permutation import Positions


@dataclass(frozen=True)
class RunProgress:
    """How far the readers of one run came.

    The run's n readers take turns: reader i gets the positions start + i, start + i + n, start + i + 2n, ...

    Attributes:
        start: every position before it has been read.
        read: how many of its positions each reader has read. Empty: nothing from `start` on has been read.
    """

    start: int
    read: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """No position from this one on has been read."""
        return self.start + max(self.read, default=0) * len(self.read)

    @property
    def unread_before_end(self) -> int:
        """How many positions before `end` slower readers have not read."""
        return self.end - self.start - sum(self.read)

    def unread(self, places: Positions) -> Positions:
        """The unread positions at the given places, when all unread positions are numbered 0, 1, 2, ... in order.

        Picture a table with a row for each turn and a column for each reader. Sort the distinct counts: between two
        successive counts, the same readers' columns are unread. After the greatest count, everything is unread.
        """
        if not self.read:
            return places + self.start
        turns, begins = self._bands
        found = np.empty_like(places)
        which = np.searchsorted(begins, places, side="right") - 1
        for i in np.unique(which).tolist():
            here = which == i
            columns = np.flatnonzero(self._counts <= turns[i])
            row, column = np.divmod(places[here] - begins[i], len(columns))
            found[here] = self.start + (turns[i] + row) * len(self.read) + columns[column]
        return found

    @cached_property
    def _counts(self) -> Positions:
        return np.array(self.read, np.int64)

    @cached_property
    def _bands(self) -> tuple[Positions, Positions]:
        """The distinct counts, sorted; and how many unread positions come before the turns that follow each."""
        turns, readers = np.unique(self._counts, return_counts=True)
        unread = np.cumsum(readers)[:-1] * np.diff(turns)
        return turns, np.concatenate(([0], np.cumsum(unread)))

    def with_latest_start(self) -> "RunProgress":
        """The same progress with the turns that all readers have finished moved before `start`.

        >>> RunProgress(0, (7, 5, 6, 5)).with_latest_start()
        RunProgress(start=20, read=(2, 0, 1, 0))
        """
        finished = min(self.read, default=0)
        read = tuple(count - finished for count in self.read)
        return RunProgress(self.start + finished * len(read), read if any(read) else ())


@dataclass(frozen=True)
class Remainder:
    """The positions of an epoch that are still to be read.

    Attributes:
        runs: how far the readers of the first run came, then how far those of the next run came among the positions
            that the first left, and so on. Runs are kept only where their readers' progress was unequal; after equal
            progress, one entry with an empty `read` is enough.
    """

    runs: tuple[RunProgress, ...] = (RunProgress(0),)

    def after(self, read: Sequence[int]) -> "Remainder":
        """What is left after one more run, in which reader i read `read[i]` windows of its part.

        >>> Remainder().after([5, 5, 5])
        Remainder(runs=(RunProgress(start=15, read=()),))
        """
        runs: list[RunProgress] = []
        for run in (*self.runs, RunProgress(0, tuple(read))):
            latest = run.with_latest_start()
            while runs and latest.start >= runs[-1].unread_before_end:  # the gaps of the run before have been read
                before = runs.pop()
                latest = RunProgress(before.end + latest.start - before.unread_before_end, latest.read)
            runs.append(latest)
        return Remainder(tuple(runs))

    def count(self, size: int) -> int:
        """How many positions are left of an epoch of `size` positions."""
        return size - sum(run.start + sum(run.read) for run in self.runs)

    def fits(self, size: int) -> bool:
        """Whether readers of an epoch of `size` positions can have left this."""
        for run in self.runs:
            size -= run.start
            parts = len(run.read)
            if size < 0 or any(read > part_size(size, part, parts) for part, read in enumerate(run.read)):
                return False
            size -= sum(run.read)
        return True

    def at(self, places: Positions) -> Positions:
        """The positions that are left at the given places, when those that are left are numbered 0, 1, 2, ..."""
        for run in reversed(self.runs):
            places = run.unread(places)
        return places


def part_size(count: int, part: int, parts: int) -> int:
    """How many of `count` places belong to one of several parts that take turns: part, part + parts, ...

    >>> [part_size(7, part, 3) for part in range(3)]
    [3, 2, 2]
    """
    return max(0, -((part - count) // parts))
