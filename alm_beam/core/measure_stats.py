"""The statistics of a run that measures audio."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from alm_beam.core.run_stats import RunStats, by_number, by_text


class Difference(str, Enum):
    """What an entry states of its audio otherwise than the file, and what of it is not in the file.

    The values are the names of the counts in `measure_stats.json`.
    """

    SAMPLE_RATE = "different_sample_rate"
    DURATION = "different_duration"
    CHANNELS = "different_channels"
    BEHIND_AUDIO = "segments_behind_audio"
    NO_BANDWIDTH = "segments_without_bandwidth"


@dataclass(slots=True)
class MeasureStats(RunStats):
    """What was measured in a run, or in a part of it. Adding two gives the statistics of both parts.

    Attributes:
        recordings: entries whose audio was measured.
        rejected: entries that could not be used, by the code of the reason.
        taken_over: recordings whose measurements an earlier run that was cut short had left.
        audio_seconds: the durations of their files added up.
        segments: the segments of the recordings.
        bandwidths: segments whose bandwidth was measured.
        levels: segments whose levels were measured.
        sample_rates: recordings by sample rate, Hz.
        channels: recordings by number of channels.
        findings: how often each `Difference` was met, by its value; without those that were not.

    >>> total = MeasureStats(recordings=2, audio_seconds=90.5) + MeasureStats.of_reject("audio_missing")
    >>> total.recordings, total.audio_seconds, total.reject_fraction
    (2, 90.5, 0.3333333333333333)
    >>> MeasureStats.from_dict(total.to_dict()) == total
    True
    """

    recordings: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    taken_over: int = 0
    audio_seconds: float = 0.0
    segments: int = 0
    bandwidths: int = 0
    levels: int = 0
    sample_rates: Counter[int] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_reject(cls, reason: str) -> "MeasureStats":
        """The statistics of one bad entry, by the code of its reason."""
        return cls(rejected=Counter({reason: 1}))

    def __iadd__(self, other: "MeasureStats") -> "MeasureStats":
        self.recordings += other.recordings
        self.rejected.update(other.rejected)
        self.taken_over += other.taken_over
        self.audio_seconds += other.audio_seconds
        self.segments += other.segments
        self.bandwidths += other.bandwidths
        self.levels += other.levels
        self.sample_rates.update(other.sample_rates)
        self.channels.update(other.channels)
        self.findings.update(other.findings)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The totals as `measure_stats.json` has them."""
        return {
            "recordings": self.recordings,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "taken_over": self.taken_over,
            **self.durations(),
            "segments": self.segments,
            "bandwidths": self.bandwidths,
            "levels": self.levels,
            "sample_rates": by_text(self.sample_rates),
            "channels": by_text(self.channels),
            **{difference.value: self.findings[difference.value] for difference in Difference},
        }

    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""
        return {"audio_dur": self.audio_seconds}

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "MeasureStats":
        """The statistics that `to_dict` wrote."""
        return cls(
            named["recordings"],
            Counter(named["rejected_by_reason"]),
            named["taken_over"],
            named["audio_dur"],
            named["segments"],
            named["bandwidths"],
            named["levels"],
            by_number(named["sample_rates"]),
            by_number(named["channels"]),
            Counter({each.value: named[each.value] for each in Difference if named[each.value]}),
        )
