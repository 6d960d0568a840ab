"""Batches of a stream without an index: filtered, shuffled, divided among ranks, grouped, as in Omnilingual ASR."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from typing import Generic, TypeVar

from alm_beam.audio.spans import counted_samples
from alm_beam.loader.batching.stream_buckets import LengthBatches, StaticBatches
from alm_beam.loader.batching.stream_config import StreamConfig
from alm_beam.loader.batching.stream_counts import ItemLengths, StreamCounts
from alm_beam.loader.batching.stream_prefetch import Prefetched
from alm_beam.loader.batching.stream_shuffle import BlockShuffle
from alm_beam.loader.partition import Partition, partition_here

Item = TypeVar("Item")

_MOST_SECONDS = 1e9


class StreamBatches(Generic[Item]):
    """Batches of the items of any iterable, in exactly the order of Omnilingual ASR on fairseq2.

    Each call of `iter` begins a pass over the items. They are filtered by length, shuffled, divided among ranks,
    grouped in batches, and the batches are shuffled; then a thread makes `num_prefetch` batches ahead. A pass goes on
    with the random generators of the pass before, so each epoch has an order of its own. After a pass that was not read
    to its end, the next one has an order that depends on `seed` and the number of passes.

    Every rank reads all items, and takes each `world_size`-th of them after the shuffle. Ranks may come to different
    numbers of batches, as in fairseq2: `WindowBatches` is for windows with an index, and plans equal numbers.

    Attributes:
        items: what is batched.
        config: how.
        partition: the part of this process.

    >>> items = [("a", 40_000), ("b", 90_000), ("c", 33_000), ("d", 95_000), ("e", 5_000_000)]
    >>> config = StreamConfig(min_audio_len=32_000, max_audio_len=96_000, max_num_elements=192_000)
    >>> batches = StreamBatches(items, config, length=lambda item: item[1])
    >>> for batch in batches:
    ...     print([name for name, _ in batch])
    ['a', 'c']
    ['b', 'd']
    >>> print(batches.report())
    5 items were read, 1 skipped (20.0%):
      too long: 1, the first is item 4 with 5,000,000 samples (312.50 s)
    """

    def __init__(
        self,
        items: Iterable[Item],
        config: StreamConfig,
        *,
        length: Callable[[Item], int] | None = None,
        duration: Callable[[Item], float] | None = None,
        partition: Partition | None = None,
    ):
        """
        Args:
            items: any iterable, an infinite one too. An iterator can be read in one pass alone.
            config: how they are batched.
            length: gives the samples of an item, an integer, at `config.sample_rate`. Give it or `duration`.
            duration: gives the seconds of an item; they are rounded to samples, halves up.
            partition: the part of this process. Leave it out where one process reads everything.

        Raises:
            ValueError: both or none of `length` and `duration` are given.
        """
        self.items, self.config, self.partition = items, config, partition
        if length is not None and duration is None:
            self._length = length
        elif duration is not None and length is None:
            self._length = _samples_of(duration, config.sample_rate)
        else:
            raise ValueError("give either length=, which gives an item's samples, or duration=, its seconds")
        self._passes = 0
        self._pass: StreamPass[Item] | None = None
        self._next = _Shuffles(config)

    def __iter__(self) -> "StreamPass[Item]":
        """Begins a pass.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            ValueError: the items are an iterator, and a pass has read it.
        """
        if self._passes and iter(self.items) is self.items:
            raise ValueError(
                "the items are an iterator, which an earlier pass has read; give an iterable that begins anew in each "
                "pass, such as a list, or an object whose __iter__ opens the files"
            )
        partition = partition_here(self.partition)
        if self._pass is not None and not self._pass.is_complete:
            self._next = _Shuffles(self.config, self._passes)
        elif self._pass is not None:
            self._next = self._pass.shuffles
        self._passes += 1
        self._pass = StreamPass(self.items, self.config, self._length, partition, deepcopy(self._next))
        return self._pass

    @property
    def counts(self) -> StreamCounts:
        """How many items the last pass read and skipped so far. Each rank counts those of the whole stream."""
        return StreamCounts() if self._pass is None else self._pass.counts

    def report(self) -> str:
        """The counts of the last pass, in words."""
        return self.counts.report(self.config.sample_rate)


class _Shuffles:
    """The shuffles of an epoch: of items and of batches. As in Omnilingual ASR, seeds are `seed` and `seed` + 1."""

    def __init__(self, config: StreamConfig, epoch: int = 0):
        self.items = BlockShuffle(config.example_shuffle_window, config.seed, epoch)
        self.batches = BlockShuffle(config.batch_shuffle_window, config.seed + 1, epoch)


class StreamPass(Iterator[list[Item]], Generic[Item]):
    """One pass over the batches of a stream. `iter(batches)` makes it.

    Attributes:
        shuffles: the shuffles of the pass, and after its end those of the next one.
        is_complete: whether the pass was read to its end.
    """

    def __init__(
        self,
        items: Iterable[Item],
        config: StreamConfig,
        length: Callable[[Item], int],
        partition: Partition,
        shuffles: _Shuffles,
    ):
        self.shuffles = shuffles
        self.is_complete = False
        self._has_failed = False
        self._lengths = ItemLengths(length, shortest=config.min_audio_len, longest=config.max_audio_len)
        mine = islice(shuffles.items(_in_range(items, self._lengths)), partition.part, None, partition.parts)
        self._grouped = _grouped(mine, config)
        self._batches: Iterator[list[tuple[int, Item]]] = shuffles.batches(self._grouped)
        if config.num_prefetch:
            self._batches = Prefetched(self._batches, config.num_prefetch)

    def __next__(self) -> list[Item]:
        """The next batch.

        Raises:
            LengthError: an item has no usable length. The pass is then at its end.
        """
        try:
            return [item for _, item in next(self._batches)]
        except StopIteration:
            self.is_complete = not self._has_failed
            raise
        except BaseException:
            self._has_failed = True
            raise

    @property
    def counts(self) -> StreamCounts:
        """How many items were read and skipped so far, of all ranks, and how many of this rank's were dropped."""
        return replace(self._lengths.counts, dropped=self._grouped.counts.dropped)


def _in_range(items: Iterable[Item], lengths: ItemLengths[Item]) -> Iterator[tuple[int, Item]]:
    """The items that are not skipped, each after its length."""
    for item in items:
        samples = lengths.of(item)
        if samples is not None:
            yield samples, item


def _grouped(
    items: Iterator[tuple[int, Item]], config: StreamConfig
) -> LengthBatches[tuple[int, Item]] | StaticBatches[tuple[int, Item]]:
    if config.batching_strategy == "STATIC":
        return StaticBatches(items, config.batch_size, drop_remainder=config.drop_remainder)
    return LengthBatches(
        items,
        config.buckets.buckets,
        length=itemgetter(0),
        min_data_len=config.min_audio_len,
        drop_remainder=config.drop_remainder,
    )


def _samples_of(duration: Callable[[Item], float], sample_rate: int) -> Callable[[Item], int]:
    """Gives the samples of an item, given what gives its seconds."""

    def samples(item: Item) -> int:
        seconds = duration(item)
        if not 0 <= seconds < _MOST_SECONDS:
            raise ValueError(f"{seconds!r} is not a duration in seconds")
        return counted_samples(seconds, sample_rate)

    return samples
