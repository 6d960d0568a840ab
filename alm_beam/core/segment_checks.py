"""The checks of an entry's offset and sample rate, and of its segments, as columns.

They look at whole columns, which is fast, and look for the segment at fault only when a column is refused. A segment
that is no object has no fields, so reading the first column finds that too.
"""

from collections.abc import Callable
from operator import itemgetter, sub
from typing import Any

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described

_SPEAKER = {str, int, type(None)}

_START = itemgetter("start")
_END = itemgetter("end")
_METRICS = itemgetter("metrics")
_BANDWIDTH = itemgetter("bandwidth")


def checked_sample_rate(entry: dict[str, Any]) -> float:
    """The sample rate of an entry, Hz.

    Raises:
        BadEntry: it is missing, or no number.
    """
    rate = entry.get("audio_sample_rate")
    if rate is None:
        raise BadEntry(RejectReason.SAMPLE_RATE_MISSING, "the entry has no audio_sample_rate (Hz)")
    if type(rate) not in NUMBER:
        detail = f"audio_sample_rate: expected a number of Hz, found {described(rate)}"
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


def checked_times(segments: list[Segment]) -> tuple[list[float], list[float], list[float]]:
    """Starts, ends and durations of the segments, seconds.

    Raises:
        BadEntry: a segment is no object, or its times are missing, no numbers, or in the wrong order.
    """
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


def checked_speakers(segments: list[Segment]) -> list[str | int | None]:
    """The label of each segment; None where it has none, or an empty one.

    Raises:
        BadEntry: a label is neither a string, an integer nor null.
    """
    speakers: list[str | int | None] = [segment.get("speaker") for segment in segments]
    if not _SPEAKER.issuperset(map(type, speakers)):
        raise _first_fault(segments, _speaker_fault)
    return [None if speaker == "" else speaker for speaker in speakers] if "" in speakers else speakers


def checked_bandwidths(segments: list[Segment]) -> list[float]:
    """The bandwidth of each segment, Hz; 0 where it has none.

    Raises:
        BadEntry: `metrics` is no object, or its bandwidth no number.
    """
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
