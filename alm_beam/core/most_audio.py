"""The selection `most_audio`: the windows that last longest in total, no two of which overlap too much.

Two windows may not stay together if their overlap, as a fraction of the shorter one, reaches the threshold. Let a, b
and c be windows in order of start. If two windows may stay together, the later one also ends later: a window that lies
within another overlaps it by the whole of the shorter one. So if b may stay with a and with c, the overlap of a and c
is at most that of a and b, and at most that of b and c. The shorter of a and c is at least as long as the shorter of a
and b, or as the shorter of b and c. Hence a may stay with c: **it is enough that each window may stay with the next
one.** This holds for every threshold up to 1 and for windows of any durations. It holds in floating point too, because
rounding keeps the order of differences and quotients.

So the best total from a window on is the window plus the best total from one of its successors on. This is weighted
interval scheduling in which a successor may begin before the window ends. The windows are visited from the last end to
the first, and each is given its best successor. Window j may follow window i if their overlap is below the threshold
both as a fraction of i's duration and as a fraction of j's:

* The first condition holds for all starts of j from some time on, which depends on i alone. The possible successors are
  kept in a staircase: each is better than all that start later. Bisection finds the best one from some time on.
* The second condition holds for all ends of i up to some time, which depends on j alone: j enters the staircase when
  the visited ends have come down to that time.

Bisection finds both times. The test that the filter uses for pairs then corrects them for rounding, by a step or two
because all starts and ends that it looks at are distinct. Altogether this takes O(n log n) for n windows. (The
staircase is a list: few windows enter it anywhere but at its end, and only these move other items.)
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import sub
from typing import NamedTuple

from alm_beam.core.window_columns import Times

_PER_SECOND = 10**9


def most_audio_positions(times: Sequence[Times], threshold: float, target_duration: float) -> list[int]:
    """Which of the times are kept, ascending: no other choice of times that may stay together lasts longer in total.

    If several choices have the same total, the one whose durations are nearer to the target (in sum) is taken; then the
    one whose first window is earlier, or else the second, and so on. Durations count in whole nanoseconds, so that
    totals which differ by rounding only are equal.

    Args:
        times: sorted, seconds; each ends after it starts.
        threshold: the overlap, as a fraction of the shorter window, from which on two may not stay together.
        target_duration: seconds.

    >>> most_audio_positions([(0.0, 10.0), (9.0, 20.0), (19.0, 30.0)], threshold=0.0, target_duration=10.0)
    [0, 2]
    """
    if not times:
        return []
    count = len(times)
    threshold = threshold or math.ulp(0.0)  # windows that only touch may stay together, at a threshold of 0 too
    starts, ends = [start for start, _ in times], [end for _, end in times]
    durations = list(map(sub, ends, starts))
    best = _values(durations, target_duration)
    successors = [count] * count
    rising = sorted(set(ends))
    ending: dict[float, list[int]] = {end: [] for end in rising}
    for at, end in enumerate(ends):
        ending[end].append(at)
    entering: list[list[int]] = [[] for _ in rising]
    stairs = _Staircase([], [])
    back_to, steps = stairs
    for rank in range(len(rising) - 1, -1, -1):
        for at in entering[rank]:
            stairs.enter(-starts[at], (best[at], -at))
        end = rising[rank]
        for at in ending[end]:
            start, duration = starts[at], durations[at]
            reach = threshold * duration

            in_time = bisect_left(rising, start + reach)
            while in_time < len(rising) and (rising[in_time] - start) / duration < threshold:
                in_time += 1
            while in_time and (rising[in_time - 1] - start) / duration >= threshold:
                in_time -= 1
            if in_time:
                entering[in_time - 1].append(at)

            late = bisect_right(back_to, reach - end)
            while late < len(steps) and (end + back_to[late]) / duration < threshold:
                late += 1
            while late and (end + back_to[late - 1]) / duration >= threshold:
                late -= 1
            if late:
                value, position = steps[late - 1]
                best[at] += value
                successors[at] = -position
    kept = [-max(zip(best, range(0, -count, -1)))[1]]
    while successors[kept[-1]] < count:
        kept.append(successors[kept[-1]])
    return kept


def _values(durations: list[float], target_duration: float) -> list[int]:
    """A number for each window. Of two choices of windows, the one with the greater sum of numbers is better.

    It lasts longer, or lasts as long and is nearer to the target.
    """
    lengths = [round(seconds * _PER_SECOND) for seconds in durations]
    aim = round(target_duration * _PER_SECOND)
    distances = [abs(length - aim) for length in lengths]
    above = sum(distances).bit_length()
    return [(length << above) - distance for length, distance in zip(lengths, distances)]


class _Staircase(NamedTuple):
    """Windows, each of which is better than all that start later.

    Attributes:
        back_to: their starts with the sign changed, ascending, all distinct.
        steps: their values and their positions with the sign changed, ascending: of equal values the first is better.
    """

    back_to: list[float]
    steps: list[tuple[int, int]]

    def enter(self, key: float, step: tuple[int, int]) -> None:
        """Adds a window and removes those that are worse; does nothing if one that starts no earlier is better."""
        back_to, steps = self
        if not steps or (key > back_to[-1] and step > steps[-1]):  # nearly always
            back_to.append(key)
            steps.append(step)
            return
        stop = bisect_right(back_to, key)
        if stop and steps[stop - 1] > step:
            return
        first = stop - 1 if stop and back_to[stop - 1] == key else stop
        while stop < len(steps) and steps[stop] < step:
            stop += 1
        back_to[first:stop] = [key]
        steps[first:stop] = [step]
