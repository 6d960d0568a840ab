"""Every window of a recording: not only the longest of each start, but all the ends that the rules allow.

What the longest candidate of a start holds, less some of its last segments, is a window, too, if it still lasts long
enough and has two segments and enough speakers: all else that stops growth lies behind it. A segment is cut only where
it crosses the maximum duration, so of the ends of a start at most one is a cut one, that of the longest candidate.

For each start the segments are passed over that are too few for the least number of speakers (found for all starts by
two pointers), and those before the first at which any segment of the recording ends late enough (found by bisection).
The others are looked at one by one: nearly all of them are windows. Of those of one start that end at the same time
the one counts that holds the most segments whole: two of the same time cannot both stay, and a crowd of segments that
end together would give as many windows as it has pairs.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import itemgetter

from alm_beam.core.config import WindowConfig
from alm_beam.core.manifest import Recording
from alm_beam.core.window_columns import MIN_SEGMENTS_PER_WINDOW, LostWindow, Slices, Windows


def find_all_windows(
    recording: Recording, config: WindowConfig, longest: Windows, lost: Sequence[LostWindow]
) -> Slices:
    """All windows of a recording, by start index, no two of one start with the same end.

    Args:
        recording: the recording.
        config: the rules.
        longest: the longest candidates that are windows.
        lost: those that are none because of their duration, or of their number of segments.
    """
    starts, ends = recording.starts, recording.ends
    least, most = config.min_duration, config.max_duration
    enough = list(_stops_of_enough_speakers(recording.speakers, config.min_speakers))
    latest = list(accumulate(ends, max))
    found = Slices()
    grown = [(first, stop, cut, True) for first, stop, cut in zip(longest.firsts, longest.stops, longest.cuts)]
    grown += [(each.first, each.stop, each.cut, False) for each in lost]
    grown.sort(key=itemgetter(0))
    for first, stop, cut, is_window in grown:
        start = starts[first]
        late = bisect_left(latest, start + least)
        while late and latest[late - 1] - start >= least:  # rounding
            late -= 1
        shortest = max(first + MIN_SEGMENTS_PER_WINDOW, enough[first], late + 1)
        whole = stop if cut is None else stop - 1
        stop_of = {
            end: behind
            for behind, end in enumerate(ends[shortest - 1 : whole], shortest)
            if least <= end - start <= most
        }
        found.ends += stop_of
        found.stops += stop_of.values()
        found.cuts += [None] * len(stop_of)
        if cut is not None and is_window and cut.end not in stop_of:
            found.ends.append(cut.end)
            found.stops.append(stop)
            found.cuts.append(cut)
        more = len(found.ends) - len(found.starts)
        found.firsts += [first] * more
        found.starts += [start] * more
    return found


def _stops_of_enough_speakers(speakers: Sequence[str | int | None], least: int) -> Iterator[int]:
    """For each start the least stop at which so many distinct speakers are held; beyond all segments if there is none.

    A later start never has an earlier one. That `no-speaker` counts here does no harm: no window reaches behind it.
    """
    count = len(speakers)
    held: Counter[str | int | None] = Counter()
    stop = 0
    for leaving in speakers:
        while len(held) < least and stop < count:
            if speakers[stop] is not None:
                held[speakers[stop]] += 1
            stop += 1
        yield stop if len(held) >= least else count + 1
        if leaving is not None:
            held[leaving] -= 1
            if not held[leaving]:
                del held[leaving]
