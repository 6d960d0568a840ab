"""Where candidate windows stop growing.

Whatever stops a candidate does so at the first index, at or after its start, that satisfies a condition which does not
depend on how the candidate got there. So each event is found for all starts of a recording together.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from alm_beam.core.config import WindowConfig
from alm_beam.core.manifest import NO_SPEAKER, Recording

Speakers = Sequence[str | int | None]


@dataclass(slots=True)
class Stops:
    """For every start, the first index at or after it of each event; the number of segments where there is none.

    Attributes:
        low_bandwidth: a segment whose bandwidth is too low.
        crossing: a segment that ends more than the maximum duration after the start.
        extra_speaker: a segment of `no-speaker`, or of one speaker more than a window may have.
        enough_speakers: the segment that brings the speakers to the least number that a window must have.
        speaker_slots: for each segment a small number that stands for its speaker within any one window; `nobody` where
            it has none.
        nobody: the greatest of the slots.
    """

    low_bandwidth: list[int]
    crossing: list[int]
    extra_speaker: list[int]
    enough_speakers: list[int]
    speaker_slots: list[int]
    nobody: int


def find_stops(recording: Recording, config: WindowConfig) -> Stops:
    """The stops of every start of the recording, in time n log n at worst."""
    extra_speaker, slots = first_speakers_above(recording.speakers, config.max_speakers)
    enough_speakers, _ = first_speakers_above(recording.speakers, config.min_speakers - 1)
    return Stops(
        low_bandwidth=first_low_bandwidths(recording.bandwidths, config.min_bandwidth),
        crossing=first_crossings(recording.starts, recording.ends, config.max_duration),
        extra_speaker=extra_speaker,
        enough_speakers=enough_speakers,
        speaker_slots=slots,
        nobody=min(config.max_speakers, len(set(recording.speakers) - {None})),
    )


def first_low_bandwidths(bandwidths: Sequence[float], least: float) -> list[int]:
    """For each index the first one at or after it whose bandwidth is below `least`."""
    firsts: list[int] = []
    for low in [index for index, bandwidth in enumerate(bandwidths) if bandwidth < least]:
        firsts += [low] * (low + 1 - len(firsts))
    return firsts + [len(bandwidths)] * (len(bandwidths) - len(firsts))


def first_crossings(starts: Sequence[float], ends: Sequence[float], max_duration: float) -> list[int]:
    """For each index the first one at or after it whose segment ends more than `max_duration` after its start.

    Going from the right, a stack holds the segments that end later than all between them and the current one, so that
    the latest end is at the bottom. The first segment to end after a given time is always one of them, and as their
    ends fall from bottom to top, bisection finds it: n log n at worst, whatever the order of the segments.
    """
    count = len(starts)
    firsts = [count] * count
    negated_ends: list[float] = []
    indices: list[int] = []
    for index in range(count - 1, -1, -1):
        start, negated_end = starts[index], -ends[index]
        while negated_ends and negated_ends[-1] >= negated_end:
            negated_ends.pop()
            indices.pop()
        negated_ends.append(negated_end)
        indices.append(index)
        at = bisect_left(negated_ends, -(start + max_duration)) - 1
        # start + max_duration is rounded otherwise than end - start, which is what decides.
        while at + 1 < len(indices) and -negated_ends[at + 1] - start > max_duration:
            at += 1
        while at >= 0 and not -negated_ends[at] - start > max_duration:
            at -= 1
        if at >= 0:
            firsts[index] = indices[at]
    return firsts


def first_speakers_above(speakers: Speakers, most: int) -> tuple[list[int], list[int]]:
    """For each index the first one at or after it that is `no-speaker`, or brings the distinct speakers above `most`.

    A later start never stops earlier, so both ends of the run only move to the right.

    Returns:
        Those first indices, and for each index a slot: two speakers that are ever in a run together have different
        ones. Slots are below min(most, number of speakers); whoever is not counted as a speaker has the slot after.
    """
    count = len(speakers)
    distinct = set(speakers) - {None}
    nobody = min(most, len(distinct))
    if NO_SPEAKER not in distinct and len(distinct) <= most:
        slot_of: dict[str | int | None, int] = {speaker: slot for slot, speaker in enumerate(distinct)}
        slot_of[None] = nobody
        return [count] * count, [slot_of[speaker] for speaker in speakers]
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
    return firsts, slots
