"""How values are spread: counts by value in fixed space, however many there are, that can be added up."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

PERCENTILES = (5, 25, 50, 75, 95)

_LEAST, _GREATEST = 0.001, 1e9
"""What is nearer to 0 counts as 0, and what is greater as the greatest: so there are 10,802 counts at most."""


@dataclass(slots=True)
class Distribution:
    """How often values came, each rounded to three significant digits. Adding two gives that of both parts.

    Attributes:
        count: how many values there were.
        least: the smallest, not rounded; 0 without values.
        greatest: the largest, not rounded; 0 without values.
        counts: how often each rounded value came.

    >>> lengths = Distribution.of([0.5, 1.2345, 2.0, 7.5])
    >>> lengths += Distribution.of([120.25])
    >>> lengths.count, lengths.percentile(50), lengths.greatest
    (5, 2.0, 120.25)
    """

    count: int = 0
    least: float = 0.0
    greatest: float = 0.0
    counts: Counter[float] = field(default_factory=Counter)

    @classmethod
    def of(cls, values: Iterable[float]) -> "Distribution":
        """The distribution of these values."""
        listed = list(values)
        if not listed:
            return cls()
        return cls(len(listed), min(listed), max(listed), Counter(map(_rounded, listed)))

    def __iadd__(self, other: "Distribution") -> "Distribution":
        if other.count:
            self.least = min(self.least, other.least) if self.count else other.least
            self.greatest = max(self.greatest, other.greatest) if self.count else other.greatest
            self.count += other.count
            self.counts.update(other.counts)
        return self

    def percentile(self, percent: float) -> float:
        """The smallest value that at least so many percent of the values do not exceed, to three digits.

        0 without values.
        """
        needed, seen = percent / 100 * self.count, 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen >= needed:
                return min(max(value, self.least), self.greatest)
        return 0.0

    def to_dict(self) -> dict[str, float]:
        """Count, minimum, percentiles and maximum, by name.

        >>> Distribution.of([8000, 8000, 16000]).to_dict()["p50"]
        8000.0
        """
        percentiles = {f"p{percent}": float(self.percentile(percent)) for percent in PERCENTILES}
        return {"count": self.count, "min": float(self.least), **percentiles, "max": float(self.greatest)}


def _rounded(value: float) -> float:
    return float(f"{value:.3g}") if _LEAST <= value < _GREATEST else 0.0 if value < _LEAST else _GREATEST
