"""The windows that last longest together, of those that may stay together.

Two windows may not stay together if they overlap by the threshold, as a fraction of the shorter one, or more. Let a, b
and c be windows by start. Of two that may stay together the later also ends later: what lies wholly within another
overlaps it by all of the shorter one. So if b may stay with a, and with c, then a and c overlap by no more than a and b
do, and by no more than b and c do. Nor is the shorter of a and c shorter than both the shorter of a and b and that of b
and c. Hence a may stay with c: **it is enough that each window may stay with the next one.** This holds for every
threshold up to 1, for windows of any durations, and in floating point, too: there differences and quotients are
rounded, but keep their order.

So the most that can be kept from a window on is the window, and the most from one of its successors on: weighted
interval scheduling, where a successor may begin before the window ends. From the last end to the first each window is
given its best successor. Window j may follow window i where they overlap by less than the threshold of i's duration,
and by less than that of j's:

* The first is so for all starts of j from some time on, which depends on i alone. The windows that may be successors
  stand in a staircase: each is better than all that start later. Bisection finds the best one from some time on.
* The second is so for all ends of i up to some time, which depends on j alone: j enters the staircase when the ends
  have come down to that time.

Bisection finds both times, and the very test that pairs are filtered by moves them where rounding wants it: by a step
or two, as no two starts or ends that it looks at are alike. Together O(n log n) for n windows. (The staircase is a
list: a window that enters elsewhere than at its end, as few do, moves what stands behind.)
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import sub
from typing import NamedTuple

from alm_beam.core.config import OverlapConfig
from alm_beam.core.window_columns import Times

_PER_SECOND = 10**9


def most_audio_positions(times: Sequence[Times], config: OverlapConfig) -> list[int]:
    """Which of the times stay, ascending: no others that may stay together last longer in total.

    Of choices of equal total that one stays whose durations are nearer to the target (in sum), and of those the one
    whose first window is earlier, or else the second, and so on. Durations count in whole nanoseconds here, so that
    what is equal but for rounding is equal.

    Args:
        times: sorted; none begins when it ends.
        config: the threshold and the target.
    """
    if not times:
        return []
    count = len(times)
    threshold = config.threshold or math.ulp(0.0)  # at 0, too, windows that only touch may stay together
    starts, ends = [start for start, _ in times], [end for _, end in times]
    durations = list(map(sub, ends, starts))
    best = _values(durations, config.target_duration)
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
            while (rising[in_time] - start) / duration < threshold:
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


def _values(durations: list[float], target: float) -> list[int]:
    """For each window a number: of two choices the one of the greater sum lasts longer, or as long and is nearer."""
    lengths = [round(seconds * _PER_SECOND) for seconds in durations]
    aim = round(target * _PER_SECOND)
    distances = [abs(length - aim) for length in lengths]
    above = sum(distances).bit_length()
    return [(length << above) - distance for length, distance in zip(lengths, distances)]


class _Staircase(NamedTuple):
    """Windows of which each is better than all that start later.

    Attributes:
        back_to: their starts with the sign changed, rising, no two alike.
        steps: their values and their positions with the sign changed, rising: of equal values the first is better.
    """

    back_to: list[float]
    steps: list[tuple[int, int]]

    def enter(self, key: float, step: tuple[int, int]) -> None:
        """Enters a window in place of those that it betters; not at all if one that starts no earlier is better."""
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
