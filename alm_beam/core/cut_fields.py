"""The fields of Lhotse's cuts that other formats need, checked as they are read."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, described


def checked_cut(cut: Mapping[str, Any]) -> None:
    """
    Raises:
        BadEntry: it is not a cut of one recording.
    """
    kind = cut.get("type", "MonoCut")
    if kind not in ("MonoCut", "MultiCut"):
        found = described(kind)
        raise BadEntry(RejectReason.RECORDING_MISSING, f"type: expected MonoCut or MultiCut, found {found}")


def supervisions_of(cut: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The supervisions of a cut.

    Raises:
        BadEntry: they are no list of objects.
    """
    found = cut.get("supervisions")
    if found is None:
        return []
    if type(found) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"supervisions: expected a list, found {described(found)}")
    for index, each in enumerate(found):
        if type(each) is not dict:
            at = f"supervisions[{index}]"
            raise BadEntry(RejectReason.SEGMENT_NOT_OBJECT, f"{at}: expected an object, found {described(each)}")
    return found


def recording_of(cut: Mapping[str, Any]) -> str:
    """The id of a cut's recording, which its supervisions may state, too.

    Raises:
        BadEntry: nothing states it.
    """
    recording = cut.get("recording")
    holders = [recording] if type(recording) is dict else []
    stated = [each.get("id") for each in holders] + [each.get("recording_id") for each in supervisions_of(cut)]
    found = next((each for each in stated if type(each) in (str, int) and each != ""), None)
    if found is None:
        raise BadEntry(RejectReason.RECORDING_MISSING, "the cut has no recording.id, nor a supervision a recording_id")
    return str(found)


def time_in(holder: Mapping[str, Any], name: str, at: str) -> Decimal:
    """A time of a cut or a supervision, seconds, with the digits that it was written with.

    Raises:
        BadEntry: it is missing, or no finite number.
    """
    value = holder.get(name)
    if value is None:
        raise BadEntry(RejectReason.TIME_MISSING, f"{at} has no {name} (seconds)")
    if type(value) not in NUMBER:
        found = described(value)
        raise BadEntry(RejectReason.TIME_NOT_NUMBER, f"{at}.{name}: expected a number of seconds, found {found}")
    if not math.isfinite(value):
        raise BadEntry(RejectReason.TIME_NOT_FINITE, f"{at}.{name}: {value} is not a time")
    return Decimal(repr(value))
