"""The segments of a window as Lhotse's `SupervisionSegment`s.

The times of a supervision count from the start of its window. All its other fields are the same in every window that
contains the segment, so they are collected once: field by field over all segments, which is faster than segment by
segment.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from alm_beam.core.channels import Channel, Channels
from alm_beam.core.entry_fields import safe
from alm_beam.core.faults import Segment
from alm_beam.core.manifest import Recording, whole_segments
from alm_beam.core.stated_audio import DIGITS
from alm_beam.core.truncation import truncated
from alm_beam.core.window_columns import WindowColumns

_SCALE = 10.0**8
_WHOLE = 1.5 * 2.0**52
"""Adding and subtracting this rounds a float to the nearest whole number, in half the time that `round` takes.

This holds for numbers below 2**51, here for times below 260 days. The error of longer times is no greater than that of
the float itself.
"""

_CLOSE = 0.1 / _SCALE

_TIMES = frozenset({"start", "end"})

_SUPERVISION_KEYS = {"text": "text", "lang": "language", "language": "language", "gender": "gender"}
"""Fields of a segment that go to a field of the supervision if they are strings. The later of two counts."""


class Supervision(msgspec.Struct, gc=False):
    """A `SupervisionSegment`. Fields that are UNSET are not written. `start` (seconds) counts from the cut's start."""

    id: str
    recording_id: str
    channel: Channel
    language: str | UnsetType
    text: str | UnsetType
    gender: str | UnsetType
    speaker: str | UnsetType
    custom: dict[str, Any] | UnsetType
    start: float = 0.0
    duration: float = 0.0


def supervisions(
    recording: Recording, name: str, windows: WindowColumns, dropped: frozenset[str], channels: Channels
) -> Iterator[list[Supervision]]:
    """The supervisions of each window, without their times, one for each segment.

    All windows that contain a segment whole share one supervision of it. The id of a supervision consists of the id of
    its recording and the index of its segment, from 0.

    Args:
        recording: the recording.
        name: its id.
        windows: windows of the recording.
        dropped: fields of segments that are left out.
        channels: those of the recording.

    Raises:
        BadEntry: see `parsed_words`.
    """
    keeps_words = "words" not in dropped
    segments = whole_segments(recording) if keeps_words else recording.segments
    indices, places = _held(windows)
    held = [segments[index] for index in indices]
    whole_count = len(held)
    for stop, truncation in zip(windows.stops, windows.truncations):
        if truncation is not None:
            indices.append(stop - 1)
            held.append(truncated(segments[stop - 1], truncation, keeps_words=keeps_words))
    ids = [f"{name}-{index}" for index in indices]
    of_segments = channels.of_segments
    heard: Iterable[Channel] = repeat(0) if of_segments is None else [of_segments[index] for index in indices]
    fields = recording.segment_fields.union(*held[whole_count:])
    columns = _columns(recording, indices, held, fields, dropped | channels.segment_fields)
    each = list(map(Supervision, ids, repeat(name), heard, *columns))
    of_truncated = iter(each[whole_count:])
    for place, first, stop, truncation in zip(places, windows.firsts, windows.stops, windows.truncations):
        inside = each[place : place + stop - first]
        if truncation is not None:
            inside[-1] = next(of_truncated)
        yield inside


def rounded(value: float) -> float:
    """A time (seconds) or a share, rounded to 8 decimals.

    >>> rounded(2 / 3)
    0.66666667
    """
    return (value * _SCALE + _WHOLE - _WHOLE) / _SCALE


def rounded_exactly(value: float) -> float:
    """A time (seconds) as `round` rounds it to 8 decimals, in half the time.

    Where the nearest number of 8 decimals is close, `rounded` finds it, and the one division that it takes gives the
    same float as reading the decimals would. Else it may be one of two, and `round` tells which.

    >>> rounded_exactly(0.1 + 0.2)
    0.3
    """
    found = (value * _SCALE + _WHOLE - _WHOLE) / _SCALE
    return found if -_CLOSE < found - value < _CLOSE else round(value, DIGITS)


def set_times(
    inside: list[Supervision],
    starts: list[float],
    ends: list[float],
    begin: float,
    end: float,
    duration: float,
    step: float,
) -> bool:
    """Sets the times of supervisions in a cut, and says whether all of them are in it as a whole.

    They are limited to the cut. A segment that is in the cut as a whole lasts at least `step`. One of which the cut
    holds no more than `step` gets a duration of 0: the cut does not hold what was said. So segments in disorder, that
    overlap, or with negative times give supervisions that Lhotse accepts, or none.

    Args:
        inside: the supervisions.
        starts: the starts of their segments, seconds.
        ends: the ends of their segments, seconds.
        begin: the start of the cut, seconds.
        end: its end, seconds.
        duration: its duration, seconds, rounded.
        step: the minimum duration of a supervision, seconds.
    """
    latest, more = duration - step, step + 1 / _SCALE  # times are rounded
    are_whole = True
    for supervision, start, stop in zip(inside, starts, ends):
        offset = start - begin
        if offset > 0:
            offset = ((offset if offset < latest else latest) * _SCALE + _WHOLE - _WHOLE) / _SCALE
        else:
            if offset < 0:
                are_whole = False
            offset = 0.0
        until = stop - begin
        if until >= duration:
            if stop > end:
                are_whole = False
            until = duration
        supervision.start = offset
        left = until - offset
        if left > more:
            supervision.duration = (left * _SCALE + _WHOLE - _WHOLE) / _SCALE
        elif begin <= start and stop <= end:
            supervision.duration = step
        else:
            supervision.duration = 0.0
            are_whole = False
    return are_whole


def _held(windows: WindowColumns) -> tuple[list[int], list[int]]:
    """The ascending indices of the segments that are in any window, and the place among them of each window's first."""
    indices: list[int] = []
    places = []
    covered = 0
    for first, stop in zip(windows.firsts, windows.stops):
        if stop > covered:
            indices += range(max(first, covered), stop)
            covered = stop
        places.append(len(indices) - covered + first)
    return indices, places


def _columns(
    recording: Recording, indices: list[int], segments: list[Segment], fields: frozenset[str], dropped: frozenset[str]
) -> tuple[list[Any], ...]:
    """Language, text, gender, speaker and custom fields of supervisions, as columns; UNSET where there is no value.

    Args:
        recording: the recording of the segments.
        indices: indices of the segments.
        segments: the segments, whole or truncated.
        fields: all that any of them has, and perhaps others.
        dropped: fields that are left out.
    """
    absent: list[Any] = [UNSET] * len(segments)
    others = set(fields - dropped - _TIMES)
    own = {"language": [_language(recording.entry)] * len(segments), "text": absent, "gender": absent}
    for field, key in _SUPERVISION_KEYS.items():
        if field in others:
            values = [segment.get(field, UNSET) for segment in segments]
            if set(map(type, values)) == {str}:
                own[key] = values
                others.remove(field)
            else:
                own[key] = [value if type(value) is str else other for value, other in zip(values, own[key])]
    speakers = absent
    joint: dict[int, tuple[str, ...]] = {}
    if "speaker" in others:
        others.remove("speaker")
        labels = [recording.speakers[index] for index in indices]
        speakers = labels
        if set(map(type, labels)) != {str}:
            joint = {at: label for at, label in enumerate(labels) if isinstance(label, tuple)}
            speakers = [UNSET if label is None else str(label) for label in labels]
            for at in joint:
                speakers[at] = segments[at]["speaker"]  # as the manifest has it
    customs = _customs(segments, others) if others else absent
    for at, names in joint.items():
        own_fields = customs[at]
        customs[at] = {**({} if own_fields is UNSET else own_fields), "speakers": names}
    return own["language"], own["text"], own["gender"], speakers, customs


def _customs(segments: list[Segment], fields: set[str]) -> list[dict[str, Any] | UnsetType]:
    """The custom fields of each segment: the values that a supervision has no field for; UNSET if there is none."""
    if len(fields) == 1:  # which is usual: `metrics`, and quick
        [field] = fields
        values = [segment.get(field, UNSET) for segment in segments]
        if set(map(type, values)) == {dict}:
            return [  # `safe` is called for those alone that it may change
                {field: value if len(value) < 3 and "width" not in value and "array" not in value else safe(value)}
                for value in values
            ]
    customs: list[dict[str, Any]] = [{} for _ in segments]
    for field in sorted(fields):  # the order of a set differs between runs
        is_known = field in _SUPERVISION_KEYS
        for custom, segment in zip(customs, segments):
            if field in segment:
                value = segment[field]
                if type(value) is dict:
                    value = safe(value)
                elif is_known and type(value) is str:
                    continue
                custom[field] = value
    return [custom or UNSET for custom in customs]


def _language(entry: Mapping[str, Any]) -> str | UnsetType:
    """The language that an entry states; `lang` is NeMo's name for it."""
    for name in ("language", "lang"):
        if type(entry.get(name)) is str:
            return str(entry[name])
    return UNSET
