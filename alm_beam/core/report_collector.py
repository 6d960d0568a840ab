"""Collects what the report of a run shows, from recordings and rejects. It costs a few microseconds for each."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import sub

from xxhash import xxh3_64_intdigest

from alm_beam.core.config import WindowConfig
from alm_beam.core.histogram import Histogram
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, Recording, Reject
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.recording_ids import recording_id
from alm_beam.core.report_stats import (
    MOST_LOST,
    MOST_SPANS,
    MOST_SPEAKERS,
    TIME_LINES,
    LostRecording,
    Place,
    RejectExample,
    ReportStats,
    Spans,
    TimeLine,
    chosen,
    first_rejects,
)
from alm_beam.core.speaker_labels import SpeakerLabel
from alm_beam.core.speech import speech_seconds
from alm_beam.core.text import shortened

DURATION, YIELD = "window_duration", "yield"
SPEAKERS, SHARE, SPEECH, PAUSE = "speakers", "speaker_share", "speech_fraction", "longest_pause"
"""The names of the histograms: the first two are of all windows and recordings, the others of those in the sample."""

OTHERS = "(others)"
"""The label of speakers that have no lane of their own."""

_BINS = 20
_SHARES = tuple(each / _BINS for each in range(_BINS + 1))
_PAUSES = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600)
_NUMBERS = tuple(range(1, 14))
"""The last bin has windows of 12 speakers and more."""


_SAMPLED_BYTES = 16 << 20
"""Of manifests: the windows of so many bytes are looked at closely. That takes a fraction of a second."""

_ALL = 1 << 64
_ODD = 0x9E3779B97F4A7C15
_MANY = 4096
_FIGURES_KEPT = 64
_DIGITS = 6
"""Without rounding, a pause of half a second would be on either side of that edge."""

_MOST_MILLISECONDS = 10**15
_LABEL_CHARS, _TEXT_CHARS, _REJECT_BYTES = 60, 160, 800


@dataclass(frozen=True)
class ReportConfig:
    """What the report of a run collects.

    Attributes:
        min_duration: of a window, seconds.
        max_duration: of a window, seconds.
        share: of the recordings whose windows are looked at closely; above 0, at most 1.
    """

    min_duration: float
    max_duration: float
    share: float = 1.0

    @classmethod
    def of(cls, windows: WindowConfig, manifest_bytes: float) -> "ReportConfig":
        """What fits a run with these rules, and with so many bytes of manifests."""
        share = min(1.0, _SAMPLED_BYTES / manifest_bytes) if manifest_bytes else 1.0
        return cls(windows.min_duration, windows.max_duration, share)

    def edges(self) -> dict[str, Sequence[float]]:
        """The edges of each histogram, by its name. Durations are seconds."""
        low, width = self.min_duration, self.max_duration - self.min_duration
        durations = tuple(low + width * each / _BINS for each in range(_BINS)) if width else (low,)
        return {
            DURATION: (*durations, self.max_duration),
            SPEAKERS: _NUMBERS,
            SHARE: _SHARES,
            SPEECH: _SHARES,
            PAUSE: _PAUSES,
            YIELD: _SHARES,
        }


class ReportCollector:
    """Collects what the report shows of recordings and rejects, a part of a run.

    >>> from alm_beam.core.loss_stats import loss_stats
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> turns = [{"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": turns, "id": "talk"})
    >>> rules = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> kept = filter_overlaps(build_windows(recording, rules))
    >>> collector = ReportCollector(ReportConfig.of(rules, 1000))
    >>> collector.add(kept, loss_stats(kept))
    >>> stats = collector.taken()
    >>> stats.histograms["window_duration"].total, stats.time_lines[0].speakers[0]
    (2, ('a', [(0, 4000), (10000, 14000)]))
    """

    def __init__(self, config: ReportConfig):
        """
        Args:
            config: what is collected.
        """
        self._edges = config.edges()
        self._sampled_below = round(config.share * _ALL)
        self._figures: dict[int, dict[str, list[float]]] = {}
        self._begin()

    def _begin(self) -> None:
        self._stats = ReportStats(histograms={name: Histogram.empty(edges) for name, edges in self._edges.items()})
        self._values: dict[str, list[float]] = {name: [] for name in self._edges}
        self._durations, self._yields = self._values[DURATION], self._values[YIELD]
        self._lost: dict[int, LostRecording] = {}
        self._lines: dict[int, TimeLine] = {}
        self._least_lost, self._greatest_key = -1, _ALL

    def add(self, kept: KeptWindows, stats: LossStats) -> None:
        """Adds a recording.

        Args:
            kept: its kept windows.
            stats: what became of its audio.
        """
        line, columns = kept.line, kept.candidates.columns
        key = xxh3_64_intdigest(line.text)
        audio, covered = stats.audio_seconds, stats.kept_covered_seconds
        self._stats.recordings += 1
        if audio > 0:
            self._yields.append(covered / audio)
        if kept.indices:
            starts, ends = columns.starts, columns.ends
            self._durations += [ends[index] - starts[index] for index in kept.indices]
        else:
            self._stats.empty += 1
        if (key + line.offset * _ODD) % _ALL < self._sampled_below:  # lines that are the same are not chosen together
            self._add_windows(key, kept)
        if (lost := _milliseconds(audio - covered)) >= self._least_lost:
            self._add_lost(key, lost, kept, audio)
        if key <= self._greatest_key and kept.candidates.recording.segments:
            self._add_time_line(key, kept)
        if len(self._durations) + len(self._yields) > _MANY:
            self._count()

    def add_reject(self, reject: Reject) -> None:
        """Adds an entry that could not be used."""
        line, fault = reject.line, reject.fault
        head = line.text[:_REJECT_BYTES].decode("utf-8", "replace")
        example = RejectExample(_place(line), shortened(fault.detail, _TEXT_CHARS), shortened(head, _TEXT_CHARS))
        reason = fault.reason.value
        self._stats.rejects[reason] = first_rejects([*self._stats.rejects.get(reason, ()), example])

    def taken(self) -> ReportStats:
        """What was collected since the last call, or since the beginning."""
        self._count()
        stats = self._stats
        stats.lost_most = chosen(self._lost.values(), MOST_LOST)
        stats.time_lines = chosen(self._lines.values(), TIME_LINES)
        self._begin()
        return stats

    def _count(self) -> None:
        histograms = self._stats.histograms
        for name, values in self._values.items():
            if values:
                histograms[name] = histograms[name].plus(values)
                values.clear()

    def _add_windows(self, key: int, kept: KeptWindows) -> None:
        self._stats.sampled += 1
        figures = self._figures.get(key)  # a scale test reads the same lines again and again
        if figures is None:
            if len(self._figures) >= _FIGURES_KEPT:
                self._figures.clear()
            figures = self._figures[key] = _figures(kept)
        for name, values in figures.items():
            self._values[name] += values

    def _add_lost(self, key: int, lost: int, kept: KeptWindows, audio: float) -> None:
        other = self._lost.get(key)
        if other is not None and _place(kept.line) >= other.place:
            return
        recording = kept.candidates.recording
        place, windows = _place(kept.line), len(kept.indices)
        self._lost[key] = LostRecording(-lost, key, place, _name(recording), _milliseconds(audio), windows)
        if len(self._lost) > 2 * MOST_LOST:
            self._lost = {each.key: each for each in chosen(self._lost.values(), MOST_LOST)}
            self._least_lost = -max(each.minus_lost for each in self._lost.values())

    def _add_time_line(self, key: int, kept: KeptWindows) -> None:
        other = self._lines.get(key)
        if other is not None and _place(kept.line) >= other.place:
            return
        self._lines[key] = _time_line(key, kept)
        if len(self._lines) > TIME_LINES:
            del self._lines[max(self._lines)]
            self._greatest_key = max(self._lines)


def _figures(kept: KeptWindows) -> dict[str, list[float]]:
    """What is found of the windows of a recording, by the names of the histograms."""
    recording, columns = kept.candidates.recording, kept.candidates.columns.take(kept.indices)
    starts, ends, speakers = recording.starts, recording.ends, recording.speakers
    are_ordered = starts == sorted(starts)
    found: dict[str, list[float]] = {SPEAKERS: [], SHARE: [], SPEECH: [], PAUSE: []}
    for first, stop, truncation, start, end in zip(
        columns.firsts, columns.stops, columns.truncations, columns.starts, columns.ends
    ):
        ends_here = ends[first:stop]
        if truncation is not None:
            ends_here[-1] = truncation.end
        speech, pause = _speech_of(starts[first:stop], ends_here, start, end, are_ordered)
        found[SPEECH].append(speech)
        found[PAUSE].append(pause)
        seconds = _seconds_by_speaker(speakers[first:stop], map(sub, ends_here, starts[first:stop]))
        if seconds:
            found[SPEAKERS].append(len(seconds))
            found[SHARE].append(max(seconds.values()) / sum(seconds.values()))
    return found


def _speech_of(
    starts: list[float], ends: list[float], start: float, end: float, are_ordered: bool
) -> tuple[float, float]:
    """The share of a window that is speech, and its longest pause, seconds."""
    if not are_ordered or max(ends) > end or ends[-1] < starts[-1]:
        heard = [(max(since, start), min(until, end)) for since, until in zip(starts, ends)]
        heard = [(since, until) for since, until in heard if until > since] or [(start, start)]
        starts, ends = map(list, zip(*sorted(heard)))
    silence, _, pause = speech_seconds(starts, ends, start, end, are_ordered=True)
    return round(1 - silence / (end - start) if end > start else 0.0, _DIGITS), round(pause, _DIGITS)


def _seconds_by_speaker(labels: Iterable[SpeakerLabel], durations: Iterable[float]) -> dict[SpeakerLabel, float]:
    """How long each speaker speaks, seconds; without those who are not known, or not heard."""
    sums: defaultdict[SpeakerLabel, float] = defaultdict(float)
    for label, seconds in zip(labels, durations):
        if seconds > 0:
            for speaker in label if isinstance(label, tuple) else (label,):
                sums[speaker] += seconds
    sums.pop(None, None)
    return sums


def _time_line(key: int, kept: KeptWindows) -> TimeLine:
    recording = kept.candidates.recording
    listed = list(zip(recording.starts, recording.ends, recording.speakers))[:MOST_SPANS]
    begin, until = min(start for start, _, _ in listed), max(end for _, end, _ in listed)
    lanes: dict[str, list[tuple[int, int]]] = {}
    for start, end, label in listed:
        for speaker in label if isinstance(label, tuple) else (label,):
            name = "" if speaker is None else shortened(str(speaker), _LABEL_CHARS)
            lane = name if name in lanes or len(lanes) < MOST_SPEAKERS else OTHERS
            lanes.setdefault(lane, []).append((_milliseconds(start), _milliseconds(end)))
    return TimeLine(
        key,
        _place(kept.line),
        _name(recording),
        _milliseconds(begin),
        _milliseconds(until),
        _milliseconds(max(recording.ends)),
        tuple(lanes.items()),
        _spans(kept.candidate_times, until),
        _spans(kept.times, until),
    )


def _spans(times: Iterable[tuple[float, float]], until: float) -> Spans:
    inside = [(_milliseconds(start), _milliseconds(min(end, until))) for start, end in times if start < until]
    return inside[:MOST_SPANS]


def _milliseconds(seconds: float) -> int:
    return round(max(min(seconds * 1000, _MOST_MILLISECONDS), -_MOST_MILLISECONDS))


def _place(line: ManifestLine) -> Place:
    return Place(line.offset, _short_path(line.file))


@lru_cache(maxsize=256)
def _short_path(path: str) -> str:
    return shortened(path, _TEXT_CHARS)


def _name(recording: Recording) -> str:
    try:
        return shortened(recording_id(recording.entry), _TEXT_CHARS)
    except TypeError:  # nothing names it, and it is nested too deep
        return ""
