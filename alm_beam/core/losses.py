"""Why audio is in no window: counts that can be added up over recordings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from operator import add
from typing import Any


class LossReason(IntEnum):
    """Why a segment starts no window.

    NO_SPEAKER and NEXT_BANDWIDTH explain some of the WINDOW losses: the candidate stopped growing at a segment without
    a speaker, or of low bandwidth. Such a segment counts under both reasons.
    """

    BANDWIDTH = 0
    SAMPLE_RATE = 1
    SPEAKERS = 2
    WINDOW = 3
    NO_SPEAKER = 4
    NEXT_BANDWIDTH = 5


class Finding(str, Enum):
    """What a run met that its user may want to look at. The values are the names of the counts in `loss_stats.json`."""

    UNORDERED_RECORDING = "unordered_recordings"
    SHORT_RECORDING = "short_recordings"
    MILLISECONDS = "millisecond_recordings"
    NO_BANDWIDTH = "segments_without_bandwidth"
    LIMITED_BANDWIDTH = "bandwidth_limited_recordings"
    NO_SPEAKER = "no_speaker_segments"
    EMPTY_TRUNCATION = "empty_truncations"
    RELATIVE_WORD_TIMES = "segments_with_relative_word_times"
    WINDOW_BEHIND_AUDIO = "windows_behind_audio"
    LARGE_FIELDS = "entries_with_large_fields"
    REPEATED_WINDOW = "repeated_windows"


_NAMES = ("bw", "sr", "spk", "win", "no_spkr", "next_seg_bm")
"""The names of the reasons in the reference (NeMo Curator's ALM pipeline), in their order."""

_LOST = [f"lost_{name}" for name in _NAMES]
_SECONDS_LOST = [f"dur_lost_{name}" for name in _NAMES]


def left_to_right_sum(seconds: Iterable[float], total: float = 0.0) -> float:
    """The sum by plain float addition from left to right, as the reference adds durations.

    The built-in `sum` compensates for rounding from Python 3.12 on.

    >>> left_to_right_sum([0.1] * 10)
    0.9999999999999999
    """
    for each in seconds:
        total += each
    return total


@dataclass(slots=True)
class Losses:
    """Counts of segments, and of those that start no window, by reason.

    Attributes:
        segments: all segments.
        seconds: their duration.
        lost: the lost segments, one number for each LossReason.
        lost_seconds: their duration, one number for each LossReason.
        truncations: segments truncated at a word end, counted for each candidate that met one.

    >>> losses = Losses(segments=3, seconds=7.5)
    >>> losses.lose(LossReason.SPEAKERS, [2.5, 1.0])
    >>> losses.lost[LossReason.SPEAKERS], losses.lost_seconds[LossReason.SPEAKERS]
    (2, 3.5)
    """

    segments: int = 0
    seconds: float = 0.0
    lost: list[int] = field(default_factory=lambda: [0] * len(_NAMES))
    lost_seconds: list[float] = field(default_factory=lambda: [0.0] * len(_NAMES))
    truncations: int = 0

    def lose(self, reason: LossReason, durations: list[float]) -> None:
        """Counts segments of these durations (seconds) as lost."""
        self.lost[reason] += len(durations)
        self.lost_seconds[reason] = left_to_right_sum(durations, self.lost_seconds[reason])

    def __iadd__(self, other: "Losses") -> "Losses":
        self.segments += other.segments
        self.seconds += other.seconds
        self.truncations += other.truncations
        self.lost = list(map(add, self.lost, other.lost))
        self.lost_seconds = list(map(add, self.lost_seconds, other.lost_seconds))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The counters of an entry's `stats`: total_segments, total_dur (seconds), lost_x and dur_lost_x by reason."""
        named: dict[str, Any] = {"total_segments": self.segments}
        named.update(zip(_LOST, self.lost))
        named.update(self.durations())
        return named

    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""
        named = {"total_dur": self.seconds}
        named.update(zip(_SECONDS_LOST, self.lost_seconds))
        return named

    @classmethod
    def from_dict(cls, named: dict[str, Any], truncations: int) -> "Losses":
        """The losses that `to_dict` wrote, and the truncations, which an entry states elsewhere."""
        return cls(
            named.get("total_segments", 0),
            named.get("total_dur", 0.0),
            [named.get(name, 0) for name in _LOST],
            [named.get(name, 0.0) for name in _SECONDS_LOST],
            truncations,
        )


@dataclass(slots=True)
class LossStats:
    """What became of the entries of a run, or of a part of it. Adding two gives the statistics of both parts.

    Attributes:
        recordings: entries that were used.
        rejected: entries that could not be used, by the code of the reason.
        longest_candidates: starts that have a candidate window; the longest of each start is counted.
        longest_candidate_seconds: their durations added up. Audio in several of them counts several times.
        candidate_windows: windows that the overlap filter chose from: `longest_candidates`, or every window of each
            start.
        kept_windows: windows that the overlap filter kept.
        kept_seconds: their durations added up. Windows of identical times count once.
        audio_seconds: from the first start to the last end of each recording's segments.
        candidate_covered_seconds: the part of `audio_seconds` that is in any candidate window.
        kept_covered_seconds: the part of `audio_seconds` that is in any kept window.
        most_audio_seconds: what `kept_seconds` would be with the selection `most_audio`; None if that was not asked
            for.
        losses: segments that start no candidate window.
        findings: how often each `Finding` was met, by its value; without those that were not.

    >>> total = LossStats(recordings=3, kept_windows=5) + LossStats.of_reject("not_json")
    >>> total.recordings, total.kept_windows, total.reject_fraction
    (3, 5, 0.25)
    """

    recordings: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    longest_candidates: int = 0
    longest_candidate_seconds: float = 0.0
    candidate_windows: int = 0
    kept_windows: int = 0
    kept_seconds: float = 0.0
    audio_seconds: float = 0.0
    candidate_covered_seconds: float = 0.0
    kept_covered_seconds: float = 0.0
    most_audio_seconds: float | None = None
    losses: Losses = field(default_factory=Losses)
    findings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_reject(cls, reason: str) -> "LossStats":
        """The statistics of one bad entry, by the code of its reason."""
        return cls(rejected=Counter({reason: 1}))

    @property
    def reject_fraction(self) -> float:
        """The share of all entries that were rejected; 0 without entries."""
        rejects = self.rejected.total()
        return rejects / (self.recordings + rejects) if rejects else 0.0

    def __iadd__(self, other: "LossStats") -> "LossStats":
        self.recordings += other.recordings
        self.rejected += other.rejected
        self.longest_candidates += other.longest_candidates
        self.longest_candidate_seconds += other.longest_candidate_seconds
        self.candidate_windows += other.candidate_windows
        self.kept_windows += other.kept_windows
        self.kept_seconds += other.kept_seconds
        self.audio_seconds += other.audio_seconds
        self.candidate_covered_seconds += other.candidate_covered_seconds
        self.kept_covered_seconds += other.kept_covered_seconds
        if other.most_audio_seconds is not None:
            self.most_audio_seconds = (self.most_audio_seconds or 0.0) + other.most_audio_seconds
        self.losses += other.losses
        self.findings.update(other.findings)
        return self

    def __add__(self, other: "LossStats") -> "LossStats":
        total = LossStats()
        total += self
        total += other
        return total

    def to_dict(self) -> dict[str, Any]:
        """The totals as `loss_stats.json` has them, under the names that entries use for the same things."""
        return {
            "recordings": self.recordings,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "windows": self.longest_candidates,
            "candidates": self.candidate_windows,
            "filtered_windows": self.kept_windows,
            "truncation_events": self.losses.truncations,
            **self.losses.to_dict(),
            **self.durations(),
            **{finding.value: self.findings[finding.value] for finding in Finding},
        }

    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""
        asked = {} if self.most_audio_seconds is None else {"most_audio_dur": self.most_audio_seconds}
        return {
            "total_dur_window": self.longest_candidate_seconds,
            "filtered_dur": self.kept_seconds,
            "audio_dur": self.audio_seconds,
            "candidate_dur": self.candidate_covered_seconds,
            "covered_dur": self.kept_covered_seconds,
            **asked,
            **self.losses.durations(),
        }

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "LossStats":
        """The statistics that `to_dict` wrote. Counts that an earlier version did not write are 0."""
        return cls(
            named.get("recordings", 0),
            Counter(named.get("rejected_by_reason", {})),
            named.get("windows", 0),
            named.get("total_dur_window", 0.0),
            named.get("candidates", 0),
            named.get("filtered_windows", 0),
            named.get("filtered_dur", 0.0),
            named.get("audio_dur", 0.0),
            named.get("candidate_dur", 0.0),
            named.get("covered_dur", 0.0),
            named.get("most_audio_dur"),
            Losses.from_dict(named, named.get("truncation_events", 0)),
            Counter({finding.value: named[finding.value] for finding in Finding if named.get(finding.value)}),
        )
