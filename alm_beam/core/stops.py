"""Where candidate windows stop growing for reasons that do not depend on how long they are.

A candidate stops at the first segment, at or after its start, of low bandwidth, and at the first that is `no-speaker`
or of one speaker too many. Each is found for all starts of a recording together, in one pass.
"""

from collections.abc import Sequence
from typing import NamedTuple

from alm_beam.core.manifest import NO_SPEAKER

_NOBODY = frozenset({None, NO_SPEAKER})


class SpeakerStops(NamedTuple):
    """Where its speakers stop the candidates of a recording, and numbers that stand for the speakers.

    Attributes:
        firsts: for each start the first index at or after it that is `no-speaker`, or brings the distinct speakers
            above the greatest number; the number of segments where there is none.
        slots: for each segment a number; `nobody` if it has no speaker or is `no-speaker`. Within the segments from a
            start to its stop two have the same number if and only if they have the same speaker.
        nobody: the greatest of the numbers.
    """

    firsts: list[int]
    slots: list[int]
    nobody: int


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
    nobody = min(most, len(distinct))
    if len(distinct) <= most:
        slot_of: dict[str | int | None, int] = dict.fromkeys(_NOBODY, nobody)
        slot_of.update(zip(distinct, range(nobody)))
        stops = [index for index, speaker in enumerate(speakers) if speaker == NO_SPEAKER]
        return SpeakerStops(_nexts(stops, count), list(map(slot_of.__getitem__, speakers)), nobody)
    firsts: list[int] = []
    slots: list[int] = []
    free = list(range(nobody))
    slot_of = {}
    present: dict[str | int | None, int] = dict.fromkeys(distinct, 0)
    for index, leaving in enumerate(speakers):
        while len(slots) < count:
            entering = speakers[len(slots)]
            if entering is None:
                slots.append(nobody)
                continue
            if entering == NO_SPEAKER or (not present[entering] and not free):
                break
            if not present[entering]:
                slot_of[entering] = free.pop()
            present[entering] += 1
            slots.append(slot_of[entering])
        firsts.append(len(slots))
        if len(slots) == index:
            slots.append(nobody)
        elif leaving is not None:
            present[leaving] -= 1
            if not present[leaving]:
                free.append(slot_of[leaving])
    return SpeakerStops(firsts, slots, nobody)


def _nexts(indices: list[int], count: int) -> list[int]:
    """For each number below `count` the first of the ascending indices that is not below it; else `count`."""
    nexts: list[int] = []
    for index in indices:
        nexts += [index] * (index + 1 - len(nexts))
    return nexts + [count] * (count - len(nexts))
