"""The summary of a run, as text for a terminal."""

from alm_beam.core.config import GREEDY, JobConfig, OverlapConfig
from alm_beam.core.losses import LossReason, LossStats
from alm_beam.core.text import visible
from alm_beam.report.notes import notes
from alm_beam.storage.secrets import shown

_LOSSES = (
    (LossReason.BANDWIDTH, "low bandwidth"),
    (LossReason.SAMPLE_RATE, "low sample rate"),
    (LossReason.SPEAKERS, "too few speakers"),
    (LossReason.WINDOW, "no window of the right duration"),
    (LossReason.NO_SPEAKER, "  of those, stopped at no-speaker"),
    (LossReason.NEXT_BANDWIDTH, "  of those, stopped at low bandwidth"),
)


def render_summary(stats: LossStats, config: JobConfig) -> str:
    """Lines that tell what a run read, kept and lost, what was met, and where the run is.

    Args:
        stats: the run's statistics.
        config: what the run was told.
    """
    losses = stats.losses
    rows = [
        ("recordings", f"{stats.recordings:,}"),
        ("segments", f"{losses.segments:,}", _hours(losses.seconds)),
        (
            "candidate windows",
            f"{stats.longest_candidates:,}",
            _hours(stats.longest_candidate_seconds),
            "overlaps included",
        ),
        (
            "windows after overlap",
            f"{stats.kept_windows:,}",
            _hours(stats.kept_seconds),
            f"{stats.kept_seconds:,.1f} s kept",
        ),
        ("truncated segments", f"{losses.truncations:,}"),
        *_yield_rows(stats, config.overlap),
        ("segments that start no window", "", "of segments", "of duration"),
        *(
            (
                f"  {text}",
                f"{losses.lost[reason]:,}",
                _share(losses.lost[reason], losses.segments),
                _share(losses.lost_seconds[reason], losses.seconds),
            )
            for reason, text in _LOSSES
        ),
        ("rejected entries", f"{stats.rejected.total():,}", _share(stats.reject_fraction, 1)),
        *((f"  {reason}", f"{count:,}") for reason, count in stats.rejected.most_common()),
    ]
    return "\n".join(
        [
            *map(_row, rows),
            *(f"note: {note}" for note in notes(stats, config.windows)),
            f"output: {visible(shown(config.output))}",
        ]
    )


def _yield_rows(stats: LossStats, overlap: OverlapConfig) -> list[tuple[str, ...]]:
    """What became of the time of the recordings, pauses included, and what another selection would make of it."""
    rows: list[tuple[str, ...]] = [("audio", "", _hours(stats.audio_seconds), "of audio")]
    rows += [
        (f"  {text}", f"{count:,}", _hours(seconds), _share(seconds, stats.audio_seconds))
        for text, count, seconds in (
            ("in any candidate", stats.candidate_windows, stats.candidate_covered_seconds),
            ("in any kept window", stats.kept_windows, stats.kept_covered_seconds),
            ("kept windows, overlaps included", stats.kept_windows, stats.kept_seconds),
        )
    ]
    if overlap.selection == GREEDY:
        most = stats.most_audio_seconds or 0.0
        found = (
            (_hours(most), _share(most, stats.audio_seconds))
            if overlap.compare_selection
            else ("see", "--compare_selection")
        )
        rows.append(("  --selection=most_audio would keep", "", *found))
    return rows


def _row(cells: tuple[str, ...]) -> str:
    name, count, *rest = cells
    return f"{name:<38}{count:>14}" + "".join(f"  {cell:>16}" for cell in rest)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.2f} h"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "-"
