"""The summary of a run that measures audio, as text for a terminal."""

from itertools import starmap

from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.measure_stats import Difference, MeasureStats
from alm_beam.core.text import visible
from alm_beam.report.notes import unread
from alm_beam.report.table import counted, hours, row, share
from alm_beam.storage.secrets import shown

_MET = {
    Difference.SAMPLE_RATE: "{} stated another sample rate than the audio file has; audio_sample_rate is now the "
    "file's|entry",
    Difference.DURATION: "{} stated a duration that is not the file's, by more than 0.1 s; duration is now the "
    "file's|entry",
    Difference.CHANNELS: "{} stated another number of channels than the file has; audio_num_channels is now the "
    "file's|entry",
    Difference.BEHIND_AUDIO: "{} ended more than 0.1 s behind the audio; are their times those of this file, in "
    "seconds?|segment",
    Difference.NO_BANDWIDTH: "{} got no bandwidth: there is no audio at their times, or only digital silence|segment",
}
"""The note for each difference, and what it counts."""


def render_measured(stats: MeasureStats, config: MeasureConfig) -> str:
    """Lines that tell what a run measured, what the files say otherwise than the entries, and where the run is.

    Args:
        stats: the run's statistics.
        config: what the run was told.
    """
    rows: list[tuple[str, ...]] = [
        ("recordings", f"{stats.recordings:,}", hours(stats.audio_seconds)),
        *((f"  {rate:,} Hz", f"{count:,}") for rate, count in sorted(stats.sample_rates.items())),
        *((f"  {number} {_channels(number)}", f"{count:,}") for number, count in sorted(stats.channels.items())),
        *([("  taken over from an earlier run", f"{stats.taken_over:,}")] if stats.taken_over else []),
        ("segments", f"{stats.segments:,}"),
        *([("  bandwidths measured", f"{stats.bandwidths:,}")] if config.audio.bandwidth else []),
        *([("  levels measured", f"{stats.levels:,}")] if config.audio.levels else []),
        ("rejected entries", f"{stats.rejected.total():,}", share(stats.reject_fraction, 1)),
        *((f"  {reason}", f"{count:,}") for reason, count in stats.rejected.most_common()),
    ]
    met = [counted(text, stats.findings[each.value]) for each, text in _MET.items() if stats.findings[each.value]]
    notes = [f"note: {note}" for note in (*unread(stats), *met)]
    return "\n".join([*starmap(row, rows), *notes, f"output: {visible(shown(config.output))}"])


def _channels(number: int) -> str:
    return "channel" if number == 1 else "channels"
