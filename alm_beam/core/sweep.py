"""The windows of one recording by many configurations, counted and not written.

What configurations share is done once: the words of segments are read once, where candidates stop growing is found once
for each set of the parameters that it depends on, and candidates grow once for each configuration of windows, whatever
the number of ways to choose among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeAlias

from xxhash import xxh3_64_intdigest

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.growth_limits import GrowthLimits, find_growth_limits
from alm_beam.core.loss_stats import loss_figures, loss_stats
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, Recording, without_bom
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.sweep_config import Combination
from alm_beam.core.truncation import TimesTruncator
from alm_beam.core.windows import CandidateWindows, build_windows, candidate_windows
from alm_beam.core.write_bounds import WriteBounds

_HASHES = 1 << 64

_OF_DURATION = frozenset(
    {
        "target_window_duration",
        "tolerance",
        "min_duration",
        "max_duration",
        "min_sample_rate",
        "truncation",
        "drop_empty_truncations",
        "min_speech",
        "max_speaker_share",
        "candidates",
    }
)
"""Parameters of windows that growth limits do not depend on."""

_OF_LIMITS = [each.name for each in fields(WindowConfig) if each.name not in _OF_DURATION]


def is_in_sample(line: ManifestLine, fraction: float) -> bool:
    """Whether a line is among this share of all lines, by its hash: wherever it stands and whoever reads it.

    >>> lines = [ManifestLine("m.jsonl", 0, b'{"id": %d}' % number) for number in range(1000)]
    >>> len([line for line in lines if is_in_sample(line, 0.1)])
    80
    """
    return fraction == 1 or xxh3_64_intdigest(without_bom(line).strip()) < fraction * _HASHES


@dataclass(frozen=True)
class SweepPlan:
    """Combinations by what they share.

    Attributes:
        count: how many combinations there are.
        by_windows: each configuration of windows, with the combinations that have it: their numbers, and how they
            choose among the windows.
        entry: what a run by one of them would write.
    """

    count: int
    by_windows: Sequence[tuple[WindowConfig, Sequence[tuple[int, OverlapConfig]]]]
    entry: EntryConfig

    @classmethod
    def of(cls, combinations: Sequence[Combination], entry: EntryConfig) -> "SweepPlan":
        """The plan of the combinations."""
        found: dict[WindowConfig, list[tuple[int, OverlapConfig]]] = {}
        for number, each in enumerate(combinations):
            found.setdefault(each.windows, []).append((number, each.overlap))
        return cls(len(combinations), list(found.items()), entry)


Outcome: TypeAlias = LossStats | BadEntry
"""The figures of a recording in a run, or why that run rejects it."""


def sweep_recording(recording: Recording, plan: SweepPlan) -> list[Outcome]:
    """What becomes of a recording by each combination: the same as in a run of its own.

    Figures have neither findings nor other selections.

    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.sweep_config import SweepConfig
    >>> told = {"input": "m.jsonl", "output": "out", "target_window_duration": 10, "min_bandwidth": 0}
    >>> config = SweepConfig.of({**told, "overlap_percentage": [0, 50]})
    >>> turns = [{"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": turns})
    >>> outcomes = sweep_recording(recording, SweepPlan.of(config.combinations, EntryConfig()))
    >>> [each.kept_seconds for each in outcomes]
    [19.0, 19.0]
    """
    outcomes: list[Outcome] = [LossStats()] * plan.count
    truncator, bounds = TimesTruncator(recording), WriteBounds(recording, plan.entry)
    limits_of = partial(_limits, found={})
    for windows, chosen in plan.by_windows:
        candidates: CandidateWindows | BadEntry
        try:
            candidates = candidate_windows(recording, windows, limits_of, truncator, 0)
        except BadEntry as fault:
            candidates = fault
        for number, overlap in chosen:
            outcomes[number] = candidates if isinstance(candidates, BadEntry) else _outcome(candidates, overlap, bounds)
    return outcomes


def _limits(recording: Recording, config: WindowConfig, found: dict[Any, GrowthLimits]) -> GrowthLimits:
    """The growth limits of a recording, which are found once for each set of parameters that they depend on."""
    key = tuple(getattr(config, name) for name in _OF_LIMITS)
    if key not in found:
        found[key] = find_growth_limits(recording, config)
    return found[key]


def _outcome(candidates: CandidateWindows, overlap: OverlapConfig, bounds: WriteBounds) -> Outcome:
    try:
        kept = filter_overlaps(candidates, overlap)
        return loss_figures(kept) if bounds.hold(kept) else _as_written(kept, bounds.config)
    except BadEntry as fault:
        return fault


def _as_written(kept: KeptWindows, config: EntryConfig) -> LossStats:
    """The figures of a recording that is so large, or nested so deep, that it may be that no run can write it.

    Raises:
        BadEntry: no run can.
    """
    written = filter_overlaps(build_windows(kept.candidates.recording, kept.candidates.config), kept.config)
    serialise_entry(written, config)
    serialise_cuts(written, config)
    loss_stats(written, config)
    return loss_figures(kept)
