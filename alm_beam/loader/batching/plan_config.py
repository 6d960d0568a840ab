"""What makes batches: a budget, buckets, and which windows are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_beam.audio.spans import DIGITS
from alm_beam.loader.batching.bucket_edges import least_padding_edges
from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.permutation import Positions

_STEPS_OF_A_BUCKET = 1.5
"""So many steps has a bucket, on average, at least. In a single one the same windows would meet in every epoch."""

_MOST = 1 << 62
_MOST_SECONDS = 1e9
_MOST_WINDOWS = 1 << 31
"""No batch has more."""


@dataclass(frozen=True)
class PlanConfig:
    """How batches are planned. One of `max_num_elements`, `max_seconds` and `batch_size` is to be given.

    Attributes:
        max_num_elements: samples of a batch at most, padding included: its windows times the longest of them.
        max_seconds: the same in seconds.
        batch_size: windows of a batch, however long they are.
        sample_rate: Hz, at which lengths are counted. Give that of the audio that is loaded.
        buckets: how many buckets at most; they end where padding is least. Or where each ends, seconds, ascending. Or
            the buckets, such as `create_bucket_sizes` returns; these need none of the three budgets.
        num_seqs_multiple_of: sizes of batches above this are made multiples of it.
        min_duration: shorter windows are left out, seconds.
        max_duration: longer windows are left out, seconds; None: none is.
        drop_remainder: leave out the last step of an epoch if its batches are not full.

    Raises:
        ValueError: a value is out of its range, or values do not go together.

    >>> PlanConfig(max_seconds=960).budget
    15360000
    >>> PlanConfig()
    Traceback (most recent call last):
        ...
    ValueError: the size of batches is not stated: give one of max_num_elements, max_seconds and batch_size
    """

    max_num_elements: int | None = None
    max_seconds: float | None = None
    batch_size: int | None = None
    sample_rate: int = 16_000
    buckets: int | Sequence[float] | Sequence[tuple[int, int]] = 100
    num_seqs_multiple_of: int = 1
    min_duration: float = 0.0
    max_duration: float | None = None
    drop_remainder: bool = False

    def __post_init__(self) -> None:
        budgets = {name: getattr(self, name) for name in ("max_num_elements", "max_seconds", "batch_size")}
        given = [name for name, value in budgets.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: give one of them; each states the size of batches")
        if self.given_buckets and given:
            raise ValueError(f"{given[0]}: leave it out, as the buckets state the size of batches")
        if not self.given_buckets and not given:
            raise ValueError(
                "the size of batches is not stated: give one of max_num_elements, max_seconds and batch_size"
            )
        if self.given_buckets and self.num_seqs_multiple_of != 1:
            raise ValueError("num_seqs_multiple_of: leave it out, as the buckets state the size of batches")
        for name in ("max_num_elements", "batch_size", "sample_rate", "num_seqs_multiple_of"):
            value = getattr(self, name)
            if value is not None or name not in budgets:
                _check_integer(name, value)
        for name in ("max_seconds", "max_duration"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value < _MOST):
                raise ValueError(f"{name}={value!r}: must be a number of seconds above 0")
        if not (_is_number(self.min_duration) and 0 <= self.min_duration < _MOST):
            raise ValueError(f"min_duration={self.min_duration!r}: must be a number of seconds, at least 0")
        if self.max_duration is not None and self.max_duration < self.min_duration:
            raise ValueError(f"max_duration={self.max_duration}: is below min_duration={self.min_duration}")
        if not isinstance(self.drop_remainder, bool):
            raise ValueError(f"drop_remainder={self.drop_remainder!r}: must be True or False")
        self._check_buckets()

    def _check_buckets(self) -> None:
        buckets = self.buckets
        if isinstance(buckets, int):
            _check_integer("buckets", buckets)
            return
        if isinstance(buckets, str) or not isinstance(buckets, Sequence) or not buckets:
            what = "a number of buckets, seconds at which they end, or pairs of a size and the longest samples"
            raise ValueError(f"buckets={buckets!r}: must be {what}")
        ends: list[Any] = [each[1] for each in self.given_buckets] or list(buckets)
        if not all(_is_number(each) and each > 0 for each in ends) or ends != sorted(set(ends)):
            raise ValueError(f"buckets={_shortened(buckets)}: where buckets end must ascend, and be above 0")
        for bucket in self.given_buckets:
            _check_integer("buckets: a size", bucket[0])
            _check_integer("buckets: samples", bucket[1])

    @property
    def given_buckets(self) -> list[Bucket]:
        """The buckets, where they were given with their sizes; else none."""
        if isinstance(self.buckets, (int, str)) or not isinstance(self.buckets, Sequence):
            return []
        pairs = [each for each in self.buckets if isinstance(each, (tuple, list)) and len(each) == 2]
        return [Bucket(*each) for each in pairs] if len(pairs) == len(self.buckets) else []

    @property
    def budget(self) -> int | None:
        """Samples of a batch at most, padding included; None where its windows are counted."""
        return self.max_num_elements if self.max_seconds is None else self._samples(self.max_seconds)

    def lengths(self, durations: npt.NDArray[np.float64]) -> Positions:
        """The samples of windows of so many seconds, int64: as many as their audio has, half ones rounded up."""
        return np.floor(np.round(durations * self.sample_rate, DIGITS) + 0.5).astype(np.int64)

    def takes(self, durations: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which windows of so many seconds are not left out: those within the limits that have a sample at least."""
        taken = (durations >= self.min_duration) & (self.lengths(durations) > 0)
        return taken if self.max_duration is None else taken & (durations <= self.max_duration)

    def table(self, lengths: Positions, world_size: int) -> list[Bucket]:
        """The buckets for windows of these lengths.

        Args:
            lengths: samples of each window, int64, at least one.
            world_size: number of ranks.

        Raises:
            ValueError: the longest window is longer than the last bucket, or than a batch may be.
        """
        longest = int(lengths.max())
        if self.given_buckets:
            self._check_longest(longest, self.given_buckets[-1].longest, "the last of the buckets ends at")
            return self.given_buckets
        if self.budget is not None:
            self._check_longest(longest, self.budget, "a batch may have")
        if isinstance(self.buckets, int):
            windows = len(lengths) if self.budget is None else -(-int(lengths.sum()) // self.budget)
            steps = windows // ((self.batch_size or 1) * world_size)
            edges = least_padding_edges(lengths, max(1, min(self.buckets, int(steps / _STEPS_OF_A_BUCKET))))
        else:
            ends = sorted({self._samples(float(each)) for each in self.buckets})  # type: ignore[arg-type]
            self._check_longest(longest, ends[-1], "the last of the buckets ends at")
            edges = [end for end in ends if 0 < end < longest] + [longest]
        return [Bucket(self._size(edge), edge) for edge in edges]

    def _samples(self, seconds: float) -> int:
        """The samples of so many seconds, as a window has them: what it is to hold is rounded as they are."""
        return int(self.lengths(np.array([seconds]))[0])

    def _size(self, longest: int) -> int:
        size = self.batch_size if self.budget is None else self.budget // longest
        assert size is not None
        size, multiple = min(size, _MOST_WINDOWS), self.num_seqs_multiple_of
        return size - size % multiple if size > multiple else size

    def _check_longest(self, longest: int, most: int, what: str) -> None:
        if longest > most:
            allowed = floor(most / self.sample_rate * 1000) / 1000
            raise ValueError(
                f"the longest window has {longest:,} samples ({longest / self.sample_rate:.3f} s at "
                f"{self.sample_rate} Hz), and {what} {most:,}: allow more by max_num_elements, max_seconds or buckets, "
                f"or leave long windows out by max_duration={allowed}"
            )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _MOST if isinstance(value, int) else isfinite(value)


def _check_integer(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < _MOST:
        raise ValueError(f"{name}={value!r}: must be an integer, at least 1")


def _shortened(values: object) -> str:
    text = repr(values)
    return text if len(text) <= 200 else f"{text[:200]}..."
