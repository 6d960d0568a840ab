"""What a recording has that its user may want to look at, although it can be used."""

import math
from collections import Counter

from alm_beam.core.config import EntryConfig
from alm_beam.core.cuts import large_fields
from alm_beam.core.losses import Finding
from alm_beam.core.manifest import NO_SPEAKER, Recording
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.stated_audio import stated_audio
from alm_beam.core.windows import CandidateWindows

MILLISECOND_SECONDS = 300.0
"""Half of the segments last longer than this many seconds: hardly anybody speaks so long; they are milliseconds."""


def findings_of(kept: KeptWindows, config: EntryConfig) -> Counter[str]:
    """How often a recording gave cause for each `Finding`, by its value; without those for which it did not.

    Args:
        kept: the kept windows of the recording.
        config: what is written of it.

    Raises:
        BadEntry: cuts are written, and the manifest's entry is nested too deep for that.

    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 1000, "end": 3500, "speaker": "a"}, {"start": 0, "end": 900, "speaker": "b"}]
    >>> kept = filter_overlaps(build_windows(parse_recording({"audio_sample_rate": 16000, "segments": segments})))
    >>> sorted(findings_of(kept, EntryConfig()))
    ['millisecond_recordings', 'segments_without_bandwidth', 'unordered_recordings']
    """
    recording = kept.candidates.recording
    found: Counter[str] = Counter()
    if is_unordered(recording):
        found[Finding.UNORDERED_RECORDING.value] = 1
    if 0 in recording.bandwidths:
        found[Finding.NO_BANDWIDTH.value] = recording.bandwidths.count(0)
    if _is_limited(kept.candidates):
        found[Finding.LIMITED_BANDWIDTH.value] = 1
    if NO_SPEAKER in recording.speakers:
        found[Finding.NO_SPEAKER.value] = recording.speakers.count(NO_SPEAKER)
    empty = _empty_truncations(kept)
    if empty:
        found[Finding.EMPTY_TRUNCATION.value] = empty
    if kept.candidates.relative_words:
        found[Finding.RELATIVE_WORD_TIMES.value] = kept.candidates.relative_words
    if kept.indices:
        outside = _windows_outside_audio(kept)
        if outside:
            found[Finding.WINDOW_BEHIND_AUDIO.value] = outside
        if config.cuts and large_fields(kept, config):
            found[Finding.LARGE_FIELDS.value] = 1
    if not kept.candidate_times:
        if is_in_milliseconds(recording):
            found[Finding.MILLISECONDS.value] = 1
        if _span(recording) < kept.candidates.config.min_duration:
            found[Finding.SHORT_RECORDING.value] = 1
    return found


def is_unordered(recording: Recording) -> bool:
    """Whether a segment starts before the one in front of it."""
    return recording.starts != sorted(recording.starts)


def is_out_of_reach(recording: Recording, bandwidth: float) -> bool:
    """Whether no audio of the sample rate has more than this bandwidth (Hz), and no segment is said to reach it."""
    return recording.sample_rate / 2 <= bandwidth and max(recording.bandwidths, default=0) < bandwidth


def is_in_milliseconds(recording: Recording) -> bool:
    """Whether segments last so long that their times must be milliseconds.

    >>> from alm_beam.core.manifest import parse_recording
    >>> is_in_milliseconds(parse_recording({"audio_sample_rate": 16000, "segments": [{"start": 0, "end": 2500}]}))
    True
    """
    durations = sorted(recording.durations)
    return bool(durations) and durations[len(durations) // 2] > MILLISECOND_SECONDS


def _empty_truncations(kept: KeptWindows) -> int:
    """How many of the kept windows end with a segment of no length, because truncation left nothing in its time."""
    columns, starts = kept.candidates.columns, kept.candidates.recording.starts
    return sum(
        truncation is not None and truncation.end <= starts[columns.stops[index] - 1]
        for index, truncation in zip(kept.indices, map(columns.truncations.__getitem__, kept.indices))
    )


def _windows_outside_audio(kept: KeptWindows) -> int:
    """How many of the kept windows have no audio: they start behind its stated end, or end before its start."""
    columns, audio = kept.candidates.columns, stated_audio(kept.candidates.recording)
    starts = [columns.starts[index] for index in kept.indices]
    if min(starts) >= 0 and audio.holds(max(starts), math.inf):
        return 0
    return sum(not audio.holds(start, columns.ends[index]) for start, index in zip(starts, kept.indices))


def _span(recording: Recording) -> float:
    """Seconds from the first start to the last end."""
    return max(recording.ends) - min(recording.starts) if recording.segments else 0.0


def _is_limited(candidates: CandidateWindows) -> bool:
    """Whether all segments have a bandwidth below the minimum, and no audio of this sample rate has more than that.

    A bandwidth that is no more than half the sample rate in kHz is taken for one in kHz.
    """
    recording = candidates.recording
    if candidates.low_sample_rate or not is_out_of_reach(recording, candidates.config.min_bandwidth):
        return False
    return recording.sample_rate / 2000 < max(recording.bandwidths, default=0)
