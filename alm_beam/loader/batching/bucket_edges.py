"""Where buckets should end so that batches are padded least."""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from alm_beam.loader.permutation import Positions

HISTOGRAM_BINS = 2048
"""Where there are more different lengths, they are counted in so many bins of equal width."""


def least_padding_edges(lengths: Positions, count: int) -> list[int]:
    """The edges of buckets that make padding least, when each window is padded to the edge of its bucket.

    They are found by dynamic programming over a histogram of the lengths. They are exact where there are no more
    than HISTOGRAM_BINS different lengths.

    Args:
        lengths: samples of each window, int64, at least one.
        count: number of buckets at most, at least 1.

    Returns:
        For each bucket the samples of its longest windows, ascending. The last one is the longest of all.

    >>> least_padding_edges(np.array([10, 11, 12, 40, 41, 90]), 3)
    [12, 41, 90]
    """
    longest, windows = _histogram(lengths)
    if len(longest) <= count:
        return longest
    return [longest[at] for at in _last_bins(longest, windows, count)]


def _histogram(lengths: Positions) -> tuple[list[int], list[int]]:
    """For each bin that is not empty the longest of its windows and their number."""
    found, counts = np.unique(lengths, return_counts=True)
    if len(found) > HISTOGRAM_BINS:
        width = -(-(int(found[-1]) - int(found[0]) + 1) // HISTOGRAM_BINS)
        firsts = np.flatnonzero(np.diff((found - found[0]) // width, prepend=-1))
        counts = np.add.reduceat(counts, firsts)
        found = found[np.append(firsts[1:], len(found)) - 1]
    return found.tolist(), counts.tolist()


def _last_bins(longest: Sequence[int], windows: Sequence[int], count: int) -> list[int]:
    """The number of the last bin of each bucket, for exactly `count` buckets.

    With b buckets up to bin j, the last of which begins behind bin i, the padded samples are those of b - 1 buckets up
    to bin i, and longest[j] * (upto[j] - upto[i]). So each i is a line in longest[j], and the least line at each j is
    found on the lower hull of the lines: their slopes fall with i, and longest[j] rises with j. Numbers are Python's,
    as they may be larger than 64 bits hold.
    """
    upto = list(accumulate(windows))
    padded = [length * number for length, number in zip(longest, upto)]
    begins: list[list[int]] = []
    for buckets in range(1, count):
        hull: deque[int] = deque()
        fewer, padded, begin = padded, [0] * len(longest), [0] * len(longest)
        for j in range(buckets, len(longest)):
            while len(hull) > 1 and _is_above(hull[-1], hull[-2], j - 1, fewer, upto):
                hull.pop()
            hull.append(j - 1)
            while len(hull) > 1 and _at(hull[1], longest[j], fewer, upto) <= _at(hull[0], longest[j], fewer, upto):
                hull.popleft()
            begin[j] = hull[0]
            padded[j] = _at(hull[0], longest[j], fewer, upto) + longest[j] * upto[j]
        begins.append(begin)
    ends = [len(longest) - 1]
    for begin in reversed(begins):
        ends.append(begin[ends[-1]])
    return ends[::-1]


def _at(i: int, length: int, padded: Sequence[int], upto: Sequence[int]) -> int:
    """The line of bin i at a length."""
    return padded[i] - upto[i] * length


def _is_above(middle: int, left: int, right: int, padded: Sequence[int], upto: Sequence[int]) -> bool:
    """Whether a line is nowhere below both of its neighbours."""
    return (padded[right] - padded[left]) * (upto[middle] - upto[left]) <= (padded[middle] - padded[left]) * (
        upto[right] - upto[left]
    )
