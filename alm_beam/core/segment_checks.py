"""The checks of an entry's offset and sample rate, and of its segments, as columns.

They look at whole columns, which is fast, and look for the segment at fault only when a column is refused. A segment
that is no object has no fields, so reading the first column finds that too.
"""

from collections.abc import Callable
from operator import itemgetter, sub
from typing import Any

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described
from alm_beam.core.speaker_labels import SpeakerLabel
from alm_beam.core.stated_fields import SAMPLE_RATES, sample_rate_field

_NUMBER_OR_NULL = NUMBER | {type(None)}
_SPEAKER = {str, int, type(None)}

_START = itemgetter("start")
_END = itemgetter("end")
_METRICS = itemgetter("metrics")
_BANDWIDTH = itemgetter("bandwidth")

_NO_SAMPLE_RATE = (
    f"the entry has none of {', '.join(SAMPLE_RATES)} (Hz); --default_sample_rate states the rate of such entries"
)


def checked_sample_rate(entry: dict[str, Any], default: float | None) -> float:
    """The sample rate of an entry, Hz.

    Args:
        entry: the entry.
        default: Hz, of an entry that states none; None if it has to state one.

    Raises:
        BadEntry: it is missing, or no number.
    """
    field = sample_rate_field(entry)
    if field is None:
        if default is None:
            raise BadEntry(RejectReason.SAMPLE_RATE_MISSING, _NO_SAMPLE_RATE)
        return default
    rate = entry[field]
    if type(rate) not in NUMBER:
        detail = f"{field}: expected a number of Hz, found {described(rate)}"
        raise BadEntry(RejectReason.SAMPLE_RATE_NOT_NUMBER, detail)
    return rate  # type: ignore[no-any-return]


def check_offset(entry: dict[str, Any]) -> None:
    """Checks that the audio of an entry begins where its file does.

    NeMo's `offset` makes an entry a part of its file. Whether the segments' times count from there or from the start of
    the file is not known, so windows of them might point at other audio.

    Raises:
        BadEntry: the entry states an offset other than 0.
    """
    offset = entry.get("offset")
    if offset is None or (type(offset) in NUMBER and offset == 0):
        return
    detail = (
        f"offset: expected 0 or none beside segments, found {described(offset)}; let the times of segments and words "
        "count from the start of the audio file and duration be that of the whole file, and remove offset"
    )
    raise BadEntry(RejectReason.OFFSET_NOT_ZERO, detail)


def checked_times(segments: list[Segment], field: str) -> tuple[list[float], list[float], list[float]]:
    """Starts, ends and durations of the segments, seconds.

    Args:
        segments: the segments.
        field: the field of the entry that holds them, for messages.

    Raises:
        BadEntry: a segment is no object, or its times are missing, no numbers, or in the wrong order.
    """
    try:
        starts = list(map(_START, segments))
        ends = list(map(_END, segments))
        durations = list(map(sub, ends, starts))
    except (KeyError, TypeError):
        raise _first_fault(segments, field, _time_fault) from None
    if not (NUMBER.issuperset(map(type, starts)) and NUMBER.issuperset(map(type, ends))):
        raise _first_fault(segments, field, _time_fault)
    if durations and min(durations) < 0:
        raise _first_fault(segments, field, _time_fault)
    return starts, ends, durations


def checked_speakers(segments: list[Segment], field: str) -> list[SpeakerLabel]:
    """The label of each segment; None where it has none, or an empty one.

    Args:
        segments: the segments.
        field: the field of the entry that holds them, for messages.

    Raises:
        BadEntry: a label is neither a string, an integer nor null.
    """
    speakers: list[SpeakerLabel] = [segment.get("speaker") for segment in segments]
    if not _SPEAKER.issuperset(map(type, speakers)):
        raise _first_fault(segments, field, _speaker_fault)
    return [None if speaker == "" else speaker for speaker in speakers] if "" in speakers else speakers


def checked_bandwidths(segments: list[Segment], field: str, default: float) -> list[float]:
    """The bandwidth of each segment, Hz; the least of its numbers where it has a list.

    Args:
        segments: the segments.
        field: the field of the entry that holds them, for messages.
        default: Hz, of a segment that has none.

    Raises:
        BadEntry: `metrics` is no object, or its bandwidth neither a number nor a list of numbers and nulls.
    """
    try:
        bandwidths: list[float] = list(map(_BANDWIDTH, map(_METRICS, segments)))
        if NUMBER.issuperset(map(type, bandwidths)):
            return bandwidths
    except (KeyError, TypeError):
        pass
    return [_bandwidth(field, index, segment, default) for index, segment in enumerate(segments)]


def _bandwidth(field: str, index: int, segment: Segment, default: float) -> float:
    metrics = segment.get("metrics")
    if metrics is None:
        return default
    if type(metrics) is not dict:
        detail = f"{field}[{index}].metrics: expected an object, found {described(metrics)}"
        raise BadEntry(RejectReason.METRICS_NOT_OBJECT, detail)
    bandwidth = metrics.get("bandwidth")
    if bandwidth is None:
        return default
    if type(bandwidth) in NUMBER:
        return bandwidth  # type: ignore[no-any-return]
    if type(bandwidth) is not list:
        raise _not_bandwidth(f"{field}[{index}].metrics.bandwidth", bandwidth)
    numbers = [value for value in bandwidth if value is not None]
    if not NUMBER.issuperset(map(type, numbers)):
        at, value = next((at, value) for at, value in enumerate(bandwidth) if type(value) not in _NUMBER_OR_NULL)
        raise _not_bandwidth(f"{field}[{index}].metrics.bandwidth[{at}]", value)
    return min(numbers, default=default)


def _not_bandwidth(place: str, found: object) -> BadEntry:
    return BadEntry(RejectReason.BANDWIDTH_NOT_NUMBER, f"{place}: expected a number of Hz, found {described(found)}")


def _first_fault(segments: list[Segment], field: str, fault_of: Callable[[str, Any], BadEntry | None]) -> BadEntry:
    for index, segment in enumerate(segments):
        fault = fault_of(f"{field}[{index}]", segment)
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
