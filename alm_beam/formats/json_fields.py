"""The fields of JSON objects that other tools write, each checked for its type.

Each function takes the object, the name of the field, and where the object is in its line or document: `segments[3]`,
or nothing for the line itself. A field that is null counts as one that is not there.
"""

import math
from typing import Any

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, described
from alm_beam.formats.times import end_of

_LABEL = {str, int}


def place(at: str, name: str) -> str:
    """Where a field is, for messages.

    >>> place("segments[3]", "start"), place("", "start")
    ('segments[3].start', 'start')
    """
    return f"{at}.{name}" if at else name


def malformed(at: str, name: str, expected: str, found: object) -> BadEntry:
    """The fault of a field that is not what its format has there.

    >>> malformed("", "channel_ids", "a list", 0).detail
    'channel_ids: expected a list, found number 0'
    """
    return BadEntry(RejectReason.FIELD_MALFORMED, f"{place(at, name)}: expected {expected}, found {described(found)}")


def seconds(fields: dict[str, Any], name: str, at: str) -> float:
    """A time, or a duration.

    Raises:
        BadEntry: it is missing, or no number.
    """
    found = optional_seconds(fields, name, at)
    if found is None:
        raise BadEntry(RejectReason.TIME_MISSING, f"{place(at, name)}: expected a number of seconds, found none")
    return found


def optional_seconds(fields: dict[str, Any], name: str, at: str) -> float | None:
    """A time, or a duration; None where it is missing.

    Raises:
        BadEntry: it is no number.
    """
    found: float | None = fields.get(name)
    if found is not None and type(found) not in NUMBER:
        detail = f"{place(at, name)}: expected a number of seconds, found {described(found)}"
        raise BadEntry(RejectReason.TIME_NOT_NUMBER, detail)
    return found


def start_and_end(fields: dict[str, Any], at: str) -> tuple[float, float]:
    """The fields `start` and `end`, seconds.

    Raises:
        BadEntry: one is missing or no number, or the end is before the start.
    """
    start, end = seconds(fields, "start", at), seconds(fields, "end", at)
    if end < start:
        raise BadEntry(RejectReason.END_BEFORE_START, f"{place(at, 'end')}: end {end} is before start {start}")
    return start, end


def end_after(start: float, duration: float, at: str) -> float:
    """Where something ends that begins at `start` and lasts `duration`, seconds.

    Raises:
        BadEntry: the duration is negative, or the end too large for a float.
    """
    if duration < 0:
        detail = f"{place(at, 'duration')}: expected 0 or more seconds, found {duration}"
        raise BadEntry(RejectReason.END_BEFORE_START, detail)
    end = end_of(start, duration)
    if not math.isfinite(end):
        detail = f"{place(at, 'duration')}: {duration} after {start} is too large for a time"
        raise BadEntry(RejectReason.TIME_NOT_FINITE, detail)
    return end


def number(fields: dict[str, Any], name: str, at: str) -> float | None:
    """A number; None where it is missing.

    Raises:
        BadEntry: it is no number.
    """
    found: float | None = fields.get(name)
    if found is not None and type(found) not in NUMBER:
        raise malformed(at, name, "a number", found)
    return found


def text(fields: dict[str, Any], name: str, at: str) -> str | None:
    """A text; None where it is missing.

    Raises:
        BadEntry: it is no string.
    """
    found: str | None = fields.get(name)
    if found is not None and type(found) is not str:
        raise malformed(at, name, "a string", found)
    return found


def required_text(fields: dict[str, Any], name: str, at: str) -> str:
    """A text that is there and not empty.

    Raises:
        BadEntry: it is missing, empty, or no string.
    """
    found = text(fields, name, at)
    if not found:
        raise BadEntry(
            RejectReason.FIELD_MISSING, f"{place(at, name)}: expected a string that is not empty, found none"
        )
    return found


def label(fields: dict[str, Any], name: str, at: str) -> str | int | None:
    """The label of a speaker; None where it is missing or empty.

    Raises:
        BadEntry: it is neither a string nor an integer.
    """
    found: str | int | None = fields.get(name)
    if found is None or found == "":
        return None
    if type(found) not in _LABEL:
        detail = f"{place(at, name)}: expected a string or an integer, found {described(found)}"
        raise BadEntry(RejectReason.SPEAKER_NOT_LABEL, detail)
    return found


def objects(fields: dict[str, Any], name: str, at: str) -> list[dict[str, Any]]:
    """A list of objects; an empty one where it is missing.

    Raises:
        BadEntry: it is no list, or not all in it are objects.
    """
    found = fields.get(name)
    if found is None:
        return []
    if type(found) is not list:
        raise malformed(at, name, "a list", found)
    for index, each in enumerate(found):
        if type(each) is not dict:
            raise malformed(at, f"{name}[{index}]", "an object", each)
    return found


def without_missing(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are there.

    >>> without_missing({"start": 1.5, "speaker": None})
    {'start': 1.5}
    """
    return {name: value for name, value in fields.items() if value is not None}
