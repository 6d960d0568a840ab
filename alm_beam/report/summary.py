"""The summary of a run, as text for a terminal."""

from itertools import starmap

from alm_beam.core.config import ALL, GREEDY, JobConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import GAP, SHARE, SPEECH, Losses, LossReason, LossStats, Lost
from alm_beam.core.text import visible
from alm_beam.report.notes import notes
from alm_beam.report.table import hours, row, share
from alm_beam.storage.outputs import REPORT
from alm_beam.storage.secrets import shown

_LOSSES = (
    (LossReason.BANDWIDTH, "low bandwidth"),
    (LossReason.SAMPLE_RATE, "low sample rate"),
    (LossReason.SPEAKERS, "too few speakers"),
    (LossReason.WINDOW, "no window of the right duration"),
    (LossReason.NO_SPEAKER, "  of those, stopped at no-speaker"),
    (LossReason.NEXT_BANDWIDTH, "  of those, stopped at low bandwidth"),
)

_BY_RULE = {
    GAP: "  of those, stopped at a pause",
    SPEECH: "too little speech",
    SHARE: "too much of one speaker",
}
"""The texts of optional rules. The other ones are limits of metrics."""


def render_summary(stats: LossStats, config: JobConfig) -> str:
    """Lines that tell what a run read, kept and lost, what was met, and where its report and the run are.

    Args:
        stats: the run's statistics.
        config: what the run was told.
    """
    losses = stats.losses
    output = visible(shown(config.output))
    rows = [
        ("recordings", f"{stats.recordings:,}"),
        ("segments", f"{losses.segments:,}", hours(losses.seconds)),
        *_candidate_rows(stats, config.windows),
        (
            "windows after overlap",
            f"{stats.kept_windows:,}",
            hours(stats.kept_seconds),
            f"{stats.kept_seconds:,.1f} s kept",
        ),
        ("truncated segments", f"{losses.truncations:,}"),
        *_yield_rows(stats, config.overlap),
        ("segments that start no window", "", "of segments", "of duration"),
        *(
            (
                f"  {text}",
                f"{lost.segments:,}",
                share(lost.segments, losses.segments),
                share(lost.seconds, losses.seconds),
            )
            for text, lost in _lost(losses)
        ),
        ("rejected entries", f"{stats.rejected.total():,}", share(stats.reject_fraction, 1)),
        *((f"  {reason}", f"{count:,}") for reason, count in stats.rejected.most_common()),
    ]
    return "\n".join(
        [
            *starmap(row, rows),
            *(f"note: {note}" for note in notes(stats, config.windows, config.overlap)),
            *([f"report: {output.rstrip('/')}/{REPORT}"] if config.entry.report else []),
            f"output: {output}",
        ]
    )


def _candidate_rows(stats: LossStats, windows: WindowConfig) -> list[tuple[str, ...]]:
    """How many candidates there are; of `all` of them, the duration of the longest ones is known."""
    seconds = hours(stats.longest_candidate_seconds), "overlaps included"
    if windows.candidates != ALL:
        return [("candidate windows", f"{stats.candidate_windows:,}", *seconds)]
    longest = ("  of those, the longest of each start", f"{stats.longest_candidates:,}", *seconds)
    return [("candidate windows", f"{stats.candidate_windows:,}"), longest]


def _lost(losses: Losses) -> list[tuple[str, Lost]]:
    """What each reason lost, with its text: the reasons of the reference, then the optional rules that are on."""
    found = [(text, Lost(losses.lost[reason], losses.lost_seconds[reason])) for reason, text in _LOSSES]
    parts = [(_BY_RULE[name], lost) for name, lost in losses.by_rule.items() if name == GAP]
    others = [
        (_BY_RULE.get(name, f"{visible(name)} outside its limit"), lost)
        for name, lost in losses.by_rule.items()
        if name != GAP
    ]
    return [*found, *parts, *others]


def _yield_rows(stats: LossStats, overlap: OverlapConfig) -> list[tuple[str, ...]]:
    """What became of the time of the recordings, pauses included, and what another selection would make of it."""
    rows: list[tuple[str, ...]] = [("audio", "", hours(stats.audio_seconds), "of audio")]
    rows += [
        (f"  {text}", f"{count:,}", hours(seconds), share(seconds, stats.audio_seconds))
        for text, count, seconds in (
            ("in any candidate", stats.candidate_windows, stats.candidate_covered_seconds),
            ("in any kept window", stats.kept_windows, stats.kept_covered_seconds),
            ("kept windows, overlaps included", stats.kept_windows, stats.kept_seconds),
        )
    ]
    if overlap.selection == GREEDY:
        most = stats.most_audio_seconds if stats.recordings else 0.0
        found = ("see", "--compare_selection") if most is None else (hours(most), share(most, stats.audio_seconds))
        rows.append(("  --selection=most_audio would keep", "", *found))
    return rows
