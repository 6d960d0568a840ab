"""How a stream is batched: the parameters of Omnilingual ASR, with its names."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from alm_beam.audio.spans import counted_samples
from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import LengthBuckets, check_integer, check_lengths, length_buckets

STRATEGIES = ("LENGTH", "STATIC")


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How a stream of items is filtered, shuffled and grouped in batches; names and defaults are Omnilingual ASR's.

    One default differs: theirs of `example_shuffle_window` is 0, with which their ASR recipes fail.

    Attributes:
        batching_strategy: "LENGTH": items of similar lengths make a batch, within a budget of padded samples; "STATIC":
            `batch_size` items that follow each other.
        batch_size: items of a batch with STATIC; not used with LENGTH.
        max_num_elements: with LENGTH, padded samples of a batch, at most: its items times its longest length. It is
            rounded down to a multiple of `max_audio_len`; `buckets.max_num_elements` is what holds.
        num_seqs_multiple_of: with LENGTH, sizes of batches above it are lowered to a multiple of it.
        min_audio_len, max_audio_len: samples. Shorter and longer items are skipped and counted, with STATIC too.
        max_bucket_size: with LENGTH, items of a batch, at most; None: as many as the budget admits. Short items then
            share batches with longer ones, so they are padded more.
        drop_remainder: leave out a last batch that is smaller than its bucket asks. It does not make ranks equal.
        example_shuffle_window: items are permuted in blocks of so many; 1: they are not shuffled.
        batch_shuffle_window: batches are permuted in blocks of so many; 1: they are not shuffled.
        seed: of both shuffles, any integer; give all ranks the same.
        num_prefetch: batches that a thread makes ahead; 0: there is no thread.
        sample_rate: Hz, in which samples are counted; needed where lengths are in seconds, and in reports.

    Raises:
        ConfigError: a parameter is out of its range, or parameters do not go together. It is a ValueError.

    >>> config = StreamConfig(min_audio_len=32_000, max_audio_len=960_000, max_num_elements=1_000_000)
    >>> config.buckets.max_num_elements, config.buckets.buckets[0], config.buckets.max_pending
    (960000, Bucket(size=24, longest=32000), 358)
    >>> StreamConfig(example_shuffle_window=0)
    Traceback (most recent call last):
        ...
    alm_beam.core.parameters.ConfigError: example_shuffle_window=0: must be an integer, at least 1; 1 means no \
shuffling, and a window of at least as many as there are is a full shuffle, which holds all of them in memory
    """

    batching_strategy: str = "LENGTH"
    batch_size: int = 8
    max_num_elements: int = 3_200_000
    num_seqs_multiple_of: int = 8
    min_audio_len: int = 1
    max_audio_len: int = 800_000
    max_bucket_size: int | None = None
    drop_remainder: bool = False
    example_shuffle_window: int = 1
    batch_shuffle_window: int = 1000
    seed: int = 2
    num_prefetch: int = 4
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.batching_strategy not in STRATEGIES:
            raise ConfigError("batching_strategy", repr(self.batching_strategy), f"must be one of {STRATEGIES}")
        at_least = {"batch_size": 1, "num_seqs_multiple_of": 1, "sample_rate": 1, "num_prefetch": 0}
        for name, lowest in at_least.items():
            check_integer(name, getattr(self, name), lowest)
        for name in ("example_shuffle_window", "batch_shuffle_window"):
            check_window(name, getattr(self, name))
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise ConfigError("seed", repr(self.seed), "must be an integer")
        if not isinstance(self.drop_remainder, bool):
            raise ConfigError("drop_remainder", repr(self.drop_remainder), "must be True or False")
        if self.batching_strategy == "LENGTH":
            _ = self.buckets  # making them checks the lengths, the budget and the sizes
        else:
            check_lengths(self.min_audio_len, self.max_audio_len, shortest=0)

    @classmethod
    def in_seconds(
        cls,
        *,
        max_seconds: float = 200.0,
        min_duration: float = 0.0,
        max_duration: float = 50.0,
        sample_rate: int = 16_000,
        **others: Any,
    ) -> "StreamConfig":
        """The configuration whose limits are stated in seconds. They are rounded to samples, halves up.

        Args:
            max_seconds: padded seconds of a batch, at most: `max_num_elements`.
            min_duration: of the shortest items: `min_audio_len`, at least one sample.
            max_duration: of the longest items: `max_audio_len`.
            sample_rate: Hz.
            others: the other attributes.

        Raises:
            ConfigError: see the class.

        >>> StreamConfig.in_seconds(max_seconds=60, min_duration=2, max_duration=60) == StreamConfig(
        ...     max_num_elements=960_000, min_audio_len=32_000, max_audio_len=960_000
        ... )
        True
        """
        check_integer("sample_rate", sample_rate, 1)
        seconds = {"max_seconds": max_seconds, "min_duration": min_duration, "max_duration": max_duration}
        for name, value in seconds.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_SECONDS:
                raise ConfigError(name, value, f"must be a number of seconds, from 0 to {_MOST_SECONDS:,}")
        budget, shortest, longest = (counted_samples(value, sample_rate) for value in seconds.values())
        return cls(
            max_num_elements=budget,
            min_audio_len=max(shortest, 1),
            max_audio_len=longest,
            sample_rate=sample_rate,
            **others,
        )

    @cached_property
    def buckets(self) -> LengthBuckets:
        """The buckets of LENGTH, the budget that holds, and how many items and samples wait in them at most.

        Raises:
            ConfigError: with STATIC, which has none, the lengths or the budget may be wrong for LENGTH.
        """
        return length_buckets(
            max_num_elements=self.max_num_elements,
            min_audio_len=self.min_audio_len,
            max_audio_len=self.max_audio_len,
            num_seqs_multiple_of=self.num_seqs_multiple_of,
            max_bucket_size=self.max_bucket_size,
        )

    @property
    def max_batch_size(self) -> int:
        """Items of the largest batch."""
        return self.buckets.buckets[0].size if self.batching_strategy == "LENGTH" else self.batch_size

    @property
    def max_held(self) -> int:
        """Items that a pass holds at most: in both shuffles, in the buckets, and in batches that were made ahead."""
        pending = self.buckets.max_pending if self.batching_strategy == "LENGTH" else 0
        batches = 1 + self.num_prefetch + (self.batch_shuffle_window if self.batch_shuffle_window > 1 else 0)
        examples = self.example_shuffle_window if self.example_shuffle_window > 1 else 0
        return examples + pending + batches * self.max_batch_size

    def report(self) -> str:
        """What the parameters come to, in a few lines.

        >>> print(StreamConfig(min_audio_len=32_000, max_audio_len=960_000).report())
        LENGTH: 88 buckets, batches of 3 to 88 items, of at most 2,880,000 padded samples (180.0 s).
        max_num_elements=3200000 was rounded down to 2880000, a multiple of max_audio_len=960000.
        At most 3,721 items (3.8 h) wait in the buckets; a pass holds at most 92,161 items.
        """
        held = f"a pass holds at most {self.max_held:,} items."
        if self.batching_strategy == "STATIC":
            return f"STATIC: batches of {self.batch_size:,} items.\nWith its shuffles {held}"
        found = self.buckets
        sizes, seconds = [bucket.size for bucket in found.buckets], found.max_num_elements / self.sample_rate
        lines = [
            f"LENGTH: {len(sizes):,} buckets, batches of {sizes[-1]:,} to {sizes[0]:,} items, of at most "
            f"{found.max_num_elements:,} padded samples ({seconds:,.1f} s)."
        ]
        if found.asked != found.max_num_elements:
            lines.append(
                f"max_num_elements={found.asked} was rounded down to {found.max_num_elements}, a multiple of "
                f"max_audio_len={self.max_audio_len}."
            )
        hours = found.max_pending_samples / self.sample_rate / 3600
        lines.append(f"At most {found.max_pending:,} items ({hours:,.1f} h) wait in the buckets; {held}")
        return "\n".join(lines)


_MOST_SECONDS = 1_000_000_000


def check_window(name: str, window: object) -> None:
    """Checks the window of a shuffle.

    Raises:
        ConfigError: it is no integer from 1 on.
    """
    try:
        check_integer(name, window, 1)
    except ConfigError as error:
        raise ConfigError(
            name,
            window,
            f"{error.allowed}; 1 means no shuffling, and a window of at least as many as there are is a full shuffle, "
            "which holds all of them in memory",
        ) from None
