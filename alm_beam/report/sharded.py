"""The summary of a run that writes audio shards, as text for a terminal."""

from itertools import starmap

from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import Notice, ShardsStats
from alm_beam.core.text import visible
from alm_beam.report.table import counted, hours, row, share
from alm_beam.storage.secrets import shown

_MET = {
    Notice.PADDED: "{} ended a little behind the audio and got silence at the end|window",
    Notice.SCALED: "{} went above full scale and got scaled down, by the factor in custom.gain|window",
    Notice.SAMPLE_RATE: "{} stated another sample rate than the audio file has; the file's counts|window",
    Notice.CHANNELS: "{} stated other channels than the audio file has; the file's count|window",
    Notice.REPEATED_WINDOW: "{} came again, as a cut with the same id did before: is an input named twice?|window",
}
"""The note for each notice, and what it counts."""


def render_shards(stats: ShardsStats, config: ShardsConfig) -> str:
    """Lines that tell what a run put into shards, what was met in the audio, and where the run is.

    Args:
        stats: the run's statistics.
        config: what the run was told.
    """
    rows: list[tuple[str, ...]] = [
        ("windows", f"{stats.recordings:,}", hours(stats.audio_seconds)),
        *((f"  {rate:,} Hz", f"{count:,}") for rate, count in sorted(stats.sample_rates.items())),
        ("shards", f"{stats.shards:,}", f"{stats.audio_bytes / 1e6:,.1f} MB"),
        *([("  taken over from an earlier run", f"{stats.taken_over:,}")] if stats.taken_over else []),
        ("rejected cuts", f"{stats.rejected.total():,}", share(stats.reject_fraction, 1)),
        *((f"  {reason}", f"{count:,}") for reason, count in stats.rejected.most_common()),
    ]
    met = [counted(text, stats.findings[each.value]) for each, text in _MET.items() if stats.findings[each.value]]
    empty = [] if stats.recordings or stats.rejected else ["the input holds no cuts"]
    notes = [f"note: {note}" for note in (*empty, *met)]
    return "\n".join([*starmap(row, rows), *notes, f"output: {visible(shown(config.output))}"])
