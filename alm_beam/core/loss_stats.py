"""The statistics of one recording: what became of its audio."""

import math
from collections.abc import Iterable

from alm_beam.core.config import MOST_AUDIO, EntryConfig
from alm_beam.core.findings import findings_of
from alm_beam.core.losses import LossStats, left_to_right_sum
from alm_beam.core.most_audio import most_audio_positions
from alm_beam.core.overlap import KeptWindows, target_duration_of
from alm_beam.core.window_columns import Times

_DEFAULT = EntryConfig()


def loss_stats(kept: KeptWindows, config: EntryConfig = _DEFAULT) -> LossStats:
    """What became of a recording, as its part of the run's statistics. Durations are seconds.

    The statistics of several recordings are added with `+`.

    Args:
        kept: the kept windows of the recording, from `filter_overlaps`.
        config: what is written of it.

    Raises:
        BadEntry: cuts are written, and the manifest's entry is nested too deep for that.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.losses import LossReason
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 3.0 * n, "end": 3.0 * n + 2.5, "speaker": "ab"[n % 2]} for n in range(6)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> candidates = build_windows(recording, WindowConfig(target_window_duration=8, min_bandwidth=0))
    >>> stats = loss_stats(filter_overlaps(candidates))
    >>> stats.candidate_windows, stats.kept_windows, stats.kept_seconds
    (4, 2, 17.0)
    >>> stats.losses.lost[LossReason.WINDOW], stats.audio_seconds, stats.kept_covered_seconds
    (2, 17.5, 14.5)
    """
    stats = loss_figures(kept)
    stats.most_audio_seconds, stats.findings = _most_audio_seconds(kept), findings_of(kept, config)
    return stats


def loss_figures(kept: KeptWindows) -> LossStats:
    """The windows, durations and losses of a recording: its `loss_stats` without findings and other selections."""
    longest, recording = kept.candidates.longest, kept.candidates.recording
    return LossStats(
        recordings=1,
        longest_candidates=len(longest),
        longest_candidate_seconds=left_to_right_sum(longest.durations),
        candidate_windows=len(kept.candidate_times),
        kept_windows=len(kept.indices),
        kept_seconds=_seconds(kept.times),
        audio_seconds=max(recording.ends) - min(recording.starts) if recording.segments else 0.0,
        candidate_covered_seconds=covered_seconds(kept.candidate_times),
        kept_covered_seconds=covered_seconds(kept.times),
        losses=kept.candidates.losses,
    )


def covered_seconds(times: Iterable[Times]) -> float:
    """The duration of the union of windows, seconds.

    Args:
        times: sorted.

    >>> covered_seconds([(0.0, 10.0), (5.0, 12.0), (20.0, 21.0)])
    13.0
    """
    total, covered = 0.0, -math.inf
    for start, end in times:
        if end > covered:
            total += end - (start if start > covered else covered)
            covered = end
    return total


def _most_audio_seconds(kept: KeptWindows) -> float | None:
    config, times = kept.config, kept.candidate_times
    if not config.compare_selection:
        return None
    if config.selection == MOST_AUDIO:
        return _seconds(kept.times)
    positions = most_audio_positions(times, config.threshold, target_duration_of(kept.candidates, config))
    return _seconds(times[position] for position in positions)


def _seconds(times: Iterable[Times]) -> float:
    return left_to_right_sum(end - start for start, end in times)
