"""Where candidate windows stop growing for reasons that do not depend on how long they are.

A candidate stops at the first segment, at or after its start, of low bandwidth, and at the first that is `no-speaker`
or of one speaker too many. Each is found for all starts of a recording together, in one pass.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from alm_beam.core.manifest import NO_SPEAKER

_NOBODY = frozenset({None, NO_SPEAKER})

_FEW_SPEAKERS = 8
"""So many can each have a slot for themselves. With more, it pays to use the slots of those who have gone."""


class SpeakerStops(NamedTuple):
    """Where its speakers stop the candidates of a recording, and numbers that stand for the speakers.

    Attributes:
        firsts: for each start the first index at or after it that is `no-speaker`, or brings the distinct speakers
            above the greatest number; the number of segments where there is none.
        slots: for each segment a number; 0 if it has no speaker or is `no-speaker`. Within the segments from a start to
            its stop two have the same number if and only if they have the same speaker.
        slot_count: the numbers are below it.
    """

    firsts: list[int]
    slots: list[int]
    slot_count: int


def find_low_bandwidths(bandwidths: Sequence[float], least: float) -> list[int]:
    """For each start the first index at or after it of a bandwidth below `least`; else the number of segments."""
    count = len(bandwidths)
    if not bandwidths or min(bandwidths) >= least:
        return [count] * count
    return _nexts([index for index, bandwidth in enumerate(bandwidths) if bandwidth < least], count)


def find_speaker_stops(speakers: Sequence[str | int | None], most: int) -> SpeakerStops:
    """Where candidates of at most so many distinct speakers stop.

    A later start never stops earlier, so both ends of the run that a start can take only move to the right. A speaker
    who enters the run takes a free slot, and gives it back on leaving.
    """
    count = len(speakers)
    distinct = set(speakers) - _NOBODY
    slot_of: dict[str | int | None, int] = dict.fromkeys(_NOBODY, 0)
    if len(distinct) <= min(most, _FEW_SPEAKERS):
        slot_of.update(zip(distinct, range(1, count + 1)))
        stops = [index for index, speaker in enumerate(speakers) if speaker == NO_SPEAKER]
        return SpeakerStops(_nexts(stops, count), list(map(slot_of.__getitem__, speakers)), len(distinct) + 1)
    firsts: list[int] = []
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
                    if len(present) == most:
                        break
                    if not free:
                        free.append(slot_count)
                        slot_count += 1
                    slot_of[entering] = free.pop()
                present[entering] += 1
            slots.append(slot_of[entering])
        firsts.append(len(slots))
        if len(slots) == index:
            slots.append(0)
        elif leaving is not None:
            present[leaving] -= 1
            if not present[leaving]:
                del present[leaving]
                free.append(slot_of[leaving])
    return SpeakerStops(firsts, slots, slot_count)


def _nexts(indices: list[int], count: int) -> list[int]:
    """For each number below `count` the first of the ascending indices that is not below it; else `count`."""
    nexts: list[int] = []
    for index in indices:
        nexts += [index] * (index + 1 - len(nexts))
    return nexts + [count] * (count - len(nexts))
