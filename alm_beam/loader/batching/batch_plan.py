"""The batches of an epoch, all planned before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.hashing import derived_key
from alm_beam.loader.permutation import Positions, hashes


@dataclass(frozen=True)
class BatchPlan:
    """The batches of all ranks: at each step a batch of one bucket for each rank.

    Attributes:
        world_size: number of ranks.
        windows: numbers of windows, int64, those of a step together: first those of rank 0, then those of rank 1, ...
        begins: for each step where its windows begin, int64; and where those of the last step end.
        buckets: for each step the number of its bucket, int64.
        dropped: windows that are in no step, as they did not fill one, int64.

    >>> windows = np.array([4, 0, 3, 1, 2])
    >>> plan = BatchPlan(2, windows, np.array([0, 4, 5]), np.array([0, 0]), np.array([], int))
    >>> len(plan), [plan.batch(step, rank).tolist() for step in range(2) for rank in range(2)]
    (2, [[4, 0], [3, 1], [2], []])
    """

    world_size: int
    windows: Positions
    begins: Positions
    buckets: Positions
    dropped: Positions

    def __len__(self) -> int:
        """Number of steps: of batches of each rank."""
        return len(self.buckets)

    def batch(self, step: int, rank: int) -> Positions:
        """The windows of a rank at a step. In the last step of an epoch ranks may have fewer than others, or none."""
        begin, end = self.begins[step : step + 2].tolist()
        size, larger = divmod(end - begin, self.world_size)
        begin += rank * size + min(rank, larger)
        return self.windows[begin : begin + size + (rank < larger)]

    def left(self, steps: int) -> Positions:
        """The windows that are left after so many steps, ascending; those that are dropped, too."""
        return np.sort(np.concatenate((self.windows[self.begins[steps] :], self.dropped)))


@dataclass(frozen=True)
class Shuffle:
    """How windows are mixed.

    Attributes:
        key: of the order.
        span: windows are mixed within so many that follow one another; 1: not at all.
    """

    key: bytes
    span: int

    def places(self, numbers: Positions) -> npt.NDArray[np.uint64]:
        """A random place of each window."""
        return hashes(numbers, int.from_bytes(self.key[:8], "little"))

    def places_of_steps(self, count: int) -> npt.NDArray[np.uint64]:
        """A random place of each step."""
        return hashes(np.arange(count), int.from_bytes(self.key[8:16], "little"))


@dataclass
class _Steps:
    """Steps so far, in the order of their buckets."""

    windows: list[Positions] = field(default_factory=list)
    sizes: list[Positions] = field(default_factory=list)
    spans: list[Positions] = field(default_factory=list)
    buckets: list[Positions] = field(default_factory=list)

    def add(self, bucket: int, size: int, windows: Positions, spans: Positions) -> None:
        """Adds whole steps of a bucket, in each of which are `size` windows; `spans` are those of the windows."""
        count = len(windows) // size
        self.windows.append(windows)
        self.sizes.append(np.full(count, size))
        self.spans.append(spans.reshape(count, size).max(axis=1, initial=0))
        self.buckets.append(np.full(count, bucket))


def plan_of_batches(
    lengths: Positions,
    buckets: Sequence[Bucket],
    world_size: int,
    shuffle: Shuffle,
    *,
    drop_remainder: bool = False,
    windows: Positions | None = None,
) -> BatchPlan:
    """Plans batches of which each rank has the same number, and all ranks those of one bucket at each step.

    Windows that do not fill a step of their bucket move to the next longer one: the longest of a bucket, which fit best
    there. So only the last step of all may hold fewer windows than its bucket has room for. The windows of a step are
    divided among the ranks by length, the ranks in a random order; which windows make a step is random.

    Args:
        lengths: samples of each window, int64, in the order of reading; none longer than the last bucket's longest.
        buckets: by length.
        world_size: number of ranks.
        shuffle: how windows and steps are mixed.
        drop_remainder: leave out a last step that is not full.
        windows: numbers of the windows that are to be planned, ascending, int64; None: all.

    >>> plan = plan_of_batches(np.array([5, 9, 4, 5, 8, 9]), [Bucket(2, 5), Bucket(1, 9)], 1, Shuffle(b"", 1))
    >>> [plan.batch(step, 0).tolist() for step in range(len(plan))]
    [[1], [0, 2], [3], [4], [5]]
    """
    numbers = np.arange(len(lengths)) if windows is None else windows
    lengths = lengths[numbers]
    spans = np.arange(len(numbers)) // shuffle.span
    places = shuffle.places(numbers)
    which = np.searchsorted([bucket.longest for bucket in buckets], lengths)
    of_bucket = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which, minlength=len(buckets)))[:-1])
    steps, moved = _Steps(), np.empty(0, np.int64)
    for number, bucket in enumerate(buckets):
        here = np.concatenate((moved, of_bucket[number]))
        size = bucket.size * world_size
        over = len(here) % size
        is_last = number == len(buckets) - 1
        order = np.lexsort((places[here], spans[here]) if is_last else (places[here], lengths[here], spans[here]))
        here, moved = here[order[: len(here) - over]], here[order[len(here) - over :]]
        if not is_last:
            here = here[np.lexsort((places[here], spans[here]))]
        if shuffle.span > 1:
            here = _dealt(here.reshape(-1, size), lengths, places, world_size)
        steps.add(number, size, here, spans[here])
    moved = moved[np.argsort(lengths[moved], kind="stable")] if shuffle.span > 1 else moved
    return _plan(steps, numbers, moved, world_size, shuffle, drop_remainder=drop_remainder)


def _dealt(steps: Positions, lengths: Positions, places: npt.NDArray[np.uint64], world_size: int) -> Positions:
    """The windows of steps, those of each rank together: of similar lengths, so that they are padded less.

    Which windows are trained on together, in a step of all ranks, is not changed.

    Args:
        steps: the windows of each step, int64 [steps, windows].
        lengths: samples of each window.
        places: random numbers, one for each window.
        world_size: number of ranks.
    """
    if world_size == 1:
        return steps.ravel()
    by_length = np.take_along_axis(steps, np.argsort(lengths[steps], axis=1, kind="stable"), 1)
    batches = by_length.reshape(len(steps), world_size, steps.shape[1] // world_size)
    ranks = np.argsort(places[batches[:, :, 0]], axis=1, kind="stable")
    return np.take_along_axis(batches, ranks[:, :, None], 1).ravel()


def _plan(
    steps: _Steps, numbers: Positions, over: Positions, world_size: int, shuffle: Shuffle, *, drop_remainder: bool
) -> BatchPlan:
    """Puts the steps in their order. Windows that are over make the last step."""
    sizes, spans = np.concatenate(steps.sizes), np.concatenate(steps.spans)
    order = np.lexsort((shuffle.places_of_steps(len(sizes)), spans))
    begins = (np.cumsum(sizes) - sizes)[order]
    sizes, buckets = sizes[order], np.concatenate(steps.buckets)[order]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    windows = numbers[np.concatenate(steps.windows)[np.repeat(begins, sizes) + within]]
    over, dropped = numbers[over], np.empty(0, np.int64)
    if drop_remainder:
        dropped = over
    elif len(over):
        windows = np.concatenate((windows, over))
        sizes, buckets = np.append(sizes, len(over)), np.append(buckets, len(steps.buckets) - 1)
    return BatchPlan(world_size, windows, np.append(0, np.cumsum(sizes)), buckets, dropped)


def batch_key(seed: int, epoch: int, fingerprints: Sequence[str]) -> bytes:
    """The key of the order of an epoch, from 0, of sources with these fingerprints."""
    return derived_key("batches", seed, epoch, *fingerprints)
