"""Candidate windows: for each start the longest run of segments that obeys the rules.

For every segment i of enough bandwidth a candidate grows from i, segment by segment, until one of

* a segment of low bandwidth,
* a segment that ends more than the maximum duration after the start of i (it may be cut at a word end, and is then
  the window's last),
* a segment of `no-speaker`, or of one speaker too many

stops it. The candidate is a window when it lasts target ± tolerance, has two segments or more and enough speakers.

How far a candidate grows is found without walking over it again. The first and the last of these events do not depend
on the start's own time and are found beforehand (`alm_beam.core.stops`). As for the second: where a start is not before
the last one, all that the last candidate held ends in time for this one too, so the stop only moves to the right. Only
a start that goes back in time looks anew, at what it then holds. The speakers' durations take one addition for each
segment of a candidate of the right duration, which writing it down takes anyway. Together: linear in segments and
output.
"""

import math
from dataclasses import dataclass, field
from operator import sub
from typing import NamedTuple

import numpy as np

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import Losses, LossReason, left_to_right_sum
from alm_beam.core.manifest import NO_SPEAKER, ManifestLine, Placed, Recording
from alm_beam.core.stops import SpeakerStops, find_low_bandwidths, find_speaker_stops
from alm_beam.core.truncation import Cut, CutPoints

MIN_SEGMENTS_PER_WINDOW = 2

SPEAKER_DURATIONS = 5
"""How many speakers' durations are stated of a window."""

_SUMMED_AT_ONCE = 1 << 18
"""Segments, counted once for each window that holds them: bounds the memory of summing, about 10 MB."""


class Window(NamedTuple):
    """A candidate window: a slice of its recording's segments.

    Attributes:
        first: index of its first segment.
        stop: index after its last one.
        cut: what truncation made of its last segment; None where that is whole.
        start: seconds, where its first segment starts.
        end: seconds, where its last segment ends.
    """

    first: int
    stop: int
    cut: Cut | None
    start: float
    end: float


class LostWindow(NamedTuple):
    """A candidate that failed on duration or on the number of segments: the slice that it had gathered.

    Attributes:
        first: index of its first segment.
        stop: index after its last one; equal to `first` where it had none.
        cut: what truncation made of its last segment; None where that is whole.
        stopped_at: index of the segment at which growth stopped, or of the recording's last one.
    """

    first: int
    stop: int
    cut: Cut | None
    stopped_at: int


@dataclass(slots=True)
class Candidates(Placed):
    """What one recording gives.

    Attributes:
        recording: the recording.
        low_sample_rate: its sample rate is too low for windows.
        windows: candidate windows by start index.
        speaker_durations: for each of the windows SPEAKER_DURATIONS numbers, seconds: its speakers' durations, the
            longest first, filled up with zeros.
        lost: candidates that failed on duration or on the number of segments, by start index.
        losses: segments that started no window, by reason.
    """

    recording: Recording
    low_sample_rate: bool = False
    windows: list[Window] = field(default_factory=list)
    speaker_durations: list[list[float]] = field(default_factory=list)
    lost: list[LostWindow] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)

    @property
    def line(self) -> ManifestLine:
        """Where the recording came from."""
        return self.recording.line


def build_windows(recording: Recording, config: WindowConfig) -> Candidates:
    """The candidate windows of a recording, one at most for each start, as the reference builds them.

    Raises:
        BadEntry: a segment has to be truncated and its words are malformed.
    """
    durations = list(map(sub, recording.ends, recording.starts))
    found = Candidates(recording, losses=Losses(len(durations), left_to_right_sum(durations)))
    if recording.sample_rate < config.min_sample_rate:
        found.low_sample_rate = True
        found.losses.lose(LossReason.SAMPLE_RATE, durations)
        return found
    speaker_stops = find_speaker_stops(recording.speakers, config.max_speakers)
    low_bandwidth = _grow(found, speaker_stops.firsts, config)
    few_speakers: list[int] = []
    if found.windows:
        few_speakers = _measure_speakers(found, speaker_stops, durations, config.min_speakers)
    _count_losses(found, config, durations, low_bandwidth, few_speakers)
    return found


def _grow(found: Candidates, speaker_stops: list[int], config: WindowConfig) -> list[int]:
    """Fills in the windows, whatever their number of speakers, and the lost ones; gives the starts of low bandwidth."""
    recording, windows, lost = found.recording, found.windows, found.lost
    starts, ends = recording.starts, recording.ends
    least, most, truncation = config.min_duration, config.max_duration, config.truncation
    low_bandwidths = find_low_bandwidths(recording.bandwidths, config.min_bandwidth)
    low_bandwidth: list[int] = []
    cut_points: dict[int, CutPoints] = {}
    last = len(starts) - 1
    truncations = stop = 0
    earlier = -math.inf
    for first, (start, low, extra) in enumerate(zip(starts, low_bandwidths, speaker_stops)):
        if low == first:
            low_bandwidth.append(first)
            continue
        if start < earlier or stop < first:
            stop = first
        earlier = start
        limit = low if low < extra else extra
        while stop < limit and ends[stop] - start <= most:
            stop += 1
        behind, cut = stop, None
        if truncation and stop < low and stop <= last and starts[stop] < start + most and ends[stop] - start > most:
            truncations += 1
            if stop < extra:
                points = cut_points.get(stop)
                if points is None:
                    points = cut_points[stop] = CutPoints(recording.segments[stop], stop)
                cut = points.cut(start + most)
                behind = stop + 1
        end = cut.end if cut is not None else ends[stop - 1 if stop > first else first]
        if least <= end - start <= most and behind - first >= MIN_SEGMENTS_PER_WINDOW:
            windows.append(Window(first, behind, cut, start, end))
        else:
            lost.append(LostWindow(first, behind, cut, stop if stop < last else last))
    found.losses.truncations = truncations
    return low_bandwidth


def _count_losses(
    found: Candidates,
    config: WindowConfig,
    durations: list[float],
    low_bandwidth: list[int],
    few_speakers: list[int],
) -> None:
    """Counts the starts that gave no window, and where growth stopped at what says why."""
    segments, bandwidths = found.recording.segments, found.recording.bandwidths
    no_speaker: list[int] = []
    next_bandwidth: list[int] = []
    for first, _, _, stopped_at in found.lost:
        if segments[stopped_at].get("speaker", NO_SPEAKER) == NO_SPEAKER:
            no_speaker.append(first)
        elif bandwidths[stopped_at] < config.min_bandwidth:
            next_bandwidth.append(first)
    for reason, starts in (
        (LossReason.BANDWIDTH, low_bandwidth),
        (LossReason.SPEAKERS, few_speakers),
        (LossReason.WINDOW, [lost.first for lost in found.lost]),
        (LossReason.NO_SPEAKER, no_speaker),
        (LossReason.NEXT_BANDWIDTH, next_bandwidth),
    ):
        if starts:
            found.losses.lose(reason, [durations[start] for start in starts])


def _measure_speakers(
    found: Candidates, speaker_stops: SpeakerStops, durations: list[float], min_speakers: int
) -> list[int]:
    """Fills in the speakers' durations; takes out the windows of too few speakers and gives their starts."""
    windows = found.windows
    longest = max([window[1] - window[0] for window in windows])
    block = max(1, _SUMMED_AT_ONCE // max(longest, speaker_stops.nobody + 1))
    few_speakers: list[int] = []
    for at in range(0, len(windows), block):
        some = windows[at : at + block]
        sums, numbers = _summed(some, speaker_stops, found.recording.starts, durations)
        found.speaker_durations += sums
        few_speakers += [at + index for index, number in enumerate(numbers) if number < min_speakers]
    if not few_speakers:
        return []
    few = set(few_speakers)
    found.windows = [window for index, window in enumerate(windows) if index not in few]
    found.speaker_durations = [sums for index, sums in enumerate(found.speaker_durations) if index not in few]
    return [windows[index].first for index in few_speakers]


def _summed(
    windows: list[Window], speaker_stops: SpeakerStops, starts: list[float], durations: list[float]
) -> tuple[list[list[float]], list[int]]:
    """For each window its speakers' durations, as Candidates states them, and the number of its speakers.

    `numpy.bincount` adds up its weights one by one, in their order: each speaker's durations from left to right, as
    the reference adds them.
    """
    count, speakers = len(windows), speaker_stops.nobody
    firsts = np.array([window[0] for window in windows])
    lengths = np.array([window[1] for window in windows]) - firsts
    behind = lengths.cumsum()
    held = np.arange(behind[-1]) + (firsts - behind + lengths).repeat(lengths)
    bins = np.array(speaker_stops.slots)[held] + np.arange(0, count * (speakers + 1), speakers + 1).repeat(lengths)
    seconds = np.array(durations)[held]
    for index, (_, stop, cut, _, _) in enumerate(windows):
        if cut is not None:
            seconds[behind[index] - 1] = cut.end - starts[stop - 1]
    shape, bin_count = (count, speakers + 1), count * (speakers + 1)
    sums = np.bincount(bins, seconds, bin_count).reshape(shape)[:, :speakers]
    numbers = np.count_nonzero(np.bincount(bins, None, bin_count).reshape(shape)[:, :speakers], axis=1)
    sums.sort(axis=1)
    stated = np.zeros((count, max(SPEAKER_DURATIONS, speakers)))
    stated[:, :speakers] = sums[:, ::-1]
    return stated[:, :SPEAKER_DURATIONS].tolist(), numbers.tolist()
