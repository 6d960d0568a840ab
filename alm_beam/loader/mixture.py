"""Which source each step of an epoch reads, so that sources are mixed by their weights throughout the epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np

from alm_beam.loader.hashing import derived_key
from alm_beam.loader.permutation import Positions, hashes

_MIN_BLOCK = 1024
MAX_BLOCK = 1 << 16
"""No weight is less than one of so many parts of all: each block of steps reads each source."""

_MAX_WEIGHT = 1e100
_UNIT = 1 << 32


class WeightError(ValueError):
    """Weights by which sources cannot be mixed.

    >>> from alm_beam.loader import Source, WindowLoader
    >>> WindowLoader([Source(windows, weight=0)])
    Traceback (most recent call last):
        ...
    alm_beam.loader.mixture.WeightError: the weight of source 0 is 0; it must be a number above 0, at most 1e+100
    """


def is_weight(value: object) -> bool:
    """Whether it is a number that a source may have as its weight."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _MAX_WEIGHT


def check_weights(weights: Sequence[float]) -> None:
    """Checks the weights of all sources.

    Raises:
        WeightError: a weight is not above 0, above 1e100, or below 1/65,536 of their sum.
    """
    for number, weight in enumerate(weights):
        if not is_weight(weight):
            raise WeightError(
                f"the weight of source {number} is {weight!r}; it must be a number above 0, at most {_MAX_WEIGHT}"
            )
    for number, weight in enumerate(weights):
        if weight * MAX_BLOCK < sum(weights):
            raise WeightError(
                f"the weight of source {number} is {weight!r}, less than 1/{MAX_BLOCK} of all; leave it out"
            )


@dataclass(frozen=True)
class _Phase:
    """A range of steps in which the same sources are read.

    Steps are grouped in blocks. After each block, the number of windows of each source is within one of its share. The
    order within a block follows from hashes of the steps.

    Attributes:
        first: number of its first step.
        steps: number of steps.
        sources: numbers of the sources, increasing.
        bounds: cumulative shares of the sources, from 0 to 2**32.
        before: for each source, how many of its windows were read before the phase.
        block: steps in a block. The last block has up to twice as many.
    """

    first: int
    steps: int
    sources: tuple[int, ...]
    bounds: tuple[int, ...]
    before: tuple[int, ...]
    block: int

    def counts(self, steps: int) -> list[int]:
        """How many windows of each source the first `steps` steps read. They must be whole blocks, or all steps."""
        return _counts(self.bounds, steps)

    def block_of(self, step: int) -> int:
        """Number of the block of a step of the phase."""
        return min(step // self.block, max(self.steps // self.block, 1) - 1)

    def range_of(self, block: int) -> tuple[int, int]:
        """First step of a block, and the first step after it."""
        is_last = block == max(self.steps // self.block, 1) - 1
        return block * self.block, self.steps if is_last else (block + 1) * self.block


class Mixture:
    """Which source each step of an epoch reads.

    Attributes:
        steps: number of steps in an epoch.
        steps_by_weight: for how many steps all sources take part, so that the weights hold. All steps with `repeat`;
            otherwise until the first source is exhausted.
        counts: number of windows of each source that an epoch reads.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], *, repeat: bool):
        """
        Args:
            sizes: number of windows of each source.
            weights: weight of each source.
            repeat: sources are read again until each was read at least once, so that the weights hold to the end.
                Otherwise an exhausted source drops out, so each window is read once.

        Raises:
            WeightError: see `check_weights`; or a source is empty and `repeat` is on.
        """
        check_weights(weights)
        if repeat and not all(sizes):
            raise WeightError(f"source {list(sizes).index(0)} is empty and cannot be repeated")
        self._phases = _phases(sizes, weights, repeat)
        self.steps = sum(phase.steps for phase in self._phases)
        self.steps_by_weight = self._phases[0].steps if self._phases else 0
        self.counts = self._phases[0].counts(self.steps) if repeat and self._phases else list(sizes)

    def picks(self, steps: Positions, seed: int, epoch: int) -> tuple[Positions, Positions]:
        """For each step (int64, any order) its source, and how many windows of that source earlier steps read."""
        sources, before = np.empty_like(steps), np.empty_like(steps)
        key = int.from_bytes(derived_key("picks", seed, epoch)[:8], "little")
        firsts = [phase.first for phase in self._phases]
        of_phase = np.searchsorted(firsts, steps, side="right") - 1
        for number in np.unique(of_phase):
            phase = self._phases[number]
            in_phase = np.flatnonzero(of_phase == number)
            relative = steps[in_phase] - phase.first
            blocks = np.minimum(relative // phase.block, phase.block_of(phase.steps))
            for block in np.unique(blocks):
                here = blocks == block
                begin, _ = phase.range_of(int(block))
                picked, read = _block(phase, int(block), key)
                sources[in_phase[here]] = picked[relative[here] - begin]
                before[in_phase[here]] = read[relative[here] - begin]
        return sources, before


def _block(phase: _Phase, block: int, key: int) -> tuple[Positions, Positions]:
    """For each step of a block its source, and how many windows of that source earlier steps read."""
    begin, end = phase.range_of(block)
    first = phase.counts(begin)
    due = [late - early for early, late in zip(first, phase.counts(end))]
    order = np.argsort(hashes(np.arange(phase.first + begin, phase.first + end), key), kind="stable")
    which = np.empty(end - begin, np.int64)
    which[order] = np.repeat(np.arange(len(due)), due)
    read = np.empty_like(which)
    for i, count in enumerate(due):
        read[which == i] = np.arange(count) + (phase.before[i] + first[i])
    return np.array(phase.sources, np.int64)[which], read


def _phases(sizes: Sequence[int], weights: Sequence[float], repeat: bool) -> list[_Phase]:
    left = dict(enumerate(sizes))
    first, phases = 0, []
    while left := {source: rows for source, rows in left.items() if rows}:
        shares = [weights[source] for source in left]
        bounds = _bounds(shares)
        ends = [_first_step(bounds, i, rows) for i, rows in enumerate(left.values())]
        steps = min(ends)
        if repeat:
            steps = max(ends)
            while any(count < rows for count, rows in zip(_counts(bounds, steps), left.values())):
                steps += 1  # a source that was complete earlier may lack one again: counts are rounded
        before = tuple(sizes[source] - rows for source, rows in left.items())
        phases.append(_Phase(first, steps, tuple(left), bounds, before, _block_size(shares)))
        first += steps
        if repeat:
            break
        counts = _counts(bounds, steps)
        left = {source: rows - count for (source, rows), count in zip(left.items(), counts)}
    return phases


def _bounds(shares: Sequence[float]) -> tuple[int, ...]:
    total, bounds = sum(shares), [0]
    for i in range(len(shares) - 1):
        bounds.append(round(sum(shares[: i + 1]) / total * _UNIT))
    return (*bounds, _UNIT)


def _counts(bounds: Sequence[int], steps: int) -> list[int]:
    """Whole numbers whose sum is `steps`, each within one of its share."""
    rounded = [(bound * steps + _UNIT // 2) // _UNIT for bound in bounds]
    return [late - early for early, late in pairwise(rounded)]


def _first_step(bounds: Sequence[int], i: int, count: int) -> int:
    """The number of steps after which `count` windows of source i have been read for the first time.

    A count changes by at most one from step to step, so no count is skipped.
    """
    low, high = bounds[i], bounds[i + 1]
    steps = max(ceil((count - 1) * _UNIT / (high - low)) - 1, 0)
    half = _UNIT // 2
    while (high * steps + half) // _UNIT - (low * steps + half) // _UNIT < count:
        steps += 1
    return steps


def _block_size(shares: Sequence[float]) -> int:
    """Steps in a block: enough to read each source at least once, so that no count of a block is negative."""
    min_steps = ceil(1.01 * sum(shares) / min(shares))
    return max(_MIN_BLOCK, 1 << (min_steps - 1).bit_length())
