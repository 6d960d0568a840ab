"""Batches of a stream without an index: filtered, shuffled, divided among ranks, grouped, as in Omnilingual ASR."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeVar

from alm_beam.audio.spans import counted_samples
from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import check_integer
from alm_beam.loader.batching.stream_buckets import BucketedItems, StaticBatches
from alm_beam.loader.batching.stream_config import StreamConfig
from alm_beam.loader.batching.stream_counts import ItemLengths, StreamCounts
from alm_beam.loader.batching.stream_mixture import MixtureStream
from alm_beam.loader.batching.stream_prefetch import Prefetched
from alm_beam.loader.batching.stream_shuffle import BlockShuffle
from alm_beam.loader.loader import WindowLoader
from alm_beam.loader.partition import Partition, partition_here

Item = TypeVar("Item")

_MOST_SECONDS = 1e9
_EPOCHS = 1 << 32


class StreamBatches(Generic[Item]):
    """Batches of the items of any iterable, in exactly the order of Omnilingual ASR on fairseq2.

    Each call of `iter` begins a pass over the items. They are filtered by length, shuffled, divided among ranks,
    grouped in batches, and the batches are shuffled; a thread makes `num_prefetch` batches ahead. A pass goes on with
    the random generators of the pass before, so each epoch has an order of its own. After a pass that was not read to
    its end, and after `set_epoch`, the order depends on `seed` and the number of the epoch alone.

    Every rank reads all items, and takes each `world_size`-th of them after the shuffle, as `partition` says. (A
    `MixtureStream` or a `WindowLoader` divides its items itself, and is taken as it comes.) Ranks may come to different
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
            partition: the part of this process. Leave it out where one process reads everything, and where `items`
                divides itself. Where your own iterable gives each rank other items, pass Partition(0, 1).

        Raises:
            ValueError: both or none of `length` and `duration` are given, or `items` has a partition of its own.
        """
        if partition is not None and isinstance(items, (MixtureStream, WindowLoader)):
            raise ValueError(
                f"the items are a {type(items).__name__}, which divides itself among ranks: give it the partition, and "
                "none to StreamBatches"
            )
        self.items, self.config, self.partition = items, config, partition
        if length is not None and duration is None:
            self._length: Callable[[Item], int] = length
        elif duration is not None and length is None:
            self._length = partial(_samples_of, duration, config.sample_rate)
        else:
            raise ValueError("give either length=, which gives an item's samples, or duration=, its seconds")
        self._epoch = 0
        self._has_begun = False
        self._shuffles = _Shuffles(config, 0)
        self._last: _Record | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shuffles": self._next_shuffles(), "_last": None}

    def __iter__(self) -> "StreamPass[Item]":
        """Begins a pass.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            ValueError: the items are an iterator, and a pass has read it.
        """
        if self._has_begun and isinstance(self.items, Iterator):
            raise ValueError(
                "the items are an iterator, which an earlier pass has read; give an iterable that begins anew in each "
                "pass, such as a list, or an object whose __iter__ opens the files"
            )
        divides_itself = isinstance(self.items, (MixtureStream, WindowLoader))
        partition = Partition(0, 1) if divides_itself else partition_here(self.partition)
        self._shuffles = self._next_shuffles()
        self._has_begun = True
        self._epoch += 1
        passing = StreamPass(self.items, self.config, self._length, partition, self._shuffles)
        self._last = passing.record  # not the pass, which is closed when its reader drops it
        return passing

    @property
    def epoch(self) -> int:
        """The epoch that the next pass reads, from 0."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass read this epoch, in the order that `seed` and the number of the epoch give.

        Epoch 0 has the order of fairseq2's first epoch. Call it before each pass where new processes read each epoch,
        such as the workers of a DataLoader: they know nothing of earlier passes.

        Args:
            epoch: from 0, below 2**32.

        Raises:
            ConfigError: it is no integer, or out of its range.
        """
        check_integer("epoch", epoch, 0)
        if epoch >= _EPOCHS:
            raise ConfigError("epoch", epoch, "must be below 2**32")
        self._epoch, self._shuffles, self._last = epoch, _Shuffles(self.config, epoch), None

    def _next_shuffles(self) -> "_Shuffles":
        """The shuffles of the next pass."""
        if self._last is None:
            return self._shuffles
        return self._last.shuffles if self._last.is_complete else _Shuffles(self.config, self._epoch)

    @property
    def counts(self) -> StreamCounts:
        """How many items the last pass read and skipped so far. Each rank counts those of the whole stream."""
        return StreamCounts() if self._last is None else self._last.counts

    def report(self) -> str:
        """The counts of the last pass, in words."""
        return self.counts.report(self.config.sample_rate)


class _Shuffles:
    """The shuffles of an epoch: of items and of batches. As in Omnilingual ASR, seeds are `seed` and `seed` + 1."""

    def __init__(self, config: StreamConfig, epoch: int):
        self.items = BlockShuffle(config.example_shuffle_window, config.seed, epoch)
        self.batches = BlockShuffle(config.batch_shuffle_window, config.seed + 1, epoch)


@dataclass
class _Record:
    """What is known of a pass, also after it.

    Attributes:
        shuffles: its shuffles; after its end those of the next pass.
        read: how many items were read and skipped.
        grouped: how many items were dropped.
        is_complete: whether the pass was read to its end.
    """

    shuffles: _Shuffles
    read: StreamCounts
    grouped: StreamCounts
    is_complete: bool = False

    @property
    def counts(self) -> StreamCounts:
        return replace(self.read, dropped=self.grouped.dropped)


class StreamPass(Iterator[list[Item]], Generic[Item]):
    """One pass over the batches of a stream. `iter(batches)` makes it.

    Attributes:
        record: what is known of it, also when the pass is gone.
    """

    def __init__(
        self,
        items: Iterable[Item],
        config: StreamConfig,
        length: Callable[[Item], int],
        partition: Partition,
        shuffles: _Shuffles,
    ):
        lengths = ItemLengths(length, shortest=config.min_audio_len, longest=config.max_audio_len)
        mine = islice(shuffles.items(_in_range(items, lengths)), partition.part, None, partition.parts)
        grouped = _grouped(mine, config)
        self.record = _Record(shuffles, lengths.counts, grouped.counts)
        self._is_cut = False
        self._batches: Iterator[list[tuple[int, Item]]] = shuffles.batches(grouped)
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
            self.record.is_complete = not self._is_cut
            raise
        except BaseException:
            self._is_cut = True
            raise

    def close(self) -> None:
        """Ends the pass, and stops the thread that makes batches ahead. A pass that is dropped is closed."""
        self._batches, self._is_cut = iter(()), True

    @property
    def counts(self) -> StreamCounts:
        """How many items were read and skipped so far, of all ranks, and how many of this rank's were dropped."""
        return self.record.counts


def _in_range(items: Iterable[Item], lengths: ItemLengths[Item]) -> Iterator[tuple[int, Item]]:
    """The items that are not skipped, each after its length."""
    for item in items:
        samples = lengths.of(item)
        if samples is not None:
            yield samples, item


def _grouped(
    items: Iterator[tuple[int, Item]], config: StreamConfig
) -> BucketedItems[tuple[int, Item]] | StaticBatches[tuple[int, Item]]:
    if config.batching_strategy == "STATIC":
        return StaticBatches(items, config.batch_size, drop_remainder=config.drop_remainder)
    return BucketedItems(
        items,
        config.buckets.buckets,
        length_of=itemgetter(0),
        drop_remainder=config.drop_remainder,
        counts=StreamCounts(),
    )


def _samples_of(duration: Callable[[Item], float], sample_rate: int, item: Item) -> int:
    seconds = duration(item)
    if not 0 <= seconds < _MOST_SECONDS:
        raise ValueError(f"{seconds!r} is not a duration in seconds")
    return counted_samples(seconds, sample_rate)
