"""Candidate windows: for each start the longest run of segments that obeys the rules.

For every segment i of enough bandwidth a candidate grows from i, segment by segment, until one of

* a segment of low bandwidth,
* a segment that ends more than the maximum duration after the start of i (it may be cut at a word end, and is then
  the window's last),
* a segment of `no-speaker`, or of one speaker too many

stops it. The candidate is a window when it lasts target ± tolerance, has two segments or more and enough speakers.

Where each of these first happens is known for all starts beforehand (`alm_beam.core.stops`), so a start costs a few
comparisons and no walk over its segments. What a window costs beyond that is the sum of its speakers' durations: one
addition for each of its segments, which writing it down takes anyway. Together: linear in segments and output.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import sub
from typing import NamedTuple

import numpy as np

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import Losses, LossReason, left_to_right_sum
from alm_beam.core.manifest import NO_SPEAKER, ManifestLine, Recording
from alm_beam.core.stops import Stops, find_stops
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
class Candidates:
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
    stops = find_stops(recording, config)
    starts_lost = _grow(found, stops, config)
    starts_lost[LossReason.WINDOW] = [lost.first for lost in found.lost]
    _explain(found, config, starts_lost)
    for reason, starts in starts_lost.items():
        found.losses.lose(reason, [durations[start] for start in starts])
    if found.windows:
        found.speaker_durations = list(_speaker_durations(found.windows, stops, recording.starts, durations))
    return found


def _grow(found: Candidates, stops: Stops, config: WindowConfig) -> dict[LossReason, list[int]]:
    """Fills in the windows and the lost ones; gives the starts that were lost otherwise."""
    recording, windows, lost = found.recording, found.windows, found.lost
    starts, ends, last = recording.starts, recording.ends, len(recording.starts) - 1
    least, most, truncation = config.min_duration, config.max_duration, config.truncation
    low_bandwidth: list[int] = []
    few_speakers: list[int] = []
    cut_points: dict[int, CutPoints] = {}
    truncations = 0
    for first, (start, low, crossing, extra, enough) in enumerate(
        zip(starts, stops.low_bandwidth, stops.crossing, stops.extra_speaker, stops.enough_speakers)
    ):
        if low == first:
            low_bandwidth.append(first)
            continue
        stop = stopped_at = min(low, crossing, extra)
        cut = None
        if crossing == stop < low and truncation and starts[crossing] < start + most:
            truncations += 1
            if crossing < extra:
                points = cut_points.get(crossing)
                if points is None:
                    points = cut_points[crossing] = CutPoints(recording.segments[crossing], crossing)
                cut = points.cut(start + most)
                stop += 1
        end = cut.end if cut is not None else ends[stop - 1 if stop > first else first]
        if not least <= end - start <= most or stop - first < MIN_SEGMENTS_PER_WINDOW:
            lost.append(LostWindow(first, stop, cut, stopped_at if stopped_at < last else last))
        elif stop <= enough:
            few_speakers.append(first)
        else:
            windows.append(Window(first, stop, cut, start, end))
    found.losses.truncations = truncations
    return {LossReason.BANDWIDTH: low_bandwidth, LossReason.SPEAKERS: few_speakers}


def _explain(found: Candidates, config: WindowConfig, starts_lost: dict[LossReason, list[int]]) -> None:
    """Adds the starts of lost windows whose growth stopped at what says why."""
    segments, bandwidths = found.recording.segments, found.recording.bandwidths
    no_speaker: list[int] = []
    next_bandwidth: list[int] = []
    for lost in found.lost:
        if segments[lost.stopped_at].get("speaker", NO_SPEAKER) == NO_SPEAKER:
            no_speaker.append(lost.first)
        elif bandwidths[lost.stopped_at] < config.min_bandwidth:
            next_bandwidth.append(lost.first)
    starts_lost[LossReason.NO_SPEAKER] = no_speaker
    starts_lost[LossReason.NEXT_BANDWIDTH] = next_bandwidth


def _speaker_durations(
    windows: list[Window], stops: Stops, starts: list[float], durations: list[float]
) -> Iterator[list[float]]:
    """For each window its speakers' durations as Candidates states them.

    `numpy.bincount` adds its weights in their order, one by one: for each speaker from left to right, as the reference
    does.
    """
    slots, seconds, width = np.array(stops.speaker_slots), np.array(durations), stops.nobody + 1
    firsts = np.array([window.first for window in windows])
    lengths = np.array([window.stop for window in windows]) - firsts
    block = max(1, _SUMMED_AT_ONCE // max(int(lengths.max()), width))
    for at in range(0, len(windows), block):
        length = lengths[at : at + block]
        behind = np.cumsum(length)
        count = len(length)
        held = np.arange(behind[-1]) + np.repeat(firsts[at : at + block] - behind + length, length)
        bins = slots[held] + np.repeat(np.arange(0, count * width, width), length)
        weights = seconds[held]
        for index, window in enumerate(windows[at : at + block]):
            if window.cut is not None:
                weights[behind[index] - 1] = window.cut.end - starts[window.stop - 1]
        sums = np.bincount(bins, weights, count * width).reshape(count, width)[:, :-1]
        stated = np.zeros((count, max(SPEAKER_DURATIONS, width - 1)))
        stated[:, : width - 1] = np.sort(sums)[:, ::-1]
        yield from stated[:, :SPEAKER_DURATIONS].tolist()
