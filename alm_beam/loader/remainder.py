"""What of an epoch is still to be read, after any number of readers stopped anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from alm_beam.loader.permutation import Positions


@dataclass(frozen=True)
class Deal:
    """Readers that were dealt the same numbers start, start + 1, ... in turn, and how far each came.

    Attributes:
        start: all numbers before it have been read.
        read: of reader i the count of what it has read: start + i, start + i + n, start + i + 2n, ..., where n is the
            number of readers. Empty: nothing but what is before the start has been read.
    """

    start: int
    read: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """From it on no number has been read."""
        return self.start + max(self.read, default=0) * len(self.read)

    @property
    def ragged(self) -> int:
        """How many numbers before the end are left."""
        return self.end - self.start - sum(self.read)

    def left(self, places: Positions) -> Positions:
        """Of the numbers that are left, in their order, those at the given places.

        Think of a row for each turn. From that on which the fastest reader did not reach everything is left; between
        two successive counts the same readers' columns are.
        """
        if not self.read:
            return places + self.start
        turns = sorted(set(self.read))
        columns = [[i for i, read in enumerate(self.read) if read <= turn] for turn in turns]
        heights = [later - turn for turn, later in pairwise(turns)]
        begins = list(accumulate((len(readers) * height for readers, height in zip(columns, heights)), initial=0))
        found = np.empty_like(places)
        which = np.searchsorted(begins, places, side="right") - 1
        for i in np.unique(which):
            here = which == i
            row, column = np.divmod(places[here] - begins[i], len(columns[i]))
            found[here] = self.start + (turns[i] + row) * len(self.read) + np.array(columns[i], np.int64)[column]
        return found

    def levelled(self) -> "Deal":
        """The same with the greatest start."""
        lowest = min(self.read, default=0)
        read = tuple(count - lowest for count in self.read)
        return Deal(self.start + lowest * len(read), read if any(read) else ())


@dataclass(frozen=True)
class Remainder:
    """The positions of an epoch that are still to be read.

    Attributes:
        deals: how far the readers of one run came; of what they left, how far those of the next came; and so on. Only
            what unequal progress makes necessary is kept: after equal progress one without `read`.
    """

    deals: tuple[Deal, ...] = (Deal(0),)

    def after(self, read: Sequence[int]) -> "Remainder":
        """What is left after one more run, in which reader i of all read so many of its part."""
        deals: list[Deal] = []
        for deal in (*self.deals, Deal(0, tuple(read))):
            level = deal.levelled()
            while deals and level.start >= deals[-1].ragged:  # what the run before left ragged has been read since
                before = deals.pop()
                level = Deal(before.end + level.start - before.ragged, level.read)
            deals.append(level)
        return Remainder(tuple(deals))

    def count(self, size: int) -> int:
        """How many positions are left of an epoch of the given size."""
        return size - sum(deal.start + sum(deal.read) for deal in self.deals)

    def is_of(self, size: int) -> bool:
        """Whether readers of an epoch of the given size can have left this."""
        for deal in self.deals:
            size -= deal.start
            parts = len(deal.read)
            if size < 0 or any(read > part_size(size, part, parts) for part, read in enumerate(deal.read)):
                return False
            size -= sum(deal.read)
        return True

    def at(self, places: Positions) -> Positions:
        """The positions that are left, by their places 0, 1, 2, ... in increasing order."""
        for deal in reversed(self.deals):
            places = deal.left(places)
        return places


def part_size(count: int, part: int, parts: int) -> int:
    """How many of so many places are at part, part + parts, part + 2 parts, ...

    >>> [part_size(7, part, 3) for part in range(3)]
    [3, 2, 2]
    """
    return max(0, -((part - count) // parts))
