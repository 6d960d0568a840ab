"""What a recording has that its user may want to look at, although it can be used."""

from collections import Counter

from alm_beam.core.losses import Finding
from alm_beam.core.manifest import Recording
from alm_beam.core.overlap import KeptWindows

MILLISECOND_SECONDS = 300.0
"""Half of the segments last longer than this many seconds: hardly anybody speaks so long; they are milliseconds."""


def findings_of(kept: KeptWindows) -> Counter[str]:
    """How often a recording gave cause for each `Finding`, by its value; without those for which it did not.

    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 1000, "end": 3500, "speaker": "a"}, {"start": 0, "end": 900, "speaker": "b"}]
    >>> kept = filter_overlaps(build_windows(parse_recording({"audio_sample_rate": 16000, "segments": segments})))
    >>> sorted(findings_of(kept))
    ['millisecond_recordings', 'segments_without_bandwidth', 'unordered_recordings']
    """
    recording = kept.candidates.recording
    found: Counter[str] = Counter()
    starts = recording.starts
    if starts != sorted(starts):
        found[Finding.UNORDERED_RECORDING.value] = 1
    if 0 in recording.bandwidths:
        found[Finding.NO_BANDWIDTH.value] = recording.bandwidths.count(0)
    truncations = map(kept.candidates.columns.truncations.__getitem__, kept.indices)
    empty = sum(truncation is not None and truncation.is_empty for truncation in truncations)
    if empty:
        found[Finding.EMPTY_TRUNCATION.value] = empty
    if kept.candidates.relative_words:
        found[Finding.RELATIVE_WORD_TIMES.value] = kept.candidates.relative_words
    if not kept.candidate_times:
        if _is_in_milliseconds(recording):
            found[Finding.MILLISECONDS.value] = 1
        if _span(recording) < kept.candidates.config.min_duration:
            found[Finding.SHORT_RECORDING.value] = 1
    return found


def _span(recording: Recording) -> float:
    """Seconds from the first start to the last end."""
    return max(recording.ends) - min(recording.starts) if recording.segments else 0.0


def _is_in_milliseconds(recording: Recording) -> bool:
    durations = sorted(recording.durations)
    return bool(durations) and durations[len(durations) // 2] > MILLISECOND_SECONDS
