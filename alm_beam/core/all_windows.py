"""Every window of a recording: for each start all the ends that the rules allow, not only the longest one.

Take the longest candidate of a start and remove some of its last segments. The rest is a window too if it still lasts
long enough and has two segments and enough speakers. The other rules hold for it because they hold for the longest
candidate. Only a segment that crosses the maximum duration is truncated, so each start has at most one end by
truncation: that of its longest candidate.

Two groups of ends are skipped without a look at each of them. Those with too few speakers: two pointers find the first
end with enough of them, for all starts in one pass. And those before the first segment of the recording that ends late
enough: bisection finds it. The other ends are checked one by one; nearly all of them are windows. So are the rules for
speech, which a shorter window may obey where a longer one does not.

If several windows of one start end at the same time, only the one with the most whole segments is given. Two windows
with the same times cannot both be kept, and a crowd of segments that end together would give a window for each pair.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter

from alm_beam.core.config import WindowConfig
from alm_beam.core.growth_limits import find_speaker_stops
from alm_beam.core.manifest import Recording
from alm_beam.core.size_limits import MAX_CANDIDATES, MAX_STEPS, too_large
from alm_beam.core.window_columns import MIN_SEGMENTS_PER_WINDOW, LostCandidate, WindowColumns, WindowSlices
from alm_beam.core.window_rules import SpeechRules

_ADVICE = "check whether so many segments overlap in time; --candidates=longest has one window for each start"


def find_all_windows(
    recording: Recording,
    config: WindowConfig,
    longest: WindowColumns,
    lost: Sequence[LostCandidate],
    speech_rules: SpeechRules,
) -> WindowSlices:
    """All windows of a recording, by start index; no two windows of one start have the same end.

    Args:
        recording: the recording.
        config: the rules.
        longest: the longest candidates that are windows, or would be without `speech_rules`.
        lost: the longest candidates that are none, because of their duration or their number of segments.
        speech_rules: those of the configuration for this recording.

    Raises:
        BadEntry: there are too many of them: see `size_limits`.
    """
    starts, ends = recording.starts, recording.ends
    min_duration, max_duration = config.min_duration, config.max_duration
    speaker_stops = find_speaker_stops(recording.speakers, config.min_speakers)
    latest_ends = list(accumulate(ends, max))
    found = WindowSlices()
    looked_at = 0
    candidates = [(*each, True) for each in zip(longest.firsts, longest.stops, longest.truncations)]
    candidates += [(each.first, each.stop, each.truncation, False) for each in lost]
    candidates.sort(key=itemgetter(0))
    for first, stop, truncation, is_window in candidates:
        start = starts[first]
        late_enough = bisect_left(latest_ends, start + min_duration)
        while late_enough and latest_ends[late_enough - 1] - start >= min_duration:  # rounding
            late_enough -= 1
        shortest_stop = max(first + MIN_SEGMENTS_PER_WINDOW, speaker_stops[first], late_enough + 1)
        whole_stop = stop if truncation is None else stop - 1
        looked_at += max(whole_stop - shortest_stop, 0)
        if looked_at > MAX_STEPS:
            raise too_large(f"its windows take more than {MAX_STEPS:,} steps to find: {_ADVICE}")
        if len(found) > MAX_CANDIDATES:
            raise too_large(f"it has more than {MAX_CANDIDATES:,} candidate windows: {_ADVICE}")
        broken_rule = speech_rules.from_start(first) if speech_rules.are_on else None
        stop_by_end = {
            end: stop_here
            for stop_here, end in enumerate(ends[shortest_stop - 1 : whole_stop], shortest_stop)
            if min_duration <= end - start <= max_duration
            and (broken_rule is None or broken_rule(stop_here, None) is None)
        }
        if is_window and truncation is not None and broken_rule is not None:
            is_window = broken_rule(stop, truncation) is None
        found.ends += stop_by_end
        found.stops += stop_by_end.values()
        found.truncations += [None] * len(stop_by_end)
        if truncation is not None and is_window and truncation.end not in stop_by_end:
            found.ends.append(truncation.end)
            found.stops.append(stop)
            found.truncations.append(truncation)
        added = len(found.ends) - len(found.starts)
        found.firsts += [first] * added
        found.starts += [start] * added
    return found
