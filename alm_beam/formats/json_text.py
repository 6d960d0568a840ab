"""JSON as other tools write it: one object a line, or a file that is one document."""

import json
import math
from typing import Any

import orjson

from alm_beam.core.faults import BadEntry, RejectReason, described, json_fault, too_deep
from alm_beam.core.words import parsed

_BOM = b"\xef\xbb\xbf"

_SHALLOW = 200
"""So few brackets that open cannot nest too deep."""

_LEVELS_AROUND = 10
"""How many levels deeper than in its line a value is in a piece, an entry, and the windows of that entry."""

_TIME_FIELDS = ("start", "end", "offset", "duration", "start_ms", "end_ms")


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON object that a line holds.

    Raises:
        BadEntry: the line is not JSON, or no object, or nested too deep to be written again. NaN and Infinity are not
            JSON; the detail says where they are.

    >>> json_object(b'{"duration": NaN}')
    Traceback (most recent call last):
        ...
    alm_beam.core.faults.BadEntry: time_not_finite: duration: NaN is not a time
    """
    value = json_value(text, "line")
    if type(value) is not dict:
        advice = "; if it holds several, write one per line: jq -c '.[]'" if type(value) is list else ""
        raise BadEntry(RejectReason.NOT_OBJECT, f"expected a JSON object per line, found {described(value)}{advice}")
    return value


def json_value(text: bytes, whole: str) -> Any:
    """What a JSON text holds.

    Args:
        text: a line, or all of a file.
        whole: which of them, for messages: line or document.

    Raises:
        BadEntry: as from `json_object`.
    """
    text = text.removeprefix(_BOM)
    try:
        value = parsed(text)
    except orjson.JSONDecodeError as error:
        raise _non_finite_fault(text) or json_fault(text, error, whole) from None
    if text.count(b"[") + text.count(b"{") > _SHALLOW and _is_too_deep(value):
        raise too_deep()
    return value


def _is_too_deep(value: Any) -> bool:
    for _ in range(_LEVELS_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def _non_finite_fault(text: bytes) -> BadEntry | None:
    """The fault of a text that would be JSON if JSON had NaN and Infinity; None if something else is wrong."""
    try:
        values = [("", json.loads(text.decode()))]
    except (ValueError, RecursionError):
        return None
    while values:
        at, value = values.pop()
        if type(value) is dict:
            values += [(f"{at}.{name}" if at else name, value[name]) for name in reversed(value)]
        elif type(value) is list:
            values += [(f"{at}[{index}]", value[index]) for index in reversed(range(len(value)))]
        elif type(value) is float and not math.isfinite(value):
            found = json.dumps(value)
            if at.endswith(_TIME_FIELDS):
                return BadEntry(RejectReason.TIME_NOT_FINITE, f"{at}: {found} is not a time")
            return BadEntry(RejectReason.NOT_JSON, f"{at}: JSON has no {found}; write null, or leave it out")
    return None
