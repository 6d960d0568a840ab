"""What can be wrong with an entry of a manifest, and the words for it."""

import json
import math
from enum import Enum
from typing import Any, TypeAlias

import orjson

from alm_beam.core.stated_fields import SEGMENTS, segments_field

Segment: TypeAlias = dict[str, Any]

NUMBER = frozenset({int, float})
"""The types of a JSON number; a boolean is not one."""


class RejectReason(str, Enum):
    """Why an entry of a manifest cannot be used. The values are the codes in `rejects-*.jsonl`.

    >>> RejectReason.NOT_JSON.value
    'not_json'
    """

    NOT_A_MANIFEST = "not_a_manifest"
    LINE_TOO_LONG = "line_too_long"
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
    OFFSET_NOT_ZERO = "offset_not_zero"
    SAMPLE_RATE_MISSING = "sample_rate_missing"
    SAMPLE_RATE_NOT_NUMBER = "sample_rate_not_number"
    METRICS_NOT_OBJECT = "metrics_not_object"
    BANDWIDTH_NOT_NUMBER = "bandwidth_not_number"
    METRIC_NOT_NUMBER = "metric_not_number"
    SPEAKER_NOT_LABEL = "speaker_not_label"
    WORDS_MALFORMED = "words_malformed"
    ENTRY_TOO_LARGE = "entry_too_large"
    OTHER_FORMAT = "other_format"
    FIELD_MISSING = "field_missing"
    FIELD_MALFORMED = "field_malformed"
    RECORDINGS_DIFFER = "recordings_differ"
    FIELD_COUNT = "field_count"
    CONFIDENCE_NOT_NUMBER = "confidence_not_number"
    UNKNOWN_LINE_TYPE = "unknown_line_type"
    REPEATED_RECORDING = "repeated_recording"
    RECORDING_MISSING = "recording_missing"
    AUDIO_NOT_STATED = "audio_not_stated"
    AUDIO_MISSING = "audio_missing"
    AUDIO_DENIED = "audio_denied"
    AUDIO_EMPTY = "audio_empty"
    AUDIO_TRUNCATED = "audio_truncated"
    AUDIO_UNREADABLE = "audio_unreadable"
    AUDIO_CODEC_MISSING = "audio_codec_missing"
    AUDIO_TOO_SHORT = "audio_too_short"
    NOT_A_CUT = "not_a_cut"


class BadEntry(ValueError):
    """An entry of a manifest that cannot be used.

    Attributes:
        reason: the code.
        detail: what was found, where in the entry, and what was expected.

    >>> from alm_beam.core.manifest import parse_recording
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

    def __reduce__(self) -> tuple[type["BadEntry"], tuple[RejectReason, str]]:
        return type(self), (self.reason, self.detail)


def json_fault(text: bytes, error: orjson.JSONDecodeError, whole: str = "line") -> BadEntry:
    """The fault of a text that orjson did not read, from its error.

    Args:
        text: the text.
        error: what orjson said.
        whole: what the text is of its file: a line, or the document that the file is.
    """
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as fault:
        if fault.end == len(text) and fault.reason == "unexpected end of data":
            return BadEntry(RejectReason.CUT_OFF, f"the {whole} ends at byte {len(text)}, within a character")
        return BadEntry(RejectReason.NOT_UTF8, f"byte {fault.start} of the {whole}: {fault.reason}")
    if "end of data" in error.msg:
        return BadEntry(RejectReason.CUT_OFF, f"the {whole} ends at byte {len(text)}, before its JSON does")
    if "depth" in error.msg:
        return too_deep()
    return _non_finite_fault(text) or BadEntry(
        RejectReason.NOT_JSON,
        f"character {error.pos} of the {whole}: {error.msg}; expected one JSON object per {whole}",
    )


def too_deep() -> BadEntry:
    """The fault of an entry that orjson can read (up to 1024 levels) but cannot write (up to 254)."""
    return BadEntry(RejectReason.TOO_DEEP, "objects and lists are nested more than 254 deep")


def unwritable(error: TypeError) -> BadEntry:
    """The fault of an entry that orjson refused to write because it is nested too deep.

    Raises:
        TypeError: the given error has another cause, which is a bug.
    """
    if is_recursion(error):
        return too_deep()
    raise error


def is_recursion(error: TypeError) -> bool:
    """Whether orjson refused a value because it is nested too deep."""
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
    field = segments_field(entry) if type(entry) is dict else SEGMENTS
    segments = entry.get(field) if type(entry) is dict else None
    for index, segment in enumerate(segments if type(segments) is list else []):
        for name in ("start", "end"):
            value = segment.get(name) if type(segment) is dict else None
            if type(value) is float and not math.isfinite(value):
                return BadEntry(RejectReason.TIME_NOT_FINITE, f"{field}[{index}].{name}: {value} is not a time")
    return BadEntry(RejectReason.NOT_JSON, f"JSON has no {constants[0]}; write null") if constants else None


def described(value: object) -> str:
    """The value's JSON type, and the value if it is short, for messages."""
    if value is None:
        return "null"
    kind = {dict: "object", list: "list", str: "string", bool: "boolean"}.get(type(value), "number")
    shown = json.dumps(value)[:40] if type(value) in (str, bool, int, float) else ""
    return f"{kind} {shown}".strip()
