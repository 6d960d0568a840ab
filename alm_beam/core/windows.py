"""Candidate windows: for each start the longest run of segments that obeys the rules.

For every segment i of enough bandwidth a candidate grows from i, segment by segment, until one of

* a segment of low bandwidth,
* a segment that ends more than the maximum duration after the start of i (it may be cut at a word end, and is then
  the window's last),
* a segment of `no-speaker`, or of one speaker too many

stops it. The candidate is a window when it lasts target ± tolerance, has two segments or more and enough speakers.

How far a candidate grows is found without walking over it again. The first and the last of these events do not depend
on the start's own time and are found beforehand (`core.growth_limits`). As for the second: where a start is not before
the last one, all that the last candidate held ends in time for this one too, so the stop only moves to the right. Only
a start that goes back in time looks anew, at what it then holds.

With the stop moves a run: the whole segments of the candidate, their durations in a queue for each speaker. Of a
speaker of whom segments were only added the sum of the durations goes on. One of whom a segment left is added up anew:
at once where the segment's own candidate is a window, else for the next window. Either window holds as many segments
anyway. So each sum is that from left to right, as the reference adds. Together: linear in segments and in what the
windows hold, but for starts that go back in time.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from alm_beam.core.all_windows import find_all_windows
from alm_beam.core.config import ALL, WindowConfig
from alm_beam.core.growth_limits import find_low_bandwidths, find_speaker_stops
from alm_beam.core.losses import Losses, LossReason, left_to_right_sum
from alm_beam.core.manifest import NO_SPEAKER, ManifestLine, Placed, Recording
from alm_beam.core.truncation import Cuts
from alm_beam.core.window_columns import MIN_SEGMENTS_PER_WINDOW, SPEAKER_DURATIONS, LostWindow, Slices, Windows


@dataclass(slots=True)
class Candidates(Placed):
    """What one recording gives.

    Attributes:
        recording: the recording.
        config: the rules.
        low_sample_rate: its sample rate is too low for windows.
        windows: candidate windows by start index, the longest of each start.
        choices: those of which some are kept: the same, or every window of each start.
        lost: candidates that failed on duration or on the number of segments, by start index.
        losses: segments that started no window, by reason.
    """

    recording: Recording
    config: WindowConfig
    low_sample_rate: bool
    windows: Windows
    choices: Slices
    lost: list[LostWindow]
    losses: Losses

    @property
    def line(self) -> ManifestLine:
        """Where the recording came from."""
        return self.recording.line


def build_windows(recording: Recording, config: WindowConfig) -> Candidates:
    """The candidate windows of a recording: the longest of each start, as the reference builds them.

    Raises:
        BadEntry: a segment has to be truncated and its words are malformed.
    """
    durations = recording.durations
    losses = Losses(len(durations), recording.total_duration)
    if recording.sample_rate < config.min_sample_rate:
        losses.lose(LossReason.SAMPLE_RATE, durations)
        none = Windows()
        return Candidates(recording, config, True, none, none, [], losses)
    growth = _grow(recording, config)
    _count_losses(losses, growth, recording, config.min_bandwidth)
    windows, lost = growth.windows, growth.lost
    choices = find_all_windows(recording, config, windows, lost) if config.candidates == ALL else windows
    return Candidates(recording, config, False, windows, choices, lost, losses)


@dataclass(slots=True)
class _Growth:
    """What growth gives.

    Attributes:
        windows: the windows.
        lost: candidates that failed on duration or on the number of segments.
        low_bandwidth: starts of low bandwidth.
        few_speakers: starts of candidates of too few speakers.
        truncations: segments cut at a word end, or that would have been but for a speaker too many.
    """

    windows: Windows = field(default_factory=Windows)
    lost: list[LostWindow] = field(default_factory=list)
    low_bandwidth: list[int] = field(default_factory=list)
    few_speakers: list[int] = field(default_factory=list)
    truncations: int = 0


def _grow(recording: Recording, config: WindowConfig) -> _Growth:
    """Grows a candidate from every start. One function: a call for each start would cost as much as the work."""
    starts, ends, durations = recording.starts, recording.ends, recording.durations
    least, most = config.min_duration, config.max_duration
    truncation, min_speakers = config.truncation, config.min_speakers
    low_bandwidths = find_low_bandwidths(recording.bandwidths, config.min_bandwidth)
    speaker_stops, slots, slot_count = find_speaker_stops(recording.speakers, config.max_speakers)
    cuts = Cuts(recording)
    growth = _Growth()
    windows, lost = growth.windows, growth.lost
    # The run, from `first` to before `stop`: durations and their sums by slot of the speaker, and distinct speakers.
    held: list[deque[float]] = [deque() for _ in range(slot_count)]
    sums = [0.0] * max(slot_count, 1 + SPEAKER_DURATIONS)
    outdated: set[int] = set()
    speakers = stop = 0
    last, earlier = len(starts) - 1, -math.inf
    for first, start, low, extra in zip(range(len(starts)), starts, low_bandwidths, speaker_stops):
        if low == first:
            growth.low_bandwidth.append(first)
            stop = first + 1
            continue
        if start < earlier:
            outdated.update(range(slot_count))
            for queue in held:
                queue.clear()
            speakers, stop = 0, first
        earlier = start

        limit = low if low < extra else extra
        while stop < limit and ends[stop] - start <= most:
            slot, seconds = slots[stop], durations[stop]
            queue = held[slot]
            if not queue:
                speakers += slot > 0
            queue.append(seconds)
            sums[slot] += seconds
            stop += 1

        stated = False
        behind, cut, end = stop, None, ends[stop - 1 if stop > first else first]
        if stop < low and truncation and starts[stop] < start + most and (stop < extra or ends[stop] - start > most):
            growth.truncations += 1
            if stop < extra:
                behind, cut = stop + 1, cuts.of(stop, start + most)
                end = cut.end

        duration = end - start
        if not least <= duration <= most or behind - first < MIN_SEGMENTS_PER_WINDOW:
            lost.append(LostWindow(first, behind, cut, stop if stop < last else last))
        elif speakers < min_speakers and (
            cut is None or not slots[stop] or held[slots[stop]] or speakers + 1 < min_speakers
        ):
            growth.few_speakers.append(first)
        else:
            if outdated:
                for slot in outdated:
                    sums[slot] = left_to_right_sum(held[slot])
                outdated.clear()
            speaker_durations = sums[1:]
            if cut is not None and slots[stop]:
                speaker_durations[slots[stop] - 1] += end - starts[stop]
            speaker_durations.sort()
            speaker_durations.reverse()
            if cut is not None and speaker_durations[-1] < 0:  # its words end before it starts
                absent = len(speaker_durations) - speakers - (not held[slots[stop]])
                _move_zeros_to_end(speaker_durations, absent)
            windows.firsts.append(first)
            windows.stops.append(behind)
            windows.cuts.append(cut)
            windows.starts.append(start)
            windows.ends.append(end)
            windows.durations.append(duration)
            windows.speaker_durations.append(speaker_durations)
            stated = True

        if stop == first:
            stop += 1
        else:
            slot = slots[first]
            queue = held[slot]
            queue.popleft()
            if not queue:
                speakers -= slot > 0
            if stated:
                total = 0.0
                for seconds in queue:
                    total += seconds
                sums[slot] = total
            else:
                outdated.add(slot)
    if len(sums) > 1 + SPEAKER_DURATIONS:
        for longest in windows.speaker_durations:
            del longest[SPEAKER_DURATIONS:]
    return growth


def _move_zeros_to_end(durations: list[float], count: int) -> None:
    """Moves so many zeros behind what is negative."""
    if count:
        first = durations.index(0.0)
        del durations[first : first + count]
        durations += [0.0] * count


def _count_losses(losses: Losses, growth: _Growth, recording: Recording, min_bandwidth: float) -> None:
    """Counts the starts that gave no window, and where growth stopped at what says why."""
    segments, bandwidths, durations = recording.segments, recording.bandwidths, recording.durations
    no_speaker: list[int] = []
    next_bandwidth: list[int] = []
    for lost in growth.lost:
        if segments[lost.stopped_at].get("speaker", NO_SPEAKER) == NO_SPEAKER:
            no_speaker.append(lost.first)
        elif bandwidths[lost.stopped_at] < min_bandwidth:
            next_bandwidth.append(lost.first)
    losses.truncations = growth.truncations
    for reason, firsts in (
        (LossReason.BANDWIDTH, growth.low_bandwidth),
        (LossReason.SPEAKERS, growth.few_speakers),
        (LossReason.WINDOW, [lost.first for lost in growth.lost]),
        (LossReason.NO_SPEAKER, no_speaker),
        (LossReason.NEXT_BANDWIDTH, next_bandwidth),
    ):
        if firsts:
            losses.lose(reason, [durations[first] for first in firsts])
