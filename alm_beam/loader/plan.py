"""The order of an epoch: which window is at which position."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alm_beam.loader.hashing import derived_key
from alm_beam.loader.mixture import Mixture
from alm_beam.loader.permutation import Permutation, Positions
from alm_beam.loader.ranges import RangesLeft
from alm_beam.loader.remainder import Remainder

_KEPT = 64
"""Permutations that are kept: those of the current passes over the sources."""


@dataclass(frozen=True)
class PlannedSource:
    """What the plan knows of a source.

    Attributes:
        fingerprint: hash of its windows and their order.
        rows: number of its windows.
        weight: see `Source`; None: the sources are read as one.
    """

    fingerprint: str
    rows: int
    weight: float | None = None


class Plan:
    """The orders of all epochs. Each depends on sources, seed and epoch only.

    Without weights, an epoch is one shuffled order of all windows of all sources. With weights, the mixture picks a
    source for each step, and every pass over a source has its own order. Any part of an order is computed without the
    parts before it.

    Attributes:
        sources: as given.
        seed: as given.
        shuffle: as given.
        repeat: as given.
        size: number of positions in an epoch.
        whole: what is left of an epoch at its start.
        together: so many windows of a part stand near one another, and then the next so many.
    """

    whole = Remainder()
    together = 1

    def __init__(self, sources: Sequence[PlannedSource], *, seed: int, shuffle: bool = True, repeat: bool = False):
        """
        Args:
            sources: at least one; all with a weight, or none.
            seed: any integer.
            shuffle: False: each source is read in the order of its index.
            repeat: see `WindowLoader`.

        Raises:
            WeightError: see `Mixture`.
            ValueError: the seed is no integer, or `repeat` is on without weights.
        """
        weights = [source.weight for source in sources if source.weight is not None]
        if repeat and not weights:
            raise ValueError("repeat=True: sources are repeated so that their weights hold, and they have no weights")
        self.sources, self.shuffle, self.repeat = tuple(sources), shuffle, repeat
        self.seed = checked_seed(seed)
        rows = [source.rows for source in sources]
        self._rows = np.array(rows, np.int64)
        self._mixture = Mixture(rows, weights, repeat=repeat) if weights else None
        self._ends = np.cumsum(self._rows)
        self.size = self._mixture.steps if self._mixture else sum(rows)
        self._permutations: dict[tuple[int, ...], Permutation] = {}

    def at(self, epoch: int, positions: Positions) -> tuple[Positions, Positions]:
        """The windows at the positions.

        Args:
            epoch: from 0.
            positions: int64, one dimension, each from 0 to size - 1, in any order. Some thousands at a time are
                computed fastest.

        Returns:
            The number of each window's source, and its row in the source, from 0. Both are int64 and as long as
            `positions`.
        """
        if self._mixture is None:
            order = positions
            if self.shuffle:
                order = self._permutation(epoch).at(positions)
            if len(self.sources) == 1:
                return np.zeros_like(order), order
            sources = np.searchsorted(self._ends, order, side="right")
            return sources, order - (self._ends - self._rows)[sources]
        sources, read = self._mixture.picks(positions, self.seed, epoch)
        for number, source in enumerate(self.sources):
            here = np.flatnonzero(sources == number)
            if here.size:
                read[here] = self._rows_read(epoch, number, source.rows, read[here])
        return sources, read

    def part(self, epoch: int, left: Remainder | RangesLeft, part: int, parts: int, read: Positions) -> Positions:
        """The positions of windows of one part of what is left of an epoch.

        Args:
            epoch: from 0.
            left: what is left; of this kind of plan.
            part: number of the part, from 0.
            parts: number of parts.
            read: how many windows of the part come before each of these: int64, one dimension.
        """
        assert isinstance(left, Remainder)
        return left.at(part + parts * read)

    def fetched(self, read: int, wanted: int) -> int:
        """How many windows of a part to fetch from a store at once, after so many others, if so many are wanted."""
        return wanted

    def _rows_read(self, epoch: int, number: int, size: int, read: Positions) -> Positions:
        """The next row of a source, for each number of windows that were read of it before."""
        passes, rows = np.divmod(read, size)
        if self.shuffle:
            for which in np.unique(passes):
                here = passes == which
                rows[here] = self._permutation(epoch, number, int(which)).at(rows[here])
        return rows

    def _permutation(self, epoch: int, *source_and_pass: int) -> Permutation:
        """The permutation of all rows, or of the rows of one source in one of its passes."""
        which = (epoch, *source_and_pass)
        if which not in self._permutations:
            if len(self._permutations) >= _KEPT:
                del self._permutations[next(iter(self._permutations))]
            sources = [self.sources[source_and_pass[0]]] if source_and_pass else self.sources
            key = derived_key("rows", self.seed, *which, *(source.fingerprint for source in sources))
            self._permutations[which] = Permutation(sum(source.rows for source in sources), key)
        return self._permutations[which]


def checked_seed(seed: int) -> int:
    """The seed, if it is one.

    Raises:
        ValueError: it is no integer.
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed={seed!r}: must be an integer")
    return seed
