"""Why audio is in no window, as a value that merges."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import add
from typing import Any


class LossReason(IntEnum):
    """Why a segment starts no window.

    NO_SPEAKER and NEXT_BANDWIDTH say more of some WINDOW losses: the candidate stopped growing at a segment without a
    speaker, or of low bandwidth.
    """

    BANDWIDTH = 0
    SAMPLE_RATE = 1
    SPEAKERS = 2
    WINDOW = 3
    NO_SPEAKER = 4
    NEXT_BANDWIDTH = 5


_NAMES = ("bw", "sr", "spk", "win", "no_spkr", "next_seg_bm")
"""The reference's names of the reasons, in their order."""

_LOST = [f"lost_{name}" for name in _NAMES]
_SECONDS_LOST = [f"dur_lost_{name}" for name in _NAMES]


def left_to_right_sum(seconds: Iterable[float], total: float = 0.0) -> float:
    """The sum by plain float addition from left to right, as the reference adds durations.

    The built-in `sum` compensates for rounding from Python 3.12 on.
    """
    for each in seconds:
        total += each
    return total


@dataclass(slots=True)
class Losses:
    """Segments, and for each reason those that started no window.

    Attributes:
        segments: all segments.
        seconds: their duration.
        lost: segments, one number for each LossReason.
        lost_seconds: their duration, likewise.
        truncations: segments cut at a word end, counted for each candidate that met one.
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
        """Those of them that are durations, seconds."""
        named = {"total_dur": self.seconds}
        named.update(zip(_SECONDS_LOST, self.lost_seconds))
        return named

    @classmethod
    def from_dict(cls, named: dict[str, Any], truncations: int) -> "Losses":
        """The losses that `to_dict` wrote."""
        return cls(
            named.get("total_segments", 0),
            named.get("total_dur", 0.0),
            [named.get(name, 0) for name in _LOST],
            [named.get(name, 0.0) for name in _SECONDS_LOST],
            truncations,
        )


@dataclass(slots=True)
class LossStats:
    """What became of the entries of a run. Addition merges two parts of a run; the size does not grow with it.

    Attributes:
        recordings: entries that were used.
        rejected: entries that could not be used, by the code of the reason.
        windows: candidate windows, the longest of each start.
        window_seconds: their duration, each counted whole however they overlap.
        candidates: windows that the overlap filter chose from: the same, or every window of each start.
        filtered_windows: windows that the overlap filter kept.
        filtered_seconds: duration of those of different times.
        audio_seconds: from the first start to the last end of each recording's segments.
        candidate_seconds: of that, what is in any of the candidates.
        covered_seconds: of that, what is in any of the windows that the overlap filter kept.
        most_audio_seconds: what `filtered_seconds` would be by the selection of the most audio; None where that was not
            asked.
        losses: segments that started no candidate window.
    """

    recordings: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    windows: int = 0
    window_seconds: float = 0.0
    candidates: int = 0
    filtered_windows: int = 0
    filtered_seconds: float = 0.0
    audio_seconds: float = 0.0
    candidate_seconds: float = 0.0
    covered_seconds: float = 0.0
    most_audio_seconds: float | None = None
    losses: Losses = field(default_factory=Losses)

    @classmethod
    def of_reject(cls, reason: str) -> "LossStats":
        """The part of one bad entry."""
        return cls(rejected=Counter({reason: 1}))

    @property
    def reject_fraction(self) -> float:
        """The share of all entries that was rejected; 0 when there were none."""
        rejects = self.rejected.total()
        return rejects / (self.recordings + rejects) if rejects else 0.0

    def __iadd__(self, other: "LossStats") -> "LossStats":
        self.recordings += other.recordings
        self.rejected += other.rejected
        self.windows += other.windows
        self.window_seconds += other.window_seconds
        self.candidates += other.candidates
        self.filtered_windows += other.filtered_windows
        self.filtered_seconds += other.filtered_seconds
        self.audio_seconds += other.audio_seconds
        self.candidate_seconds += other.candidate_seconds
        self.covered_seconds += other.covered_seconds
        if other.most_audio_seconds is not None:
            self.most_audio_seconds = (self.most_audio_seconds or 0.0) + other.most_audio_seconds
        self.losses += other.losses
        return self

    def __add__(self, other: "LossStats") -> "LossStats":
        total = LossStats()
        total += self
        total += other
        return total

    def to_dict(self) -> dict[str, Any]:
        """Totals under the names that entries use for the same things."""
        return {
            "recordings": self.recordings,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "windows": self.windows,
            "candidates": self.candidates,
            "filtered_windows": self.filtered_windows,
            "truncation_events": self.losses.truncations,
            **self.losses.to_dict(),
            **self.durations(),
        }

    def durations(self) -> dict[str, float]:
        """Those of them that are durations, seconds."""
        asked = {} if self.most_audio_seconds is None else {"most_audio_dur": self.most_audio_seconds}
        return {
            "total_dur_window": self.window_seconds,
            "filtered_dur": self.filtered_seconds,
            "audio_dur": self.audio_seconds,
            "candidate_dur": self.candidate_seconds,
            "covered_dur": self.covered_seconds,
            **asked,
            **self.losses.durations(),
        }

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "LossStats":
        """The statistics that `to_dict` wrote, of an earlier version too: what it did not count is 0."""
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
        )
