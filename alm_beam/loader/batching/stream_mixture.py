"""A stream of the rows of several sources, mixed by weights, as Omnilingual ASR's mixture storage gives it."""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from alm_beam.core.parameters import ConfigError
from alm_beam.core.text import visible
from alm_beam.loader.batching.bucket_sizes import check_integer
from alm_beam.loader.mixture import WeightError
from alm_beam.loader.partition import Partition, partition_here

Row = TypeVar("Row")
RowGroups: TypeAlias = Sequence[Iterable[Row]]
"""The row groups of a source. An item of it is asked for when its rows are read, so it may then open a file."""

_EPOCHS = 100
"""So many epochs of a source are ordered with one random generator; then their orders come again."""

_DRAWN = 4096
_NUMBERS = 1 << 24
"""So many numbers from 0 to below 1 can be drawn."""

_SEEDS = 1 << 32


class MixtureStream(Generic[Row]):
    """The rows of several sources without end: for each row a source is drawn by its weight.

    A source is what Omnilingual ASR calls a partition, such as a language of a corpus. All ranks draw the same sources,
    and each reads its own row groups of them. The row groups of a source come in a new order in each of 100 epochs,
    which then repeat; the rows of a group come in their order. Without weights, or with one source, the row groups of
    all sources are one list.

    A rank takes each `world_size`-th row group, so within an epoch it may meet one twice or not at all. Each call of
    `iter` begins at the same first row. One row group of each source is open at a time.

    It is what upstream gives, but for these: the first row of each source is not lost, no seed is changed in place, and
    a source without a weight is an error.

    Attributes:
        sources: the row groups of each source.
        weights: the weight of each source, None where none is drawn.
        unused_weights: the keys of weights without a source.

    >>> sources = {("a", "x"): [["x0", "x1"], ["x2", "x3"]], ("a", "y"): [["y0", "y1"]]}
    >>> stream = MixtureStream(sources, {("a", "x"): 0.25, ("a", "y"): 0.75})
    >>> list(islice(stream, 8))
    ['x2', 'y0', 'y1', 'y0', 'y1', 'x3', 'y0', 'y1']
    """

    def __init__(
        self,
        sources: Mapping[Hashable, RowGroups[Row]],
        weights: Mapping[Hashable, float] | None = None,
        *,
        seed: int = 2,
        sampling_seed: int = 261,
        partition: Partition | None = None,
    ):
        """
        Args:
            sources: by key, the row groups of each source, in the order in which the data set lists them.
            weights: how often a source is drawn, relative to the others; `None`: as often as it has rows. With one
                source they are not looked at.
            seed: of the orders of row groups, from 0; give all ranks the same.
            sampling_seed: of the drawing of sources, any integer; give all ranks the same.
            partition: the part of this process. Leave it out where one process reads everything.

        Raises:
            WeightError: a source has no weight, or one that is not above 0 or by which it would never be drawn.
            ConfigError: there is no source, one has no row group, or a seed is out of its range.
        """
        if not sources:
            raise ConfigError("sources", "{}", "must have at least one source")
        for key, groups in sources.items():
            if not len(groups):
                raise ConfigError("sources", f"{{{key!r}: []}}", "the source has no row group; leave it out")
        check_integer("seed", seed, 0)
        if not isinstance(sampling_seed, int) or isinstance(sampling_seed, bool):
            raise ConfigError("sampling_seed", repr(sampling_seed), "must be an integer")
        self.sources, self.partition = sources, partition
        self.weights = _weights_of(sources, weights) if weights is not None and len(sources) > 1 else None
        self.unused_weights = [key for key in weights or () if key not in sources]
        self._seed, self._sampling_seed = seed, sampling_seed

    def __iter__(self) -> Iterator[Row]:
        """Begins at the first row.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            ConfigError: the seed is too large.
        """
        partition = partition_here(self.partition)
        first = self._seed + partition.parts
        if first + len(self.sources) >= _SEEDS:
            raise ConfigError("seed", self._seed, "with the numbers of ranks and sources it must be below 2**32")
        if self.weights is None:
            together = [(groups, at) for groups in self.sources.values() for at in range(len(groups))]
            return _rows("the sources", together, first, partition)
        rows = [
            _rows(f"source {key!r}", [(groups, at) for at in range(len(groups))], first + number, partition)
            for number, (key, groups) in enumerate(self.sources.items(), start=1)
        ]
        return (next(rows[drawn]) for drawn in draws(list(self.weights.values()), self._sampling_seed))


def rows_in_order(sources: Mapping[Hashable, RowGroups[Row]], partition: Partition | None = None) -> Iterator[Row]:
    """The rows of all sources once, in their order, for evaluation. Ranks take turns by row group.

    Args:
        sources: see `MixtureStream`.
        partition: the part of this process. Leave it out where one process reads everything.

    Raises:
        PartitionError: there are several ranks or workers and no partition.

    >>> sources = {("a", "x"): [["x0", "x1"], ["x2", "x3"]], ("a", "y"): [["y0", "y1"]]}
    >>> list(rows_in_order(sources, Partition(0, world_size=2)))
    ['x0', 'x1', 'y0', 'y1']
    """
    here = partition_here(partition)
    together = ((groups, at) for groups in sources.values() for at in range(len(groups)))
    return (row for groups, at in islice(together, here.part, None, here.parts) for row in groups[at])


def draws(weights: Sequence[float], seed: int) -> Iterator[int]:
    """Numbers of sources without end, drawn by weight exactly as fairseq2's `DataPipeline.sample` draws.

    Args:
        weights: of each source.
        seed: any integer; its low 32 bits count.

    Raises:
        WeightError: a weight is not above 0, or too small to be drawn.

    >>> list(islice(draws([0.1, 0.2, 0.7], seed=261), 10))
    [0, 2, 2, 2, 2, 0, 2, 2, 2, 1]
    """
    return _drawn(_bounds(dict(enumerate(weights))), seed)


def _drawn(bounds: np.ndarray[tuple[int], np.dtype[np.float32]], seed: int) -> Iterator[int]:
    random = np.random.RandomState(seed % _SEEDS)
    while True:
        words = random.randint(0, _SEEDS, _DRAWN, dtype=np.uint32) % _NUMBERS
        at = np.searchsorted(bounds, words.astype(np.float32) / np.float32(_NUMBERS), side="left")
        yield from np.minimum(at, len(bounds) - 1).tolist()


def _weights_of(sources: Mapping[Hashable, RowGroups[Row]], weights: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """The weights of the sources, checked.

    Raises:
        WeightError: a source has none, or one by which it cannot be drawn.
    """
    without = [key for key in sources if key not in weights]
    if without:
        names = visible(", ".join(map(repr, without)))
        raise WeightError(f"there is no weight for {names}, so no row of it would be read; give one, or leave it out")
    found = {key: weights[key] for key in sources}
    _bounds(found)
    return found


def _bounds(weights: Mapping[Hashable, float]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The cumulative weights, float32[sources]; a source is drawn by the numbers up to its own and above the last one.

    Raises:
        WeightError: a weight is not above 0, or too small for any number to draw its source.
    """
    for key, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
            raise WeightError(f"the weight of {visible(repr(key))} is {weight!r}; it must be a number above 0")
    with np.errstate(over="ignore"):
        sums = np.cumsum(np.array(list(weights.values()), np.float64).astype(np.float32), dtype=np.float32)
    if not np.isfinite(sums[-1]):
        raise WeightError(f"the weights sum to {sum(weights.values())}; scale them, so that their sum is 1")
    if abs(sums[-1] - np.float32(1)) >= np.float32(1e-4):
        sums /= sums[-1]
    greatest = np.minimum(np.floor(sums.astype(np.float64) * _NUMBERS), _NUMBERS - 1)
    greatest[-1] = _NUMBERS - 1
    for key, drawn_by in zip(weights, np.diff(greatest, prepend=-1).tolist()):
        if not drawn_by:
            raise WeightError(
                f"the weight of {visible(repr(key))} is {weights[key]!r}, so small beside the others that it would "
                "never be drawn; raise it, or leave it out"
            )
    return sums


def _rows(name: str, together: Sequence[tuple[RowGroups[Row], int]], seed: int, partition: Partition) -> Iterator[Row]:
    """The rows of this part's row groups, without end.

    Raises:
        ConfigError: none of the row groups has a row.
    """
    idle = 0
    for at in _order(len(together), seed, partition):
        idle += 1
        groups, number = together[at]
        for row in groups[number]:
            idle = 0
            yield row
        if idle >= _EPOCHS * len(together):
            raise ConfigError("sources", f"{{{name}}}", "its row groups have no rows; leave it out")


def _order(count: int, seed: int, partition: Partition) -> Iterator[int]:
    """Numbers of the row groups that the part reads, of `count` in all."""
    position = 0
    while True:
        random = np.random.RandomState(seed)
        for _ in range(_EPOCHS):
            order = random.permutation(count)
            yield from order[(partition.part - position) % partition.parts :: partition.parts].tolist()
            position = (position + count) % partition.parts
