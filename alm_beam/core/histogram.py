"""How often values fall between fixed edges: counts in fixed space, which add up to the same in any order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add, sub
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Histogram:
    """Counts of values by bin. A bin has its lower edge in it, and the last one its upper edge, too.

    The last bin of an open histogram has no upper edge: it has all values from its lower one on. In another one, what
    is above the last edge counts in the last bin. What is below the first edge counts in the first one.

    Attributes:
        edges: ascending; one more than there are bins, or as many in an open histogram.
        counts: how many values each bin has.

    >>> lengths = Histogram.empty([0, 1, 2, 4]).plus([0.5, 1, 1.5, 4, 99])
    >>> lengths.counts, lengths.total
    ((1, 2, 2), 5)
    >>> lengths.quantile(0.5)
    1.75
    >>> Histogram.empty([0, 1, 2, 4], is_open=True).plus([0.5, 1, 3, 4, 99]).counts
    (1, 1, 1, 2)
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def empty(cls, edges: Sequence[float], *, is_open: bool = False) -> "Histogram":
        """A histogram without values."""
        return cls(tuple(edges), (0,) * (len(edges) if is_open else len(edges) - 1))

    def plus(self, values: Iterable[float]) -> "Histogram":
        """This one with more values; none of them is NaN."""
        ordered = np.sort(np.fromiter(values, np.float64))
        bounds = [0, *np.searchsorted(ordered, self.edges[1 : len(self.counts)]).tolist(), len(ordered)]
        return Histogram(self.edges, tuple(map(add, self.counts, map(sub, bounds[1:], bounds))))

    def __add__(self, other: "Histogram") -> "Histogram":
        """The histogram of the values of both; they have the same edges."""
        return Histogram(self.edges, tuple(map(sum, zip(self.counts, other.counts, strict=True))))

    @property
    def is_open(self) -> bool:
        """Whether its last bin has no upper edge."""
        return len(self.edges) == len(self.counts)

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """About where this share of the values ends, as if those of a bin were spread evenly.

        None without values, and where it ends in a bin without an upper edge.
        """
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
    def of(cls, edges: Sequence[float], counts: Sequence[int]) -> "Histogram":
        """The histogram that `to_dict` gave these fields of.

        Raises:
            ValueError: they do not fit each other.
        """
        if not counts or len(edges) - len(counts) not in (0, 1) or list(edges) != sorted(edges):
            raise ValueError(f"{len(counts)} counts do not fit {len(edges)} edges, which have to ascend")
        return cls(tuple(edges), tuple(counts))
