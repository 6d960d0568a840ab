"""The lengths of the items of a stream, and what became of the items: how many were read, skipped and left over."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from alm_beam.core.text import visible

Item = TypeVar("Item")


class LengthError(ValueError):
    """An item of a stream has no length, or one that is not allowed.

    >>> from alm_beam.loader.batching.buckets import Bucket
    >>> from alm_beam.loader.batching.stream_buckets import LengthBatches
    >>> list(LengthBatches([3, 2.5], [Bucket(2, 8)], length=lambda item: item))
    Traceback (most recent call last):
        ...
    alm_beam.loader.batching.stream_counts.LengthError: item 1 (the first is 0): its length is 2.5; it must be an \
integer, in samples
    """


@dataclass
class StreamCounts:
    """How many items of a pass were read, skipped and left over so far.

    Where batches are made ahead, items are counted as they are read for them.

    Attributes:
        read: items that were read.
        too_short, too_long: items that were skipped, as they are below or above the limits.
        unusable: items whose length is an error, where errors are tolerated.
        first_too_short, first_too_long: number and samples of the first item that was skipped for it.
        dropped: items of a last batch that was left out for being too small.

    >>> counts = StreamCounts(read=1000, too_long=2, first_too_long=(17, 1_155_993))
    >>> print(counts.report(sample_rate=16_000))
    1,000 items were read, 2 skipped (0.2%):
      too long: 2, the first is item 17 with 1,155,993 samples (72.25 s)
    """

    read: int = 0
    too_short: int = 0
    too_long: int = 0
    unusable: int = 0
    first_too_short: tuple[int, int] | None = None
    first_too_long: tuple[int, int] | None = None
    dropped: int = 0

    @property
    def skipped(self) -> int:
        """Items that are in no batch, whatever comes."""
        return self.too_short + self.too_long + self.unusable

    def skip(self, length: int, is_short: bool) -> None:
        """Counts the item that was read last as skipped."""
        found = (self.read - 1, length)
        if is_short:
            self.too_short += 1
            self.first_too_short = self.first_too_short or found
        else:
            self.too_long += 1
            self.first_too_long = self.first_too_long or found

    def report(self, sample_rate: int) -> str:
        """The counts in words.

        Args:
            sample_rate: Hz, to state lengths in seconds.
        """
        if not self.skipped:
            lines = [f"{self.read:,} items were read, none skipped."]
        else:
            lines = [f"{self.read:,} items were read, {self.skipped:,} skipped ({self.skipped / self.read:.1%}):"]
        firsts = {"too short": self.first_too_short, "too long": self.first_too_long}
        for (reason, first), count in zip(firsts.items(), (self.too_short, self.too_long)):
            if first:
                number, samples = first
                lines.append(
                    f"  {reason}: {count:,}, the first is item {number} with {samples:,} samples "
                    f"({samples / sample_rate:,.2f} s)"
                )
        if self.unusable:
            lines.append(f"  with a length that is an error: {self.unusable:,}")
        if self.dropped:
            lines.append(f"{self.dropped:,} items of the last batch were dropped, as they did not fill it.")
        return "\n".join(lines)


class ItemLengths(Generic[Item]):
    """Takes the lengths of items, one after another, and says which are to be skipped.

    Attributes:
        counts: of the items so far.
    """

    def __init__(
        self,
        length: Callable[[Item], int],
        *,
        shortest: int,
        longest: int,
        skips_short: bool = True,
        skips_long: bool = True,
        tolerated: int = 0,
    ):
        """
        Args:
            length: gives the length of an item, an integer.
            shortest, longest: the lengths that are in range.
            skips_short, skips_long: skip and count items that are out of range; otherwise they are errors.
            tolerated: so many errors are counted, and their items skipped, before one is raised.
        """
        self.counts = StreamCounts()
        self._length, self._shortest, self._longest = length, shortest, longest
        self._skips_short, self._skips_long, self._tolerated = skips_short, skips_long, tolerated

    def of(self, item: Item) -> int | None:
        """The length of the next item of the stream; None: it is skipped.

        Raises:
            LengthError: it has none, or one that is out of range and not to be skipped.
        """
        self.counts.read += 1
        try:
            samples = self._length(item)
        except Exception as error:
            self._refuse(f"its length cannot be taken ({type(error).__name__}: {error})", error)
            return None
        if type(samples) is int and self._shortest <= samples <= self._longest:
            return samples
        return self._unusual(samples)

    def _unusual(self, given: Any) -> int | None:
        """As `of`, given what the item has as its length."""
        try:
            samples = None if isinstance(given, bool) else operator.index(given)
        except TypeError:
            samples = None
        if samples is None:
            self._refuse(f"its length is {given!r}; it must be an integer, in samples")
        elif samples < 0:
            self._refuse(f"its length is {samples}; it must be at least 0, in samples")
        elif self._shortest <= samples <= self._longest:
            return samples
        else:
            self._skip(samples, is_short=samples < self._shortest)
        return None

    def _skip(self, samples: int, is_short: bool) -> None:
        if self._skips_short if is_short else self._skips_long:
            self.counts.skip(samples, is_short)
        else:
            limit = f"below the shortest, {self._shortest}" if is_short else f"above the longest, {self._longest}"
            self._refuse(f"its length is {samples}, {limit}; leave the item out, or move the limit")

    def _refuse(self, fault: str, error: Exception | None = None) -> None:
        if self.counts.unusable < self._tolerated:
            self.counts.unusable += 1
        else:
            raise LengthError(f"item {self.counts.read - 1} (the first is 0): {visible(fault)}") from error
