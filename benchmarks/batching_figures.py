"""What the batches of an epoch are worth: padding, waiting, steps, what is lost, and how random they are."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.int64]
"""Samples of each window, in the order in which the windows stand in the files."""

Batches = list[list[list[int]]]
"""For each rank, for each of its steps, the numbers of the windows of its batch; none: the rank has no batch then."""


class Figures(NamedTuple):
    """Figures of an epoch's batches.

    Attributes:
        padding: of the elements of all batches, the share that no window fills.
        waiting: a step lasts as long as its largest batch; the share of all ranks' time that others wait for it.
        least_steps: of the rank that ends first.
        most_steps: of the rank that ends last.
        batches: of all ranks, empty ones left out.
        left_out: windows that no rank reads before the first rank has no more batches, when training stops.
        repeated: windows that come more than once.
        largest: padded elements of the largest batch.
        moved: how far a window is from where it stands in the files, mean, as a share of the windows; 1/3 where the
            order is random.
        neighbours: correlation of the mean lengths of a rank's batches and of those that follow; 0 where it is random.
        neighbours_error: what chance makes of it, as the ranks' batches of a step are no independent ones.
    """

    padding: float
    waiting: float
    least_steps: int
    most_steps: int
    batches: int
    left_out: int
    repeated: int
    largest: int
    moved: float
    neighbours: float
    neighbours_error: float

    @property
    def idle(self) -> float:
        """Of all ranks' time the share that is padding or waiting."""
        return 1 - (1 - self.padding) * (1 - self.waiting)


def figures(lengths: Lengths, batches: Batches) -> Figures:
    """The figures of the batches of an epoch, of at least one window."""
    steps = [len(rank) for rank in batches]
    order = np.array(list(_epoch_order(batches)), np.int64)
    padded = np.zeros((max(steps), len(batches)), np.int64)
    for number, rank in enumerate(batches):
        padded[: len(rank), number] = [len(batch) * int(lengths[batch].max()) if batch else 0 for batch in rank]
    common = padded[: min(steps)]
    in_step = {window for rank in batches for batch in rank[: min(steps)] for window in batch}
    found, first = np.unique(order, return_index=True)
    return Figures(
        padding=float(1 - lengths[order].sum() / padded.sum()),
        waiting=float(1 - common.sum() / (len(batches) * common.max(axis=1).sum())),
        least_steps=min(steps),
        most_steps=max(steps),
        batches=int(np.count_nonzero(padded)),
        left_out=len(lengths) - len(in_step),
        repeated=len(order) - len(found),
        largest=int(padded.max()),
        moved=float(np.abs(first - found).mean() / len(lengths)),
        neighbours=_neighbours(lengths, batches),
        neighbours_error=1 / math.sqrt(max(max(steps) - 1, 1)),
    )


def _epoch_order(batches: Batches) -> Iterator[int]:
    """The windows step by step, in each step rank by rank."""
    for step in range(max(len(rank) for rank in batches)):
        for rank in batches:
            if step < len(rank):
                yield from rank[step]


def _neighbours(lengths: Lengths, batches: Batches) -> float:
    before: list[float] = []
    after: list[float] = []
    for rank in batches:
        means = [float(lengths[batch].mean()) for batch in rank if batch]
        before += means[:-1]
        after += means[1:]
    if len(before) < 2 or np.ptp(before) == 0 or np.ptp(after) == 0:
        return math.nan
    return float(np.corrcoef(before, after)[0, 1])
