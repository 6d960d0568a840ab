"""How often values fall between fixed edges: counts in fixed space, which add up to the same in any order."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Histogram:
    """Counts of values by bin. A bin has its lower edge in it, and the last one its upper edge, too.

    What is below the first edge counts in the first bin, and what is above the last edge in the last one.

    Attributes:
        edges: ascending; one more than there are bins.
        counts: how many values each bin has.

    >>> lengths = Histogram.empty([0, 1, 2, 4]).plus([0.5, 1, 1.5, 4, 99])
    >>> lengths.counts, lengths.total
    ((1, 2, 2), 5)
    >>> lengths.quantile(0.5)
    1.75
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def empty(cls, edges: Sequence[float]) -> "Histogram":
        """A histogram without values."""
        return cls(tuple(edges), (0,) * (len(edges) - 1))

    def plus(self, values: Iterable[float]) -> "Histogram":
        """This one with more values; none of them is NaN."""
        more = Counter(map(partial(bisect_right, self.edges[1:-1]), values))
        return Histogram(self.edges, tuple(count + more[index] for index, count in enumerate(self.counts)))

    def __add__(self, other: "Histogram") -> "Histogram":
        """The histogram of the values of both; they have the same edges."""
        return Histogram(self.edges, tuple(map(sum, zip(self.counts, other.counts))))

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """About where this share of the values ends, as if those of a bin were spread evenly; None without values."""
        needed, seen = share * self.total, 0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts):
            if count and seen + count >= needed:
                return low + (high - low) * (needed - seen) / count
            seen += count
        return None

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as JSON has them."""
        return {"edges": list(self.edges), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "Histogram":
        """What `to_dict` wrote."""
        return cls(tuple(named["edges"]), tuple(named["counts"]))
