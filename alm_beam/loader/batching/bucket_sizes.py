"""The buckets of fairseq2 and Omnilingual ASR: how many items of each length make a batch within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.buckets import Bucket

MAX_BUCKETS = 1_000_000
"""No table has more buckets: a table with the budgets that accelerators hold has some thousands at most."""


@dataclass(frozen=True)
class LengthBuckets:
    """The buckets of a budget, and what the budget became.

    Attributes:
        buckets: by length, the shortest first.
        max_num_elements: the budget that holds, in padded samples of a batch.
        asked: the budget that was asked for. The one that holds is the greatest multiple of the longest length that is
            not above it.
    """

    buckets: tuple[Bucket, ...]
    max_num_elements: int
    asked: int

    @property
    def max_pending(self) -> int:
        """Items that wait for their batches, at most: each bucket may hold one less than a batch."""
        return most_pending(self.buckets)[0]

    @property
    def max_pending_samples(self) -> int:
        """Samples of the items that wait for their batches, at most."""
        return most_pending(self.buckets)[1]


def most_pending(buckets: Sequence[Bucket]) -> tuple[int, int]:
    """How many items can wait in buckets for their batches, and how many samples those can have."""
    waiting = [(max(bucket.size, 1) - 1, bucket.longest) for bucket in buckets]
    return sum(items for items, _ in waiting), sum(items * longest for items, longest in waiting)


def create_bucket_sizes(
    *, max_num_elements: int, max_seq_len: int, min_seq_len: int = 1, num_seqs_multiple_of: int = 1
) -> list[Bucket]:
    """The buckets of a budget, exactly those of fairseq2's function of this name.

    A batch of a bucket has as many items as fit into the budget when each is padded to the bucket's longest length.
    Lengths that admit equally many items share a bucket.

    Args:
        max_num_elements: the budget: padded samples of a batch. It must be a multiple of `max_seq_len`.
        max_seq_len: samples of the longest items, the last bucket's longest length.
        min_seq_len: samples of the shortest items; buckets of shorter ones are left out.
        num_seqs_multiple_of: sizes above it are lowered to a multiple of it; sizes up to it stay as they are.

    Returns:
        Buckets of strictly increasing `longest` and never increasing `size`, with size * longest <= max_num_elements.

    Raises:
        ConfigError: a parameter is no integer or out of its range; of several, the one that fairseq2 would name. It is
            a ValueError.

    >>> create_bucket_sizes(max_num_elements=16, max_seq_len=8, min_seq_len=3)
    [Bucket(size=5, longest=3), Bucket(size=4, longest=4), Bucket(size=3, longest=5), Bucket(size=2, longest=8)]
    """
    _check(max_num_elements, max_seq_len, min_seq_len, num_seqs_multiple_of)
    buckets: list[Bucket] = []
    longest = min_seq_len - 1
    while longest < max_seq_len:
        size = max_num_elements // (longest + 1)
        longest = max_num_elements // size  # the longest length that admits as many items
        buckets.append(Bucket(_cropped(size, num_seqs_multiple_of), longest))
        if len(buckets) > MAX_BUCKETS:
            raise ConfigError("min_seq_len", min_seq_len, f"gives more than {MAX_BUCKETS:,} buckets; raise it")
    return buckets


def length_buckets(
    *,
    max_num_elements: int,
    min_audio_len: int,
    max_audio_len: int,
    num_seqs_multiple_of: int = 1,
    max_bucket_size: int | None = None,
) -> LengthBuckets:
    """The buckets of Omnilingual ASR's strategy LENGTH.

    A budget that is no multiple of `max_audio_len` is rounded down to one; the result tells both.

    Args:
        max_num_elements: padded samples of a batch, at most.
        min_audio_len: samples of the shortest items, from 1.
        max_audio_len: samples of the longest items.
        num_seqs_multiple_of: see `create_bucket_sizes`.
        max_bucket_size: items of a batch, at most; None: any number. Buckets of greater sizes, which are those of the
            shortest items, are left out, and their items join the next bucket, so they are padded more.

    Raises:
        ConfigError: a parameter is out of its range, the budget is below the longest item, or `max_bucket_size` leaves
            no bucket.

    >>> found = length_buckets(max_num_elements=17, min_audio_len=2, max_audio_len=8, max_bucket_size=4)
    >>> found.buckets
    (Bucket(size=4, longest=4), Bucket(size=3, longest=5), Bucket(size=2, longest=8))
    >>> found.asked, found.max_num_elements, found.max_pending
    (17, 16, 6)
    """
    check_lengths(min_audio_len, max_audio_len, shortest=1)
    check_integer("max_num_elements", max_num_elements, 1)
    if max_num_elements < max_audio_len:
        raise ConfigError(
            "max_num_elements",
            max_num_elements,
            f"is below max_audio_len={max_audio_len}, so the longest item alone does not fit into a batch; raise "
            "max_num_elements, or lower max_audio_len",
        )
    budget = max_num_elements // max_audio_len * max_audio_len
    buckets = create_bucket_sizes(
        max_num_elements=budget,
        max_seq_len=max_audio_len,
        min_seq_len=min_audio_len,
        num_seqs_multiple_of=num_seqs_multiple_of,
    )
    return LengthBuckets(_up_to(max_bucket_size, buckets), budget, max_num_elements)


def check_integer(name: str, value: object, at_least: int) -> None:
    """Checks a parameter.

    Raises:
        ConfigError: it is no integer, or below the lowest that is allowed.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ConfigError(name, value, f"must be an integer, at least {at_least}")


def check_lengths(min_audio_len: int, max_audio_len: int, shortest: int) -> None:
    """Checks the limits of lengths.

    Raises:
        ConfigError: one is no integer, the lower one is below `shortest`, or they are the wrong way round.
    """
    check_integer("max_audio_len", max_audio_len, 1)
    check_integer("min_audio_len", min_audio_len, shortest)
    if min_audio_len > max_audio_len:
        raise ConfigError("min_audio_len", min_audio_len, f"must be at most max_audio_len={max_audio_len}")


def _check(max_num_elements: int, max_seq_len: int, min_seq_len: int, num_seqs_multiple_of: int) -> None:
    """Checks the parameters in the order in which fairseq2 does, so that the same one is named first."""
    values = {"max_num_elements": max_num_elements, "max_seq_len": max_seq_len, "min_seq_len": min_seq_len}
    for name, value in (*values.items(), ("num_seqs_multiple_of", num_seqs_multiple_of)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(name, value, "must be an integer; lengths and budgets are counted in samples")
    if max_seq_len > max_num_elements:
        raise ConfigError(
            "max_seq_len",
            max_seq_len,
            f"must be at most max_num_elements={max_num_elements}, or the longest item does not fit into a batch",
        )
    if min_seq_len < 1:
        raise ConfigError("min_seq_len", min_seq_len, "must be at least 1")
    if min_seq_len > max_seq_len:
        raise ConfigError("min_seq_len", min_seq_len, f"must be at most max_seq_len={max_seq_len}")
    if num_seqs_multiple_of < 1:
        raise ConfigError("num_seqs_multiple_of", num_seqs_multiple_of, "must be at least 1")
    if max_num_elements % max_seq_len:
        raise ConfigError(
            "max_num_elements",
            max_num_elements,
            f"must be a multiple of max_seq_len={max_seq_len}; {max_num_elements // max_seq_len * max_seq_len} is the "
            "next lower one",
        )


def _cropped(size: int, multiple_of: int) -> int:
    return size - size % multiple_of if size > multiple_of else size


def _up_to(max_size: int | None, buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    """The buckets whose batches have no more items.

    Raises:
        ConfigError: there is none.
    """
    if max_size is None:
        return tuple(buckets)
    if not isinstance(max_size, int) or isinstance(max_size, bool):
        raise ConfigError("max_bucket_size", max_size, "must be an integer, or None")
    left = tuple(bucket for bucket in buckets if bucket.size <= max_size)
    if not left:
        raise ConfigError(
            "max_bucket_size",
            max_size,
            f"leaves no bucket, as a batch of the longest items has {buckets[-1].size}; raise it, or lower "
            "max_num_elements",
        )
    return left
