"""The order of an epoch that is read file by file."""

import numpy as np

from alm_beam.loader.hashing import derived_key
from alm_beam.loader.permutation import Permutation, Positions
from alm_beam.loader.plan import Plan, PlannedSource, checked_seed
from alm_beam.loader.ranges import RangesLeft
from alm_beam.loader.remainder import Remainder
from alm_beam.loader.sources import OpenSource
from alm_beam.loader.stored_order import StoredOrder

ORDERS = ("windows", "shards")

MAX_SHUFFLE_WINDOW = 1 << 20
"""A remote reader holds so many windows in memory."""

_KEPT = 64
"""Orders of blocks that are kept: those in which readers of earlier runs stopped, and the current one."""

_FETCHED = 1024
"""About so many windows are fetched together, at least."""


class StoredPlan:
    """The orders of all epochs, where each part of an epoch is read from the front of a file to its end.

    The files of all sources come in a shuffled order, and the windows of a file as they stand in it. Each part is a
    range of that. A part is read in blocks of `shuffle_window` windows; within a block the order is mixed.

    Attributes:
        sources: as given.
        layouts: for each source a hash that tells which windows stand in which file.
        seed: as given.
        shuffle: as given.
        repeat: always False.
        shuffle_window: as given; 1 without `shuffle`.
        size: number of windows in an epoch.
        whole: what is left of an epoch at its start.
        together: so many windows of a part stand near one another, and then the next so many.
    """

    repeat = False
    whole = RangesLeft()

    def __init__(self, sources: tuple[OpenSource, ...], *, seed: int, shuffle: bool = True, shuffle_window: int = 1024):
        """
        Args:
            sources: at least one, all without a weight.
            seed: any integer.
            shuffle: False: files come in their order, and windows as they stand.
            shuffle_window: windows that are mixed with one another, at least 1.

        Raises:
            ValueError: the seed is no integer, or a source has a weight.
        """
        if any(each.source.weight is not None for each in sources):
            raise ValueError(
                "order='shards': sources with weights are mixed window by window, so they cannot be read file by file; "
                "leave the weights out, or read with order='windows'"
            )
        self.seed, self.shuffle = checked_seed(seed), shuffle
        self.shuffle_window = shuffle_window if shuffle else 1
        self.together = self.shuffle_window
        self._stored = StoredOrder(sources)
        self.layouts = self._stored.layouts
        self.sources = tuple(PlannedSource(each.index.fingerprint, each.rows) for each in sources)
        self.size = sum(each.rows for each in sources)
        sizes = self._stored.sizes
        self._begins = np.cumsum(sizes) - sizes
        self._files: tuple[int, Positions, Positions] = (-1, sizes, sizes)
        self._blocks: dict[tuple[int, int, int, int], Permutation] = {}

    def at(self, epoch: int, positions: Positions) -> tuple[Positions, Positions]:
        """The windows at the positions of the shuffled files; see `Plan.at`."""
        files, ends = self._shuffled_files(epoch)
        which = np.searchsorted(ends, positions, side="right")
        file = files[which]
        return self._stored.at(self._begins[file] + positions - (ends[which] - self._stored.sizes[file]))

    def part(self, epoch: int, left: Remainder | RangesLeft, part: int, parts: int, read: Positions) -> Positions:
        """The positions of windows of one part; see `Plan.part`."""
        assert isinstance(left, RangesLeft)

        def mix(run: int, first: int, length: int) -> Permutation:
            return self._block(epoch, run, first, length)

        return left.at(self.size, part, parts, read, self.shuffle_window, mix)

    def fetched(self, read: int, wanted: int) -> int:
        """How many windows of a part to fetch from a store at once: whole blocks, so that nothing is fetched twice."""
        together = self.shuffle_window * max(1, _FETCHED // self.shuffle_window)
        return together - read % together

    def _shuffled_files(self, epoch: int) -> tuple[Positions, Positions]:
        """The files in the order of an epoch, and for each the number of windows up to its end."""
        known, files, ends = self._files
        if known != epoch:
            files = np.arange(len(self._begins))
            if self.shuffle:
                files = Permutation(len(files), self._key("files", epoch)).at(files)
            ends = np.cumsum(self._stored.sizes[files])
            self._files = epoch, files, ends  # at once: another pass's thread may read it
        return files, ends

    def _block(self, epoch: int, run: int, first: int, length: int) -> Permutation:
        which = (epoch, run, first, length)
        found = self._blocks.get(which)
        if found is None:
            while len(self._blocks) >= _KEPT:
                self._blocks.pop(next(iter(self._blocks)), None)
            found = self._blocks[which] = Permutation(length, self._key("block", epoch, run, first))
        return found

    def _key(self, purpose: str, *numbers: int) -> bytes:
        return derived_key(purpose, self.seed, *numbers, *(source.fingerprint for source in self.sources))


def plan_of(
    sources: tuple[OpenSource, ...], *, order: str, shuffle_window: int, seed: int, shuffle: bool, repeat: bool
) -> Plan | StoredPlan:
    """The plan of a loader; see `WindowLoader`.

    Raises:
        ValueError: an argument is wrong, or does not go with another one.
    """
    if order not in ORDERS:
        raise ValueError(f"order={order!r}: must be 'windows' or 'shards'")
    checked_shuffle_window(shuffle_window)
    if order == "shards":
        if repeat:
            raise ValueError("order='shards', repeat=True: sources are repeated by weights, which need order='windows'")
        return StoredPlan(sources, seed=seed, shuffle=shuffle, shuffle_window=shuffle_window)
    planned = [PlannedSource(each.index.fingerprint, each.rows, each.source.weight) for each in sources]
    return Plan(planned, seed=seed, shuffle=shuffle, repeat=repeat)


def checked_shuffle_window(count: int) -> int:
    """The number of windows that are mixed with one another, if it is one.

    Raises:
        ValueError: it is no integer, below 1, or above MAX_SHUFFLE_WINDOW.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_SHUFFLE_WINDOW:
        raise ValueError(f"shuffle_window={count!r}: must be an integer from 1 to {MAX_SHUFFLE_WINDOW:,}")
    return count
