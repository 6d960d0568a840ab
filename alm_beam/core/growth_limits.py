"""Where candidate windows stop growing for reasons that do not depend on their duration.

A candidate stops before the first segment, at or after its start, of low bandwidth, and before the first that is
`no-speaker` or adds one speaker too many. The index of that segment is the candidate's limit. The limits of all starts
of a recording are found together, in one pass.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from alm_beam.core.manifest import NO_SPEAKER

_NOBODY = frozenset({None, NO_SPEAKER})

_FEW_SPEAKERS = 8
"""Up to this many speakers each get a slot of their own. With more, it pays to reuse the slots of those who left."""


class SpeakerLimits(NamedTuple):
    """Where speakers end the growth of candidates, and a number (slot) that stands for the speaker of each segment.

    Attributes:
        limits: for each start the first index at or after it that is `no-speaker`, or adds one speaker too many; the
            number of segments if there is none.
        slots: for each segment the slot of its speaker; 0 if it has none or is `no-speaker`. Two segments between a
            start and its limit have the same slot if and only if they have the same speaker.
        slot_count: the slots are below it.
    """

    limits: list[int]
    slots: list[int]
    slot_count: int


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


def find_speaker_limits(speakers: Sequence[str | int | None], max_speakers: int) -> SpeakerLimits:
    """Where speakers end the growth of candidates of at most `max_speakers` distinct speakers.

    The limit of a later start is never earlier. So both ends of the run between a start and its limit only move to the
    right. A speaker who enters the run takes a free slot, and gives it back on leaving the run.

    >>> find_speaker_limits(["a", "b", None, "a", "c"], 2).limits
    [4, 4, 5, 5, 5]
    """
    count = len(speakers)
    distinct = set(speakers) - _NOBODY
    slot_of: dict[str | int | None, int] = dict.fromkeys(_NOBODY, 0)
    if len(distinct) <= min(max_speakers, _FEW_SPEAKERS):
        slot_of.update(zip(distinct, range(1, count + 1)))
        no_speakers = [index for index, speaker in enumerate(speakers) if speaker == NO_SPEAKER]
        return SpeakerLimits(_next_of(no_speakers, count), list(map(slot_of.__getitem__, speakers)), len(distinct) + 1)
    limits: list[int] = []
    slots: list[int] = []
    free: list[int] = []
    slot_count = 1
    present: Counter[str | int | None] = Counter()
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


def _next_of(indices: list[int], count: int) -> list[int]:
    """For each number below `count` the first of the ascending indices that is not below it; `count` without one."""
    found: list[int] = []
    for index in indices:
        found += [index] * (index + 1 - len(found))
    return found + [count] * (count - len(found))
