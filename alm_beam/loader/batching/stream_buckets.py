"""Batches of a stream of items: of similar lengths, or of items that follow each other."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Generic, TypeVar

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import check_integer, most_pending
from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.batching.stream_counts import ItemLengths, LengthError, StreamCounts

Item = TypeVar("Item")


class BucketedItems(Iterator[list[Item]], Generic[Item]):
    """Batches of items of similar lengths; `LengthBatches` are those of items whose lengths are still to be checked.

    Attributes:
        counts: what became of the items so far.
        max_pending: items that wait in the buckets, at most.
        max_pending_samples: their samples, at most.
    """

    def __init__(
        self,
        items: Iterable[Item],
        bucket_sizes: Sequence[Bucket],
        *,
        length_of: Callable[[Item], int | None],
        drop_remainder: bool,
        counts: StreamCounts,
    ):
        """
        Args:
            items: any iterable, an infinite one too.
            bucket_sizes: the buckets, in any order. A size of 0 means 1.
            length_of: gives the length of an item, which the longest bucket admits; None: the item is skipped.
            drop_remainder: leave out the last batch if it is smaller than its bucket asks.
            counts: where items that are left out for it are counted.

        Raises:
            ConfigError: there is no bucket, two admit the same longest length, or a number is out of its range.
        """
        table = sorted_table(bucket_sizes)
        self.counts = counts
        self.max_pending, self.max_pending_samples = most_pending(table)
        self._length_of = length_of
        self._items, self._drops = iter(items), drop_remainder
        self._sizes = [max(bucket.size, 1) for bucket in table]
        self._edges = [bucket.longest for bucket in table]
        self._pending: list[list[Item]] = [[] for _ in table]
        self._last: Iterator[list[Item]] | None = None

    def __next__(self) -> list[Item]:
        """The next batch.

        Raises:
            LengthError: an item has no usable length, or one that is out of range and not to be skipped.
        """
        if self._last is None:
            try:
                batch = self._next_full()
            except LengthError:
                raise
            except BaseException:
                self._last = iter(())  # what waits must not come as if the stream were complete
                raise
            if batch is not None:
                return batch
            self._last = self._flushed()
        return next(self._last)

    def _next_full(self) -> list[Item] | None:
        """The next batch that is full; None at the end of the stream."""
        length_of, pending, edges, sizes = self._length_of, self._pending, self._edges, self._sizes
        for item in self._items:
            samples = length_of(item)
            if samples is None:
                continue
            at = bisect_left(edges, samples)
            bucket = pending[at]
            bucket.append(item)
            if len(bucket) >= sizes[at]:
                pending[at] = []
                return bucket
        return None

    def _flushed(self) -> Iterator[list[Item]]:
        """The batches of what is left at the end of the stream: from the longest bucket down."""
        at = len(self._pending) - 1
        while at >= 0:
            batch, size, below = self._pending[at], self._sizes[at], at - 1
            while batch and len(batch) < size and below >= 0:
                if self._pending[below]:
                    batch.append(self._pending[below].pop())
                else:
                    below -= 1
            at = below  # buckets between are drained
            if batch and len(batch) < size and self._drops:
                self.counts.dropped = len(batch)
            elif batch:
                yield batch


class LengthBatches(BucketedItems[Item]):
    """Batches of items of similar lengths, as fairseq2's `bucket_by_length` makes them.

    An item joins the first bucket that admits its length. A bucket that is full is a batch, which comes at once, in the
    order in which its items arrived. At the end of the stream, what is left comes from the longest bucket down; each of
    these batches is filled with the newest items of the next shorter buckets, so only the last one may be too small.

    After a `LengthError` the next call goes on behind the item. After any other error the iterator is at its end.

    Attributes:
        counts: what became of the items so far.
        max_pending: items that wait in the buckets, at most.
        max_pending_samples: their samples, at most.

    >>> table = [Bucket(8, longest=2), Bucket(5, longest=3), Bucket(3, longest=5), Bucket(2, longest=8)]
    >>> batches = LengthBatches([3, 1, 7, 2, 8, 4, 9], table, length=lambda item: item, skip_above_max_examples=True)
    >>> list(batches), batches.counts.too_long, batches.max_pending
    ([[7, 8], [4, 3, 2], [1]], 1, 14)
    """

    def __init__(
        self,
        items: Iterable[Item],
        bucket_sizes: Sequence[Bucket],
        *,
        length: Callable[[Item], int],
        min_data_len: int = 1,
        skip_below_min_examples: bool = False,
        skip_above_max_examples: bool = False,
        drop_remainder: bool = False,
        max_num_warnings: int = 0,
    ):
        """
        Args:
            items: any iterable, an infinite one too.
            bucket_sizes: the buckets, in any order. A size of 0 means 1.
            length: gives the length of an item, an integer.
            min_data_len: shorter items are errors, or skipped.
            skip_below_min_examples, skip_above_max_examples: skip and count items that are shorter than `min_data_len`,
                or longer than the longest bucket admits.
            drop_remainder: leave out the last batch if it is smaller than its bucket asks.
            max_num_warnings: so many errors are tolerated before one is raised; the items are counted as skipped.

        Raises:
            ConfigError: there is no bucket, two admit the same longest length, or a number is out of its range.
        """
        table = sorted_table(bucket_sizes)
        check_integer("min_data_len", min_data_len, 0)
        check_integer("max_num_warnings", max_num_warnings, 0)
        lengths = ItemLengths(
            length,
            shortest=min_data_len,
            longest=table[-1].longest,
            skips_short=skip_below_min_examples,
            skips_long=skip_above_max_examples,
            tolerated=max_num_warnings,
        )
        super().__init__(items, table, length_of=lengths.of, drop_remainder=drop_remainder, counts=lengths.counts)


class StaticBatches(Iterator[list[Item]], Generic[Item]):
    """Batches of items that follow each other, whatever their lengths. The last batch may be smaller.

    Attributes:
        counts: how many items were read, and how many dropped.

    >>> list(StaticBatches("abcde", 2)), list(StaticBatches("abcde", 2, drop_remainder=True))
    ([['a', 'b'], ['c', 'd'], ['e']], [['a', 'b'], ['c', 'd']])
    """

    def __init__(self, items: Iterable[Item], batch_size: int, *, drop_remainder: bool = False):
        """
        Args:
            items: any iterable, an infinite one too.
            batch_size: items of a batch, from 1.
            drop_remainder: leave out a last batch that is smaller.

        Raises:
            ConfigError: the size is no integer from 1 on.
        """
        check_integer("batch_size", batch_size, 1)
        self.counts = StreamCounts()
        self._items, self._size, self._drops = iter(items), batch_size, drop_remainder

    def __next__(self) -> list[Item]:
        batch = list(islice(self._items, self._size))
        self.counts.read += len(batch)
        if self._drops and len(batch) < self._size:
            self.counts.dropped += len(batch)
            raise StopIteration
        if not batch:
            raise StopIteration
        return batch


def sorted_table(buckets: Sequence[Bucket]) -> list[Bucket]:
    """The buckets by length.

    Raises:
        ConfigError: there is none, two admit the same longest length, or a number is out of its range.
    """
    table = sorted((Bucket(*bucket) for bucket in buckets), key=lambda bucket: bucket.longest)
    if not table:
        raise ConfigError("bucket_sizes", "[]", "must have at least one bucket")
    for size, longest in table:
        check_integer("size of a bucket", size, 0)
        check_integer("longest of a bucket", longest, 0)
    for one, other in pairwise(table):
        if one.longest == other.longest:
            raise ConfigError(
                "bucket_sizes",
                f"[..., {tuple(one)}, {tuple(other)}, ...]",
                "two buckets admit the same length; leave one out",
            )
    return table
