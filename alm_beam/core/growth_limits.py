"""Where candidate windows stop growing for reasons that do not depend on their duration.

A candidate stops before the first segment, at or after its start, of low bandwidth, before the first that is
`no-speaker` or adds one speaker too many, and before the first that begins after too long a pause. The index of that
segment is the candidate's limit. The limits of all starts of a recording are found together, in one pass.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from alm_beam.core.config import WindowConfig
from alm_beam.core.manifest import NO_SPEAKER, Recording
from alm_beam.core.metric_limits import metrics_outside
from alm_beam.core.speaker_labels import SpeakerLabel, has_joint_label, names_in

_NOBODY = frozenset({None, NO_SPEAKER})

_FEW_SPEAKERS = 8
"""Up to this many speakers each get a slot of their own. With more, it pays to reuse the slots of those who left."""


class SpeakerLimits(NamedTuple):
    """Where speakers end the growth of candidates, and a number (slot) that stands for the speaker of each segment.

    Attributes:
        limits: for each start the first index at or after it that is `no-speaker`, or adds one speaker too many; the
            number of segments if there is none.
        slots: for each segment the slot of its speaker; 0 if it has none or is `no-speaker`. Two segments between a
            start and its limit have the same slot if and only if they have the same speaker. Where a label of the
            recording names several speakers, all slots are 0.
        slot_count: the slots are below it.
    """

    limits: list[int]
    slots: list[int]
    slot_count: int


class GrowthLimits(NamedTuple):
    """Where candidates stop for reasons that do not depend on the maximum duration.

    Attributes:
        outside: for each segment the name of the metric that keeps it out of windows, if there is one.
        bandwidths: see `find_bandwidth_limits`; a segment with a metric outside counts as one of low bandwidth.
        speakers: see `find_speaker_limits`.
        gaps: see `find_gap_limits`; None where pauses do not count.
        speaker_stops: see `find_speaker_stops`; None where the run of segments tells how many speakers there are.
    """

    outside: list[str | None]
    bandwidths: list[int]
    speakers: SpeakerLimits
    gaps: list[int] | None
    speaker_stops: list[int] | None


def find_growth_limits(recording: Recording, config: WindowConfig) -> GrowthLimits:
    """The limits of all candidates of a recording.

    Raises:
        BadEntry: a metric of the rules is no number.
    """
    count = len(recording.starts)
    outside: list[str | None] = [None] * count
    bandwidths = recording.bandwidths
    if config.min_metrics or config.max_metrics:
        outside = metrics_outside(recording, config)
        bandwidths = [each if name is None else -1 for each, name in zip(bandwidths, outside)]
    speakers = find_speaker_limits(recording.speakers, config.max_speakers)
    gaps, speaker_stops = None, None
    if config.max_gap is not None:
        gaps = find_gap_limits(recording.starts, recording.ends, config.max_gap)
        speakers = SpeakerLimits(speakers.limits, [0] * count, 1)
    if config.max_gap is not None or (speakers.slot_count == 1 and has_joint_label(recording.speakers)):
        speaker_stops = find_speaker_stops(recording.speakers, config.min_speakers)
    return GrowthLimits(outside, find_bandwidth_limits(bandwidths, config.min_bandwidth), speakers, gaps, speaker_stops)


def find_bandwidth_limits(bandwidths: Sequence[float], min_bandwidth: float) -> list[int]:
    """For each start the first index at or after it with a bandwidth (Hz) below `min_bandwidth`.

    It is the number of segments if there is none.

    >>> find_bandwidth_limits([8000, 8000, 4000, 8000], 8000)
    [2, 2, 2, 4]
    """
    count = len(bandwidths)
    if not bandwidths or min(bandwidths) >= min_bandwidth:
        return [count] * count
    return _next_of([index for index, bandwidth in enumerate(bandwidths) if bandwidth < min_bandwidth], count)


def find_gap_limits(starts: Sequence[float], ends: Sequence[float], max_gap: float) -> list[int]:
    """For each start the first index after it that begins more than `max_gap` after the end of all segments before.

    Those are the segments from the start on. Times are seconds. The limit is the number of segments if there is none.
    A later start may have an earlier limit: a long segment bridges a pause for itself and the starts before it only.

    >>> find_gap_limits([0, 4, 20], [30, 8, 25], 5)
    [3, 2, 3]
    """
    count = len(starts)
    limits = [count] * count
    # For each segment the last one before it that ends late enough: a pause stands before it for all later starts.
    bridges: list[int] = []
    open_ends: list[int] = []  # indices whose ends are above all later ones: ascending, with descending ends
    for index, start in enumerate(starts):
        reach = bisect_left(open_ends, True, key=lambda at: start - ends[at] > max_gap)
        bridges.append(open_ends[reach - 1] if reach else -1)
        while open_ends and ends[open_ends[-1]] <= ends[index]:
            open_ends.pop()
        open_ends.append(index)
    pauses: list[int] = []  # indices with a pause before them, for the current start; descending
    for first in range(count - 1, -1, -1):
        while pauses and bridges[pauses[-1]] >= first:
            pauses.pop()
        if pauses:
            limits[first] = pauses[-1]
        if bridges[first] < first - 1:
            pauses.append(first)
    return limits


def find_speaker_stops(speakers: Sequence[SpeakerLabel], min_speakers: int) -> list[int]:
    """For each start the smallest stop (index after the last segment) with `min_speakers` distinct speakers.

    It is beyond all segments if there is none. A later start never has an earlier stop. `no-speaker` counts as a
    speaker here; that does no harm because no window contains such a segment.

    >>> find_speaker_stops(["a", "a", "b", ("a", "b")], 2)
    [3, 3, 4, 4]
    """
    count = len(speakers)
    held: dict[SpeakerLabel, int] = {}
    stops: list[int] = []
    stop = 0
    for leaving in speakers:
        while len(held) < min_speakers and stop < count:
            entering = speakers[stop]
            if entering is not None:
                for name in entering if type(entering) is tuple else (entering,):
                    held[name] = held.get(name, 0) + 1
            stop += 1
        stops.append(stop if len(held) >= min_speakers else count + 1)
        if leaving is not None:
            for name in leaving if type(leaving) is tuple else (leaving,):
                held[name] -= 1
                if not held[name]:
                    del held[name]
    return stops


def find_speaker_limits(speakers: Sequence[SpeakerLabel], max_speakers: int) -> SpeakerLimits:
    """Where speakers end the growth of candidates of at most `max_speakers` distinct speakers.

    The limit of a later start is never earlier. So both ends of the run between a start and its limit only move to the
    right. A speaker who enters the run takes a free slot, and gives it back on leaving the run.

    >>> find_speaker_limits(["a", "b", None, "a", "c"], 2).limits
    [4, 4, 5, 5, 5]
    """
    count = len(speakers)
    distinct = set(speakers) - _NOBODY
    if has_joint_label(distinct):
        return SpeakerLimits(_limits_of_joint_labels(speakers, max_speakers), [0] * count, 1)
    slot_of: dict[SpeakerLabel, int] = dict.fromkeys(_NOBODY, 0)
    if len(distinct) <= min(max_speakers, _FEW_SPEAKERS):
        slot_of.update(zip(distinct, range(1, count + 1)))
        no_speakers = [index for index, speaker in enumerate(speakers) if speaker == NO_SPEAKER]
        return SpeakerLimits(_next_of(no_speakers, count), list(map(slot_of.__getitem__, speakers)), len(distinct) + 1)
    limits: list[int] = []
    slots: list[int] = []
    free: list[int] = []
    slot_count = 1
    present: Counter[SpeakerLabel] = Counter()
    for index, leaving in enumerate(speakers):
        while len(slots) < count:
            entering = speakers[len(slots)]
            if entering == NO_SPEAKER:
                break
            if entering is not None:
                if entering not in present:
                    if len(present) == max_speakers:
                        break
                    if not free:
                        free.append(slot_count)
                        slot_count += 1
                    slot_of[entering] = free.pop()
                present[entering] += 1
            slots.append(slot_of[entering])
        limits.append(len(slots))
        if len(slots) == index:
            slots.append(0)
        elif leaving is not None:
            present[leaving] -= 1
            if not present[leaving]:
                del present[leaving]
                free.append(slot_of[leaving])
    return SpeakerLimits(limits, slots, slot_count)


def _limits_of_joint_labels(speakers: Sequence[SpeakerLabel], max_speakers: int) -> list[int]:
    """The limits of `find_speaker_limits`, where a label may name several speakers."""
    count = len(speakers)
    names = list(map(names_in, speakers))
    limits: list[int] = []
    present: Counter[str | int] = Counter()
    stop = 0
    for index, leaving in enumerate(names):
        stop = max(stop, index)
        while stop < count and NO_SPEAKER not in names[stop]:
            added = {name for name in names[stop] if name not in present}
            if len(present) + len(added) > max_speakers:
                break
            present.update(names[stop])
            stop += 1
        limits.append(stop)
        if stop > index:
            present.subtract(leaving)
            for name in leaving:
                if not present[name]:
                    del present[name]
    return limits


def _next_of(indices: list[int], count: int) -> list[int]:
    """For each number below `count` the first of the ascending indices that is not below it; `count` without one."""
    found: list[int] = []
    for index in indices:
        found += [index] * (index + 1 - len(found))
    return found + [count] * (count - len(found))
