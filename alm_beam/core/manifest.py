"""One line of a manifest: the recording that it describes, or what is wrong with it."""

import json
import math
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
"""The label of a segment that diarization gave to nobody: it ends every window before it."""

REJECTED_LINE_CHARS = 2000

_BOM = b"\xef\xbb\xbf"
NUMBER = frozenset({int, float})
"""The types of a JSON number; a boolean is not one."""

_SPEAKER = {str, int, type(None)}

_START = itemgetter("start")
_END = itemgetter("end")
_METRICS = itemgetter("metrics")
_BANDWIDTH = itemgetter("bandwidth")

_MOST_SECONDS = 1e300

Segment = dict[str, Any]


class RejectReason(str, Enum):
    """Why a manifest line cannot be used; the values are the codes in `rejects-*.jsonl`."""

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
    """A manifest line that cannot be used.

    Attributes:
        reason: the code.
        detail: what was found, where in the entry, and what was expected.
    """

    def __init__(self, reason: RejectReason, detail: str):
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class ManifestLine(NamedTuple):
    """A line of a manifest and where it stands.

    Attributes:
        file: path or URL of the manifest.
        offset: byte offset of the line in the manifest (of its uncompressed bytes, where it is compressed).
        text: the line as read, without its newline.
    """

    file: str
    offset: int
    text: bytes


class Placed:
    """Something that came from a line of a manifest; `line` says which. What passes between the steps of the job."""

    __slots__ = ()


@dataclass(slots=True)
class Reject(Placed):
    """A bad entry.

    Attributes:
        line: where it stands.
        fault: what is wrong with it.
    """

    line: ManifestLine
    fault: BadEntry


@dataclass(slots=True)
class Recording(Placed):
    """A checked entry of a manifest, with the columns that windows are built from.

    Attributes:
        line: where it came from.
        entry: the entry as read. Nothing changes it.
        sample_rate: Hz.
        segments: the entry's segments, in the manifest's order. Where one has words, null stands in their place.
        words: the words of each segment, as JSON; empty where it has none.
        starts, ends: seconds, finite, starts[i] <= ends[i].
        durations: seconds, ends[i] - starts[i].
        total_duration: seconds, their sum.
        speakers: labels; None where the segment has none, or an empty one.
        bandwidths: Hz; 0 where the segment has none.
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


def is_blank(line: ManifestLine) -> bool:
    """Whether the line holds nothing but white space (and a byte order mark)."""
    text = _without_bom(line)
    return not text or text.isspace()


def parse_recording(line: ManifestLine) -> Recording:
    """The recording that a manifest line describes.

    Raises:
        BadEntry: the line is not a JSON object with usable `segments` and `audio_sample_rate`.
    """
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
    if total > _MOST_SECONDS:
        raise BadEntry(RejectReason.TIME_NOT_FINITE, "the segments' durations are too large to sum")
    speakers, bandwidths = _checked_speakers(segments), _checked_bandwidths(segments)
    if words is None:
        has_words = True in map(contains, segments, repeat("words"))
        words = list(map(_taken_words, segments)) if has_words else [b""] * len(segments)
    return Recording(line, entry, sample_rate, segments, words, starts, ends, durations, total, speakers, bandwidths)


def parsed_words(words: bytes, index: int) -> Any:
    """What the words of a segment are.

    Args:
        words: their JSON, as a recording has it.
        index: the segment's.

    Raises:
        BadEntry: they hold a number that is too large, or are nested too deep.
    """
    try:
        return orjson.loads(words)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg:
            raise too_deep() from None
        raise BadEntry(RejectReason.NOT_JSON, f"segments[{index}].words: {error.msg}") from None


def whole_segments(recording: Recording) -> list[Segment]:
    """The recording's segments with their words.

    Raises:
        BadEntry: see `parsed_words`.
    """
    return [
        {**segment, "words": parsed_words(words, index)} if words else segment
        for index, (segment, words) in enumerate(zip(recording.segments, recording.words))
    ]


def serialise_reject(reject: Reject) -> bytes:
    """The line of `rejects-*.jsonl` for a bad entry, without a newline."""
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
    """The fault of an entry that orjson does not write; it reads up to 1024 levels."""
    return BadEntry(RejectReason.TOO_DEEP, "objects and lists are nested more than 254 deep")


def _non_finite_fault(text: bytes) -> BadEntry | None:
    """The fault of a line that would be JSON if JSON had NaN and Infinity; None where something else is wrong."""
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
    """The value's JSON type and, where it is short, the value: for messages."""
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


# The checks below look at whole columns, which is fast, and ask which segment is at fault only when one is. What is no
# object has no fields, so reading the first column finds that too.


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
