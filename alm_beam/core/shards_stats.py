"""The statistics of a run that writes audio shards."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from alm_beam.core.run_stats import RunStats, by_number, by_text


class Notice(str, Enum):
    """What was met in the audio of windows that is worth a look.

    The values are the names of the counts in `shards_stats.json`.
    """

    PADDED = "padded_windows"
    SCALED = "scaled_windows"
    SAMPLE_RATE = "different_sample_rate"
    CHANNELS = "different_channels"
    REPEATED_WINDOW = "repeated_windows"


@dataclass(slots=True)
class ShardsStats(RunStats):
    """What was put into shards in a run, or in a part of it. Adding two gives the statistics of both parts.

    Attributes:
        recordings: windows that were put into shards.
        rejected: cuts that could not be used, by the code of the reason.
        shards: how many shards.
        taken_over: those of them that an earlier run that was cut short had made.
        audio_seconds: of the windows.
        audio_bytes: of the windows, encoded.
        padded_seconds: silence that was added at the ends of windows.
        sources: windows by `custom.source` of their cuts; an empty text for those that have none.
        speakers: windows by their number of speakers.
        sample_rates: windows by sample rate, Hz.
        channels: windows by number of channels.
        findings: how often each `Notice` was met, by its value; without those that were not.

    >>> total = ShardsStats(recordings=2, shards=1, audio_seconds=240.5) + ShardsStats.of_reject("audio_missing")
    >>> total.recordings, total.audio_seconds, total.reject_fraction
    (2, 240.5, 0.3333333333333333)
    >>> ShardsStats.from_dict(total.to_dict()) == total
    True
    """

    recordings: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    shards: int = 0
    taken_over: int = 0
    audio_seconds: float = 0.0
    audio_bytes: int = 0
    padded_seconds: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)
    speakers: Counter[int] = field(default_factory=Counter)
    sample_rates: Counter[int] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_reject(cls, reason: str) -> "ShardsStats":
        """The statistics of one cut that cannot be used, by the code of its reason."""
        return cls(rejected=Counter({reason: 1}))

    def __iadd__(self, other: "ShardsStats") -> "ShardsStats":
        self.recordings += other.recordings
        self.rejected.update(other.rejected)
        self.shards += other.shards
        self.taken_over += other.taken_over
        self.audio_seconds += other.audio_seconds
        self.audio_bytes += other.audio_bytes
        self.padded_seconds += other.padded_seconds
        self.sources.update(other.sources)
        self.speakers.update(other.speakers)
        self.sample_rates.update(other.sample_rates)
        self.channels.update(other.channels)
        self.findings.update(other.findings)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The totals as `shards_stats.json` has them."""
        return {
            "windows": self.recordings,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "shards": self.shards,
            "taken_over": self.taken_over,
            **self.durations(),
            "audio_bytes": self.audio_bytes,
            "sources": dict(sorted(self.sources.items())),
            "speakers": by_text(self.speakers),
            "sample_rates": by_text(self.sample_rates),
            "channels": by_text(self.channels),
            **{notice.value: self.findings[notice.value] for notice in Notice},
        }

    def durations(self) -> dict[str, float]:
        """The durations among them, seconds."""
        return {"audio_dur": self.audio_seconds, "padded_dur": self.padded_seconds}

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "ShardsStats":
        """The statistics that `to_dict` wrote."""
        return cls(
            named["windows"],
            Counter(named["rejected_by_reason"]),
            named["shards"],
            named["taken_over"],
            named["audio_dur"],
            named["audio_bytes"],
            named["padded_dur"],
            Counter(named["sources"]),
            by_number(named["speakers"]),
            by_number(named["sample_rates"]),
            by_number(named["channels"]),
            Counter({each.value: named[each.value] for each in Notice if named[each.value]}),
        )
