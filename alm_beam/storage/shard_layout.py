"""Where shards end: as few as hold all windows, about as large as each other, with what belongs together in one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShardLimits:
    """What a shard holds at most.

    Attributes:
        windows: how many; 0: any number.
        bytes: of audio; 0: any number. A single window may have more.
    """

    windows: int
    bytes: int


def shard_ends(groups: Numbers, sizes: Numbers, limits: ShardLimits) -> Numbers:
    """The position behind the last window of each shard.

    Shards are as few as can be while no group is divided that one shard could hold; then they are as even as can be, in
    windows or, if only bytes are limited, in bytes.

    Args:
        groups: a number for each window; neighbours with the same one belong together.
        sizes: bytes of audio of each window, at least 0.
        limits: of a shard.

    >>> shard_ends(np.array([7, 7, 7, 7, 8, 9, 9]), np.zeros(7, np.int64), ShardLimits(windows=4, bytes=0))
    array([4, 7])
    >>> shard_ends(np.arange(201), np.zeros(201, np.int64), ShardLimits(windows=100, bytes=0))
    array([ 67, 134, 201])
    """
    if not len(groups):
        return np.empty(0, np.int64)
    most = limits.windows or len(groups)
    above = limits.bytes + 1  # no shard holds more beside a window of that size
    summed = np.cumsum(np.minimum(sizes, above) if limits.bytes else np.ones(len(groups), np.int64))
    packing = _Packing(_atoms(groups, summed, most, limits), summed, most, limits.bytes or len(groups))
    return packing.ends(by_bytes=not limits.windows)


def _atoms(groups: Numbers, summed: Numbers, most: int, limits: ShardLimits) -> Numbers:
    """The end of each run of windows that is not divided; groups that no shard can hold are divided anywhere."""
    ends = np.append(np.flatnonzero(groups[1:] != groups[:-1]) + 1, len(groups))
    counts = np.diff(ends, prepend=0)
    taken = np.diff(summed[ends - 1], prepend=0)
    is_large = (counts > most) | ((taken > limits.bytes) if limits.bytes else False)
    is_end = np.repeat(is_large, counts)
    is_end[ends - 1] = True
    return np.flatnonzero(is_end).astype(np.int64) + 1


class _Packing:
    """Atoms, in their order, to be packed into shards. Positions are numbers of atoms."""

    def __init__(self, ends: Numbers, summed: Numbers, windows: int, size: int):
        self._count = len(ends)
        self._windows = np.concatenate(([0], ends))
        self._bytes = np.concatenate(([0], summed[ends - 1]))
        self._limits = ((self._windows, windows), (self._bytes, size))

    def ends(self, *, by_bytes: bool) -> Numbers:
        """The ends of the shards, in windows."""
        latest = self._starts_from_the_end()
        count = len(latest)
        measure = self._bytes if by_bytes else self._windows
        chosen, begin = [], 0
        for number in range(1, count):
            target = int(measure[-1]) * number // count
            at = int(np.searchsorted(measure, target))
            if at and target - int(measure[at - 1]) < int(measure[at]) - target:
                at -= 1
            least = max(latest[number], begin + 1)  # or what follows would not fit into the shards that are left
            begin = min(max(at, least), self._end_from(begin), self._count - (count - number))
            chosen.append(begin)
        return self._windows[[*chosen, self._count]]

    def _starts_from_the_end(self) -> list[int]:
        """Where each shard begins at the earliest, if those behind it hold as much as they can."""
        starts, end = [], self._count
        while end:
            fitting = (
                int(np.searchsorted(summed, int(summed[end]) - limit, side="left")) for summed, limit in self._limits
            )
            end = min(max(fitting), end - 1)
            starts.append(end)
        return starts[::-1]

    def _end_from(self, begin: int) -> int:
        """Where a shard that begins there ends at the latest."""
        fitting = (
            int(np.searchsorted(summed, int(summed[begin]) + limit, side="right")) - 1 for summed, limit in self._limits
        )
        return max(min(fitting), begin + 1)
