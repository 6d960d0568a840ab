"""An entry whose audio is to be measured, and the line of it with what was measured.

The line is put together from the text of the fields, so what is not measured stays as it was written: numbers with
their digits, however many, and words without being parsed for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from alm_beam.core.channels import COUNTS, stated_count
from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described, too_deep
from alm_beam.core.manifest import Element, ManifestLine, no_object, parsed_json, without_bom
from alm_beam.core.measure_config import AudioConfig
from alm_beam.core.measure_stats import Difference, MeasureStats
from alm_beam.core.segment_checks import check_offset, checked_times
from alm_beam.core.speaker_labels import NO_SPEAKER
from alm_beam.core.stated_fields import SAMPLE_RATES, audio_field, segments_field

RATE, DURATION, CHANNELS = "audio_sample_rate", "duration", "audio_num_channels"
"""The fields of an entry that say what its audio file is: Hz, seconds, a number."""

LEVELS = ("rms_dbfs", "peak_dbfs", "clipped_fraction")
"""The metrics of a segment that say how loud it is: dB below full scale, null for digital silence; a share."""

MOST_SECONDS = 0.1
"""A duration that is stated may differ by so much from the file's, and a segment may end so much behind it."""

_DIGITS = 4
"""Decimals of levels, and of shares of samples: what is written is as good as the samples are."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_segments = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class AudioFacts(Protocol):
    """What was measured of an audio file, and of the spans that were asked for."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    @property
    def duration(self) -> float:
        """Seconds of the whole file."""

    @property
    def channels(self) -> int:
        """How many."""

    @property
    def bandwidths(self) -> Sequence[int | None]:
        """Hz, of each span that was asked for; None where there is no sound."""

    @property
    def levels(self) -> Sequence[tuple[float | None, float | None, float] | None]:
        """RMS and peak in dBFS and the share of clipped samples, of each span; None where there is no audio."""


@dataclass(slots=True)
class AudioEntry(Element):
    """An entry of a manifest that names an audio file.

    Attributes:
        line: the manifest line of the entry.
        entry: the entry, parsed.
        path: of the audio file, as the entry states it.
        segments: its segments, parsed; none where it has none.
        starts: seconds, one for each segment.
        ends: seconds, likewise.

    >>> entry = parse_audio_entry(ManifestLine("m.jsonl", 0, b'{"audio_filepath": "a.wav", "id": 7}'))
    >>> entry.path, entry.segments
    ('a.wav', [])
    """

    line: ManifestLine
    entry: dict[str, Any]
    path: str
    segments: list[Segment]
    starts: list[float]
    ends: list[float]

    def spans(self, indices: Sequence[int]) -> list[tuple[float, float]]:
        """The times of these segments, (start, end) in seconds."""
        return [(self.starts[index], self.ends[index]) for index in indices]


def parse_audio_entry(line: ManifestLine) -> AudioEntry:
    """Checks what has to be known of an entry to measure its audio.

    Raises:
        BadEntry: the entry is no JSON object, names no audio file, or has segments without usable times.
    """
    if line.fault is not None:
        raise line.fault
    entry = parsed_json(without_bom(line))
    if type(entry) is not dict:
        raise no_object(entry)
    segments = _checked_segments(entry)
    starts, ends, _ = checked_times(segments, segments_field(entry))
    return AudioEntry(line, entry, _checked_path(entry), segments, starts, ends)


def without_bandwidth(entry: AudioEntry) -> list[int]:
    """The indices of the segments whose bandwidth is to be measured: it is missing, null, or a list of nulls.

    Left out are, as in Curator, segments of `no-speaker` and, where others of the recording have text, those of empty
    text.

    >>> line = b'{"audio_filepath": "a.wav", "segments": [{"start": 0, "end": 1, "speaker": "no-speaker"}, \
{"start": 1, "end": 2, "speaker": "a"}, {"start": 2, "end": 3, "metrics": {"bandwidth": 7000}}]}'
    >>> without_bandwidth(parse_audio_entry(ManifestLine("m.jsonl", 0, line)))
    [1]

    Raises:
        BadEntry: the metrics of a segment are no object.
    """
    has_text = any(map(_has_text, entry.segments))
    return [
        index
        for index, segment in enumerate(entry.segments)
        if segment.get("speaker") != NO_SPEAKER
        and (_has_text(segment) or not has_text or "text" not in segment)
        and _is_missing(_metrics(entry, index).get("bandwidth"))
    ]


def measured_line(
    entry: AudioEntry, audio: AudioFacts, bandwidth_of: Sequence[int], levels_of: Sequence[int], config: AudioConfig
) -> bytes:
    """The line of the entry with what was measured, without a newline. What is new comes last; the rest stays.

    Args:
        entry: the entry.
        audio: what was measured.
        bandwidth_of: the indices of the segments whose bandwidths were measured.
        levels_of: the indices of the segments whose levels were measured.
        config: how long a line may be.

    Raises:
        BadEntry: the entry is nested too deep, or its line would be too long.
    """
    try:
        fields: dict[str, Any] = _fields.decode(without_bom(entry.line))
        if bandwidth_of or levels_of:
            name = segments_field(entry.entry)
            fields[name] = _with_metrics(fields[name], audio, bandwidth_of, levels_of)
    except RecursionError:
        raise too_deep() from None
    stated: dict[str, float] = {RATE: audio.sample_rate, CHANNELS: audio.channels}
    if not _is_part(entry.entry) or DURATION not in entry.entry:
        stated[DURATION] = audio.duration
    line = msgspec.json.encode({**fields, **stated})
    if len(line) > config.max_line_bytes:
        detail = f"its line would have {len(line)} bytes, more than --max_line_bytes={config.max_line_bytes}"
        raise BadEntry(RejectReason.ENTRY_TOO_LARGE, detail)
    return line


def measure_stats(entry: AudioEntry, audio: AudioFacts, *, is_taken_over: bool) -> MeasureStats:
    """What was measured of one recording, as its part of the run's statistics."""
    stats = MeasureStats(
        recordings=1,
        taken_over=int(is_taken_over),
        audio_seconds=audio.duration,
        segments=len(entry.segments),
        bandwidths=sum(each is not None for each in audio.bandwidths),
        levels=sum(each is not None for each in audio.levels),
    )
    stats.sample_rates[audio.sample_rate] += 1
    stats.channels[audio.channels] += 1
    met = {
        Difference.SAMPLE_RATE: any(_differs(entry.entry.get(name), audio.sample_rate, 0) for name in SAMPLE_RATES),
        Difference.DURATION: not _is_part(entry.entry)
        and _differs(entry.entry.get(DURATION), audio.duration, MOST_SECONDS),
        Difference.CHANNELS: any(stated_count(entry.entry.get(name)) not in (None, audio.channels) for name in COUNTS),
        Difference.BEHIND_AUDIO: sum(end > audio.duration + MOST_SECONDS for end in _ends(entry)),
        Difference.NO_BANDWIDTH: sum(each is None for each in audio.bandwidths),
    }
    stats.findings.update({difference.value: int(count) for difference, count in met.items() if count})
    return stats


def _checked_path(entry: dict[str, Any]) -> str:
    field = audio_field(entry)
    if field is None:
        detail = "the entry names no audio file: it has neither audio_filepath nor resampled_audio_filepath"
        raise BadEntry(RejectReason.AUDIO_NOT_STATED, detail)
    path = entry[field]
    if type(path) is not str:
        detail = f"{field}: expected a path or URL, found {described(path)}"
        raise BadEntry(RejectReason.AUDIO_NOT_STATED, detail)
    return path


def _checked_segments(entry: dict[str, Any]) -> list[Segment]:
    name = segments_field(entry)
    segments: Any = entry.get(name, [])
    if type(segments) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"{name}: expected a list, found {described(segments)}")
    if segments:
        check_offset(entry)
    return segments


def _metrics(entry: AudioEntry, index: int) -> dict[str, Any]:
    metrics = entry.segments[index].get("metrics")
    if metrics is None:
        return {}
    if type(metrics) is not dict:
        at = f"{segments_field(entry.entry)}[{index}].metrics"
        raise BadEntry(RejectReason.METRICS_NOT_OBJECT, f"{at}: expected an object, found {described(metrics)}")
    return metrics


def _has_text(segment: Segment) -> bool:
    text = segment.get("text")
    return type(text) is str and bool(text.strip())


def _is_missing(bandwidth: Any) -> bool:
    return bandwidth is None or (type(bandwidth) is list and all(each is None for each in bandwidth))


def _with_metrics(
    raw: msgspec.Raw, audio: AudioFacts, bandwidth_of: Sequence[int], levels_of: Sequence[int]
) -> list[dict[str, Any]]:
    """The segments, each field as its text, with the new metrics. What could not be measured is not stated."""
    segments: list[dict[str, Any]] = _segments.decode(raw)
    new: dict[int, dict[str, Any]] = {}
    for index, bandwidth in zip(bandwidth_of, audio.bandwidths, strict=True):
        if bandwidth is not None:
            new.setdefault(index, {})["bandwidth"] = bandwidth
    for index, levels in zip(levels_of, audio.levels, strict=True):
        if levels is not None:
            new.setdefault(index, {}).update(zip(LEVELS, map(_rounded, levels)))
    for index, metrics in new.items():
        stated = segments[index].get("metrics", b"null")
        segments[index]["metrics"] = {**(_fields.decode(stated) if bytes(stated) != b"null" else {}), **metrics}
    return segments


def _rounded(level: float | None) -> float | None:
    return None if level is None else round(level, _DIGITS)


def _is_part(entry: dict[str, Any]) -> bool:
    """Whether an entry is a part of its file, as a line of NeMo's manifests is: its duration is that of the part."""
    return type(entry.get("offset")) in NUMBER and not entry.get(segments_field(entry))


def _ends(entry: AudioEntry) -> list[float]:
    """Where its segments end, or where it ends itself as a part of its file; seconds."""
    duration = entry.entry.get(DURATION)
    if _is_part(entry.entry) and type(duration) in NUMBER:
        return [entry.entry["offset"] + duration]
    return entry.ends


def _differs(stated: Any, measured: float, most: float) -> bool:
    return type(stated) in NUMBER and abs(stated - measured) > most
