"""Candidate windows: for each start the longest run of segments that obeys the rules.

For every segment i of enough bandwidth a candidate grows from i, segment by segment, until one of

* a segment of low bandwidth,
* a segment that ends more than the maximum duration after the start of i (it may be cut at a word end, and is then
  the window's last),
* a segment without a speaker, or of one speaker too many

stops it. The candidate is a window when it lasts target ± tolerance, has two segments or more and enough speakers.

Where growth stops does not depend on how it got there: each of the three events is the first index at or after i that
satisfies a condition. Each is found for all i together, in time linear in the segments (`_first_low_bandwidths`,
`_first_extra_speakers`) or close to it (`_first_crossings`), so a start costs no walk over its segments. What a window
costs is the sum of its speakers' durations, one step per segment: as much as writing the window down takes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import sub
from typing import Any, NamedTuple

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import Losses, LossReason, left_to_right_sum
from alm_beam.core.manifest import (
    NO_SPEAKER,
    NUMBER,
    BadEntry,
    ManifestLine,
    Recording,
    RejectReason,
    Segment,
    described,
)

MIN_SEGMENTS_PER_WINDOW = 2


class Span(NamedTuple):
    """A slice of a recording's segments.

    Attributes:
        first: index of the first segment.
        stop: index after the last one; equal to `first` where there is none.
        cut: the last segment as truncation left it, in place of the recording's own; None where it is whole.
    """

    first: int
    stop: int
    cut: Segment | None


class Window(NamedTuple):
    """A candidate window.

    Attributes:
        span: its segments.
        start: seconds, where its first segment starts.
        end: seconds, where its last segment ends.
        speaker_durations: seconds per speaker, unsorted, in the order in which the speakers first speak.
    """

    span: Span
    start: float
    end: float
    speaker_durations: list[float]


class LostWindow(NamedTuple):
    """A candidate that failed on duration or on the number of segments.

    Attributes:
        span: the segments gathered.
        next: index of the segment at which growth stopped, or of the recording's last one.
    """

    span: Span
    next: int


@dataclass(slots=True)
class Candidates:
    """What one recording gives.

    Attributes:
        recording: the recording.
        low_sample_rate: its sample rate is too low for windows.
        windows: candidate windows by start index.
        lost: candidates that failed on duration or on the number of segments, by start index.
        losses: segments that started no window, by reason.
    """

    recording: Recording
    low_sample_rate: bool = False
    windows: list[Window] = field(default_factory=list)
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
    found = Candidates(recording)
    losses = found.losses
    losses.segments, losses.seconds = (
        len(recording.segments),
        left_to_right_sum(map(sub, recording.ends, recording.starts)),
    )
    if recording.sample_rate < config.min_sample_rate:
        found.low_sample_rate = True
        losses.lose(LossReason.SAMPLE_RATE, losses.seconds, segments=losses.segments)
        return found
    stops = _Stops(recording, config)
    starts, ends = recording.starts, recording.ends
    for first, start in enumerate(starts):
        seconds = ends[first] - start
        if stops.low_bandwidth[first] == first:
            losses.lose(LossReason.BANDWIDTH, seconds)
            continue
        span, stopped_at = _grown(recording, config, stops, first, losses)
        end = span.cut["end"] if span.cut is not None else ends[max(span.stop - 1, first)]
        in_bounds = config.min_duration <= end - start <= config.max_duration
        if not in_bounds or span.stop - first < MIN_SEGMENTS_PER_WINDOW:
            losses.lose(LossReason.WINDOW, seconds)
            _explain(recording, config, stopped_at, seconds, losses)
            found.lost.append(LostWindow(span, stopped_at))
            continue
        durations = _speaker_durations(recording, span)
        if len(durations) < config.min_speakers:
            losses.lose(LossReason.SPEAKERS, seconds)
            continue
        found.windows.append(Window(span, start, end, durations))
    return found


class _Stops:
    """For every start, the first index at or after it of each event that stops growth (the number of segments: never).

    Attributes:
        low_bandwidth: a segment whose bandwidth is too low.
        crossing: a segment that ends more than the maximum duration after the start.
        extra_speaker: a segment without a speaker, or of one speaker more than a window may have.
    """

    __slots__ = ("crossing", "extra_speaker", "low_bandwidth")

    def __init__(self, recording: Recording, config: WindowConfig):
        self.low_bandwidth = _first_low_bandwidths(recording.bandwidths, config.min_bandwidth)
        self.crossing = _first_crossings(recording.starts, recording.ends, config.max_duration)
        self.extra_speaker = _first_extra_speakers(recording.speakers, config.max_speakers)


def _grown(recording: Recording, config: WindowConfig, stops: _Stops, first: int, losses: Losses) -> tuple[Span, int]:
    """The segments that a start gathers, and the index at which it stopped (the last one, if nothing stopped it)."""
    low, crossing, extra = stops.low_bandwidth[first], stops.crossing[first], stops.extra_speaker[first]
    stop = min(low, crossing, extra)
    stopped_at = min(stop, len(recording.segments) - 1)
    if config.truncation and crossing == stop < low:
        limit = recording.starts[first] + config.max_duration
        if recording.starts[crossing] < limit:
            losses.truncations += 1
            if crossing < extra:
                return Span(first, stop + 1, _truncated(recording.segments[crossing], limit, crossing)), stopped_at
    return Span(first, stop, None), stopped_at


def _explain(recording: Recording, config: WindowConfig, stopped_at: int, seconds: float, losses: Losses) -> None:
    """Counts a lost window under what stands where its growth stopped, if that says why."""
    if recording.segments[stopped_at].get("speaker", NO_SPEAKER) == NO_SPEAKER:
        losses.lose(LossReason.NO_SPEAKER, seconds)
    elif recording.bandwidths[stopped_at] < config.min_bandwidth:
        losses.lose(LossReason.NEXT_BANDWIDTH, seconds)


def _truncated(segment: Segment, limit: float, index: int) -> Segment:
    """A copy of the segment that keeps the words that end by `limit` (seconds).

    Its `end` is the end of the last of them, in their order; its own start, when none is kept.
    """
    words = segment.get("words", [])
    if type(words) is not list:
        raise _words_fault(index, f"expected a list, found {described(words)}")
    kept: list[dict[str, Any]] = []
    for at, word in enumerate(words):
        if type(word) is not dict or type(word.get("end")) not in NUMBER:
            raise _words_fault(index, f"[{at}]: expected an object with an end in seconds, found {described(word)}")
        if word["end"] <= limit:
            if type(word.get("word") or "") is not str:
                raise _words_fault(index, f"[{at}].word: expected a string, found {described(word['word'])}")
            kept.append(word)
    text = " ".join([word["word"] for word in kept if word.get("word")])
    return {**segment, "words": kept, "text": text, "end": kept[-1]["end"] if kept else segment["start"]}


def _words_fault(index: int, detail: str) -> BadEntry:
    return BadEntry(RejectReason.WORDS_MALFORMED, f"segments[{index}].words{'' if detail[0] == '[' else ': '}{detail}")


def _speaker_durations(recording: Recording, span: Span) -> list[float]:
    durations: dict[str | int, float] = {}
    starts, ends = recording.starts[span.first : span.stop], recording.ends[span.first : span.stop]
    if span.cut is not None:
        ends[-1] = span.cut["end"]
    for start, end, speaker in zip(starts, ends, recording.speakers[span.first : span.stop]):
        if speaker is not None:
            durations[speaker] = durations.get(speaker, 0.0) + (end - start)
    return list(durations.values())


def _first_low_bandwidths(bandwidths: Sequence[float], least: float) -> list[int]:
    """For each index the first one at or after it whose bandwidth is below `least`: one pass from the right."""
    count = len(bandwidths)
    firsts, first = [count] * count, count
    for index in range(count - 1, -1, -1):
        if bandwidths[index] < least:
            first = index
        firsts[index] = first
    return firsts


def _first_crossings(starts: Sequence[float], ends: Sequence[float], max_duration: float) -> list[int]:
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
        while at + 1 < len(indices) and ends[indices[at + 1]] - start > max_duration:
            at += 1
        while at >= 0 and not ends[indices[at]] - start > max_duration:
            at -= 1
        if at >= 0:
            firsts[index] = indices[at]
    return firsts


def _first_extra_speakers(speakers: Sequence[str | int | None], most: int) -> list[int]:
    """For each index the first one at or after it that has no speaker, or brings the distinct speakers above `most`.

    A later start never stops earlier, so both ends of the run only move to the right.
    """
    count = len(speakers)
    firsts: list[int] = []
    present: Counter[str | int] = Counter()
    stop = 0
    for index, leaving in enumerate(speakers):
        while stop < count and speakers[stop] != NO_SPEAKER:
            speaker = speakers[stop]
            if speaker is not None:
                if speaker not in present and len(present) == most:
                    break
                present[speaker] += 1
            stop += 1
        firsts.append(stop)
        if stop == index:
            stop += 1
        elif leaving is not None:
            present[leaving] -= 1
            if not present[leaving]:
                del present[leaving]
    return firsts
