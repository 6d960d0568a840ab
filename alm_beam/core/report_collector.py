"""Collects what the report of a run shows, from recordings and rejects. It costs a few microseconds for each."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import sub
from typing import NamedTuple

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
from alm_beam.core.window_columns import Times

DURATION, YIELD = "window_duration", "yield"
SPEAKERS, SHARE, SPEECH, PAUSE = "speakers", "speaker_share", "speech_fraction", "longest_pause"
"""The names of the histograms: the first two are of all windows and recordings, the others of those in the sample."""

OTHERS = "(others)"
"""The label of speakers that have no lane of their own."""

_BINS = 20
_SHARES = tuple(each / _BINS for each in range(_BINS + 1))
_PAUSES = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600)
_NUMBERS = tuple(range(13))
_OPEN = frozenset((SPEAKERS, PAUSE))
"""The histograms whose last bin has all greater values, too."""

_SAMPLED_BYTES = 4 << 20
"""Of manifests: the windows of so many bytes are looked at closely. That takes a fraction of a second."""

_ALL = 1 << 64
_MASK = _ALL - 1
_ODD = 0x9E3779B97F4A7C15
_MANY = 4096
_FIGURES_KEPT, _PATHS_KEPT, _KEYS_KEPT = 64, 256, 256
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


class _Drawn(NamedTuple):
    """A recording that may be drawn, of which only what is drawn is kept. Times are seconds.

    Attributes:
        key: the hash of its entry.
        place: where its entry stands.
        name: its id.
        starts: of the first segments.
        ends: of the first segments.
        labels: of the first segments.
        end: the last end of all.
        candidates: the times of the first candidate windows.
        kept: the times of the first kept windows.
    """

    key: int
    place: Place
    name: str
    starts: list[float]
    ends: list[float]
    labels: list[SpeakerLabel]
    end: float
    candidates: list[Times]
    kept: list[Times]


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

    def __init__(
        self,
        config: ReportConfig,
        hide: Callable[[str], str] = str,
        hide_in_line: Callable[[bytes], bytes] = bytes,
    ):
        """
        Args:
            config: what is collected.
            hide: gives names, labels and paths without what may be secret in them.
            hide_in_line: does so with the beginning of a line of JSON, which may be no JSON.
        """
        self._edges = config.edges()
        self._sampled_below = round(config.share * _ALL)
        self._hide, self._hide_in_line = hide, hide_in_line
        self._figures: dict[int, dict[str, list[float]]] = {}
        self._paths: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        empty = {name: Histogram.empty(edges, is_open=name in _OPEN) for name, edges in self._edges.items()}
        self._stats = ReportStats(histograms=empty)
        self._values: dict[str, list[float]] = {name: [] for name in self._edges}
        self._durations, self._yields = self._values[DURATION], self._values[YIELD]
        self._lost: dict[int, LostRecording] = {}
        self._lines: dict[int, _Drawn] = {}
        self._last_lost, self._greatest_key = (1, 0), _ALL
        self._least_lost = self._more_lost = -math.inf
        self._seen: dict[int, int] = {}

    def add(self, kept: KeptWindows, stats: LossStats) -> None:
        """Adds a recording.

        Args:
            kept: its kept windows.
            stats: what became of its audio.
        """
        candidates = kept.candidates
        line = candidates.recording.line
        key = xxh3_64_intdigest(line.text)
        audio, covered = stats.audio_seconds, stats.kept_covered_seconds
        self._stats.recordings += 1
        if audio > 0:
            self._yields.append(covered / audio)
        times = kept.times
        self._durations += [end - start for start, end in times]
        if len(times) != len(kept.indices):  # several windows have the same times
            self._durations += _repeated_durations(kept)
        if not times:
            self._stats.empty += 1
        if (key + line.offset * _ODD) & _MASK < self._sampled_below:  # lines that are the same are not chosen together
            self._add_windows(key, kept)
        if self._seen.get(key, line.offset) >= line.offset:  # no equal entry was looked at that stands before this one
            lost = audio - covered
            if lost >= self._least_lost and (key <= self._last_lost[1] or lost >= self._more_lost):
                self._add_lost(key, kept, audio, covered)
            if key <= self._greatest_key and candidates.recording.segments:
                self._add_time_line(key, kept)
        if len(self._durations) + len(self._yields) > _MANY:
            self._count()

    def add_reject(self, reject: Reject) -> None:
        """Adds an entry that could not be used."""
        line, fault = reject.line, reject.fault
        head = self._hide_in_line(line.text[:_REJECT_BYTES]).decode("utf-8", "replace")
        example = RejectExample(self._place(line), self._short(fault.detail), self._short(head))
        reason = fault.reason.value
        self._stats.rejects[reason] = first_rejects([*self._stats.rejects.get(reason, ()), example])

    def taken(self) -> ReportStats:
        """What was collected since the last call, or since the beginning."""
        self._count()
        stats = self._stats
        stats.lost_most = chosen(self._lost.values(), MOST_LOST)
        stats.time_lines = [self._time_line(self._lines[key]) for key in sorted(self._lines)]
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

    def _add_lost(self, key: int, kept: KeptWindows, audio: float, covered: float) -> None:
        if self._is_known(key, self._lost.get(key), kept.line):
            return
        lost = _milliseconds(audio - covered)
        if (-lost, key) > self._last_lost:
            return
        name, windows = self._name(kept.candidates.recording), len(kept.indices)
        self._lost[key] = LostRecording(-lost, key, self._place(kept.line), name, _milliseconds(audio), windows)
        if len(self._lost) > 2 * MOST_LOST:
            self._lost = {each.key: each for each in chosen(self._lost.values(), MOST_LOST)}
            self._last_lost = max((each.minus_lost, each.key) for each in self._lost.values())
            milliseconds = -self._last_lost[0]
            # Seconds: what is below the first is less when it is rounded, and what is more is not below the second.
            self._least_lost, self._more_lost = (milliseconds - 1) / 1000, milliseconds / 1000

    def _add_time_line(self, key: int, kept: KeptWindows) -> None:
        if self._is_known(key, self._lines.get(key), kept.line):
            return
        recording = kept.candidates.recording
        self._lines[key] = _Drawn(
            key,
            self._place(kept.line),
            self._name(recording),
            recording.starts[:MOST_SPANS],
            recording.ends[:MOST_SPANS],
            recording.speakers[:MOST_SPANS],
            max(recording.ends),
            kept.candidate_times[:MOST_SPANS],
            kept.times[:MOST_SPANS],
        )
        if len(self._lines) > TIME_LINES:
            del self._lines[max(self._lines)]
            self._greatest_key = max(self._lines)

    def _is_known(self, key: int, other: LostRecording | _Drawn | None, line: ManifestLine) -> bool:
        """Whether an equal entry is known whose place is the one that is named; notes that this one was looked at."""
        if len(self._seen) >= _KEYS_KEPT:
            self._seen.clear()
        self._seen[key] = line.offset
        return other is not None and (other.place.offset < line.offset or other.place <= self._place(line))

    def _time_line(self, drawn: _Drawn) -> TimeLine:
        begin, until = min(drawn.starts), max(drawn.ends)
        lanes: dict[str, list[tuple[int, int]]] = {}
        for start, end, label in zip(drawn.starts, drawn.ends, drawn.labels):
            for speaker in label if isinstance(label, tuple) else (label,):
                name = "" if speaker is None else self._short(str(speaker), _LABEL_CHARS)
                lane = name if name in lanes or len(lanes) < MOST_SPEAKERS else OTHERS
                lanes.setdefault(lane, []).append((_milliseconds(start), _milliseconds(end)))
        return TimeLine(
            drawn.key,
            drawn.place,
            drawn.name,
            _milliseconds(begin),
            _milliseconds(until),
            _milliseconds(drawn.end),
            tuple(lanes.items()),
            _spans(drawn.candidates, until),
            _spans(drawn.kept, until),
        )

    def _name(self, recording: Recording) -> str:
        try:
            return self._short(recording_id(recording.entry))
        except TypeError:  # nothing names it, and it is nested too deep
            return ""

    def _place(self, line: ManifestLine) -> Place:
        path = self._paths.get(line.file)
        if path is None:
            if len(self._paths) >= _PATHS_KEPT:
                self._paths.clear()
            path = self._paths[line.file] = self._short(line.file)
        return Place(line.offset, path)

    def _short(self, text: str, most: int = _TEXT_CHARS) -> str:
        return shortened(self._hide(text), most)  # which comes first: what shows that a text is secret may be cut off


def _figures(kept: KeptWindows) -> dict[str, list[float]]:
    """What is found of the windows of a recording, by the names of the histograms.

    As of their cuts: it is what can be heard from their start to their end, which a window of segments in disorder has
    other segments than.
    """
    recording, columns = kept.candidates.recording, kept.candidates.columns.take(kept.indices)
    all_starts, all_ends, speakers = recording.starts, recording.ends, recording.speakers
    are_ordered = all_starts == sorted(all_starts)
    found: dict[str, list[float]] = {SPEAKERS: [], SHARE: [], SPEECH: [], PAUSE: []}
    for first, stop, truncation, start, end in zip(
        columns.firsts, columns.stops, columns.truncations, columns.starts, columns.ends
    ):
        starts, ends, labels = all_starts[first:stop], all_ends[first:stop], speakers[first:stop]
        if truncation is not None:
            ends[-1] = truncation.end
            if ends[-1] <= starts[-1]:  # nothing of the segment is left
                starts, ends, labels = starts[:-1], ends[:-1], labels[:-1]
        if starts and (max(ends) > end or min(starts) < start):
            starts, ends, labels = _heard(starts, ends, labels, start, end)
        silence, _, pause = speech_seconds(starts, ends, start, end, are_ordered=are_ordered)
        found[SPEECH].append(round(1 - silence / (end - start) if end > start else 0.0, _DIGITS))
        found[PAUSE].append(round(pause, _DIGITS))
        seconds = _seconds_by_speaker(labels, map(sub, ends, starts))
        found[SPEAKERS].append(len(seconds))
        if total := sum(seconds.values()):
            found[SHARE].append(round(max(seconds.values()) / total, _DIGITS))
    return found


def _repeated_durations(kept: KeptWindows) -> list[float]:
    """The durations of kept windows whose times are those of another one, seconds."""
    columns = kept.candidates.columns
    times = Counter((columns.starts[index], columns.ends[index]) for index in kept.indices)
    return [end - start for start, end in (times - Counter(kept.times)).elements()]


def _heard(
    starts: list[float], ends: list[float], labels: list[SpeakerLabel], start: float, end: float
) -> tuple[list[float], list[float], list[SpeakerLabel]]:
    """What of the segments is between start and end, and the labels of those of which anything is."""
    heard = [
        (max(since, start), min(until, end), label)
        for since, until, label in zip(starts, ends, labels)
        if min(until, end) > max(since, start) or (start <= since and until <= end)
    ]
    return [since for since, _, _ in heard], [until for _, until, _ in heard], [label for _, _, label in heard]


def _seconds_by_speaker(labels: Iterable[SpeakerLabel], durations: Iterable[float]) -> dict[str, float]:
    """How long each speaker speaks, seconds; without those who are not known."""
    sums: defaultdict[str, float] = defaultdict(float)
    for label, seconds in zip(labels, durations):
        for speaker in label if isinstance(label, tuple) else (label,):
            if speaker is not None:
                sums[str(speaker)] += seconds
    return sums


def _spans(times: Iterable[Times], until: float) -> Spans:
    inside = [(_milliseconds(start), _milliseconds(min(end, until))) for start, end in times if start < until]
    return inside[:MOST_SPANS]


def _milliseconds(seconds: float) -> int:
    return round(max(min(seconds * 1000, _MOST_MILLISECONDS), -_MOST_MILLISECONDS))
