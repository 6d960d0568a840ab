"""Why audio is in no window: counts that can be added up over recordings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from operator import add
from typing import Any, NamedTuple

from alm_beam.core.run_stats import RunStats


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

GAP, SPEECH, SHARE = "gap", "speech", "share"
"""The names of optional rules; those of the other ones are the names of metrics.

GAP explains some of the WINDOW losses, as NO_SPEAKER does.
"""

RESERVED_NAMES = frozenset({*_NAMES, GAP, SPEECH, SHARE, "win_full_data"})
"""Names that no metric can have, because entries and statistics have `lost_` and one of them for something else."""

_LOST_PREFIX, _SECONDS_LOST_PREFIX = "lost_", "dur_lost_"
_LOST = [f"{_LOST_PREFIX}{name}" for name in _NAMES]
_SECONDS_LOST = [f"{_SECONDS_LOST_PREFIX}{name}" for name in _NAMES]


def left_to_right_sum(seconds: Iterable[float], total: float = 0.0) -> float:
    """The sum by plain float addition from left to right, as the reference adds durations.

    The built-in `sum` compensates for rounding from Python 3.12 on.

    >>> left_to_right_sum([0.1] * 10)
    0.9999999999999999
    """
    for each in seconds:
        total += each
    return total


class Lost(NamedTuple):
    """Segments that an optional rule lost.

    Attributes:
        segments: how many there are.
        seconds: their duration.
    """

    segments: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Losses:
    """Counts of segments, and of those that start no window, by reason.

    Attributes:
        segments: all segments.
        seconds: their duration.
        lost: the lost segments, one number for each LossReason.
        lost_seconds: their duration, one number for each LossReason.
        truncations: segments truncated at a word end, counted for each candidate that met one.
        by_rule: what each optional rule that is on lost, by its name: that of a metric, GAP, SPEECH or SHARE.

    >>> losses = Losses(segments=3, seconds=7.5, by_rule={SHARE: Lost()})
    >>> losses.lose(LossReason.SPEAKERS, [2.5, 1.0])
    >>> losses.lost[LossReason.SPEAKERS], losses.lost_seconds[LossReason.SPEAKERS]
    (2, 3.5)
    >>> losses.lose_by_rule(SHARE, [4.0])
    >>> losses.by_rule
    {'share': Lost(segments=1, seconds=4.0)}
    """

    segments: int = 0
    seconds: float = 0.0
    lost: list[int] = field(default_factory=lambda: [0] * len(_NAMES))
    lost_seconds: list[float] = field(default_factory=lambda: [0.0] * len(_NAMES))
    truncations: int = 0
    by_rule: dict[str, Lost] = field(default_factory=dict)

    def lose(self, reason: LossReason, durations: list[float]) -> None:
        """Counts segments of these durations (seconds) as lost."""
        self.lost[reason] += len(durations)
        self.lost_seconds[reason] = left_to_right_sum(durations, self.lost_seconds[reason])

    def lose_by_rule(self, name: str, durations: list[float]) -> None:
        """Counts segments of these durations (seconds) as lost by an optional rule."""
        segments, seconds = self.by_rule[name]
        self.by_rule[name] = Lost(segments + len(durations), left_to_right_sum(durations, seconds))

    def __iadd__(self, other: "Losses") -> "Losses":
        self.segments += other.segments
        self.seconds += other.seconds
        self.truncations += other.truncations
        self.lost = list(map(add, self.lost, other.lost))
        self.lost_seconds = list(map(add, self.lost_seconds, other.lost_seconds))
        if other.by_rule:
            mine = self.by_rule
            self.by_rule = mine | {
                name: Lost(*map(add, mine.get(name, Lost()), lost)) for name, lost in other.by_rule.items()
            }
        return self

    def to_dict(self) -> dict[str, Any]:
        """The counters of an entry's `stats`: total_segments, total_dur (seconds), lost_x and dur_lost_x by reason.

        The optional rules that are on follow the reasons of the reference.
        """
        named: dict[str, Any] = {"total_segments": self.segments}
        named.update(zip(_LOST, self.lost))
        named.update((f"{_LOST_PREFIX}{name}", lost.segments) for name, lost in self.by_rule.items())
        named.update(self.durations())
        return named

    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""
        named = {"total_dur": self.seconds}
        named.update(zip(_SECONDS_LOST, self.lost_seconds))
        named.update((f"{_SECONDS_LOST_PREFIX}{name}", lost.seconds) for name, lost in self.by_rule.items())
        return named

    @classmethod
    def from_dict(cls, named: dict[str, Any], truncations: int) -> "Losses":
        """The losses that `to_dict` wrote, and the truncations, which an entry states elsewhere."""
        rules = [
            name.removeprefix(_LOST_PREFIX)
            for name, value in named.items()
            if name.startswith(_LOST_PREFIX) and name not in _LOST and isinstance(value, int)
        ]
        return cls(
            named.get("total_segments", 0),
            named.get("total_dur", 0.0),
            [named.get(name, 0) for name in _LOST],
            [named.get(name, 0.0) for name in _SECONDS_LOST],
            truncations,
            {
                name: Lost(named[f"{_LOST_PREFIX}{name}"], named.get(f"{_SECONDS_LOST_PREFIX}{name}", 0.0))
                for name in rules
            },
        )


@dataclass(slots=True)
class LossStats(RunStats):
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
