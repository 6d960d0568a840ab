"""Which windows are still to be read where each reader of a run reads a range of them, mixed within blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from alm_beam.loader.permutation import Permutation, Positions
from alm_beam.loader.remainder import RunProgress, part_size

Mix: TypeAlias = Callable[[int, int, int], Permutation]
"""The order within a block, given the number of the run, the block's first place, and its length."""


@dataclass(frozen=True)
class RangesLeft:
    """The windows of an epoch that are still to be read; the order is that of the files.

    The readers of a run share what is left: reader 0 gets the first range of it, reader 1 the next one, and so on. The
    sizes of ranges differ by at most one. A reader reads its range block by block, and each block in a mixed order. So
    of its range it leaves the rest of one block, and everything behind that block.

    Attributes:
        reads: how many windows each reader of the first run read, then those of the next run among the windows that
            the first left, and so on.
    """

    reads: tuple[tuple[int, ...], ...] = ()

    @property
    def runs(self) -> tuple[RunProgress, ...]:
        """The same as a state holds it: at least one run."""
        return tuple(RunProgress(0, read) for read in self.reads) or (RunProgress(0),)

    def after(self, read: Sequence[int]) -> "RangesLeft":
        """What is left after one more run, in which reader i read `read[i]` windows.

        >>> RangesLeft().after([5, 3]).after([0, 0, 0])
        RangesLeft(reads=((5, 3),))
        """
        return RangesLeft((*self.reads, tuple(read))) if any(read) else self

    def count(self, size: int) -> int:
        """How many windows are left of an epoch of `size` windows."""
        return size - sum(map(sum, self.reads))

    def fits(self, size: int) -> bool:
        """Whether readers of an epoch of `size` windows can have left this."""
        for read in self.reads:
            if any(count > part_size(size, part, len(read)) for part, count in enumerate(read)):
                return False
            size -= sum(read)
        return True

    def at(self, size: int, part: int, parts: int, read: Positions, block: int, mix: Mix) -> Positions:
        """Places, in the order of the files, of windows of one reader.

        Args:
            size: number of windows of the epoch.
            part: number of the reader, from 0.
            parts: number of readers.
            read: how many windows the reader reads before each of these; int64, one dimension.
            block: windows in a block.
            mix: the order within a block.
        """
        begin, length = _range(self.count(size), part, parts)
        places = begin + _mixed(read, length, block, lambda first, size: mix(len(self.reads), begin + first, size))
        for run in reversed(range(len(self.reads))):
            before = RangesLeft(self.reads[:run]).count(size)
            places = _unread(places, before, self.reads[run], block, partial(mix, run))
        return places


def _range(count: int, part: int, parts: int) -> tuple[int, int]:
    """The first of `count` places that belongs to a part, and how many do.

    >>> [_range(7, part, 3) for part in range(3)]
    [(0, 3), (3, 2), (5, 2)]
    """
    size, larger = divmod(count, parts)
    return part * size + min(part, larger), size + (part < larger)


def _mixed(read: Positions, length: int, block: int, mix: Callable[[int, int], Permutation]) -> Positions:
    """The places in a range, of so many windows, that a reader reads after so many others."""
    if block == 1:
        return read
    blocks, within = np.divmod(read, block)
    found = blocks * block
    for number in np.unique(blocks).tolist():
        here = np.flatnonzero(blocks == number)
        first = number * block
        found[here] += mix(first, min(block, length - first)).at(within[here])
    return found


def _unread(
    places: Positions, count: int, read: Sequence[int], block: int, mix: Callable[[int, int], Permutation]
) -> Positions:
    """Which of `count` windows are at the given places when those that a run did not read are numbered 0, 1, 2, ...

    They stay in their order. So what is left of a range is the rest of the block that was begun, which has gaps, and
    then everything behind it.
    """
    reads = np.array(read, np.int64)
    parts = np.arange(len(reads))
    size, larger = divmod(count, len(reads))
    begins, sizes = parts * size + np.minimum(parts, larger), size + (parts < larger)
    ends = np.cumsum(sizes - reads)
    part = np.searchsorted(ends, places, side="right")
    local = places - (ends - (sizes - reads))[part]
    found: Positions = (begins + reads)[part] + local
    read_of_block = reads % block
    blocks = reads - read_of_block
    with_gaps = np.where(read_of_block > 0, np.minimum(block, sizes - blocks) - read_of_block, 0)
    among_gaps = np.flatnonzero(local < with_gaps[part])
    for number in np.unique(part[among_gaps]).tolist():
        here = among_gaps[part[among_gaps] == number]
        first, gone = int(begins[number] + blocks[number]), int(read_of_block[number])
        length = gone + int(with_gaps[number])
        rest = np.sort(mix(first, length).at(np.arange(gone, length)))
        found[here] = first + rest[local[here]]
    return found
