"""One entry of a manifest: the recording that it describes, or what is wrong with it."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, repeat
from operator import contains
from typing import Any, NamedTuple

import orjson

from alm_beam.core.config import ManifestConfig
from alm_beam.core.faults import BadEntry, RejectReason, Segment, described, is_recursion, json_fault, too_deep
from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.number_faults import number_fault
from alm_beam.core.segment_checks import (
    check_offset,
    checked_bandwidths,
    checked_sample_rate,
    checked_speakers,
    checked_times,
)
from alm_beam.core.speaker_labels import NO_SPEAKER as NO_SPEAKER
from alm_beam.core.speaker_labels import SpeakerLabel as SpeakerLabel
from alm_beam.core.speaker_labels import split_labels
from alm_beam.core.stated_fields import audio_path, segments_field
from alm_beam.core.words import lift_words, parsed

REJECTED_LINE_CHARS = 2000


_BOM = b"\xef\xbb\xbf"


_MAX_SECONDS = 1e300

_MAX_PLAIN_SECONDS = 1e9

_DEFAULT = ManifestConfig()

_short = reprlib.Repr()
_short.maxstring = 80


class ManifestLine(NamedTuple):
    """A line of a manifest and its position.

    Attributes:
        file: path or URL of the manifest.
        offset: byte offset of the line in the manifest. In a compressed manifest, uncompressed bytes are counted.
        text: the line as read, without its newline; its beginning, where there is a fault.
        fault: why the line, or the whole file that it begins, cannot be used, if its reader found out.

    >>> line = ManifestLine("meetings.jsonl", 512, b'{"audio_sample_rate": 16000, "segments": []}')
    >>> parse_recording(line).line.offset
    512
    """

    file: str
    offset: int
    text: bytes
    fault: BadEntry | None = None


class Element:
    """What passes between the steps of the job; `line` says which manifest line it came from."""

    __slots__ = ()


@dataclass(slots=True, repr=False)
class Reject(Element):
    """An entry that cannot be used.

    Attributes:
        line: the manifest line of the entry.
        fault: what is wrong with it.

    >>> line = ManifestLine("meetings.jsonl", 512, b"[]")
    >>> Reject(line, BadEntry(RejectReason.NOT_OBJECT, "expected a JSON object, found list"))
    Reject('meetings.jsonl', offset 512, not_object: 'expected a JSON object, found list')
    """

    line: ManifestLine
    fault: BadEntry

    def __repr__(self) -> str:
        where = f"{_short_text(self.line.file)}, offset {self.line.offset}"
        return f"Reject({where}, {self.fault.reason.value}: {_short_text(self.fault.detail)})"


@dataclass(slots=True, repr=False)
class Recording(Element):
    """A checked entry of a manifest, with the columns that windows are built from.

    The lists from `segments` to `indices` have one item per segment, in the manifest's order. Nothing changes a
    recording after it is parsed.

    Attributes:
        line: the manifest line of the entry.
        entry: the entry as read, except that the words of its segments are null, and that segments are gone which the
            configuration leaves out.
        sample_rate: Hz.
        segments: the segments of `entry`. The words of each are null here if it has any; see `words`.
        words: the words of each segment as JSON; empty if the segment has none.
        starts: seconds, finite.
        ends: seconds, finite, ends[i] >= starts[i].
        durations: seconds, ends[i] - starts[i].
        total_duration: seconds, the sum of `durations`.
        speakers: labels; None if the segment has none, or an empty one; a tuple if its label names several speakers.
        bandwidths: Hz; the default of the configuration if the segment has none.
        indices: the index of each segment in the manifest's entry, for messages.

    >>> parse_recording({"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": [{"start": 0, "end": 1.5}]})
    Recording('a.wav', 1 segments, 1.5 s, 16000 Hz)
    """

    line: ManifestLine
    entry: dict[str, Any]
    sample_rate: float
    segments: list[Segment]
    words: list[bytes]
    starts: list[float]
    ends: list[float]
    durations: list[float]
    total_duration: float
    speakers: list[SpeakerLabel]
    bandwidths: list[float]
    indices: Sequence[int]
    _segment_fields: frozenset[str] | None = field(default=None, init=False, compare=False)

    @property
    def segment_fields(self) -> frozenset[str]:
        """The names of the fields that any segment has; they are looked for once."""
        if self._segment_fields is None:
            self._segment_fields = frozenset().union(*self.segments)
        return self._segment_fields

    def place_of(self, index: int) -> str:
        """Where the segment is in the manifest's entry, for messages: `segments[3]`."""
        return f"{segments_field(self.entry)}[{self.indices[index]}]"

    def __repr__(self) -> str:
        name = _short_text(audio_path(self.entry))
        seconds = short_seconds(self.total_duration)
        return f"Recording({name}, {len(self.segments)} segments, {seconds} s, {self.sample_rate:g} Hz)"


def short_seconds(seconds: float) -> str:
    """Seconds to a tenth for a repr; very large ones with an exponent, so that the text stays short."""
    return f"{seconds:.1f}" if abs(seconds) < _MAX_PLAIN_SECONDS else f"{seconds:.3g}"


def _short_text(value: object) -> str:
    """A repr of at most _short.maxstring characters, control characters escaped; no text is shown for other types."""
    return _short.repr(value) if type(value) is str else described(value)


def is_blank(line: ManifestLine) -> bool:
    """Whether the line consists of white space only, after a byte order mark if there is one.

    >>> is_blank(ManifestLine("m.jsonl", 0, b"  "))
    True
    """
    text = without_bom(line)
    return (not text or text.isspace()) and line.fault is None


def parse_recording(entry: ManifestLine | dict[str, Any] | bytes | str, config: ManifestConfig = _DEFAULT) -> Recording:
    """Checks one entry of a manifest and gives the recording that it describes.

    A dict is written as JSON and read back, so it gives what its line in a manifest would give. The dict stays as it
    is, and later changes to it do not reach the recording. NumPy numbers and arrays in it are written as JSON numbers
    and lists. NaN and infinity are errors in a segment's start, end and bandwidth and in the sample rate; anywhere else
    in a dict they become null.

    Args:
        entry: the entry as a dict, as JSON text (str, or UTF-8 bytes), or as a line of a manifest. The field `segments`
            is a list of objects with `start` and `end` (seconds) and optionally `speaker`, `metrics.bandwidth` (Hz; of
            a list the least counts), `text` and `words`; the field `audio_sample_rate` is in Hz. `diar_segments` stands
            in for `segments`, and `sample_rate` or `sampling_rate` for `audio_sample_rate`.
        config: how it is read.

    Raises:
        BadEntry: the entry is not a JSON object with usable segments and a sample rate, or a dict contains what
            JSON cannot hold (keys that are not strings, unknown types, integers beyond 64 bits).
        TypeError: `entry` is of none of these types.

    >>> segments = [{"start": 0.5, "end": 2.0, "speaker": "a"}]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> recording.sample_rate, recording.durations, recording.speakers
    (16000, [1.5], ['a'])
    >>> turns = [{"start": 0, "end": 2, "speaker": "no-speaker"}, {"start": 2, "end": 5, "speaker": "a,b"}]
    >>> config = ManifestConfig(default_sample_rate=48000, skip_no_speaker=True, speaker_separator=",")
    >>> recording = parse_recording({"diar_segments": turns}, config)
    >>> recording.sample_rate, recording.durations, recording.speakers
    (48000, [3], [('a', 'b')])
    >>> parse_recording('{"segments": [[0, 1.5]], "sample_rate": 16000}')
    Traceback (most recent call last):
    ...
    alm_beam.core.faults.BadEntry: segment_not_object: segments[0]: expected an object, found list
    """
    line = entry if isinstance(entry, ManifestLine) else manifest_line(entry)
    return _parsed_line(line, config)


def manifest_line(entry: dict[str, Any] | bytes | str) -> ManifestLine:
    """An entry as a manifest line without a file: `file` is empty and `offset` is 0.

    Raises:
        BadEntry: see `parse_recording`.
        TypeError: `entry` is of none of these types.

    >>> manifest_line({"segments": []})
    ManifestLine(file='', offset=0, text=b'{"segments":[]}', fault=None)
    """
    if isinstance(entry, bytes):
        return ManifestLine("", 0, entry)
    if isinstance(entry, str):
        return ManifestLine("", 0, _encoded(entry))
    if isinstance(entry, dict):
        return ManifestLine("", 0, _serialised(entry))
    raise TypeError(f"an entry is a dict, str, bytes or ManifestLine, not {type(entry).__name__}")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadEntry(RejectReason.NOT_UTF8, f"character {error.start} of the text: {error.reason}") from None


def _serialised(entry: dict[str, Any]) -> bytes:
    """The JSON of an entry.

    orjson writes NaN and infinity as null, which would count as a bandwidth of 0 or as a missing time: they are looked
    for first. Dataclasses are refused because their fields would escape that check.
    """
    fault = number_fault(entry)
    if fault is not None:
        raise fault
    try:
        return orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError as error:
        if is_recursion(error):
            raise too_deep() from None
        raise BadEntry(RejectReason.NOT_JSON, f"the entry cannot be written as JSON: {error}") from None


def _parsed_line(line: ManifestLine, config: ManifestConfig) -> Recording:
    if line.fault is not None:
        raise line.fault
    text = without_bom(line)
    entry, words = lift_words(text) or (parsed_json(text), None)
    if type(entry) is not dict:
        raise no_object(entry)
    field = segments_field(entry)
    if field not in entry:
        raise BadEntry(RejectReason.SEGMENTS_MISSING, "the entry has no field 'segments', and no 'diar_segments'")
    segments = entry[field]
    if type(segments) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"{field}: expected a list, found {described(segments)}")
    if segments:
        check_offset(entry)
    sample_rate = checked_sample_rate(entry, config.default_sample_rate)
    starts, ends, durations = checked_times(segments, field)
    total = left_to_right_sum(durations)
    if total > _MAX_SECONDS:
        raise BadEntry(RejectReason.TIME_NOT_FINITE, "the segments' durations are too large to sum")
    speakers = checked_speakers(segments, field)
    bandwidths = checked_bandwidths(segments, field, config.default_bandwidth)
    if config.speaker_separator is not None:
        speakers = split_labels(speakers, config.speaker_separator)
    if words is None:
        has_words = True in map(contains, segments, repeat("words"))
        words = list(map(_taken_words, segments)) if has_words else [b""] * len(segments)
    indices = range(len(segments))
    recording = Recording(
        line, entry, sample_rate, segments, words, starts, ends, durations, total, speakers, bandwidths, indices
    )
    return _without_no_speaker(recording) if config.skip_no_speaker and NO_SPEAKER in speakers else recording


def _without_no_speaker(recording: Recording) -> Recording:
    """The recording as it would be if its manifest had no segment of `no-speaker`."""
    stays = [speaker != NO_SPEAKER for speaker in recording.speakers]
    segments, durations = list(compress(recording.segments, stays)), list(compress(recording.durations, stays))
    return replace(
        recording,
        entry={**recording.entry, segments_field(recording.entry): segments},
        segments=segments,
        words=list(compress(recording.words, stays)),
        starts=list(compress(recording.starts, stays)),
        ends=list(compress(recording.ends, stays)),
        durations=durations,
        total_duration=left_to_right_sum(durations),
        speakers=list(compress(recording.speakers, stays)),
        bandwidths=list(compress(recording.bandwidths, stays)),
        indices=list(compress(recording.indices, stays)),
    )


def parsed_words(recording: Recording, index: int) -> Any:
    """The words of a segment, parsed. It has to have any.

    Raises:
        BadEntry: the words contain a number that is too large, or are nested too deep.
    """
    try:
        return parsed(recording.words[index])
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg:
            raise too_deep() from None
        raise BadEntry(RejectReason.NOT_JSON, f"{recording.place_of(index)}.words: {error.msg}") from None


def whole_segments(recording: Recording) -> list[Segment]:
    """The segments of a recording with their words. Segments without words are the recording's own, not copies.

    Raises:
        BadEntry: see `parsed_words`.
    """
    return [
        {**segment, "words": parsed_words(recording, index)} if words else segment
        for index, (segment, words) in enumerate(zip(recording.segments, recording.words))
    ]


def serialise_reject(reject: Reject) -> bytes:
    """The line of `rejects-*.jsonl` for a bad entry, without a newline.

    >>> fault = BadEntry(RejectReason.NOT_OBJECT, "expected a JSON object, found list")
    >>> serialise_reject(Reject(ManifestLine("m.jsonl", 120, b"[]"), fault))
    b'{"file":"m.jsonl","offset":120,"reason":"not_object","detail":"expected a JSON object, found list","line":"[]"}'
    """
    line, fault = reject.line, reject.fault
    head = line.text[: 4 * REJECTED_LINE_CHARS].decode("utf-8", "replace")[:REJECTED_LINE_CHARS]
    return orjson.dumps(
        {
            "file": line.file,
            "offset": line.offset,
            "reason": fault.reason.value,
            "detail": fault.detail,
            "line": head,
        }
    )


def no_object(entry: Any) -> BadEntry:
    """The fault of a line that is JSON, but no object."""
    advice = "; if it holds entries, write one per line: jq -c '.[]'" if type(entry) is list else ""
    return BadEntry(RejectReason.NOT_OBJECT, f"expected a JSON object, found {described(entry)}{advice}")


def without_bom(line: ManifestLine) -> bytes:
    """The text of a line, without the byte order mark that the first line of a file may begin with."""
    return line.text[len(_BOM) :] if line.offset == 0 and line.text.startswith(_BOM) else line.text


def _taken_words(segment: Segment) -> bytes:
    if "words" not in segment:
        return b""
    try:
        words = orjson.dumps(segment["words"])
    except TypeError:
        raise too_deep() from None
    segment["words"] = None
    return words


def parsed_json(text: bytes) -> Any:
    """What a line states.

    Raises:
        BadEntry: it is not JSON.
        MemoryError: there is no room to parse it.
    """
    try:
        return parsed(text)
    except orjson.JSONDecodeError as error:
        raise json_fault(text, error) from None
