"""One entry of a manifest: the recording that it describes, or what is wrong with it."""

import json
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from operator import contains, itemgetter, sub
from typing import Any, NamedTuple

import orjson

from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.words import lift_words

NO_SPEAKER = "no-speaker"
"""The label of a segment that diarization assigned to nobody. No window contains such a segment."""

REJECTED_LINE_CHARS = 2000

NUMBER = frozenset({int, float})
"""The types of a JSON number; a boolean is not one."""

_BOM = b"\xef\xbb\xbf"
_SPEAKER = {str, int, type(None)}

_START = itemgetter("start")
_END = itemgetter("end")
_METRICS = itemgetter("metrics")
_BANDWIDTH = itemgetter("bandwidth")

_MAX_SECONDS = 1e300

_MAX_PLAIN_SECONDS = 1e9

_short = reprlib.Repr()
_short.maxstring = 80

Segment = dict[str, Any]


class RejectReason(str, Enum):
    """Why an entry of a manifest cannot be used. The values are the codes in `rejects-*.jsonl`.

    >>> RejectReason.NOT_JSON.value
    'not_json'
    """

    NOT_UTF8 = "not_utf8"
    CUT_OFF = "cut_off"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_OBJECT = "not_object"
    SEGMENTS_MISSING = "segments_missing"
    SEGMENTS_NOT_LIST = "segments_not_list"
    SEGMENT_NOT_OBJECT = "segment_not_object"
    TIME_MISSING = "time_missing"
    TIME_NOT_NUMBER = "time_not_number"
    TIME_NOT_FINITE = "time_not_finite"
    END_BEFORE_START = "end_before_start"
    SAMPLE_RATE_MISSING = "sample_rate_missing"
    SAMPLE_RATE_NOT_NUMBER = "sample_rate_not_number"
    METRICS_NOT_OBJECT = "metrics_not_object"
    BANDWIDTH_NOT_NUMBER = "bandwidth_not_number"
    SPEAKER_NOT_LABEL = "speaker_not_label"
    WORDS_MALFORMED = "words_malformed"


class BadEntry(ValueError):
    """An entry of a manifest that cannot be used.

    Attributes:
        reason: the code.
        detail: what was found, where in the entry, and what was expected.

    >>> try:
    ...     parse_recording({"audio_sample_rate": 16000, "segments": [{"start": 2.0, "end": 1.0}]})
    ... except BadEntry as fault:
    ...     print(fault.reason.value, "|", fault.detail)
    end_before_start | segments[0]: end 1.0 is before start 2.0
    """

    def __init__(self, reason: RejectReason, detail: str):
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class ManifestLine(NamedTuple):
    """A line of a manifest and its position.

    Attributes:
        file: path or URL of the manifest.
        offset: byte offset of the line in the manifest. In a compressed manifest, uncompressed bytes are counted.
        text: the line as read, without its newline.

    >>> line = ManifestLine("meetings.jsonl", 512, b'{"audio_sample_rate": 16000, "segments": []}')
    >>> parse_recording(line).line.offset
    512
    """

    file: str
    offset: int
    text: bytes


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

    The lists from `segments` to `bandwidths` have one item per segment, in the manifest's order. Nothing changes a
    recording after it is parsed.

    Attributes:
        line: the manifest line of the entry.
        entry: the entry as read, except that the words of its segments are null.
        sample_rate: Hz.
        segments: the segments of `entry`. The words of each are null here if it has any; see `words`.
        words: the words of each segment as JSON; empty if the segment has none.
        starts: seconds, finite.
        ends: seconds, finite, ends[i] >= starts[i].
        durations: seconds, ends[i] - starts[i].
        total_duration: seconds, the sum of `durations`.
        speakers: labels; None if the segment has none, or an empty one.
        bandwidths: Hz; 0 if the segment has none.

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
    speakers: list[str | int | None]
    bandwidths: list[float]

    def __repr__(self) -> str:
        name = _short_text(self.entry.get("audio_filepath"))
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
    text = _without_bom(line)
    return not text or text.isspace()


def parse_recording(entry: ManifestLine | dict[str, Any] | bytes | str) -> Recording:
    """Checks one entry of a manifest and gives the recording that it describes.

    A dict is written as JSON and read back, so it gives what its line in a manifest would give. The dict stays as it
    is, and later changes to it do not reach the recording. NumPy numbers and arrays in it are written as JSON numbers
    and lists. NaN and infinity are errors in a segment's start, end and bandwidth and in the sample rate; anywhere else
    in a dict they become null.

    Args:
        entry: the entry as a dict, as JSON text (str, or UTF-8 bytes), or as a line of a manifest. The field `segments`
            is a list of objects with `start` and `end` (seconds) and optionally `speaker`, `metrics.bandwidth` (Hz),
            `text` and `words`; the field `audio_sample_rate` is in Hz.

    Raises:
        BadEntry: the entry is not a JSON object with usable `segments` and `audio_sample_rate`, or a dict contains what
            JSON cannot hold (keys that are not strings, unknown types, integers beyond 64 bits).
        TypeError: `entry` is of none of these types.

    >>> segments = [{"start": 0.5, "end": 2.0, "speaker": "a"}]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> recording.sample_rate, recording.durations, recording.speakers
    (16000, [1.5], ['a'])
    >>> parse_recording('{"segments": []}')
    Traceback (most recent call last):
    ...
    alm_beam.core.manifest.BadEntry: sample_rate_missing: the entry has no audio_sample_rate (Hz)
    """
    line = entry if isinstance(entry, ManifestLine) else manifest_line(entry)
    return _parsed_line(line)


def manifest_line(entry: dict[str, Any] | bytes | str) -> ManifestLine:
    """An entry as a manifest line without a file: `file` is empty and `offset` is 0.

    Raises:
        BadEntry: see `parse_recording`.
        TypeError: `entry` is of none of these types.

    >>> manifest_line({"segments": []})
    ManifestLine(file='', offset=0, text=b'{"segments":[]}')
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
    fault = _number_fault(entry)
    if fault is not None:
        raise fault
    try:
        return orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError as error:
        if _is_recursion(error):
            raise too_deep() from None
        raise BadEntry(RejectReason.NOT_JSON, f"the entry cannot be written as JSON: {error}") from None


def _number_fault(entry: dict[str, Any]) -> BadEntry | None:
    """The fault of an entry with NaN or infinity for a time, the sample rate or a bandwidth; None without one."""
    rate = entry.get("audio_sample_rate")
    if _is_non_finite(rate):
        detail = f"audio_sample_rate: expected a number of Hz, found {rate}"
        return BadEntry(RejectReason.SAMPLE_RATE_NOT_NUMBER, detail)
    segments = entry.get("segments")
    for index, segment in enumerate(segments if isinstance(segments, list | tuple) else ()):
        if not isinstance(segment, dict):
            continue
        for name in ("start", "end"):
            if _is_non_finite(segment.get(name)):
                detail = f"segments[{index}].{name}: {segment[name]} is not a time"
                return BadEntry(RejectReason.TIME_NOT_FINITE, detail)
        metrics = segment.get("metrics")
        if isinstance(metrics, dict) and _is_non_finite(metrics.get("bandwidth")):
            detail = f"segments[{index}].metrics.bandwidth: expected a number of Hz, found {metrics['bandwidth']}"
            return BadEntry(RejectReason.BANDWIDTH_NOT_NUMBER, detail)
    return None


def _is_non_finite(value: Any) -> bool:
    """Whether the value is a number, of Python or NumPy, that is NaN or infinite."""
    try:
        return not math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _parsed_line(line: ManifestLine) -> Recording:
    text = _without_bom(line)
    entry, words = lift_words(text) or (_parsed_json(text), None)
    if type(entry) is not dict:
        raise BadEntry(RejectReason.NOT_OBJECT, f"expected a JSON object, found {described(entry)}")
    if "segments" not in entry:
        raise BadEntry(RejectReason.SEGMENTS_MISSING, "the entry has no field 'segments'")
    segments = entry["segments"]
    if type(segments) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"segments: expected a list, found {described(segments)}")
    sample_rate = _checked_sample_rate(entry)
    starts, ends, durations = _checked_times(segments)
    total = left_to_right_sum(durations)
    if total > _MAX_SECONDS:
        raise BadEntry(RejectReason.TIME_NOT_FINITE, "the segments' durations are too large to sum")
    speakers, bandwidths = _checked_speakers(segments), _checked_bandwidths(segments)
    if words is None:
        has_words = True in map(contains, segments, repeat("words"))
        words = list(map(_taken_words, segments)) if has_words else [b""] * len(segments)
    return Recording(line, entry, sample_rate, segments, words, starts, ends, durations, total, speakers, bandwidths)


def parsed_words(words: bytes, index: int) -> Any:
    """The words of a segment, parsed.

    Args:
        words: the JSON of the words, an item of `Recording.words`.
        index: index of the segment, for the message.

    Raises:
        BadEntry: the words contain a number that is too large, or are nested too deep.
    """
    try:
        return orjson.loads(words)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg:
            raise too_deep() from None
        raise BadEntry(RejectReason.NOT_JSON, f"segments[{index}].words: {error.msg}") from None


def whole_segments(recording: Recording) -> list[Segment]:
    """The segments of a recording with their words. Segments without words are the recording's own, not copies.

    Raises:
        BadEntry: see `parsed_words`.
    """
    return [
        {**segment, "words": parsed_words(words, index)} if words else segment
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


def _without_bom(line: ManifestLine) -> bytes:
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


def _parsed_json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _json_fault(text, error) from None


def _json_fault(text: bytes, error: orjson.JSONDecodeError) -> BadEntry:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as fault:
        if fault.end == len(text) and fault.reason == "unexpected end of data":
            return BadEntry(RejectReason.CUT_OFF, f"the line ends at byte {len(text)}, within a character")
        return BadEntry(RejectReason.NOT_UTF8, f"byte {fault.start} of the line: {fault.reason}")
    if "end of data" in error.msg:
        return BadEntry(RejectReason.CUT_OFF, f"the line ends at byte {len(text)}, before its JSON does")
    if "depth" in error.msg:
        return too_deep()
    return _non_finite_fault(text) or BadEntry(
        RejectReason.NOT_JSON, f"character {error.pos} of the line: {error.msg}; expected one JSON object per line"
    )


def too_deep() -> BadEntry:
    """The fault of an entry that orjson can read (up to 1024 levels) but cannot write (up to 254)."""
    return BadEntry(RejectReason.TOO_DEEP, "objects and lists are nested more than 254 deep")


def unwritable(error: TypeError) -> BadEntry:
    """The fault of an entry that orjson refused to write because it is nested too deep.

    Raises:
        TypeError: the given error has another cause, which is a bug.
    """
    if _is_recursion(error):
        return too_deep()
    raise error


def _is_recursion(error: TypeError) -> bool:
    return "ecursion" in str(error)


def _non_finite_fault(text: bytes) -> BadEntry | None:
    """The fault of a line that would be JSON if JSON had NaN and Infinity; None if something else is wrong."""
    constants: list[str] = []

    def met(name: str) -> float:
        constants.append(name)
        return float(name)

    try:
        entry = json.loads(text, parse_constant=met)
    except (ValueError, RecursionError):
        return None
    segments = entry.get("segments") if type(entry) is dict else None
    for index, segment in enumerate(segments if type(segments) is list else []):
        for name in ("start", "end"):
            value = segment.get(name) if type(segment) is dict else None
            if type(value) is float and not math.isfinite(value):
                return BadEntry(RejectReason.TIME_NOT_FINITE, f"segments[{index}].{name}: {value} is not a time")
    return BadEntry(RejectReason.NOT_JSON, f"JSON has no {constants[0]}; write null") if constants else None


def described(value: object) -> str:
    """The value's JSON type, and the value if it is short, for messages."""
    if value is None:
        return "null"
    kind = {dict: "object", list: "list", str: "string", bool: "boolean"}.get(type(value), "number")
    shown = json.dumps(value)[:40] if type(value) in (str, bool, int, float) else ""
    return f"{kind} {shown}".strip()


def _checked_sample_rate(entry: dict[str, Any]) -> float:
    rate = entry.get("audio_sample_rate")
    if rate is None:
        raise BadEntry(RejectReason.SAMPLE_RATE_MISSING, "the entry has no audio_sample_rate (Hz)")
    if type(rate) not in NUMBER:
        detail = f"audio_sample_rate: expected a number of Hz, found {described(rate)}"
        raise BadEntry(RejectReason.SAMPLE_RATE_NOT_NUMBER, detail)
    return rate  # type: ignore[no-any-return]


# The checks below look at whole columns, which is fast. Only when a column is refused do they look for the segment at
# fault. A segment that is not an object has no fields, so reading the first column finds that too.


def _checked_times(segments: list[Segment]) -> tuple[list[float], list[float], list[float]]:
    try:
        starts = list(map(_START, segments))
        ends = list(map(_END, segments))
        durations = list(map(sub, ends, starts))
    except (KeyError, TypeError):
        raise _first_fault(segments, _time_fault) from None
    if not (NUMBER.issuperset(map(type, starts)) and NUMBER.issuperset(map(type, ends))):
        raise _first_fault(segments, _time_fault)
    if durations and min(durations) < 0:
        raise _first_fault(segments, _time_fault)
    return starts, ends, durations


def _checked_speakers(segments: list[Segment]) -> list[str | int | None]:
    speakers: list[str | int | None] = [segment.get("speaker") for segment in segments]
    if not _SPEAKER.issuperset(map(type, speakers)):
        raise _first_fault(segments, _speaker_fault)
    return [None if speaker == "" else speaker for speaker in speakers] if "" in speakers else speakers


def _checked_bandwidths(segments: list[Segment]) -> list[float]:
    try:
        bandwidths: list[float] = list(map(_BANDWIDTH, map(_METRICS, segments)))
        if NUMBER.issuperset(map(type, bandwidths)):
            return bandwidths
    except (KeyError, TypeError):
        pass
    return list(map(_bandwidth, range(len(segments)), segments))


def _bandwidth(index: int, segment: Segment) -> float:
    at, metrics = f"segments[{index}].metrics", segment.get("metrics")
    if metrics is None:
        return 0
    if type(metrics) is not dict:
        found = described(metrics)
        raise BadEntry(RejectReason.METRICS_NOT_OBJECT, f"{at}: expected an object, found {found}")
    bandwidth = metrics.get("bandwidth")
    if bandwidth is None:
        return 0
    if type(bandwidth) not in NUMBER:
        found = described(bandwidth)
        raise BadEntry(RejectReason.BANDWIDTH_NOT_NUMBER, f"{at}.bandwidth: expected a number of Hz, found {found}")
    return bandwidth  # type: ignore[no-any-return]


def _first_fault(segments: list[Segment], fault_of: Callable[[str, Any], BadEntry | None]) -> BadEntry:
    for index, segment in enumerate(segments):
        fault = fault_of(f"segments[{index}]", segment)
        if fault is not None:
            return fault
    raise AssertionError("a column was refused, yet each of its segments was accepted")


def _time_fault(at: str, segment: Any) -> BadEntry | None:
    if type(segment) is not dict:
        return BadEntry(RejectReason.SEGMENT_NOT_OBJECT, f"{at}: expected an object, found {described(segment)}")
    for name in ("start", "end"):
        if segment.get(name) is None:
            return BadEntry(RejectReason.TIME_MISSING, f"{at} has no {name} (seconds)")
        if type(segment[name]) not in NUMBER:
            found = described(segment[name])
            return BadEntry(RejectReason.TIME_NOT_NUMBER, f"{at}.{name}: expected a number of seconds, found {found}")
    if segment["end"] < segment["start"]:
        detail = f"{at}: end {segment['end']} is before start {segment['start']}"
        return BadEntry(RejectReason.END_BEFORE_START, detail)
    return None


def _speaker_fault(at: str, segment: Segment) -> BadEntry | None:
    if type(segment.get("speaker")) in _SPEAKER:
        return None
    found = described(segment["speaker"])
    return BadEntry(RejectReason.SPEAKER_NOT_LABEL, f"{at}.speaker: expected a string or an integer, found {found}")
