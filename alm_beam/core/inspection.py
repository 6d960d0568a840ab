"""What is known of one entry of a manifest, for `alm-beam validate`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from alm_beam.core.config import JobConfig
from alm_beam.core.distribution import Distribution
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, Recording, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.problems import joint_labels, pauses, problems
from alm_beam.core.repeats import SeenRecordings
from alm_beam.core.segment_checks import checked_bandwidths
from alm_beam.core.speaker_labels import NO_SPEAKER, SpeakerLabel, split_labels
from alm_beam.core.stated_audio import stated_audio
from alm_beam.core.stated_fields import audio_path, sample_rate_field
from alm_beam.core.validation import Example, Found, Measured, Missing, Validation
from alm_beam.core.windows import build_windows
from alm_beam.core.word_checks import check_words

_ANY_RATE = 16000.0


class Inspection(NamedTuple):
    """What is known of one entry.

    Attributes:
        validation: that, as its part of what is known of the manifest.
        audio: path or URL of the audio file, as the entry states it; None if it states none, or cannot be read.
    """

    validation: Validation
    audio: str | None = None


def inspected(line: ManifestLine, config: JobConfig, seen: SeenRecordings) -> Inspection:
    """What is known of one entry.

    Args:
        line: the entry's line.
        config: what `windows` would be told. Where it writes and what it reads does not matter.
        seen: the recordings of earlier entries; that of this entry is added.

    >>> from alm_beam.core.manifest import manifest_line
    >>> line = manifest_line({"segments": [{"start": 0, "end": 4000, "speaker": "a"}]})
    >>> validation = inspected(line, JobConfig(("in.jsonl",), "out"), SeenRecordings()).validation
    >>> sorted(validation.problems), dict(validation.rejects), validation.missing["duration"]
    (['milliseconds'], {'sample_rate_missing': 1}, 1)
    """
    validation, recording, has_rate = Validation(entries=1), None, True
    try:
        recording = parse_recording(line, config.manifest)
    except BadEntry as fault:
        validation.reject(Example(line.file, line.offset, fault.detail), fault.reason.value)
        if fault.reason is RejectReason.SAMPLE_RATE_MISSING:
            recording, has_rate = _with_any_rate(line, config), False
    if recording is None:
        return Inspection(validation)
    words = _count(validation, recording, has_rate=has_rate)
    for found in (*problems(recording, config.windows, seen, has_rate=has_rate), *words):
        validation.add_problem(found, line.file, line.offset)
    if has_rate:
        try:
            candidates = build_windows(recording, config.windows)
            validation.stats += loss_stats(filter_overlaps(candidates, config.overlap), config.entry)
        except BadEntry as fault:
            validation.reject(Example(line.file, line.offset, fault.detail), fault.reason.value)
    return Inspection(validation, audio_path(recording.entry))


def _with_any_rate(line: ManifestLine, config: JobConfig) -> Recording | None:
    """The recording of an entry that states no sample rate, as if it had one; None where more is wrong with it."""
    try:
        return parse_recording(line, replace(config.manifest, default_sample_rate=_ANY_RATE))
    except BadEntry:
        return None


def _count(validation: Validation, recording: Recording, *, has_rate: bool) -> list[Found]:
    """Counts what the recording states, and what it does not; gives what looks wrong in its words."""
    entry, segments, speakers = recording.entry, recording.segments, recording.speakers
    speech = [index for index, speaker in enumerate(speakers) if speaker != NO_SPEAKER]
    bandwidths = checked_bandwidths(segments, "", math.nan)
    stated = [bandwidths[index] for index in speech if not math.isnan(bandwidths[index])]
    words, duration = check_words(recording, speech), stated_audio(recording).end
    validation.examined, validation.segments, validation.speech_segments = 1, len(segments), len(speech)
    validation.segment_seconds = recording.total_duration
    validation.missing.update(
        {
            Missing.SAMPLE_RATE.value: int(sample_rate_field(entry) is None),
            Missing.AUDIO.value: int(audio_path(entry) is None),
            Missing.DURATION.value: int(duration is None),
            Missing.SPEAKER.value: speakers.count(None),
            Missing.BANDWIDTH.value: len(speech) - len(stated),
            Missing.WORDS.value: words.without_words,
            Missing.WORD_TIMES.value: words.without_times,
        }
    )
    joint = joint_labels(recording)
    validation.separators.update(joint.values())
    measured: dict[Measured, Sequence[float]] = {
        Measured.SEGMENT_SECONDS: recording.durations,
        Measured.PAUSE_SECONDS: [end - start for start, end in pauses(recording)],
        Measured.RECORDING_SECONDS: [max(recording.ends, default=0.0) if duration is None else duration],
        Measured.SPEAKERS: [len(_names(speakers, joint))],
        Measured.BANDWIDTH: stated,
        Measured.SAMPLE_RATE: [recording.sample_rate] if has_rate else [],
    }
    for what, values in measured.items():
        validation.distributions[what.value] += Distribution.of(values)
    return words.problems


def _names(speakers: list[SpeakerLabel], joint: Mapping[int, str]) -> set[SpeakerLabel]:
    """Everybody who is named, also in labels that seem to name several speakers."""
    names: set[SpeakerLabel] = set()
    for index, speaker in enumerate(speakers):
        [label] = split_labels([speaker], joint[index]) if index in joint else [speaker]
        names.update(label if isinstance(label, tuple) else (label,))
    return names - {None, NO_SPEAKER}
