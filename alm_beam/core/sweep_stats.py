"""The statistics of a run that computes windows in many ways."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alm_beam.core.faults import BadEntry
from alm_beam.core.losses import Finding, LossStats
from alm_beam.core.run_stats import RunStats
from alm_beam.core.sweep import Outcome
from alm_beam.core.sweep_config import DISTINCT_HOURS

_FINDINGS = frozenset(each.value for each in Finding)
_HOUR = 3600
_DIGITS = 3
"""Seconds are compared so: which worker adds up which of them changes the last bits."""


@dataclass(frozen=True)
class Row:
    """A combination and what it gives.

    Attributes:
        parameters: the values of the parameters that have several in the sweep, by name.
        command: the command of a run by this combination.
        stats: the figures of such a run, without findings.

    >>> row = Row({"overlap_percentage": 0}, "alm-beam windows ...", LossStats(audio_seconds=7200, kept_seconds=1800))
    >>> row.kept_hours, row.share_kept
    (0.5, 0.0)
    """

    parameters: Mapping[str, Any]
    command: str
    stats: LossStats

    @property
    def kept_hours(self) -> float:
        """Hours of kept windows, overlaps included."""
        return self.stats.kept_seconds / _HOUR

    @property
    def distinct_hours(self) -> float:
        """Hours of the recordings that are in any kept window."""
        return self.stats.kept_covered_seconds / _HOUR

    @property
    def share_kept(self) -> float:
        """The share of the recordings' time that is in any kept window; 0 without time."""
        seconds = self.stats.audio_seconds
        return self.stats.kept_covered_seconds / seconds if seconds else 0.0

    def lost_shares(self) -> dict[str, float]:
        """The share of the segments' duration that starts no window, by reason as in `loss_stats.json`."""
        durations = self.stats.losses.durations()
        total = durations.pop("total_dur")
        return {name.removeprefix("dur_"): seconds / total if total else 0.0 for name, seconds in durations.items()}

    def to_dict(self) -> dict[str, Any]:
        """The row as `sweep.json` has it."""
        figures = {name: value for name, value in self.stats.to_dict().items() if name not in _FINDINGS}
        return {
            "parameters": dict(self.parameters),
            "command": self.command,
            "kept_hours": self.kept_hours,
            "distinct_hours": self.distinct_hours,
            "share_kept": self.share_kept,
            "lost_shares": self.lost_shares(),
            "stats": figures,
        }

    @classmethod
    def from_dict(cls, named: Mapping[str, Any]) -> "Row":
        """The row that `to_dict` wrote."""
        return cls(named["parameters"], named["command"], LossStats.from_dict(named["stats"]))


@dataclass(slots=True)
class SweepStats(RunStats):
    """What became of the entries of a sweep, or of a part of it. Adding two gives the statistics of both parts.

    Attributes:
        recordings: entries that every combination could use.
        rejected: entries that some combination could not use, by the code of the reason; of several the first.
        not_sampled: entries that were not looked at.
        partly_rejected: those of `rejected` that some other combination could use.
        unread: those of `rejected` that no combination could read, by the code of the reason.
        parts: the figures of each combination, without `unread`; empty before there are any.
        rows: the combinations with their figures; empty before the end of the run.
        aim: what the best combination has most of.
        left_out: combinations whose values do not go together, each with `parameters` and `reason`.
        findings: none.

    >>> found = SweepStats.of_outcomes([LossStats(recordings=1, kept_windows=2), LossStats(recordings=1)])
    >>> total = found + SweepStats.of_reject("not_json") + found
    >>> total.recordings, total.reject_fraction, [each.kept_windows for each in total.parts]
    (2, 0.3333333333333333, [4, 0])
    """

    recordings: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    not_sampled: int = 0
    partly_rejected: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    parts: list[LossStats] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    aim: str = DISTINCT_HOURS
    left_out: list[dict[str, Any]] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_reject(cls, reason: str) -> "SweepStats":
        """The statistics of one entry that cannot be read, by the code of the reason."""
        return cls(rejected=Counter({reason: 1}), unread=Counter({reason: 1}))

    @classmethod
    def of_outcomes(cls, outcomes: Sequence[Outcome]) -> "SweepStats":
        """The statistics of one recording, from what became of it by each combination."""
        faults = [each.reason.value for each in outcomes if isinstance(each, BadEntry)]
        parts = [LossStats.of_reject(each.reason.value) if isinstance(each, BadEntry) else each for each in outcomes]
        partly = int(0 < len(faults) < len(parts))
        return cls(recordings=int(not faults), rejected=Counter(faults[:1]), partly_rejected=partly, parts=parts)

    def __iadd__(self, other: "SweepStats") -> "SweepStats":
        self.recordings += other.recordings
        self.rejected.update(other.rejected)
        self.not_sampled += other.not_sampled
        self.partly_rejected += other.partly_rejected
        self.unread.update(other.unread)
        if other.parts:
            self.parts = self.parts or [LossStats() for _ in other.parts]
            for mine, part in zip(self.parts, other.parts, strict=True):
                mine += part
        if other.rows:
            self.rows, self.aim, self.left_out = other.rows, other.aim, other.left_out
        return self

    def named(
        self,
        parameters: Sequence[Mapping[str, Any]],
        commands: Sequence[str],
        aim: str,
        left_out: Sequence[dict[str, Any]],
    ) -> "SweepStats":
        """The statistics at the end of a run.

        Args:
            parameters: the values that make each combination, by name.
            commands: the command of each.
            aim: what the best has most of.
            left_out: see the attributes.
        """
        unread = LossStats(rejected=self.unread)
        totals = [part + unread for part in self.parts or [LossStats() for _ in parameters]]
        rows = [Row(*each) for each in zip(parameters, commands, totals, strict=True)]
        return replace(self, rows=rows, aim=aim, left_out=list(left_out))

    def ranked(self) -> list[Row]:
        """The combinations, the best first.

        Of those with as many seconds, to a thousandth, the ones with fewer kept windows are better, and of these the
        ones that were named first.
        """
        return sorted(self.rows, key=lambda row: (-self.aimed_at(row), row.stats.kept_windows))

    def aimed_at(self, row: Row) -> float:
        """The seconds of what the best combination has most of."""
        stats = row.stats
        seconds = stats.kept_covered_seconds if self.aim == DISTINCT_HOURS else stats.kept_seconds
        return round(seconds, _DIGITS)

    @property
    def best(self) -> Row:
        """The best combination; see `ranked`."""
        return self.ranked()[0]

    @property
    def keeps_any(self) -> bool:
        """Whether the best combination keeps anything: without that, none is better than another."""
        return bool(self.rows) and self.aimed_at(self.best) > 0

    @property
    def ties(self) -> int:
        """How many other combinations have as many seconds as the best one."""
        most = self.aimed_at(self.best)
        return sum(self.aimed_at(row) == most for row in self.rows) - 1

    def to_dict(self) -> dict[str, Any]:
        """The totals as `sweep.json` has them."""
        return {
            "recordings": self.recordings,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "partly_rejected": self.partly_rejected,
            "not_sampled": self.not_sampled,
            "aim": self.aim,
            "best": self.rows.index(self.best) if self.keeps_any else None,
            "ties": self.ties if self.keeps_any else 0,
            "combinations": [row.to_dict() for row in self.rows],
            "left_out": self.left_out,
        }

    def durations(self) -> dict[str, float]:
        """None: those of the combinations are not added to each other."""
        return {}

    @classmethod
    def from_dict(cls, named: dict[str, Any]) -> "SweepStats":
        """The statistics that `to_dict` wrote. Those of the combinations are in `rows` alone."""
        return cls(
            named["recordings"],
            Counter(named["rejected_by_reason"]),
            named["not_sampled"],
            named["partly_rejected"],
            rows=[Row.from_dict(each) for each in named["combinations"]],
            aim=named["aim"],
            left_out=named["left_out"],
        )
