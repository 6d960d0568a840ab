"""What the statistics of all jobs have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

_Summed = TypeVar("_Summed", bound="Summed")


class Summed(ABC):
    """What is known of a part of a run. Without arguments, its class makes that of no part; `+=` adds another part."""

    __slots__ = ()

    @abstractmethod
    def __iadd__(self: _Summed, other: _Summed) -> _Summed: ...

    def __add__(self: _Summed, other: _Summed) -> _Summed:
        total = type(self)()
        total += self
        total += other
        return total


class RunStats(Summed):
    """What became of the entries of a run, or of a part of it. Adding two gives the statistics of both parts.

    Attributes:
        recordings: entries that were used.
        rejected: entries that could not be used, by the code of the reason.
        findings: how often something was met that a user may want to look at, by its name in the file of statistics.

    >>> from alm_beam.core.losses import LossStats
    >>> isinstance(LossStats(), RunStats)
    True
    """

    __slots__ = ()

    recordings: int
    rejected: Counter[str]
    findings: Counter[str]

    @property
    def reject_fraction(self) -> float:
        """The share of all entries that were rejected; 0 without entries."""
        rejects = self.rejected.total()
        return rejects / (self.recordings + rejects) if rejects else 0.0

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The totals as the job's file of statistics has them."""

    @abstractmethod
    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""


def by_text(counts: Counter[int]) -> dict[str, int]:
    """Counts by numbers as JSON has them, by the numbers' texts.

    >>> by_text(Counter({16000: 2, 8000: 1}))
    {'8000': 1, '16000': 2}
    """
    return {str(number): count for number, count in sorted(counts.items())}


def by_number(counts: Mapping[str, int]) -> Counter[int]:
    """The counts that `by_text` wrote."""
    return Counter({int(number): count for number, count in counts.items()})
